"""Equilibria against autodiff, differences, long simulations and each other."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import blocksim as bs
from blocksim.analysis import homotopy
from blocksim.analysis.equilibria import equilibria
from blocksim.analysis.equilibrium import equilibrium
from blocksim.analysis.lstm_form import LstmForm, find_lstm
from blocksim.analysis.path import Control, follow
from blocksim.analysis.system import System
from blocksim.errors import AnalysisError, InputError, ParameterError
from blocksim.library import Constant, Gain, Saturation, Sine, Sum, Tanh, UnitDelay


def weights(n, gain=1.0, seed=0, *, candidate=1.0, forget=0.0):
    """R = gain N(0, 1)/sqrt(n) and b = .5 N(0, 1), the candidate's scaled, the forget gate's moved."""
    rng = np.random.default_rng(seed)
    R, b = gain * rng.normal(size=(4 * n, n)) / np.sqrt(n), 0.5 * rng.normal(size=4 * n)
    b[2 * n : 3 * n] *= candidate
    b[n : 2 * n] += forget
    return R, b


def network(n, gain=1.0, seed=0, **options):
    R, b = weights(n, gain, seed, **options)
    return bs.nn.lstm(np.zeros((4 * n, 1)), R, b)


def form_of(n, gain=1.0, seed=0, **options):
    R, b = weights(n, gain, seed, **options)
    return LstmForm(R.reshape(4, n, n), b.reshape(4, n))


def one_unit(b_g):
    return bs.nn.lstm(np.zeros((4, 1)), [[0.0], [0.0], [3.0], [0.0]], [2.0, 2.0, b_g, 2.0])


def published(form, q):
    """H = x - F(x) - t x_c as it was published: x = [c; h - q_c], x_c = [0; -q_c]."""
    b = form.b + form.W @ q
    b[2] = 0.0
    moved, towards = LstmForm(form.W, b), np.concatenate([np.zeros(form.n), -q])

    def family(x, t):
        return x - moved.step(x) - t * towards, np.eye(2 * form.n) - moved.jacobian(x), -towards

    return family


def run(R, b, x, steps):
    """The LSTM's states after that many steps, by the vectorized reference."""
    n = len(x[0])
    h, c = bs.nn.reference.lstm(np.zeros((steps, 1)), np.zeros((4 * n, 1)), R, b, *x)
    return h, c


# -- closed forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 32])
def test_the_map_and_its_jacobian_are_those_of_the_diagram(n):
    rng = np.random.default_rng(n)
    W = rng.normal(size=(4 * n, 3))
    R, b = weights(n, 2.0, n)
    system = System(bs.nn.lstm(W, R, b), {"x": [1.0, -2.0, 0.5]})
    found = find_lstm(system)
    assert found is not None
    x = rng.normal(size=2 * n)
    state = system.pack({found.cell: x[:n], found.hidden: x[n:]})
    order = system.pack({found.cell: np.arange(n), found.hidden: n + np.arange(n)}).astype(int)
    np.testing.assert_allclose(found.form.step(x)[order], system.step(state), rtol=0, atol=1e-12)
    J = found.form.jacobian(x)[np.ix_(order, order)]
    np.testing.assert_allclose(J, system.jacobian(state), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 8, 32])
def test_homotopies_have_the_derivatives_that_differences_give(n):
    form, rng = form_of(n, 1.5, n), np.random.default_rng(1)
    q = homotopy.shift(form).q
    families = {
        "fixed point": (homotopy.fixed_point(form.reduced, rng.normal(size=n)), n),
        "global Newton": (homotopy.global_newton(form.reduced, rng.normal(size=n)), n),
        "bias": (homotopy.bias(form, q / max(1, np.max(np.abs(q)))), n),
        "published": (published(form, q / max(1, np.max(np.abs(q)))), 2 * n),
    }
    for name, (family, size) in families.items():
        x, t, d = rng.normal(size=size), 0.4, 1e-5
        _, by_x, by_t = family(x, t)
        steps = d * np.eye(size)
        differences = [(family(x + e, t)[0] - family(x - e, t)[0]) / (2 * d) for e in steps]
        np.testing.assert_allclose(by_x, np.transpose(differences), rtol=0, atol=1e-7, err_msg=name)
        difference = (family(x, t + d)[0] - family(x, t - d)[0]) / (2 * d)
        np.testing.assert_allclose(by_t, difference, rtol=0, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("n", [1, 8, 128])
def test_the_determinants_of_the_map_and_of_its_reduction_agree(n):
    form = form_of(n, 1.5, 3)
    h = follow(homotopy.fixed_point(form.reduced, np.zeros(n)), np.zeros(n)).x
    f = form.gates(h)[1]
    sign, log = np.linalg.slogdet(np.eye(2 * n) - form.jacobian(form.lift(h)))
    reduced_sign, reduced_log = np.linalg.slogdet(np.eye(n) - form.reduced(h)[1])
    assert sign == reduced_sign
    assert log == pytest.approx(np.sum(np.log1p(-f)) + reduced_log, abs=1e-10)


def test_the_published_and_the_reduced_family_are_the_same_path():
    form = form_of(8, 1.0, 0, candidate=0.03)
    q = homotopy.shift(form).q
    full = follow(published(form, q), np.zeros(16))
    reduced = follow(homotopy.bias(form, q), np.zeros(8))
    assert full.status == reduced.status == "ok"
    np.testing.assert_allclose(full.x[8:] + q, reduced.x, rtol=0, atol=1e-12)


# -- what arrives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, 32, 128])
@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_the_fixed_point_homotopy_arrives(n, gain):
    for seed in range(5):
        found = equilibrium(network(n, gain, seed), method="fixed-point", seed=seed)
        assert found.status == "ok", found.reason
        assert found.residual <= 1e-12
        assert found.path is not None
        assert found.path.steps <= 100


def test_the_sign_of_the_determinant_keeps_a_path_from_jumping():
    """n = 128, gain 2, b_f + 1, seed 3: b_i, b_f, b_g, b_o, then W_i, W_f, W_g, W_o, then a are drawn."""
    n, rng = 128, np.random.default_rng(3)
    b = 0.5 * rng.normal(size=(4, n))
    b[1] += 1
    form = LstmForm(2 * rng.normal(size=(4, n, n)) / np.sqrt(n), b)
    a = rng.uniform(-0.1, 0.1, n)
    family = homotopy.fixed_point(form.reduced, a)
    bold = Control(first=0.2, max_steps=100)
    unguarded = follow(family, a, control=replace(bold, crossing=np.inf))
    # at t = 0 there is a alone: a path that is there again has jumped to its own beginning
    assert (unguarded.status, len(unguarded.branch_points)) == ("max steps", 1)
    assert min(p.t for p in unguarded.points) < 0
    path = follow(family, a, control=bold)
    assert path.status == "ok"
    assert np.max(np.abs(form.reduced(path.x)[0] - path.x)) <= 1e-12
    assert len({p.sign for p in path.points}) == 1
    fine = follow(family, a, control=Control(most=0.02, tolerance=1e-10))
    np.testing.assert_allclose(path.x, fine.x, rtol=0, atol=1e-12)

    layer = bs.nn.lstm(np.zeros((4 * n, 1)), form.W.reshape(4 * n, n), form.b.ravel())
    for method in ("fixed-point", "auto"):
        found = equilibrium(layer, method=method)
        assert found.status == "ok", found.reason
        assert found.residual <= 1e-12
        assert found.path.steps <= 100  # pyright: ignore


@pytest.mark.parametrize("n", [8, 32, 128])
@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0, 4.0])
def test_auto_finds_one_every_time(n, gain):
    for seed in range(3):
        found = equilibrium(network(n, gain, seed))
        assert found.status == "ok", found.reason
        assert found.residual <= 1e-12
        assert found.index in (-1, 1)
        # of 128 units each takes a quarter of a millisecond: together less than a fifth of a second
        assert found.path is None or found.path.evaluations <= 600


@pytest.mark.parametrize("n", [8, 32, 128])
def test_the_published_homotopy_arrives_for_small_candidate_biases(n):
    layer = network(n, 1.0, 0, candidate=0.03)
    found = equilibrium(layer, method="paper")
    assert found.status == "ok", found.reason
    assert found.path is not None
    assert found.path.steps <= 10
    integrated = equilibrium(layer, method="paper-ode")
    assert integrated.status == "ok", integrated.reason
    np.testing.assert_allclose(integrated.vector, found.vector, rtol=0, atol=1e-9)


def test_the_published_homotopy_warns_where_its_shift_is_large():
    with pytest.warns(UserWarning, match="safe below 3"):
        found = equilibrium(network(128, 1.0, 0), method="paper")
    assert found.status != "ok"
    assert found.state is None


def test_the_published_homotopy_says_that_a_candidate_is_singular():
    R, b = weights(4)
    R[8:12] = np.outer(np.arange(4.0), np.ones(4))
    layer = bs.nn.lstm(np.zeros((16, 1)), R, b)
    for method in ("paper", "paper-ode"):
        found = equilibrium(layer, method=method)
        assert (found.status, found.vector) == ("singular", None)
        assert "singular" in found.reason
    assert equilibrium(layer).status == "ok"


def test_all_methods_agree_where_there_is_one_equilibrium():
    layer = network(16, 0.5, 1, candidate=0.1)
    ends = [
        equilibrium(layer, method=m)
        for m in ("auto", "fixed-point", "paper", "paper-ode", "newton", "simulate")
    ]
    for found in ends:
        assert found.status == "ok", found.reason
        np.testing.assert_allclose(found.vector, ends[0].vector, rtol=0, atol=1e-10)


# -- one unit --------------------------------------------------------------------------------------


def test_a_path_in_the_wrong_direction_leaves_after_one_fold():
    form = LstmForm(np.array([0.0, 0, 3, 0]).reshape(4, 1, 1), np.array([2.0, 2, 3.5, 2]).reshape(4, 1))
    family = homotopy.bias(form, homotopy.shift(form).q)
    wrong = follow(family, np.zeros(1), direction=1)
    assert (wrong.status, len(wrong.folds)) == ("left", 1)
    assert max(p.t for p in wrong.points) == pytest.approx(0.65, abs=0.02)
    right = follow(family, np.zeros(1))
    assert (right.status, right.direction) == ("ok", -1)
    assert right.x.item() == pytest.approx(0.880796, abs=1e-6)


@pytest.mark.parametrize("method", ["auto", "fixed-point", "paper", "simulate"])
def test_one_unit_has_the_known_equilibrium(method):
    found = equilibrium(one_unit(3.5), method=method)
    assert found.status == "ok"
    assert found.state is not None
    assert found.state["hidden_state"].item() == pytest.approx(0.880796, abs=1e-6)
    assert found.index == 1
    assert found.stable


def test_one_unit_has_three_equilibria_whose_indices_sum_to_one():
    found = equilibria(one_unit(0.3))
    hidden = sorted(p.state["hidden_state"].item() for p in found)  # pyright: ignore
    np.testing.assert_allclose(hidden, [-0.8808, -0.1054, 0.8808], atol=1e-4)
    assert (found.index_sum, found.missing, len(found)) == (1, False, 3)
    assert sorted(p.index for p in found) == [-1, 1, 1]  # pyright: ignore
    assert [p.stable for p in found] == [True, True, False]


def test_the_index_proves_that_an_equilibrium_is_missing():
    found = equilibria(
        one_unit(0.3), starts=1, spread=1e-9, start={"hidden_state": [0.0], "cell_state": [0.0]}
    )
    assert found.missing is (found.index_sum != 1)
    assert "indices sum to" in found.reason


def test_many_equilibria_are_each_found_once():
    layer = network(8, 4.0, 1)
    found = equilibria(layer, starts=40)
    vectors = np.array([p.vector for p in found])
    apart = np.max(np.abs(vectors[:, None] - vectors[None]), axis=-1)
    assert np.min(apart + np.eye(len(found))) > 1e-6
    assert all(p.status == "ok" and p.residual <= 1e-9 for p in found)
    assert found.missing == (found.index_sum != 1)


# -- against simulation ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, 32])
@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_a_stable_equilibrium_is_where_a_long_simulation_goes(n, gain):
    R, b = weights(n, gain, 4)
    found = equilibrium(bs.nn.lstm(np.zeros((4 * n, 1)), R, b))
    assert found.stable
    assert found.state is not None
    h, c = run(R, b, (np.zeros(n), np.zeros(n)), 3000)
    np.testing.assert_allclose(found.state["hidden_state"], h[-1], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.state["cell_state"], c[-1], rtol=0, atol=1e-8)


def test_perturbations_grow_as_the_spectral_radius_says():
    n = 32
    for seed in range(3):
        R, b = weights(n, 1.0, seed)
        found = equilibrium(bs.nn.lstm(np.zeros((4 * n, 1)), R, b))
        assert found.state is not None
        h0, c0 = found.state["hidden_state"], found.state["cell_state"]
        d = 1e-4 * np.random.default_rng(seed).normal(size=n)
        h, c = run(R, b, (h0 + d, c0), 400)
        size = np.sqrt(np.sum((h - h0) ** 2 + (c - c0) ** 2, axis=1))
        kept = np.flatnonzero((size < 1e-6) & (size > 1e-12))
        rate = np.exp(np.polyfit(kept, np.log(size[kept]), 1)[0])
        assert rate == pytest.approx(found.spectral_radius, rel=0.01)


# -- other diagrams --------------------------------------------------------------------------------


def neuron(gain=0.5):
    d = bs.Diagram("neuron")
    u, z = d.input("u", shape=()), d.add("z", UnitDelay(0.0))
    d.connect(d.add("y", Tanh(), d.add("sum", Sum(), d.add("w", Gain(gain), z), u)), z)
    d.output("rate", z)
    return d


@pytest.mark.parametrize("method", ["auto", "fixed-point", "newton", "simulate"])
def test_any_discrete_diagram_has_its_equilibrium(method):
    from scipy.optimize import brentq

    found = equilibrium(neuron(), {"u": 0.7}, method)
    exact = brentq(lambda x: np.tanh(0.5 * x + 0.7) - x, -1, 1, xtol=1e-15)
    assert found.status == "ok", found.reason
    assert found.state is not None
    assert found.state["z"].item() == pytest.approx(exact, abs=1e-12)
    assert found.spectral_radius == pytest.approx(0.5 * (1 - exact**2), abs=1e-12)


def test_several_equilibria_of_any_diagram():
    found = equilibria(neuron(2.0), {"u": 0.0}, starts=8)
    np.testing.assert_allclose(
        sorted(p.vector.item() for p in found), [-0.957504, 0, 0.957504], atol=1e-6  # pyright: ignore
    )  # fmt: skip
    assert found.missing is None


def test_a_gru_has_the_equilibrium_that_a_simulation_goes_to():
    rng, n = np.random.default_rng(0), 6
    layer = bs.nn.gru(
        rng.normal(size=(3 * n, 2)), 0.5 * rng.normal(size=(3 * n, n)) / 2, rng.normal(size=3 * n)
    )
    x = np.array([0.3, -1.0])
    found = equilibrium(layer, {"x": x})
    assert found.status == "ok"
    h = bs.simulate(layer, {"x": np.tile(x, (2000, 1))})["h"]
    np.testing.assert_allclose(found.vector, h[-1], rtol=0, atol=1e-8)


def test_an_lstm_in_a_network_is_recognised_with_its_input_and_parameters():
    rng, n = np.random.default_rng(0), 4
    R, b = weights(n)
    W = rng.normal(size=(4 * n, 2))
    dense = bs.nn.dense(rng.normal(size=(3, n)), np.zeros(3))
    d = bs.nn.sequential([bs.nn.lstm(W, R, b), dense])
    x, K = np.array([0.5, -1.0]), rng.normal(size=(n, n)) / 2
    system = System(d, {"x": x}, params={"lstm/g/R": {"K": K}})
    lstm = find_lstm(system)
    assert lstm is not None
    np.testing.assert_array_equal(lstm.form.W[2], K)
    np.testing.assert_allclose(lstm.form.b.ravel(), b + W @ x, rtol=1e-14)
    found = equilibrium(system)
    assert found.vector is not None
    np.testing.assert_allclose(system.step(found.vector), found.vector, rtol=0, atol=1e-12)
    same = equilibrium(d, {"x": x}, params={"lstm/g/R": {"K": K}})
    np.testing.assert_array_equal(found.vector, same.vector)


@pytest.mark.parametrize("method", ["auto", "paper"])
def test_an_lstm_is_recognised_behind_blocks_without_states(method):
    rng, n = np.random.default_rng(2), 4
    R, b = weights(n, candidate=0.03)
    W, x = rng.normal(size=(4 * n, 2)), np.array([0.1, -0.2])
    d = bs.Diagram("scaled")
    u = d.add("bias", Sum(), d.add("scale", Gain(0.5), d.input("u", shape=(2,))), d.add("c", Constant(x)))
    d.output("h", d.add("cell", bs.nn.lstm(W, R, b), u)["h"])
    lstm = find_lstm(System(d, {"u": 2 * x}))
    assert lstm is not None
    np.testing.assert_allclose(lstm.form.b.ravel(), b + W @ (2 * x), rtol=1e-14)
    found = equilibrium(d, {"u": 2 * x}, method)
    plain = equilibrium(bs.nn.lstm(W, R, b), {"x": 2 * x}, method)
    np.testing.assert_allclose(found.vector, plain.vector, rtol=0, atol=1e-12)


def test_an_lstm_that_reads_its_own_past_is_solved_by_the_whole_map():
    rng, n = np.random.default_rng(3), 3
    R, b = weights(n)
    d = bs.Diagram("loop")
    cell = d.add("cell", bs.nn.lstm(rng.normal(size=(4 * n, n)), R, b))
    d.connect(d.add("past", UnitDelay(np.zeros(n)), cell["h"]), cell)
    d.output("h", cell["h"])
    assert find_lstm(System(d)) is None
    found = equilibrium(d)
    run = bs.simulate(d, steps=10, initial_state=found.state)
    np.testing.assert_allclose(run["h"], np.tile(found.state["past"], (10, 1)), rtol=0, atol=1e-10)  # pyright: ignore


@pytest.mark.parametrize("method", ["auto", "paper", "simulate"])
def test_an_lstm_without_input_is_recognised(method):
    R, b = weights(4)
    alone, driven = (equilibrium(bs.nn.lstm(W, R, b * 0.1), method=method) for W in (None, np.zeros((16, 1))))
    assert alone.status == driven.status == "ok"
    np.testing.assert_array_equal(alone.vector, driven.vector)
    assert find_lstm(System(bs.nn.lstm(None, R, b, activation=bs.library.ReLU()))) is None


@pytest.mark.parametrize(
    "options",
    [
        {"peephole": -0.5 * np.ones(6)},
        {"activation": bs.library.ReLU()},
        {"clip": 0.5},
        {"output_activation": Tanh()},
    ],
)
def test_variants_of_the_lstm_are_solved_by_their_own_map(options):
    R, b = weights(2)
    system = System(bs.nn.lstm(np.zeros((8, 1)), R, b, **options))
    assert (find_lstm(system) is None) == ("output_activation" not in options)
    found = equilibrium(system)
    assert found.status == "ok", found.reason
    assert found.vector is not None
    np.testing.assert_allclose(system.step(found.vector), found.vector, rtol=0, atol=1e-10)


def test_stacked_layers_have_an_equilibrium():
    rng = np.random.default_rng(1)
    R, b = weights(4)
    layers = [bs.nn.lstm(rng.normal(size=(16, m)), R, b, name=f"layer{m}") for m in (2, 4)]
    system = System(bs.nn.sequential(layers), {"x": [1.0, -1.0]})
    found = equilibrium(system)
    assert found.status == "ok", found.reason
    assert found.vector is not None
    np.testing.assert_allclose(system.step(found.vector), found.vector, rtol=0, atol=1e-12)


def test_a_run_that_comes_to_rest_where_newton_fails_is_an_equilibrium():
    d = bs.Diagram("limited")
    z = d.add("z", UnitDelay(0.3))
    d.connect(d.add("limit", Saturation(-1.0, 1.0), z), z)  # each state within the limits is one
    d.output("y", z)
    found = equilibrium(d, method="simulate")
    assert (found.status, found.index) == ("ok", 0)
    assert found.vector == pytest.approx([0.3], abs=0)


@pytest.mark.parametrize("seed", range(12))
def test_no_point_is_given_that_the_diagram_does_not_hold(seed):
    """Networks of all sizes of weights and biases, nearly singular ones among them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    R, b = (
        rng.normal(size=(4 * n, n)) * 10 ** rng.uniform(-3, 5),
        rng.normal(size=4 * n) * 10 ** rng.uniform(-3, 4),
    )
    R[2 * n] = R[-n if seed % 2 else 3 * n - 1] * (1 + 10 ** rng.uniform(-14, -4))
    layer = bs.nn.lstm(np.zeros((4 * n, 1)), R, b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends = [
            equilibrium(layer, method=m) for m in ("auto", "fixed-point", "paper", "paper-ode", "simulate")
        ]
    for found in ends:
        assert (found.status == "ok") == (found.state is not None)
        assert found.reason
        if found.state is not None:
            h, c = run(R, b, (found.state["hidden_state"], found.state["cell_state"]), 1)
            for after, name in ((h[0], "hidden_state"), (c[0], "cell_state")):
                assert np.max(np.abs(after - found.state[name])) <= 1e-9


# -- what cannot be had ----------------------------------------------------------------------------


def test_a_diagram_without_an_equilibrium_never_gets_one():
    d = bs.Diagram("counter")
    u, z = d.input("u", shape=()), d.add("z", UnitDelay(0.0))
    d.connect(d.add("sum", Sum(), z, u), z)
    for u in (1.0, 1e-12):  # the smaller one leaves a residual far below any tolerance
        system = System(d, {"u": u})
        for method in ("fixed-point", "newton", "simulate"):
            found = equilibrium(system, method=method, control=Control(max_steps=100))
            assert found.status != "ok", method
            assert found.reason
            assert found.state is None
            assert found.vector is None
            assert np.isnan(found.spectral_radius)
    failed = equilibrium(d, {"u": 1.0}, control=Control(max_steps=100))
    assert failed.status == "failed"
    assert [t.partition(":")[0] for t in failed.tried] == [
        "newton",
        *3 * ["fixed-point"],
        "unbiased",
        "simulate",
    ]
    still = equilibrium(d, {"u": 0.0})  # every state is one
    assert (still.status, still.index) == ("ok", 0)


def test_an_unreachable_tolerance_gives_no_point():
    found = equilibrium(network(32, 1.0, 0), tolerance=1e-30)
    assert (found.status, found.vector) == ("failed", None)
    assert "above the tolerance" in found.reason
    found = equilibrium(network(32, 1.0, 0), method="fixed-point", tolerance=1e-30)
    assert found.status == "inaccurate"
    assert found.residual > 0


@pytest.mark.parametrize("forget", [30.0, 60.0, 500.0])
def test_a_saturated_forget_gate_never_gives_a_wrong_point(forget):
    found = equilibrium(network(8, 1.0, 0, forget=forget))
    if found.vector is not None:
        assert found.status == "ok"
        assert found.residual <= 1e-9
    else:
        assert found.reason


def test_a_cell_that_only_rounding_keeps_in_place_is_no_equilibrium():
    # f is 1 to the last bit: c + i*g is c in floats, for a c of 1e26, though it grows.
    layer = bs.nn.lstm(np.zeros((8, 1)), np.full((8, 2), 1e308), np.ones(8))
    for method in ("auto", "fixed-point", "newton", "simulate"):
        found = equilibrium(layer, method=method)
        assert found.status != "ok"
        assert found.vector is None
        assert found.reason


def test_bad_arguments_are_named():
    layer = network(2)
    gain = bs.Diagram("gain")
    gain.output("y", gain.add("k", Gain(2.0), gain.input("u", shape=())))
    with pytest.raises(AnalysisError, match="a block with a state"):
        equilibrium(gain)
    wave = neuron()
    wave.add("sine", Sine())
    with pytest.raises(AnalysisError, match="does not depend on the time"):
        equilibrium(wave)
    empty = bs.Diagram("empty")
    empty.output("y", empty.add("z", UnitDelay(np.zeros(0)), empty.input("u", shape=(0,))))
    with pytest.raises(AnalysisError, match="a state of at least one number"):
        equilibrium(empty)
    with pytest.raises(ParameterError, match="finite"):
        equilibrium(layer, params={"g/R": {"K": np.full((2, 2), np.nan)}})
    with pytest.raises(ParameterError, match="finite"):
        equilibrium(bs.nn.lstm(np.zeros((8, 1)), np.full((8, 2), np.inf), np.ones(8)))
    with pytest.raises(InputError, match="finite"):
        equilibrium(layer, {"x": [np.nan]})
    with pytest.raises(InputError, match="none of that name"):
        equilibrium(layer, {"y": [1.0]})
    with pytest.raises(InputError, match="none of 'cell_state'"):
        equilibrium(layer, start={"hidden_state": np.zeros(2)})
    with pytest.raises(AnalysisError, match="method"):
        equilibrium(layer, method="magic")  # pyright: ignore
    with pytest.raises(AnalysisError, match="tolerance"):
        equilibrium(layer, tolerance=-1.0)
    with pytest.raises(AnalysisError, match="a layer made by"):
        equilibrium(neuron(), method="paper")
    with pytest.raises(AnalysisError, match="System alone"):
        equilibrium(System(layer), {"x": [1.0]})
    with pytest.raises(AnalysisError, match="starts"):
        equilibria(layer, starts=0)
    with pytest.raises(AnalysisError, match="spread"):
        equilibria(layer, spread=float("nan"))


def test_a_state_of_the_continuous_kind_is_refused():
    @bs.block
    class Integrator(bs.Block):
        """dx/dt = u."""

        def init(self):
            return np.zeros(())

        def output(self, x):
            return x

        def derivative(self, u):
            return u

    d = bs.Diagram()
    d.output("y", d.add("x", Integrator(), d.input("u", shape=())))
    with pytest.raises(bs.BlocksimError, match="continuous"):
        equilibrium(d)
