import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import run_alone

import blocksim as bs
from blocksim import library as lib

NUMBERS = st.floats(-10, 10)


def output(block, u, **options):
    return run_alone(block, {"u": u}, **options)[0]["y"]


@st.composite
def sequences(draw, elements=NUMBERS):
    """(initial of a shape, rows of that shape)."""
    shape = draw(array_shapes(min_dims=0, max_dims=3, max_side=3))
    steps = draw(st.integers(1, 9))
    return draw(arrays(float, shape, elements=elements)), draw(
        arrays(float, (steps, *shape), elements=elements)
    )


@given(sequences(), st.integers(1, 12))
def test_delay(sequence, n):
    initial, u = sequence
    expected = np.concatenate([np.broadcast_to(initial, (n, *initial.shape)), u])[: len(u)]
    np.testing.assert_array_equal(output(lib.Delay(initial, n), u), expected)


@given(sequences())
def test_unit_delay_is_a_delay_of_one(sequence):
    initial, u = sequence
    np.testing.assert_array_equal(output(lib.UnitDelay(initial), u), output(lib.Delay(initial, 1), u))


@pytest.mark.parametrize("value", [np.arange(3), np.array([True, False]), np.uint8(7)])
def test_delays_keep_integers_and_booleans(value):
    u = np.stack([value + 1 if value.dtype.kind != "b" else ~value] * 3).astype(value.dtype)
    for block in (lib.UnitDelay(value), lib.Delay(value, 1)):
        y = output(block, u)
        assert y.dtype == value.dtype
        np.testing.assert_array_equal(y, np.concatenate([value[None], u[:-1]]))


@pytest.mark.parametrize("method", ["forward", "backward", "trapezoidal"])
@given(sequence=sequences(), gain=NUMBERS, dt=st.floats(0.01, 2))
def test_integrator(method, sequence, gain, dt):
    """Against sums over all inputs so far, by each method's rule of quadrature."""
    initial, u = sequence
    before = np.cumsum(u, axis=0) - u
    area = {"forward": before, "backward": before + u, "trapezoidal": before + u / 2}[method]
    y = output(lib.DiscreteIntegrator(initial, gain, method), u, dt=dt)
    np.testing.assert_allclose(y, initial + gain * dt * area, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("method", ["forward", "backward", "trapezoidal"])
def test_integrator_against_its_transfer_function(method):
    """dt/(z-1), dt z/(z-1) and dt/2 (z+1)/(z-1)."""
    u, dt = np.random.default_rng(0).normal(size=50), 0.3
    numerator = {"forward": [0, dt], "backward": [dt, 0], "trapezoidal": [dt / 2, dt / 2]}[method]
    expected = scipy.signal.lfilter(numerator, [1, -1], u)
    np.testing.assert_allclose(
        output(lib.DiscreteIntegrator(0.0, method=method), u, dt=dt), expected, atol=1e-13
    )


def test_integrator_gain_of_each_element():
    y = output(lib.DiscreteIntegrator([0.0, 1.0], [1.0, 2.0]), np.ones((3, 2)), dt=0.5)
    np.testing.assert_array_equal(y, [[0, 1], [0.5, 2], [1, 3]])


LOOPS = [
    (lib.DiscreteIntegrator(1.0), True),
    (lib.DiscreteIntegrator(1.0, method="backward"), False),
    (lib.DiscreteIntegrator(1.0, method="trapezoidal"), False),
    (lib.DiscreteTransferFcn([1.0], [1.0, -0.5]), True),
    (lib.DiscreteTransferFcn([0.0, 1.0], [1.0, -0.5]), True),
    (lib.DiscreteTransferFcn([1.0, 0.0], [1.0, -0.5]), False),
    (lib.DiscreteStateSpace([[0.5]], [[1.0]], [[1.0]]), True),
    (lib.DiscreteStateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), False),
    (lib.Delay(0.0, 3), True),
    (lib.DiscreteFIR([0.0, 1.0]), False),
]


@pytest.mark.parametrize(("block", "legal"), LOOPS, ids=repr)
def test_a_loop_is_legal_without_feedthrough_only(block, legal):
    d = bs.Diagram()
    node = d.add("block", block)
    d.connect(d.add("back", bs.library.Gain(-0.5), node), node)
    if legal:
        bs.compile(d)
    else:
        with pytest.raises(bs.errors.AlgebraicLoopError, match="block"):
            bs.compile(d)


def test_an_integrator_in_a_loop_decays():
    d = bs.Diagram()
    x = d.add("x", lib.DiscreteIntegrator(1.0))
    d.connect(d.add("rate", lib.Gain(-2.0), x), x)
    d.output("x", x)
    np.testing.assert_allclose(bs.simulate(d, steps=8, dt=0.1)["x"], 0.8 ** np.arange(8), rtol=1e-14)


@st.composite
def filters(draw):
    """(numerator, denominator) with poles inside the unit circle, the first coefficient not 1."""
    poles = draw(arrays(float, st.integers(1, 4), elements=st.floats(-0.9, 0.9)))
    numerator = draw(arrays(float, st.integers(1, len(poles) + 1), elements=st.floats(-3, 3)))
    return numerator, draw(st.sampled_from([1.0, 2.0, -0.5])) * np.poly(poles)


@given(filters(), arrays(float, 30, elements=NUMBERS))
def test_transfer_function(filter, u):
    b, a = filter
    padded = np.concatenate([np.zeros(len(a) - len(b)), b])
    y = output(lib.DiscreteTransferFcn(b, a), u)
    np.testing.assert_allclose(y, scipy.signal.lfilter(padded, a, u), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("b", [[1.0, 0.3], [0.5, 1.0, 0.3], [2.0]])
def test_transfer_function_against_dlsim(b):
    a, u = [2.0, -0.8, 0.3], np.random.default_rng(0).normal(size=40)
    _, expected = scipy.signal.dlsim(scipy.signal.dlti(b, a, dt=1.0), u)[:2]
    np.testing.assert_allclose(
        output(lib.DiscreteTransferFcn(b, a), u), expected[:, 0], rtol=1e-12, atol=1e-13
    )


def test_initial_state_of_a_transfer_function():
    """x holds w = u / denominator of the steps before: it goes on where a longer run was."""
    b, a, u = [1.0, 0.5, 0.2], [1.0, -0.6, 0.4], np.random.default_rng(0).normal(size=20)
    w = scipy.signal.lfilter([1.0], a, u)
    y = output(lib.DiscreteTransferFcn(b, a, [w[9], w[8]]), u[10:])
    np.testing.assert_allclose(y, scipy.signal.lfilter(b, a, u)[10:], rtol=1e-12)


@pytest.mark.parametrize("direct", [True, False])
@given(data=st.data(), n=st.integers(1, 4), m=st.integers(1, 3), p=st.integers(1, 3))
def test_state_space(direct, data, n, m, p):
    def draw(*shape):
        return data.draw(arrays(float, shape, elements=st.floats(-1, 1)))

    A, B, C, x0, u = draw(n, n), draw(n, m), draw(p, n), draw(n), draw(10, m)
    D = draw(p, m) if direct else None
    system = scipy.signal.dlti(A, B, C, np.zeros((p, m)) if D is None else D, dt=1.0)
    _, expected, _ = scipy.signal.dlsim(system, u, x0=x0)
    y = output(lib.DiscreteStateSpace(A, B, C, D, x0), u)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(expected).max()))


def test_parameters_of_the_variants_are_those_they_use():
    strict = lib.DiscreteStateSpace([[0.5]], [[1.0]], [[1.0]])
    assert list(strict.parameters()) == ["A", "B", "C", "initial"]
    direct = lib.DiscreteStateSpace([[0.5]], [[1.0]], [[1.0]], [[2.0]])
    assert list(direct.parameters()) == ["A", "B", "C", "D", "initial"]
    assert isinstance(direct, lib.DiscreteStateSpace)
    u = np.ones((3, 1))
    doubled = output(direct, u, params={"block": {"D": [[4.0]]}})
    np.testing.assert_array_equal(doubled - output(direct, u), 2.0)


@given(sequences(), arrays(float, st.integers(1, 5), elements=NUMBERS))
def test_fir(sequence, b):
    initial, u = sequence
    n = len(b) - 1
    past = np.concatenate([np.broadcast_to(initial, (n, *initial.shape)), u])
    expected = scipy.signal.lfilter(b, [1.0], past, axis=0)[n:]
    np.testing.assert_allclose(output(lib.DiscreteFIR(b, initial), u), expected, rtol=1e-12, atol=1e-11)
