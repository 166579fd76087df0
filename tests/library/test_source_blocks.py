import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import run_alone

from blocksim import library as lib

NUMBERS = st.floats(-10, 10)


def output(block, steps=20, dt=0.25, **options):
    y, result = run_alone(block, {}, steps=steps, dt=dt, **options)
    return y["y"], result.time


@given(array_shapes(min_dims=0, max_dims=3, max_side=3).flatmap(lambda s: arrays(float, s, elements=NUMBERS)))
def test_constant(value):
    np.testing.assert_array_equal(output(lib.Constant(value), 3)[0], np.stack([value] * 3))


@given(st.floats(0.001, 100))
def test_clock(dt):
    np.testing.assert_array_equal(output(lib.Clock(), 7, dt)[0], [k * dt for k in range(7)])


@given(st.floats(-1, 6), NUMBERS, NUMBERS)
def test_step(time, before, after):
    y, t = output(lib.Step(time, before, after))
    clear = abs(t - time) > 1e-5
    np.testing.assert_array_equal(y[clear], np.where(t < time, before, after)[clear])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(k=st.integers(0, 200), dt=st.integers(1, 999).map(lambda n: n / 1000))
def test_step_at_an_instant_that_was_rounded(k, dt, dtype):
    """100 * 0.29 is a little less than 29."""
    time = float(Fraction(str(dt)) * k)
    y, _ = output(lib.Step(time), 201, dt, dtype=dtype)
    assert y.argmax() == k


@given(NUMBERS, st.floats(0, 4), NUMBERS)
def test_ramp(slope, start, initial):
    y, t = output(lib.Ramp(slope, start, initial))
    expected = [initial + (slope * (now - start) if now > start else 0.0) for now in t]
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-13)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_sine(amplitude, frequency, phase, bias):
    y, t = output(lib.Sine(amplitude, frequency, phase, bias))
    expected = [amplitude * math.sin(frequency * now + phase) + bias for now in t]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(
    period=st.integers(1, 30), on=st.integers(0, 30), delay=st.integers(-10, 40),
    dt=st.sampled_from([0.1, 0.29, 0.001, 0.7, 1 / 3, 2.0]), amplitude=st.sampled_from([-3.0, 0.5]),
)  # fmt: skip
def test_pulse_counts_its_steps(period, on, delay, dt, amplitude, dtype):
    """Edges on multiples of dt fall where integers say, whatever the rounding of k * dt."""
    on = min(on, period)
    y, _ = output(lib.Pulse(amplitude, period * dt, on / period, delay * dt), 300, dt, dtype=dtype)
    expected = [amplitude if k >= delay and (k - delay) % period < on else 0.0 for k in range(300)]
    np.testing.assert_array_equal(y, expected)


@given(st.floats(0.3, 5), st.floats(0.05, 0.95), st.floats(0, 3))
def test_pulse_between_steps(period, width, delay):
    y, t = output(lib.Pulse(2.0, period, width, delay))
    phase = np.mod(t - delay, period)
    clear = np.minimum.reduce([abs(phase - edge) for edge in (0, width * period, period)]) > 1e-5
    expected = np.where((t > delay) & (phase < width * period), 2.0, 0.0)
    np.testing.assert_array_equal(y[clear], expected[clear])


@pytest.mark.parametrize("after", ["hold", "repeat", "zero"])
@given(data=st.data(), n=st.integers(1, 8))
def test_from_array(after, data, n):
    shape = data.draw(array_shapes(min_dims=0, max_dims=2, max_side=3))
    values = data.draw(arrays(float, (n, *shape), elements=NUMBERS))
    y, _ = output(lib.FromArray(values, after))
    for k in range(20):
        last = {"hold": values[-1], "repeat": values[k % n], "zero": np.zeros(shape)}[after]
        np.testing.assert_array_equal(y[k], values[k] if k < n else last)


@pytest.mark.parametrize("after", ["hold", "repeat", "zero"])
@pytest.mark.parametrize("values", [np.arange(1, 4, dtype=np.int16), np.array([True, True])])
def test_from_array_keeps_integers_and_booleans(values, after):
    y, _ = output(lib.FromArray(values, after))
    assert y.dtype == values.dtype


@st.composite
def tables(draw):
    n = draw(st.integers(2, 6))
    time = draw(st.floats(-1, 2)) + np.cumsum(draw(arrays(float, n, elements=st.floats(0.1, 2))))
    shape = draw(array_shapes(min_dims=0, max_dims=2, max_side=3))
    return time, draw(arrays(float, (n, *shape), elements=NUMBERS))


@given(tables())
def test_from_workspace(table):
    time, values = table
    y, t = output(lib.FromWorkspace(time, values))
    flat = values.reshape(len(time), -1)
    expected = np.stack([np.interp(t, time, column) for column in flat.T], axis=1).reshape(y.shape)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-11)


@given(tables())
def test_from_workspace_held(table):
    time, values = table
    y, t = output(lib.FromWorkspace(time, values, interpolate=False))
    for now, row in zip(t, y, strict=True):
        if np.abs(time - now).min() > 1e-5:
            np.testing.assert_array_equal(row, values[max(sum(time <= now) - 1, 0)])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("dt", [0.1, 0.29, 0.001, 0.7])
def test_a_table_sampled_at_dt_gives_its_rows(dt, dtype):
    time = [float(Fraction(str(dt)) * k) for k in range(200)]
    y, _ = output(lib.FromWorkspace(time, np.arange(200.0), interpolate=False), 200, dt, dtype=dtype)
    np.testing.assert_array_equal(y, np.arange(200))


def test_sources_of_several_elements():
    y, _ = output(lib.Step([0.25, 0.5], 0.0, [1.0, 2.0]), 4)
    np.testing.assert_array_equal(y, [[0, 0], [1, 0], [1, 2], [1, 2]])
    y, _ = output(lib.Ramp([1.0, 2.0]), 3, 1.0)
    np.testing.assert_array_equal(y, [[0, 0], [1, 2], [2, 4]])


def test_time_goes_on_in_a_resumed_run():
    whole, _ = output(lib.Sine())
    _, first = run_alone(lib.Sine(), {}, steps=7)
    rest, _ = output(lib.Sine(), 13, initial_state=first.final_state)
    np.testing.assert_array_equal(rest, whole[7:])
