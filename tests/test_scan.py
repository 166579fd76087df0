"""A diagram over the leading axis, on every engine, against the same diagram run step by step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_diagrams import random_lstm
from random_networks import random_network

import blocksim as bs
from blocksim.engines.jax import compilations
from blocksim.errors import BlockError, NonFiniteError, ParameterError, SignalError
from blocksim.library import Bias, Cast, Constant, Delay, Gain, MathFunction, Sqrt, Sum, UnitDelay

ENGINES = ("numpy", "jax", "bdsim")


def around(inner: bs.Diagram, steps: int, **options) -> bs.Diagram:
    """A diagram with nothing but a Scan of another, all its ports led out."""
    d = bs.Diagram()
    scan = bs.Scan(inner, **options)
    plan = bs.compile(inner)
    sources = []
    for name in scan.arity():
        if name == "length":
            sources.append(d.input(name, shape=(), dtype=int))
        elif name in inner.inputs:
            sources.append(d.input(name, shape=(steps, *plan.inputs[name].shape)))
        else:
            sources.append(d.input(f"from {name}", shape=plan.initial_state[name].shape))
    node = d.add("scan", scan, *sources)
    for i, name in enumerate(scan.outputs):
        d.output(f"out{i} {name.replace('/', '.')}", node[i])
    return d


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_diagram_run_step_by_step(engine, reverse, seed):
    inner, inputs = random_network(seed)
    lengths = [30, 11, 1, 0]
    d = around(inner, 30, reverse=reverse, length=True)
    data = {name: np.stack([(1 + i) * a for i in range(4)]) for name, a in inputs.items()}
    found = bs.simulate(d, data | {"length": lengths}, engine=engine)
    for i, length in enumerate(lengths):
        rows = {name: a[i, :length][:: -1 if reverse else 1] for name, a in data.items()}
        final = bs.compile(inner).initial_state
        if length:
            expected = bs.simulate(inner, rows)
            final = expected.final_state
        for key in d.outputs:
            name = key.partition(" ")[2]
            if name in inner.outputs:
                assert not found[key][i, length:].any()
                if length:
                    steps = expected[name][:: -1 if reverse else 1]
                    np.testing.assert_allclose(found[key][i, :length], steps, rtol=0, atol=1e-12)
            else:
                np.testing.assert_allclose(found[key][i], final[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_states_come_in_and_go_out_by_ports(engine):
    W = random_lstm(np.random.default_rng(0), 2, 3)
    d = around(bs.nn.lstm(**W), 4, initial=["cell_state"])
    x, c0 = np.random.default_rng(1).normal(size=(1, 4, 2)), np.array([[0.1, -0.2, 0.3]])
    found = bs.simulate(d, {"x": x, "from cell_state": c0}, engine=engine)
    h, c = bs.nn.reference.lstm(x[0], **{k: W[k] for k in ("W", "R", "b", "h0")}, c0=c0[0])
    np.testing.assert_allclose(found["out0 h"][0], h, atol=1e-12)
    np.testing.assert_allclose(found["out3 cell_state"][0], c[-1], atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_inside_another_maps_over_a_batch(engine):
    W = random_lstm(np.random.default_rng(0), 2, 3)
    one = around(bs.nn.lstm(**W), 5, length=True)
    d = around(one, 4)
    x, lengths = np.random.default_rng(1).normal(size=(4, 5, 2)), np.array([5, 2, 0, 3])
    outer = bs.Diagram()
    node = outer.add("each", bs.Scan(one), outer.input("x", (4, 5, 2)), outer.input("length", 4, int))
    outer.output("h", node)
    found = bs.simulate(outer, {"x": x[None], "length": lengths[None]}, engine=engine)["h"][0]
    for i, length in enumerate(lengths):
        expected = np.zeros((5, 3))
        if length:
            expected[:length] = bs.nn.reference.lstm(x[i, :length], **W)[0]
        np.testing.assert_allclose(found[i], expected, atol=1e-12)
    assert "scan/i/W/K" in d["scan"].block.parameters()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_are_those_of_the_diagram(engine, dtype):
    W = random_lstm(np.random.default_rng(0), 2, 3)
    d, x = around(bs.nn.lstm(**W), 4), np.ones((1, 4, 2))
    other = np.random.default_rng(5).normal(size=(3, 2))
    params = {"scan": {"f/W/K": other, "hidden_state/initial": np.full(3, 0.5)}}
    found = bs.simulate(d, {"x": x}, engine=engine, params=params, dtype=dtype)["out0 h"]
    assert found.dtype == dtype
    changed = W | {"W": np.concatenate([W["W"][:3], other, W["W"][6:]]), "h0": np.full(3, 0.5)}
    expected = bs.nn.reference.lstm(x[0], **changed)[0]
    np.testing.assert_allclose(found[0], expected, atol=1e-12 if dtype == "float64" else 1e-5)


def test_other_values_are_not_compiled_anew():
    def run(seed):
        W = random_lstm(np.random.default_rng(seed), 2, 3)
        return bs.simulate(around(bs.nn.lstm(**W), 6), {"x": np.ones((2, 6, 2))}, engine="jax")

    run(0)
    before = compilations()
    run(1)
    assert compilations() == before


def test_gradients_pass_through_lengths():
    W = random_lstm(np.random.default_rng(0), 2, 3)
    x = np.random.default_rng(1).normal(size=(1, 6, 2))
    with jax.enable_x64(True):
        f = bs.function(around(bs.nn.lstm(**W), 6, length=True), dtype="float64")
        g = bs.function(bs.nn.lstm(**W), dtype="float64")

        def loss(params, length):
            outputs, _ = f(params, {"x": x, "length": jnp.array([length])})
            return (outputs["out0 h"] ** 2).sum() + outputs["out3 cell_state"].sum()

        def plain(params, length):
            outputs, state = g(params, {"x": x[0, :length]})
            return (outputs["h"] ** 2).sum() + state["cell_state"].sum()

        params = bs.nn.lstm(**W).parameters()
        flat = {"scan": {f"{p}/{k}": a for p, arrays in params.items() for k, a in arrays.items()}}
        for length in (6, 4):
            mine, theirs = jax.grad(loss)(flat, length)["scan"], jax.grad(plain)(params, length)
            for path, arrays in theirs.items():
                for field, array in arrays.items():
                    np.testing.assert_allclose(mine[f"{path}/{field}"], array, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [-1, 5])
def test_a_length_that_the_sequence_does_not_have_is_an_error(engine, length):
    d = around(bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3)), 4, length=True)
    with pytest.raises(BlockError, match=rf"scan .*length {length} where the sequence has 4 steps"):
        bs.simulate(d, {"x": np.ones((1, 4, 2)), "length": [length]}, engine=engine)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_values_that_are_not_finite_are_found(engine):
    inner = bs.Diagram()
    inner.output("y", inner.add("log", MathFunction("log"), inner.input("u", shape=())))
    with pytest.raises(NonFiniteError, match="scan"):
        bs.simulate(around(inner, 3), {"u": [[1.0, 0.0, 1.0]]}, engine=engine)


class TestBadInput:
    def test_no_diagram(self):
        with pytest.raises(ParameterError, match="a diagram with an input"):
            bs.Scan(Gain(2.0))
        with pytest.raises(ParameterError, match="a diagram with an input"):
            bs.Scan(bs.Diagram("empty"))

    def test_unknown_state(self):
        with pytest.raises(ParameterError, match="cell_state"):
            bs.Scan(bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3)), initial=["cell_stat"])

    def test_shapes(self):
        inner = bs.nn.dense(np.ones((1, 3)), [0.0])
        for shape in ((), (3,), (5, 2)):
            d = bs.Diagram()
            d.output("y", d.add("each", bs.Scan(inner), d.input("x", shape=shape)))
            with pytest.raises(SignalError, match=r"each, input x .*a sequence \(T, 3\)"):
                bs.compile(d)

    def test_lengths_of_two_sequences(self):
        inner = bs.Diagram()
        inner.output("y", inner.add("sum", Sum(), inner.input("a"), inner.input("b")))
        d = bs.Diagram()
        d.output("y", d.add("each", bs.Scan(inner), d.input("a", shape=3), d.input("b", shape=4)))
        with pytest.raises(SignalError, match="sequences of the same length"):
            bs.compile(d)

    def test_a_length_that_is_no_integer(self):
        d = bs.Diagram()
        inner = bs.nn.dense(np.ones((1, 3)), [0.0])
        d.output("y", d.add("each", bs.Scan(inner, length=True), d.input("x", (5, 3)), d.input("n")))
        with pytest.raises(SignalError, match="an integer"):
            bs.compile(d)

    def test_replaced_parameters(self):
        d = around(bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3)), 4)
        with pytest.raises(bs.BlocksimError, match="i/W/K"):
            bs.simulate(d, {"x": np.ones((1, 4, 2))}, params={"scan": {"i/W/L": np.ones((3, 2))}})

    def test_an_inner_error_says_where(self):
        inner = bs.Diagram()
        x = inner.input("x", shape=2)
        inner.output("y", inner.add("wide", Gain(np.ones((2, 3))), x))
        d = bs.Diagram()
        d.output("y", d.add("each", bs.Scan(inner), d.input("x", (5, 2))))
        with pytest.raises(SignalError, match="wide"):
            bs.compile(d)


def test_inputs_without_a_shape_take_that_of_the_sequence():
    inner = bs.Diagram()
    inner.output("y", inner.add("more", Bias(1.0), inner.input("u")))
    for shape in ((4,), (4, 2), (4, 2, 3)):
        d = bs.Diagram()
        d.output("y", d.add("each", bs.Scan(inner), d.input("u", shape)))
        np.testing.assert_array_equal(bs.simulate(d, {"u": np.ones((1, *shape))})["y"][0], np.full(shape, 2))


def test_delays_out_of_loops_and_constants():
    inner = bs.Diagram()
    u = inner.input("u", shape=())
    inner.output("y", inner.add("z", Delay(0.0, 2), u))
    inner.output("one", inner.add("one block", Constant(1.0)))
    inner.output("late", inner.add("unit", UnitDelay(7.0), u))
    for engine in ENGINES:
        d = around(inner, 4, length=True)
        found = bs.simulate(d, {"u": [[1.0, 2.0, 3.0, 4.0]], "length": [3]}, engine=engine)
        np.testing.assert_array_equal(found["out0 y"][0], [0, 0, 1, 0])
        np.testing.assert_array_equal(found["out1 one"][0], [1, 1, 1, 0])
        np.testing.assert_array_equal(found["out2 late"][0], [7, 1, 2, 0])


def test_gradients_do_not_see_the_padding():
    inner = bs.Diagram("inner")
    inner.output("y", inner.add("k", Gain(2.0), inner.add("r", Sqrt(), inner.input("u"))))
    d = bs.Diagram()
    d.output("y", d.add("scan", bs.Scan(inner, length=True), d.input("u", 4), d.input("n", (), int)))
    f, u = bs.function(d, dtype="float32"), jnp.asarray([[1.0, 4.0, 0.0, 0.0]])
    for n, slopes in ((4, None), (2, [1.0, 0.5, 0.0, 0.0]), (1, [1.0, 0.0, 0.0, 0.0])):
        given = u if slopes else u + 1
        found = jax.grad(lambda u, n=n: f(d.parameters(), {"u": u, "n": jnp.array([n])})[0]["y"].sum())(given)
        np.testing.assert_allclose(found[0], slopes or 1 / np.sqrt(given[0]), rtol=1e-6)


def test_a_bad_length_is_found_behind_an_output_of_integers():
    inner = bs.Diagram("inner")
    u = inner.input("u", ())
    inner.output("whole", inner.add("whole", Cast("int"), u))
    inner.output("same", inner.add("same", Gain(1.0), u))
    d = bs.Diagram()
    d.output("y", d.add("scan", bs.Scan(inner, length=True), d.input("u", 4), d.input("n", (), int)))
    for engine in ("numpy", "jax"):
        with pytest.raises(BlockError, match="length 9 where the sequence has 4 steps"):
            bs.simulate(d, {"u": np.ones((1, 4)), "n": [9]}, engine=engine)
