"""Linear models against exact matrices, finite differences, closed forms and simulations."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from random_diagrams import Linear, nest, random_lstm
from random_networks import random_network

import blocksim as bs
from blocksim.analysis import StateSpace, dlinmod, linearize
from blocksim.errors import AnalysisError, BlocksimError, DiagramError, InputError, ParameterError
from blocksim.library import (
    Cast,
    Clock,
    Delay,
    DiscreteIntegrator,
    Gain,
    Product,
    Sqrt,
    Sum,
    Tanh,
    UnitDelay,
)

ROOT = Path(bs.__file__).parents[1]


@pytest.mark.parametrize("seed", range(50))
def test_random_linear_diagrams_have_their_exact_matrices(seed):
    rng = np.random.default_rng(seed)
    linear = Linear.draw(rng, int(rng.integers(3, 20)))
    d = linear.diagram([*rng.permutation(len(linear.kinds))])
    if seed % 2:
        names = [f"n{k}" for k in rng.permutation(len(linear.kinds))]
        d = nest(d, [names[:2], names[2 : 2 + len(names) // 2]])
    model = linearize(d, {"u": rng.normal()})
    A, B, C, D, _ = linear.state_space()
    delays = [f"n{k}" for k, kind in enumerate(linear.kinds) if kind == "delay"]
    order = [delays.index(name.split("/")[-1]) for name in model.states]
    for found, exact in ((model.A, A[np.ix_(order, order)]), (model.B, B[order]), (model.C, C[:, order])):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.D, D, rtol=0, atol=1e-12)
    at = bs.compile(d).initial_state | {"u": np.array(0.5)}
    exact = np.block([[model.A, model.B], [model.C, model.D]])
    np.testing.assert_allclose(central_differences(d, at), exact, rtol=0, atol=1e-6)


def central_differences(d, at, eps=1e-6):
    """[[A, B], [C, D]] of a diagram at a point, by steps of the NumPy engine."""
    plan = bs.compile(d)
    names = [*plan.initial_state, *plan.inputs]

    def step(vector):
        parts = dict(zip(names, np.split(vector, np.cumsum([at[n].size for n in names])[:-1]), strict=True))
        parts = {name: part.reshape(at[name].shape) for name, part in parts.items()}
        after, signals = plan.step(np, 0.0, parts, parts)
        return np.concatenate(
            [after[p].ravel() for p in plan.initial_state] + [np.ravel(signals[y]) for y in plan.outputs]
        )

    x = np.concatenate([at[name].ravel() for name in names])
    return np.stack([(step(x + e) - step(x - e)) / (2 * eps) for e in eps * np.eye(len(x))], 1)


def has_state(seed):
    return bool(bs.compile(random_network(seed, 12)[0]).initial_state)


@pytest.mark.parametrize("seed", [*filter(has_state, range(80))][:50])
def test_random_networks_against_central_differences(seed):
    rng = np.random.default_rng(seed)
    d, _ = random_network(seed, 12)
    if seed % 2:
        d = beside_a_scan(rng, d)
    plan = bs.compile(d)
    at = {p: s + 0.1 * rng.normal(size=s.shape) for p, s in plan.initial_state.items()}
    at |= {name: rng.normal(size=form.shape) for name, form in plan.inputs.items()}
    model = linearize(d, at)
    exact = np.block([[model.A, model.B], [model.C, model.D]])
    assert len(model.A) == sum(s.size for s in plan.initial_state.values())
    np.testing.assert_allclose(exact, central_differences(d, at), rtol=0, atol=1e-6)


def beside_a_scan(rng, network):
    """A network as a subsystem, with a Scan of float32 weights over what it gives, and integers between."""
    n = bs.compile(network).inputs["u"].shape[0]
    cell = bs.Diagram("cell")
    z = cell.add("z", UnitDelay(rng.normal(size=n).astype(np.float32)))
    W = cell.add("W", Gain(rng.normal(size=(n, n)).astype(np.float32)), z)
    cell.connect(cell.add("y", Tanh(), cell.add("sum", Sum(), W, cell.input("x", shape=n))), z)
    cell.output("y", cell.nodes["y"])
    d = bs.Diagram("outer")
    u, rows = d.input("u", shape=n), d.input("rows", shape=(3, n))
    net = d.add("net", network, u, d.input("v", shape=n))
    scan = d.add("scan", bs.Scan(cell), d.add("both", Sum(), rows, d.add("lag", UnitDelay(np.ones((3, n))))))
    d.connect(scan, d.nodes["lag"])
    whole = d.add("whole", Cast("float"), d.add("integer", Cast("int"), d.add("three", Gain(3.0), u)))
    d.output("y", d.add("product", Product(), net["y"], whole))
    d.output("z", net["z"])
    d.output("rows", scan)
    return d


def lstm_jacobian(w, c, h):
    """J in the order [c; h], of the autonomous LSTM (Amrouche et al.)."""
    n = len(c)
    z = w["R"] @ h + w["b"]
    i, f, o = (1 / (1 + np.exp(-z[k * n : (k + 1) * n])) for k in (0, 1, 3))
    g = np.tanh(z[2 * n : 3 * n])
    Wi, Wf, Wg, Wo = (w["R"][k * n : (k + 1) * n] for k in range(4))
    T = np.tanh(f * c + i * g)
    k = o * (1 - T**2)
    M = (c * f * (1 - f))[:, None] * Wf + (g * i * (1 - i))[:, None] * Wi + (i * (1 - g**2))[:, None] * Wg
    return np.block([[np.diag(f), M], [np.diag(k * f), (T * o * (1 - o))[:, None] * Wo + k[:, None] * M]])


@pytest.mark.parametrize("n", [1, 3, 32])
def test_an_lstm_has_the_analytic_jacobian(n):
    rng = np.random.default_rng(n)
    w = random_lstm(rng, 2, n)
    c, h = rng.normal(size=(2, n))
    model = linearize(bs.nn.lstm(**w), {"cell_state": c, "hidden_state": h})
    order = [model.states.index(f"{p}[{k}]") for p in ("cell_state", "hidden_state") for k in range(n)]
    np.testing.assert_allclose(model.A[np.ix_(order, order)], lstm_jacobian(w, c, h), rtol=0, atol=1e-12)
    assert model.inputs == ("x[0]", "x[1]")
    assert model.outputs[0] == "h[0]"


# -- operating points --------------------------------------------------------------------------------


def cell():
    """A subsystem `plant` of two states with a feedback from its output, not linear."""
    inner = bs.Diagram("plant")
    force = inner.input("force")
    x = inner.add("x", UnitDelay(0.3), inner.add("push", Tanh(), force))
    late = inner.add("late", Delay(0.1, 2), x)
    inner.output("y", inner.add("both", Product(), x, late))
    d = bs.Diagram("loop")
    e = d.add("e", Sum("+-"), d.input("r"))
    plant = d.add("plant", inner, d.add("k", Gain(0.7), e))
    d.connect(plant, e)
    d.output("out", plant)
    return d


def test_operating_points_are_rows_of_runs_states_and_equilibria():
    w = random_lstm(np.random.default_rng(0), 2, 3)
    d = bs.nn.lstm(**w)
    x = np.random.default_rng(1).normal(size=(6, 2))
    run = bs.simulate(d, {"x": x}, record="**")
    at = {"hidden_state": run["hidden_state"][4], "cell_state": run["cell_state"][4], "x": x[4]}
    expected = linearize(d, at).A
    assert np.array_equal(linearize(d, run, step=4).A, expected)
    before = bs.simulate(d, {"x": x[:4]}).final_state
    assert np.array_equal(linearize(d, before, inputs={"x": x[4]}).A, expected)
    batch = bs.simulate(d, {"x": np.stack([0 * x, x])})
    assert np.array_equal(linearize(d, batch, step=-2, run=1).A, expected)
    initial = linearize(d).A
    assert np.array_equal(linearize(d, {"hidden_state": w["h0"], "x": np.zeros(2)}).A, initial)
    assert not np.array_equal(initial, expected)


@pytest.mark.parametrize("engine", ["numpy", "jax", "bdsim"])
def test_a_row_has_states_that_no_output_shows_and_what_the_run_was_given(engine):
    d = cell()
    d.connect(d.add("s", DiscreteIntegrator(0.0), d.nodes["e"]), d.add("m", Gain(0.3)))
    d.output("m", d.nodes["m"])
    r = np.sin(np.arange(9.0))
    options = {"dt": 0.25, "params": {"k": {"K": 0.4}}, "engine": engine}
    run = bs.simulate(d, {"r": r}, **options)
    for k in (3, 5, 5, 2, 0, -1):
        row = k % 9
        state = bs.simulate(d, {"r": r[:row]}, **options).final_state if row else {}
        expected = linearize(d, state | {"r": r[row]}, params=options["params"], dt=0.25)
        found = linearize(d, run, step=k)
        assert found.dt == 0.25
        for name in "ABCD":
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-14)
    again = bs.simulate(d, {"r": r[4:]}, initial_state=run.state_at(4), **options)
    np.testing.assert_allclose(again["out"], run["out"][4:], rtol=0, atol=1e-14)
    assert np.array_equal(again.time, run.time[4:])
    assert np.array_equal(linearize(d, again, step=1).A, linearize(d, run, step=5).A)
    last = bs.simulate(d, {"r": r}, keep="last", **options)
    assert np.array_equal(linearize(d, last).A, linearize(d, run).A)
    assert (
        linearize(d, run, dt=0.5, params={}).A.tolist()
        == linearize(d, run.state_at() | {"r": r[-1]}, dt=0.5).A.tolist()
    )


def test_runs_of_a_sweep_have_their_own_parameters_and_states():
    d = cell()
    gains = np.array([0.1, 0.9])
    run = bs.simulate(d, {"r": np.ones(5)}, params={"k": {"K": gains}})
    for b, gain in enumerate(gains):
        alone = bs.simulate(d, {"r": np.ones(5)}, params={"k": {"K": gain}})
        assert np.array_equal(linearize(d, run, step=3, run=b).A, linearize(d, alone, step=3).A)
    assert not np.array_equal(linearize(d, run, run=0).A, linearize(d, run, run=1).A)


def test_an_equilibrium_brings_its_inputs_parameters_and_step():
    """z+ = tanh(a z + 2 u) dt + z (1 - dt), at rest where z = tanh(a z + 2 u)."""
    d = bs.Diagram()
    z = d.add("z", DiscreteIntegrator(0.0))
    a, u = d.add("a", Gain(0.1), z), d.add("b", Gain(2.0), d.input("u"))
    d.connect(d.add("e", Sum("+-"), d.add("tanh", Tanh(), d.add("sum", Sum(), a, u)), z), z)
    found = bs.analysis.equilibrium(d, {"u": 0.5}, params={"a": {"K": 0.7}}, dt=0.1)
    rest = found.state["z"].item()
    assert rest == pytest.approx(np.tanh(0.7 * rest + 1.0), abs=1e-12)
    model = linearize(d, found)
    np.testing.assert_allclose(model.A, [[1 + 0.1 * (0.7 * (1 - rest**2) - 1)]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.B, [[0.2 * (1 - rest**2)]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.poles, found.eigenvalues, rtol=0, atol=1e-13)
    assert model.dt == 0.1
    moved = linearize(d, found, {"u": 0.0}, params={}, dt=1.0)
    np.testing.assert_allclose(moved.A, [[0.1 * (1 - np.tanh(0.1 * rest) ** 2)]], rtol=0, atol=1e-13)
    d.connect(d.add("float", Cast("float"), d.input("n", shape=(), dtype=int)), d.add("sink", Gain(1.0)))
    whole = bs.analysis.equilibrium(d, {"u": 0.5, "n": 3}, dt=0.1)
    assert linearize(d, whole).stable
    drift = lag()
    lost = bs.analysis.equilibrium(drift, {"r": 1.0}, "newton")
    with pytest.raises(AnalysisError, match=r"that was found, got status 'not converged'\. Newton"):
        linearize(drift, lost)


def test_parameters_are_replaced_and_derivatives_follow_a_changed_diagram():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(1.0))
    d.connect(d.add("a", Gain(0.5), z), z)
    assert linearize(d).A == 0.5
    assert linearize(d, params={"a": {"K": 0.25}}).A == 0.25
    assert linearize(d).C.shape == (0, 1)
    d.output("y", z)
    assert linearize(d).C.tolist() == [[1.0]]


# -- parts, and open loops ---------------------------------------------------------------------------


def test_a_subsystem_alone_and_the_loop_opened_agree_with_the_closed_loop():
    d = cell()
    at = {"plant/x": 0.4, "plant/late": [0.2, -0.3], "r": 0.5}
    closed = linearize(d, at)
    plant = linearize(d, at, within="plant")
    assert sorted(plant.states) == sorted(closed.states)
    assert (plant.inputs, plant.outputs) == (("plant/force",), ("plant/y",))
    e = 0.5 - 0.4 * 0.2
    slope = 1 - np.tanh(0.7 * e) ** 2
    order = [plant.states.index(s) for s in ("plant/x", "plant/late[0]", "plant/late[1]")]
    np.testing.assert_allclose(plant.B[order], [[slope], [0], [0]], atol=1e-15)
    np.testing.assert_allclose(plant.C[:, order], [[0.2, 0.4, 0.0]], atol=1e-15)
    # u = k (r - y) around the plant alone
    np.testing.assert_allclose(plant.A - plant.B @ plant.C * 0.7, closed.A, atol=1e-15)
    loop = linearize(d, at, ["e"], ["e", "out"])
    assert (loop.inputs, loop.outputs) == (("e",), ("e", "out"))
    np.testing.assert_allclose(loop.B, plant.B * 0.7, atol=1e-15)
    np.testing.assert_allclose(loop.C, [[-1], [1]] @ plant.C, atol=1e-15)
    np.testing.assert_allclose(loop.A, plant.A, atol=1e-15)
    both = linearize(d, at, ["k", "r"], ["k"])
    np.testing.assert_allclose(both.D, [[0, 0.7]], atol=1e-15)
    inner = linearize(d, at, ["plant/push"], ["plant/x"], within="plant")
    assert inner.D == 0
    np.testing.assert_allclose(inner.B[order], [[1], [0], [0]])
    moved = linearize(d, at, {"k": 2.0}, ["plant/push"])
    np.testing.assert_allclose(moved.D, [[1 - np.tanh(2.0) ** 2]], atol=1e-15)


def test_every_signal_of_random_networks_can_be_the_place_of_a_cut():
    """An opened loop, closed again by hand, is the closed loop."""
    d, _ = random_network(4, 20)
    plan = bs.compile(d)
    closed = linearize(d, inputs=[])
    names = [n for n in d.nodes if not n.startswith(("one", "constant"))]
    for name in names[::9]:
        opened = linearize(d, None, [name], [name])
        size = plan.signals[name].shape[0]
        order = [opened.states.index(s) for s in closed.states]
        again = np.linalg.solve(np.eye(size) - opened.D, opened.C)
        np.testing.assert_allclose((opened.A + opened.B @ again)[np.ix_(order, order)], closed.A, atol=1e-12)


def test_a_loop_opens_deep_within_subsystems():
    """Two levels down, in a loop through both walls: with the loop closed by hand it is the whole."""
    inner = bs.Diagram("inner")
    inner.output("y", inner.add("late", UnitDelay(0.2), inner.add("bend", Tanh(), inner.input("x"))))
    middle = bs.Diagram("middle")
    deep = middle.add("deep", inner, middle.add("two", Gain(2.0), middle.input("x")))
    middle.output("y", middle.add("slow", DiscreteIntegrator(0.1), deep))
    d = bs.Diagram("outer")
    e = d.add("e", Sum("+-"), d.input("r"))
    d.connect(d.add("box", middle, e), e)
    d.output("y", d.nodes["box"])
    at = {"box/deep/late": 0.3, "box/slow": -0.4, "r": 0.25}
    closed, slope = linearize(d, at), 1 - np.tanh(2 * (0.25 + 0.4)) ** 2
    assert closed.states == ("box/deep/late", "box/slow")
    np.testing.assert_allclose(closed.A, [[0, -2 * slope], [1, 1]], rtol=0, atol=1e-15)
    for name in ("box/deep/bend", "box/deep/late", "box/deep", "box/deep/y", "box/two", "box", "e"):
        loop = linearize(d, at, [name], [name])
        assert (loop.inputs, loop.outputs) == ((name,), (name,))
        assert loop.D == 0
        order = [loop.states.index(state) for state in closed.states]
        whole = (loop.A + loop.B @ loop.C)[np.ix_(order, order)]
        np.testing.assert_allclose(whole, closed.A, rtol=0, atol=1e-15, err_msg=name)
        gain = loop.frequency_response([0.7])[1].item()
        assert gain == pytest.approx(-2 * slope / (np.exp(0.7j) * (np.exp(0.7j) - 1)), abs=1e-12)
    within = linearize(d, at, ["box/deep/bend"], ["box/deep/late"], within="box/deep")
    assert (within.A, within.B, within.C, within.D) == (0, 1, 1, 0)


def test_a_source_that_reads_the_time_is_left_out_by_a_cut():
    d = runpy.run_path(str(ROOT / "models" / "pid.py"))["model"]()
    with pytest.raises(AnalysisError, match=r"setpoint .*does not depend on the time"):
        linearize(d, dt=0.01)
    model = linearize(d, inputs=["setpoint"], dt=0.01)
    run = bs.simulate(d, steps=600, dt=0.01)["y"]
    step = (np.arange(600) >= 50) * 1.0
    np.testing.assert_allclose(model.simulate(step)[0][:, 0], run, atol=1e-12)
    np.testing.assert_allclose(model.dcgain, [[1.0]], atol=1e-9)


def test_dlinmod_is_linearize():
    d = cell()
    model = linearize(d, {"plant/x": 0.4}, outputs=["e"], dt=0.5)
    matrices = dlinmod(d, {"plant/x": 0.4}, outputs=["e"], dt=0.5)
    assert all(np.array_equal(a, getattr(model, n)) for a, n in zip(matrices, "ABCD", strict=True))
    assert model.dt == 0.5


def test_the_step_size_is_that_of_the_integrators():
    d = bs.Diagram()
    d.output("y", d.add("s", DiscreteIntegrator(0.0), d.input("u")))
    assert linearize(d, dt=0.25).B == 0.25
    assert linearize(d).B == 1


# -- errors ------------------------------------------------------------------------------------------


def stateless():
    d = bs.Diagram("nothing")
    d.output("y", d.add("k", Gain(2.0), d.input("u")))
    return d


def counter():
    d = bs.Diagram()
    n = d.add("n", UnitDelay(np.int64(0)))
    d.connect(n, n)
    d.output("n", n)
    return d


def timed():
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(0.0), d.add("t", Clock())))
    return d


@bs.block
class Flow(bs.Block):
    """dx/dt = u."""

    def init(self):
        return 0.0

    def output(self, x):
        return x

    def derivative(self, u):
        return u


def continuous():
    d = bs.Diagram()
    d.output("y", d.add("flow", Flow(), d.input("u")))
    return d


def root():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("root", Sqrt(), z), z)
    return d


def non_finite():
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(0.0), d.add("k", Gain([1.0, np.nan]), d.input("u", shape=2))))
    return d


def lag():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("sum", Sum(), z, d.input("r")), z)
    d.output("y", d.nodes["sum"])
    return d


def simulated(**options):
    return bs.simulate(cell(), {"r": np.ones(5)}, **options)


@pytest.mark.parametrize(
    ("make", "options", "kind", "fragment"),
    [
        (stateless, {}, AnalysisError, "diagram 'nothing': expected a block with a state, got none"),
        (counter, {}, AnalysisError, "a state of real numbers"),
        (timed, {}, AnalysisError, r"t \(.*does not depend on the time"),
        (continuous, {}, BlocksimError, "flow .*a discrete state, got a continuous one"),
        (root, {}, AnalysisError, "A, the derivative of z in z .*: expected a finite number, got inf"),
        (non_finite, {}, ParameterError, r"k, parameter K .*finite numbers, got nan at index \[1\]"),
        (cell, {"params": {"k": {"K": np.inf}}}, ParameterError, "finite numbers, got inf"),
        (cell, {"params": {"kk": {"K": 1.0}}}, DiagramError, "Did you mean 'k'"),
        (cell, {"at": {"plant/y": 1.0}}, InputError, r"at\['plant/y'\] .* Did you mean 'plant/x'"),
        (cell, {"at": {"plant/x": [1.0, 2.0]}}, InputError, "shape"),
        (cell, {"at": {"plant/x": np.nan}}, InputError, "finite numbers"),
        (cell, {"at": {"r": np.inf}}, InputError, "input 'r' .*: expected finite numbers"),
        (cell, {"at": 3.0}, InputError, "at .*: expected a dictionary"),
        (cell, {"inputs": ["force"]}, DiagramError, "signal 'force' .*: expected the path of a signal"),
        (cell, {"inputs": "r"}, InputError, "inputs .*: expected a list of paths, got str 'r'"),
        (cell, {"inputs": ["r", "r"]}, DiagramError, "each signal once"),
        (cell, {"inputs": ["plant", "plant/y"]}, DiagramError, "once, got 'plant/y', which is 'plant'"),
        (cell, {"inputs": ["plant", "out"]}, DiagramError, "once, got 'out', which is 'plant'"),
        (cell, {"inputs": {"e": [1.0, 2.0]}}, InputError, r"input 'e' .*an array \(\)"),
        (cell, {"outputs": ["plant/z"]}, DiagramError, "Did you mean 'plant/"),
        (cell, {"within": "plan"}, DiagramError, "Did you mean 'plant'"),
        (cell, {"within": "k"}, DiagramError, "the path of a subsystem, got <k: Gain"),
        (cell, {"within": "plant", "outputs": ["e"]}, DiagramError, "signal 'e'"),
        (cell, {"dt": 0.0}, InputError, "dt .*: expected a positive"),
        (lag, {"at": simulated()}, InputError, r"at\['plant/late'\] .*the path of a state, or an input"),
        (cell, {"at": simulated(), "step": 5}, InputError, "step .*: expected an integer below 5"),
        (cell, {"at": simulated(), "run": 1}, InputError, "run .*: expected an integer below 1"),
        (lambda: 3, {}, InputError, "compile .*: expected a Diagram"),
    ],
)
def test_what_is_wrong_is_said(make, options, kind, fragment):
    with pytest.raises(kind, match=fragment):
        linearize(make(), **options)


def test_integers_have_no_derivatives():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0), d.input("u"))
    d.input("n", shape=(), dtype=int)
    d.output("y", z)
    assert linearize(d).inputs == ("u",)
    with pytest.raises(AnalysisError, match=r"signal 'n'.*real numbers, got one of int64"):
        linearize(d, inputs=["n"])


def test_a_model_is_a_state_space():
    assert isinstance(linearize(cell()), StateSpace)
    assert repr(linearize(cell())) == "<StateSpace: 3 states, 1 input, 1 output, steps of 1 s>"
