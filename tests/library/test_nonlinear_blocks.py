import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import run_alone

from blocksim import library as lib

SIGNALS = array_shapes(min_dims=1, max_dims=4, max_side=3).flatmap(
    lambda s: arrays(float, s, elements=st.floats(-100, 100))
)
PAIRS = st.tuples(st.floats(-50, 50), st.floats(-50, 50)).map(sorted)


def output(block, u):
    return run_alone(block, {"u": u})[0]["y"]


@given(SIGNALS, PAIRS)
def test_saturation(u, limits):
    np.testing.assert_array_equal(output(lib.Saturation(*limits), u), np.clip(u, *limits))


@given(SIGNALS, PAIRS)
def test_dead_zone(u, zone):
    start, end = zone
    expected = np.select([u < start, u > end], [u - start, u - end], 0.0)
    np.testing.assert_array_equal(output(lib.DeadZone(start, end), u), expected)


def test_limits_of_each_element():
    u = np.array([[-3.0, 0.0, 3.0]])
    np.testing.assert_array_equal(output(lib.Saturation([-1.0, 1.0, 0.0], 2.0), u), [[-1.0, 1.0, 2.0]])
    np.testing.assert_array_equal(output(lib.DeadZone([-1.0, 1.0, 0.0], 2.0), u), [[-2.0, -1.0, 1.0]])


@given(SIGNALS, st.floats(0.01, 10))
def test_quantizer(u, interval):
    expected = np.vectorize(lambda v: interval * round(v / interval))(u)
    np.testing.assert_array_equal(output(lib.Quantizer(interval), u), expected)


@st.composite
def tables(draw):
    n = draw(st.integers(2, 6))
    steps = draw(arrays(float, n - 1, elements=st.floats(0.1, 10)))
    points = draw(st.floats(-20, 20)) + np.concatenate([[0.0], np.cumsum(steps)])
    return points, draw(arrays(float, n, elements=st.floats(-10, 10)))


@given(SIGNALS, tables())
def test_lookup_clips(u, table):
    np.testing.assert_allclose(output(lib.Lookup1D(*table), u), np.interp(u, *table), rtol=0, atol=1e-11)


@given(SIGNALS, tables())
def test_lookup_extrapolates(u, table):
    points, values = table

    def line(v):
        i = min(max(sum(p <= v for p in points) - 1, 0), len(points) - 2)
        slope = (values[i + 1] - values[i]) / (points[i + 1] - points[i])
        return values[i] + slope * (v - points[i])

    expected = np.vectorize(line)(u)
    y = output(lib.Lookup1D(points, values, "linear"), u)
    np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(table=tables())
def test_lookup_is_exact_at_the_breakpoints_and_between_equal_values(table, dtype):
    points, values = (a.astype(dtype) for a in table)
    y, _ = run_alone(lib.Lookup1D(points, values), {"u": points}, dtype=dtype)
    np.testing.assert_array_equal(y["y"], values)
    flat = np.full_like(values, 0.1)
    between = np.linspace(points[0], points[-1], 37)
    y, _ = run_alone(lib.Lookup1D(points, flat), {"u": between}, dtype=dtype)
    np.testing.assert_array_equal(y["y"], flat[0])


def test_lookup_of_a_jump_is_steep_not_wrong():
    block = lib.Lookup1D([0.0, 1.0, math.nextafter(1.0, 2.0), 2.0], [0.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(
        output(block, np.array([0.5, 1.0, math.nextafter(1.0, 2.0), 1.5])), [0, 0, 1, 1]
    )
