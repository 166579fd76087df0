"""State spaces against scipy, python-control's formulas and closed forms."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.signal

from blocksim.analysis import StateSpace
from blocksim.errors import AnalysisError, InputError


def random_model(rng, n, m, p, direct=True):
    A = rng.normal(size=(n, n))
    A *= 0.9 / abs(np.linalg.eigvals(A)).max()
    D = rng.normal(size=(p, m)) * direct
    return StateSpace(A, rng.normal(size=(n, m)), rng.normal(size=(p, n)), D, dt=0.1)


SIZES = [(1, 1, 1), (4, 1, 1), (5, 2, 3), (6, 3, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direct", [True, False])
def test_responses_are_scipys(size, direct):
    rng = np.random.default_rng(sum(size))
    model = random_model(rng, *size, direct)
    u, x0 = rng.normal(size=(30, size[1])), rng.normal(size=size[0])
    y, x = model.simulate(u, x0)
    _, expected, states = scipy.signal.dlsim(model.to_scipy(), u, x0=x0)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    np.testing.assert_allclose(x, states, atol=1e-12)
    assert np.array_equal(model.lsim(u, x0)[0], y)
    for name, peer in (("step_response", "dstep"), ("impulse_response", "dimpulse")):
        _, expected = getattr(scipy.signal, peer)(model.to_scipy(), n=20)
        np.testing.assert_allclose(getattr(model, name)(20), np.stack(expected, 2), atol=1e-12)
    system = model.to_scipy()
    assert (system.dt, system.A.shape) == (0.1, (size[0],) * 2)


@pytest.mark.parametrize("size", SIZES)
def test_frequency_response_is_scipys(size):
    model = random_model(np.random.default_rng(7), *size)
    omega, H = model.frequency_response()
    assert omega[-1] == pytest.approx(np.pi / 0.1)
    for i in range(size[2]):
        for j in range(size[1]):
            pair = scipy.signal.dlti(model.A, model.B[:, [j]], model.C[[i]], model.D[[i]][:, [j]], dt=0.1)
            _, expected = scipy.signal.dfreqresp(pair, omega * 0.1)
            np.testing.assert_allclose(H[:, i, j], expected, atol=1e-9)
    np.testing.assert_allclose(model.dcgain, model.frequency_response([0.0])[1][0].real, atol=1e-12)
    np.testing.assert_allclose(model.dcgain, model.step_response(600)[-1], atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_zeros_of_a_transfer_function_are_the_roots_of_its_numerator(seed):
    """With fewer zeros than poles, the others are at infinity, and are not listed."""
    rng = np.random.default_rng(seed)
    n, degree = 6, int(rng.integers(0, 7))
    zeros = rng.normal(size=degree)
    if degree > 1:
        zeros = np.append(zeros[2:], [0.3 + 0.4j, 0.3 - 0.4j])
    poles = 0.8 * rng.uniform(-1, 1, size=n)
    A, B, C, D = scipy.signal.zpk2ss(zeros, poles, 2.0)
    T = rng.normal(size=(n, n))
    model = StateSpace(np.linalg.solve(T, A @ T), np.linalg.solve(T, B), C @ T, D)
    assert len(model.zeros) == degree
    np.testing.assert_allclose(np.poly(model.zeros), np.poly(zeros), atol=1e-6)
    np.testing.assert_allclose(np.sort(model.poles.real), np.sort(poles), atol=1e-6)


def test_zeros_of_several_inputs_and_outputs_lose_rank():
    rng = np.random.default_rng(3)
    for size, count in (((5, 2, 2), 3), ((5, 2, 3), 0), ((5, 3, 2), 0)):
        model = random_model(rng, *size, direct=False)
        assert len(model.zeros) == count
        for z in model.zeros:
            pencil = np.block([[model.A - z * np.eye(5), model.B], [model.C, model.D]])
            s = np.linalg.svd(pencil, compute_uv=False)
            assert s[-1] < 1e-10 * s[0]
    assert random_model(rng, 4, 2, 2).zeros.shape == (4,)
    # two outputs that read the same subsystem share its zero
    shared = StateSpace(
        [[0.5, 1.0], [0.0, 0.2]], [[0.0], [1.0]], [[1.0, -0.5], [2.0, -1.0]], np.zeros((2, 1))
    )
    np.testing.assert_allclose(shared.zeros, [0.5 + 1.0 / 0.5], atol=1e-12)


def test_gains_at_poles_on_the_circle_are_infinite_only_where_they_are_seen():
    # two integrators in series, one more that no output reads, and one that no input drives
    A = np.eye(4)
    A[1, 0] = 1.0
    B = [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    C = [[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]
    model = StateSpace(A, B, C, [[0.0, 3.0], [4.0, 5.0]])
    assert model.dcgain.tolist() == [[np.inf, 3.0], [4.0, 5.0]]
    mixed = StateSpace([[1.0, 0.2], [0.0, 0.5]], [[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.4]], np.zeros((2, 1)))
    np.testing.assert_allclose(mixed.dcgain, [[2.0], [np.inf]])
    np.testing.assert_allclose(StateSpace(mixed.A, mixed.B, [[1.0, 0.4]], [[0.0]]).dcgain, [[np.inf]])
    hidden = StateSpace([[1.0, 0.2], [0.0, 0.5]], [[-0.4], [1.0]], [[1.0, 0.0]], [[0.0]])
    np.testing.assert_allclose(hidden.dcgain, [[-0.8]])  # -0.4 / (z - 0.5): the pole at 1 is not driven
    assert np.isinf(mixed.frequency_response([0.0])[1][0, 1, 0])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_integrators_in_any_coordinates_are_integrators(order, seed):
    """Rounding spreads a chain's poles by 1e-5; beside it a lag of gain 2 that it must not touch."""
    A = np.diag([*np.ones(order), 0.5, -0.3])
    A[range(order - 1), range(1, order)] = 1.0
    B, C = np.zeros((order + 2, 1)), np.zeros((2, order + 2))
    B[[order - 1, order]], C[0, 0], C[1, order] = 1.0, 1.0, 1.0
    T = np.random.default_rng(seed).normal(size=A.shape)
    model = StateSpace(T @ A @ np.linalg.inv(T), T @ B, C @ np.linalg.inv(T), np.zeros((2, 1)))
    assert model.dcgain[0, 0] == np.inf
    np.testing.assert_allclose(model.dcgain[1, 0], 2.0, rtol=1e-9)


def test_poles_that_only_seem_to_be_at_a_point_have_finite_gains():
    for poles in ([1 - 1e-5, 1 + 1e-5], [1 - 2e-4] * 3 + [1 - 1e-4]):
        A = np.diag(poles)
        gains = StateSpace(A, np.ones((len(A), 1)), np.eye(len(A)), np.zeros((len(A), 1))).dcgain
        np.testing.assert_allclose(gains[:, 0], 1 / (1 - np.array(poles)), rtol=1e-9)
    brief = StateSpace([[1.0]], [[1e-9]], [[1.0]], [[0.5]], dt=1e-9)  # an integrator of tiny steps
    assert brief.dcgain.item() == np.inf
    turning = StateSpace([[0.0, -1.0], [1.0, 0.0]], [[1.0], [0.0]], [[1.0, 0.0]], [[0.0]])
    H = turning.frequency_response([np.pi / 2, np.pi / 4])[1][:, 0, 0]
    z = np.exp(1j * np.pi / 4)
    assert np.isinf(H[0])
    np.testing.assert_allclose(H[1], z / (z**2 + 1), rtol=1e-12)


def test_control_gives_the_same_or_how_to_get_it(monkeypatch):
    model = random_model(np.random.default_rng(1), 4, 2, 2)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "control", None)
        with pytest.raises(InputError, match=r"python-control to be.*pip install 'blocksim\[control\]'"):
            model.to_control()
    control = pytest.importorskip("control")
    same = model.to_control()
    _, y = control.step_response(same, T=0.1 * np.arange(12))
    np.testing.assert_allclose(np.moveaxis(y, -1, 0), model.step_response(12), atol=1e-12)
    named = StateSpace(ONE, ONE, ONE, ONE, 0.5, ["a.b/z"], ["u.v[0]"], ["y"]).to_control()
    assert (named.state_labels, named.input_labels, named.output_labels) == (["a_b/z"], ["u_v[0]"], ["y"])
    with pytest.raises(InputError, match="a system with inputs and outputs, got <StateSpace: 1 state, 0 inp"):
        StateSpace(ONE, np.zeros((1, 0)), ONE, np.zeros((1, 0))).to_control()
    assert (same.dt, same.nstates) == (0.1, 4)
    np.testing.assert_allclose(same.dcgain(), model.dcgain, atol=1e-12)
    np.testing.assert_allclose(np.sort_complex(same.poles()), np.sort_complex(model.poles), atol=1e-9)
    np.testing.assert_allclose(np.sort_complex(same.zeros()), np.sort_complex(model.zeros), atol=1e-8)
    omega, H = model.frequency_response()
    np.testing.assert_allclose(np.moveaxis(same(np.exp(1j * omega * 0.1)), -1, 0), H, atol=1e-9)


def test_the_sizes_may_be_zero():
    still = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]])
    assert still.stable
    assert (still.poles.size, still.zeros.size, still.dcgain.item()) == (0, 0, 2.0)
    alone = StateSpace([[0.5]], np.zeros((1, 0)), np.zeros((0, 1)), np.zeros((0, 0)))
    assert alone.dcgain.shape == alone.D.shape
    assert alone.step_response(3).shape == (3, 0, 0)
    assert alone.simulate(np.zeros((3, 0)), [8.0])[1][:, 0].tolist() == [8.0, 4.0, 2.0]
    assert alone.zeros.tolist() == [0.5]


ONE = np.eye(1)


@pytest.mark.parametrize(
    ("make", "kind", "fragment"),
    [
        (lambda: StateSpace(np.ones((2, 3)), ONE, ONE, ONE), InputError, r"A .*a real matrix \(n, n\)"),
        (lambda: StateSpace(ONE, np.ones((2, 1)), ONE, ONE), InputError, r"B .*a real matrix \(1, m\)"),
        (lambda: StateSpace(ONE, ONE, ONE, np.ones((1, 2))), InputError, r"D .*a real matrix \(1, 1\)"),
        (lambda: StateSpace(ONE, ONE, ONE, "x"), InputError, "D .*a real matrix"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE, states=("a", "b")), InputError, "states .*1 names, got 2"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE, dt=-1.0), InputError, "dt .*a positive number"),
        (lambda: StateSpace(ONE, ONE * np.nan, ONE, ONE), AnalysisError, r"derivative of x\[0\] in u\[0\]"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE).step_response(0), InputError, "steps .*at least 1"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE).simulate(np.ones((3, 2))), InputError, r"u .*\(T, 1\)"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE).simulate([1.0], [1.0, 2.0]), InputError, r"x0 .*\(1,\)"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE).simulate([np.nan]), InputError, "u .*finite"),
        (lambda: StateSpace(ONE, ONE, ONE, ONE).frequency_response(1.0), InputError, "omega .*a vector"),
    ],
)
def test_what_is_wrong_is_said(make, kind, fragment):
    with pytest.raises(kind, match=fragment):
        make()


def test_it_is_frozen():
    model = StateSpace(ONE, ONE, ONE, ONE)
    with pytest.raises(ValueError, match="read-only"):
        model.A[0, 0] = 2.0
    with pytest.raises(AttributeError):
        model.dt = 2.0  # pyright: ignore
