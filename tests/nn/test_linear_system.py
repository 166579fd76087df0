"""LSTMs that are linear systems: against scipy's simulation, and their error against its law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import cont2discrete, dlsim, tf2ss

import blocksim as bs
from blocksim.errors import ParameterError

A = np.array(
    [
        [0.91278901, 1, 0, 0],
        [-0.00208644, 0.91278901, -0.39453673, 2.55215088],
        [0, 0, 0.86020526, 1],
        [0, 0, -0.22083634, 0.86020526],
    ]
)
B = np.array([[0], [0.31036139], [0], [0.52005200]])
C = np.array([[0.29726932, 0.25348820, 0, 0]])
D = np.zeros((1, 1))
NOISE = np.random.default_rng(0).normal(size=(200, 51, 1))
CONSTRUCTIONS = ("output", "inverse")


def response(u, *system):
    return np.stack([dlsim((*system, 1), one)[1] for one in np.atleast_3d(u)])


TRUE = response(NOISE, A, B, C, D)


def errors(scale, construction="output", u=NOISE, true=TRUE, dtype=float):
    """The norm of what is missing in y, for each of the runs."""
    d = bs.nn.lstm_from_linear_system(A, B, C, D, scale, construction)
    return np.linalg.norm(bs.simulate(d, {"u": u}, dtype=dtype)["y"] - true, axis=(1, 2))


def random_system(rng, n, m, p):
    system = [rng.normal(size=shape) for shape in ((n, n), (n, m), (p, n), (p, m))]
    system[0] *= 0.8 / max(abs(np.linalg.eigvals(system[0])))
    return system


def test_the_system_is_that_of_the_study():
    poles = np.poly([-9 + 5j, -9 - 5j, -2 + 50j, -2 - 50j]).real
    *discrete, _ = cont2discrete(tf2ss([5e5, 2e6], poles), 0.01)
    impulse = np.eye(51)[:1, :, None]
    np.testing.assert_allclose(response(impulse, A, B, C, D), response(impulse, *discrete), atol=1e-5)
    assert (C @ np.linalg.solve(np.eye(4) - A, B)).item() == pytest.approx(7.5351136, rel=1e-6)
    radii = np.sort(abs(np.linalg.eigvals(A)))
    np.testing.assert_allclose(radii, [0.91393, 0.91393, 0.98020, 0.98020], atol=5e-6)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("scale", [1e-3, 1e-4, 1e-6, 1e-8])
def test_the_error_grows_with_the_square_of_the_scale(scale, construction):
    assert 1e5 <= errors(scale, construction).mean() / scale**2 <= 2e5


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_a_large_scale_leaves_the_law(construction):
    assert 4 < np.median(errors(1e-2, construction)) < 20


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_error_is_the_response_to_the_cubes(construction):
    """To first order: of tanh(tanh(z)) = z - (2/3) z^3 at each unit."""
    s = 1e-5
    d = bs.nn.lstm_from_linear_system(A, B, C, D, s, construction)
    parameters = d.parameters()
    R, W, F = parameters["lstm/g/R"]["K"], parameters["lstm/g/W"]["K"] / s, parameters["F"]["K"] * s
    for u, true in zip(NOISE[:5], TRUE, strict=False):
        h, missing, rows = np.zeros(len(R)), np.zeros(len(R)), []
        for sample in u:
            h = R @ h + W @ sample
            missing = R @ missing + 2 / 3 * h**3
            rows.append(-F @ missing)
        found = (bs.simulate(d, {"u": u})["y"] - true) / s**2
        np.testing.assert_allclose(found, rows, atol=2e-4 * abs(found).max())


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("scale", [1e-10, 1e-11, 1e-12])
def test_the_floor_in_float64(scale, construction):
    assert 1e-14 < np.median(errors(scale, construction)) < 1e-13


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("scale", [1e-8, 1e-10, 1e-12])
def test_the_floor_in_float32(scale, construction):
    assert 1e-5 < np.median(errors(scale, construction, dtype=np.float32)) < 4e-5


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_error_is_cubic_in_the_input(construction):
    one, three = (errors(1e-5, construction, k * NOISE, k * TRUE) for k in (1, 3))
    np.testing.assert_allclose(three / one, 27, rtol=1e-3)


def test_the_response_to_the_threefold_input_is_threefold():
    d = bs.nn.lstm_from_linear_system(A, B, C, D, 1e-6)
    one, three = (bs.simulate(d, {"u": k * NOISE[0]})["y"] for k in (1, 3))
    np.testing.assert_allclose(three, 3 * one, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1e-4, 1e-6])
def test_the_default_errs_a_tenth_less(scale):
    ratio = errors(scale) / errors(scale, "inverse")
    assert 0.87 < np.median(ratio) < 0.93
    assert np.all(ratio < 1)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_any_system_with_several_inputs_and_outputs(construction, n, m, p, seed):
    rng = np.random.default_rng(seed)
    system, u = random_system(rng, n, m, p), rng.normal(size=(30, m))
    if np.linalg.cond(system[0]) > 1e4:
        return
    d = bs.nn.lstm_from_linear_system(*system, 1e-7, construction)
    y = bs.simulate(d, {"u": u})["y"]
    expected = dlsim((*system, 1), u)[1]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-8 * max(1, abs(expected).max()))


@pytest.mark.parametrize(("n", "m", "p"), [(1, 1, 1), (3, 2, 2), (4, 1, 3)])
def test_a_singular_matrix(n, m, p):
    rng = np.random.default_rng(n)
    system, u = random_system(rng, n, m, p), rng.normal(size=(30, m))
    system[0][-1] = 0
    assert np.linalg.matrix_rank(system[0]) == n - 1
    y = bs.simulate(bs.nn.lstm_from_linear_system(*system, 1e-7), {"u": u})["y"]
    np.testing.assert_allclose(y, dlsim((*system, 1), u)[1], rtol=0, atol=1e-8)


def test_a_delay():
    shift = np.eye(5, k=-1)
    d = bs.nn.lstm_from_linear_system(shift, np.eye(5)[:, :1], np.eye(5)[-1:], [[0.5]], 1e-7)
    y = bs.simulate(d, {"u": NOISE[0]})["y"]
    u = NOISE[0]
    np.testing.assert_allclose(y, 0.5 * u + np.vstack([np.zeros((5, 1)), u[:-5]]), rtol=0, atol=1e-12)


def test_units_and_weights():
    known, better = (
        bs.nn.lstm_from_linear_system(A, B, C, D, 1e-3, k).parameters() for k in CONSTRUCTIONS[::-1]
    )
    np.testing.assert_array_equal(known["lstm/g/W"]["K"], 1e-3 * np.vstack([B, [[1]]]))
    np.testing.assert_array_equal(better["lstm/g/W"]["K"], 1e-3 * np.vstack([B, D]))
    np.testing.assert_array_equal(better["lstm/g/R"]["K"][4], [*C[0], 0])
    np.testing.assert_allclose(known["F"]["K"][:, :4] * 1e-3 @ A, C, atol=1e-12)
    np.testing.assert_allclose(known["F"]["K"][:, 4:] * 1e-3, -C @ np.linalg.solve(A, B), atol=1e-12)
    np.testing.assert_array_equal(better["F"]["K"], [[0, 0, 0, 0, 1e3]])
    for weights in (known, better):
        for gate, bias in (("i", 1), ("f", -1), ("g", 0), ("o", 1)):
            assert np.all(np.sign(weights[f"lstm/{gate}/b"]["value"]) == bias)
            assert len(weights[f"lstm/{gate}/b"]["value"]) == 5
        assert not weights["lstm/hidden_state"]["initial"].any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_larger_gate_bias_changes_nothing(dtype):
    d = bs.nn.lstm_from_linear_system(A, B, C, D)
    biases = {
        f"lstm/{gate}/b": {"value": np.full(5, sign * 100.0)}
        for gate, sign in (("i", 1), ("f", -1), ("o", 1))
    }
    y = [bs.simulate(d, {"u": NOISE[:5]}, params=params, dtype=dtype)["y"] for params in (None, biases)]
    np.testing.assert_allclose(*y, rtol=0, atol=50 * np.finfo(dtype).eps)


def test_gradients_are_finite_in_float32():
    import jax

    d = bs.nn.lstm_from_linear_system(A, B, C, D)
    f = bs.function(d)
    gradient = jax.grad(lambda p: (f(p, {"u": NOISE[0].astype("float32")})[0]["y"] ** 2).sum())(
        d.parameters()
    )
    assert all(np.isfinite(a).all() for fields in gradient.values() for a in fields.values())
    assert abs(gradient["lstm/g/R"]["K"]).max() > 0


# -- back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_read_back(construction):
    rng = np.random.default_rng(0)
    system = random_system(rng, 3, 2, 2)
    d = bs.nn.lstm_from_linear_system(*system, 1e-5, construction)
    u = rng.normal(size=(30, 2))
    for network in (d, d.parameters()):
        found = bs.nn.linear_system_from_lstm(network, 1e-5)
        assert [a.shape for a in found] == [(5, 5), (5, 2), (2, 5), (2, 2)]
        np.testing.assert_allclose(dlsim((*found, 1), u)[1], dlsim((*system, 1), u)[1], atol=1e-12)
        np.testing.assert_allclose(found[3], system[3], atol=1e-12)


def test_read_back_of_a_network_of_layers():
    d = bs.nn.lstm_from_linear_system(A, B, C, D).parameters()
    W, R, b = (
        np.concatenate([d[f"lstm/{gate}/{name}"][field] for gate in "ifgo"])
        for name, field in (("W", "K"), ("R", "K"), ("b", "value"))
    )
    layers = bs.nn.sequential([bs.nn.lstm(W, R, b, name="cell"), bs.nn.dense(d["F"]["K"], [0.0])])
    found = bs.nn.linear_system_from_lstm(layers)
    np.testing.assert_allclose(response(NOISE[:2], *found), TRUE[:2], atol=1e-10)
    whole = bs.nn.sequential([bs.nn.lstm(W, R, b), bs.nn.dense(d["F"]["K"], [0.0])], steps=9)
    np.testing.assert_array_equal(bs.nn.linear_system_from_lstm(whole)[0], found[0])


def test_as_many_units_as_states_leave_a_direct_term():
    """The known construction without units for the input: h is a step ahead, C A^-1 B u comes at once."""
    s, back = 1e-5, C @ np.linalg.inv(A)
    none, opened = np.zeros((4, 4)), np.full(4, 40.0)
    W = np.vstack([0 * B, 0 * B, s * B, 0 * B])
    b = np.concatenate([opened, -opened, 0 * opened, opened])
    cell = bs.nn.lstm(W, np.vstack([none, none, A, none]), b)
    d = bs.nn.sequential([cell, bs.nn.dense(back / s, [0.0])])
    direct = bs.nn.linear_system_from_lstm(d, s)[3]
    np.testing.assert_allclose(direct, back @ B, atol=1e-12)
    assert abs(direct).item() > 0.01
    y = bs.simulate(d, {"x": NOISE[0]})["y"]
    np.testing.assert_allclose(y - TRUE[0], NOISE[0] * direct, atol=1e-3)


class TestBadInput:
    def test_a_singular_matrix_and_the_known_construction(self):
        for singular in ([[1.0, 2.0], [2.0, 4.0]], [[1.0, 1.0], [1.0, 1.0 + 1e-15]], np.zeros((2, 2))):
            with pytest.raises(ParameterError, match=r"A.*with an inverse.*condition.*'output' needs none"):
                bs.nn.lstm_from_linear_system(
                    singular, np.ones((2, 1)), np.ones((1, 2)), [[0.0]], construction="inverse"
                )

    @pytest.mark.parametrize(
        ("name", "system"),
        [
            ("A", (A[:3], B, C, D)),
            ("A", (A.ravel(), B, C, D)),
            ("B", (A, B[:3], C, D)),
            ("B", (A, B.ravel(), C, D)),
            ("C", (A, B, C[:, :3], D)),
            ("D", (A, B, C, np.zeros((1, 2)))),
            ("D", (A, B, C, 0.0)),
            ("C", (A, B, [["a"] * 4], D)),
        ],
    )
    def test_shapes(self, name, system):
        with pytest.raises(ParameterError, match=rf"lstm_from_linear_system 'linear_system', {name}"):
            bs.nn.lstm_from_linear_system(*system)

    @pytest.mark.parametrize("which", range(4))
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, which, value):
        system = [A.copy(), B.copy(), C.copy(), D.copy()]
        system[which][0, 0] = value
        with pytest.raises(ParameterError, match=rf"{'ABCD'[which]}.*finite numbers, got (nan|inf)"):
            bs.nn.lstm_from_linear_system(*system)

    @pytest.mark.parametrize("scale", [0, 0.0, -1e-3, np.nan, np.inf, "1", None, True])
    def test_scales(self, scale):
        with pytest.raises(ParameterError, match=r"scale.*positive number"):
            bs.nn.lstm_from_linear_system(A, B, C, D, scale)
        with pytest.raises(ParameterError, match=r"scale.*positive number"):
            bs.nn.linear_system_from_lstm(bs.nn.lstm_from_linear_system(A, B, C, D), scale)

    def test_constructions(self):
        with pytest.raises(ParameterError, match=r"construction.*'output' or 'inverse'"):
            bs.nn.lstm_from_linear_system(A, B, C, D, construction="known")

    def test_networks_that_are_not_of_this_kind(self):
        cell = bs.nn.lstm(np.ones((8, 1)), np.ones((8, 2)), np.zeros(8))
        dense = bs.nn.dense(np.ones((1, 2)), [0.0])
        with pytest.raises(ParameterError, match=r"weights of one LSTM with an input, got 0"):
            bs.nn.linear_system_from_lstm(dense)
        with pytest.raises(ParameterError, match=r"one matrix that reads.*got 0"):
            bs.nn.linear_system_from_lstm(cell)
        with pytest.raises(ParameterError, match=r"gate i.*open, got a bias of 0.*linearize"):
            bs.nn.linear_system_from_lstm(bs.nn.sequential([cell, dense]))
        shut = bs.nn.lstm(np.ones((8, 1)), np.ones((8, 2)), np.full(8, 40.0))
        with pytest.raises(ParameterError, match=r"gate f.*shut, got a bias of 40"):
            bs.nn.linear_system_from_lstm(bs.nn.sequential([shut, dense]))
        with pytest.raises(ParameterError, match=r"a diagram, or its parameters"):
            bs.nn.linear_system_from_lstm(3)  # pyright: ignore
