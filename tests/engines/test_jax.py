"""The JAX engine beyond the conformance suite: accuracy, compilations, sweeps, streams, functions."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_diagrams import random_lstm
from random_networks import random_network

import blocksim as bs
from blocksim.engines.jax import compilations
from blocksim.errors import BlockError, DiagramError, InputError, NonFiniteError
from blocksim.library import Bias, Constant, Function, Gain, Product, Sigmoid, Sum, UnitDelay
from blocksim.script import Case, Script

MODELS = sorted(Path(__file__).parents[2].glob("models/*.py"))


def assert_same(a: bs.Result, b: bs.Result, tolerance: float, largest: float = 1.0) -> None:
    """Equal within the tolerance of each signal's largest value, or of that of all, if it is given."""
    for name in a.signals:
        assert a[name].dtype == b[name].dtype
        scale = max(largest, abs(a[name]).max())
        np.testing.assert_allclose(b[name] / scale, a[name] / scale, rtol=0, atol=tolerance, err_msg=name)
    assert a.final_state.keys() == b.final_state.keys()
    for path, state in a.final_state.items():
        for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(b.final_state[path]), strict=True):
            np.testing.assert_allclose(new, old, rtol=0, atol=tolerance * max(1.0, np.max(np.abs(old))))


def lstm(m: int = 3, n: int = 4, seed: int = 0) -> bs.Diagram:
    return bs.nn.lstm(**random_lstm(np.random.default_rng(seed), m, n))


@pytest.mark.parametrize("batch", range(20))
def test_random_networks_are_those_of_the_numpy_engine(batch):
    """10 networks a case, 200 in all, every signal of every other one recorded."""
    for seed in range(10 * batch, 10 * batch + 10):
        d, inputs = random_network(seed)
        options = {"record": "**"} if seed % 2 else {}
        if seed % 10 == 3:
            results = [bs.simulate(d, inputs, engine=e, dtype="float32", **options) for e in ("numpy", "jax")]
            assert_same(*results, tolerance=1e-5)
        else:
            assert_same(*(bs.simulate(d, inputs, engine=e, **options) for e in ("numpy", "jax")), 1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models(path, dtype, tolerance, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    case = Case.prepare(Script(path)).first(20)
    results = [case.simulate(engine=e, dtype=dtype, record="**") for e in ("numpy", "jax")]
    # a signal may be the small difference of large ones
    largest = max(1.0, *(abs(a).max() for a in results[0].signals.values()))
    assert_same(*results, tolerance=tolerance, largest=largest)


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 128, 4095, 4097, 9000])
def test_any_number_of_steps(steps):
    d, x = lstm(), np.random.default_rng(1).normal(size=(steps, 3))
    assert_same(*(bs.simulate(d, {"x": x}, engine=e, dt=0.1) for e in ("numpy", "jax")), 1e-12)


def beside(*blocks, **constants) -> bs.Diagram:
    """Blocks that each read a part of one product, and a constant of their own if there are any."""
    d = bs.Diagram()
    u = d.input("u", shape=2)
    for name, block in zip("abc", blocks, strict=False):
        part = d.add(f"part_{name}", Gain(np.eye(2)), u)
        more = [d.add(f"constant_{name}", Constant(constants[name]))] if constants else []
        d.output(name, d.add(f"block_{name}", block, part, *more))
    return d


class TestMerging:
    @pytest.mark.parametrize("block", [Sum(), Product(), bs.library.RelationalOperator(">")])
    def test_constants_of_other_dtypes_keep_their_values(self, block):
        values = {"a": np.array([1, 2]), "b": [0.5, 0.25], "c": np.array([True, False])}
        blocks = [block] * (2 if isinstance(block, Sum) else 3)
        d = beside(*blocks, **values)
        assert_same(*(bs.simulate(d, {"u": np.ones((3, 2))}, engine=e) for e in ("numpy", "jax")), 0)

    def test_a_class_that_overrides_a_method_is_not_taken_for_what_it_derives_from(self):
        @bs.block
        class Twice(Gain):
            def output(self, xp, u):
                return 2 * (self.K @ u)

        @bs.block
        class Centred(Bias):
            def output(self, xp, u):
                return u - xp.mean(u) + self.b

        d = beside(Twice(np.eye(2)), Centred(0.5), Centred(1.0))
        assert_same(*(bs.simulate(d, {"u": [[1.0, 2.0]]}, engine=e) for e in ("numpy", "jax")), 1e-12)


class TestCompilations:
    def test_values_and_lengths_compile_nothing_anew(self):
        rng = np.random.default_rng(2)
        bs.simulate(lstm(5, 6), {"x": rng.normal(size=(100, 5))}, engine="jax")
        before = compilations()
        weights = random_lstm(rng, 5, 6)
        for steps in (1, 99, 1000, 5000):
            run = bs.simulate(bs.nn.lstm(**weights), {"x": rng.normal(size=(steps, 5))}, engine="jax", dt=0.5)
            bs.simulate(
                lstm(5, 6), {"x": rng.normal(size=(steps, 5))}, engine="jax",
                initial_state=run.final_state, params={"f/b": {"value": np.ones(6)}},
            )  # fmt: skip
        assert compilations() == before

    def test_another_structure_shape_or_record_does(self):
        before = compilations()
        for d, options in ((lstm(2, 7), {}), (lstm(2, 8), {}), (lstm(2, 8), {"record": "c"})):
            bs.simulate(d, {"x": np.ones((3, 2))}, engine="jax", **options)
        bs.simulate(lstm(2, 8), {"x": np.ones((3, 2))}, engine="jax", record=["i/sum"])
        assert compilations() == before + 3  # c is an output

    def test_settings_of_blocks_are_part_of_the_structure(self):
        for sign, y in (("+-", -1.0), ("++", 3.0)):
            d = bs.Diagram()
            d.output("y", d.add("sum", Sum(sign), d.add("one", Constant(1.0)), d.input("u")))
            assert bs.simulate(d, {"u": [2.0]}, engine="jax")["y"] == y


class TestBatches:
    @pytest.mark.parametrize("runs", [1, 3, 8, 13, 32])
    def test_a_batch_is_so_many_runs(self, runs):
        rng = np.random.default_rng(runs)
        d, x = lstm(), rng.normal(size=(runs, 50, 3))
        start = {"hidden_state": rng.normal(size=(runs, 4))}
        options = {"record": ["i/sum"], "initial_state": start}
        assert_same(*(bs.simulate(d, {"x": x}, engine=e, **options) for e in ("numpy", "jax")), 1e-12)

    @pytest.mark.parametrize("engine", ["numpy", "jax"])
    def test_parameters_with_an_axis_of_runs_are_a_sweep(self, engine):
        d = bs.Diagram()
        total = d.add("total", Sum(), d.input("u"))
        d.connect(d.add("decay", Gain(0.5), d.add("z", UnitDelay(0.0), total)), total)
        d.output("y", total)
        rates, starts = np.linspace(0, 1, 12), np.arange(12.0)
        params = {"decay": {"K": rates}, "z": {"initial": starts}}
        result = bs.simulate(d, {"u": np.ones(5)}, engine=engine, params=params)
        assert result["y"].shape == (12, 5)
        for b in range(12):
            y = starts[b]
            for k in range(5):
                y = 1 + rates[b] * y
                assert result["y"][b, k] == pytest.approx(y, rel=1e-14)

    @pytest.mark.parametrize("engine", ["numpy", "jax"])
    def test_a_sweep_of_merged_gains_and_batched_inputs(self, engine):
        rng = np.random.default_rng(4)
        d, x = lstm(), rng.normal(size=(5, 20, 3))
        R, b = rng.normal(size=(5, 4, 4)), rng.normal(size=(5, 4))
        params = {"i/R": {"K": R}, "o/b": {"value": b}}
        swept = bs.simulate(d, {"x": x}, engine=engine, params=params, record=["i/sum"])
        for k in range(5):
            own = {"i/R": {"K": R[k]}, "o/b": {"value": b[k]}}
            single = bs.simulate(d, {"x": x[k]}, params=own, record=["i/sum"])
            for name in single.signals:
                np.testing.assert_allclose(swept[name][k], single[name], rtol=0, atol=1e-12)

    def test_runs_of_different_numbers_are_refused(self):
        d = lstm()
        with pytest.raises(bs.BlocksimError, match="a leading axis of 5 runs"):
            bs.simulate(d, {"x": np.ones((5, 2, 3))}, params={"i/b": {"value": np.ones((4, 4))}})


@pytest.mark.parametrize("engine", ["numpy", "jax"])
class TestInitialStatesOfParameters:
    def test_replaced_ones_are_where_the_run_starts(self, engine):
        d = bs.Diagram()
        d.output("y", d.add("z", UnitDelay(1.0), d.input("u")))
        result = bs.simulate(d, {"u": [5.0, 6.0]}, engine=engine, params={"z": {"initial": 3.0}})
        np.testing.assert_array_equal(result["y"], [3, 5])
        given = bs.simulate(
            d, {"u": [5.0]}, engine=engine, params={"z": {"initial": 3.0}}, initial_state={"z": 4.0}
        )
        assert given["y"] == 4


class TestStreams:
    @pytest.mark.parametrize("engine", ["numpy", "jax"])
    def test_chunks_are_one_run(self, engine):
        d, x = lstm(), np.random.default_rng(5).normal(size=(1000, 3))
        whole = bs.simulate(d, {"x": x}, dt=0.1)
        cuts = [0, 400, 800, 999, 1000]
        chunks = ({"x": x[a:b]} for a, b in pairwise(cuts))
        results = list(bs.stream(d, chunks, engine=engine, dt=0.1))
        np.testing.assert_allclose(np.concatenate([r["h"] for r in results]), whole["h"], atol=1e-12)
        np.testing.assert_array_equal(np.concatenate([r.time for r in results]), whole.time)

    def test_chunks_are_taken_one_at_a_time(self):
        taken = []

        def chunks():
            for k in range(3):
                taken.append(k)
                yield {"x": np.ones((2, 3))}

        results = bs.stream(lstm(), chunks(), engine="jax")
        assert taken == []
        next(results)
        assert taken == [0]

    @pytest.mark.parametrize(
        ("chunks", "options", "words"), [(5, {}, "stream, chunks"), ([], {"enigne": "jax"}, "'engine'")]
    )
    def test_bad_arguments_are_named_at_once(self, chunks, options, words):
        with pytest.raises(InputError, match=words):
            bs.stream(lstm(), chunks, **options)

    def test_a_bad_chunk_is_an_error_when_it_comes(self):
        results = bs.stream(lstm(), [{"x": np.ones((2, 3))}, {"x": np.ones((2, 4))}])
        next(results)
        with pytest.raises(InputError, match="input 'x'"):
            next(results)


class TestErrors:
    def test_code_that_branches_on_a_value_is_named_with_its_remedy(self):
        d = bs.Diagram()
        d.output("y", d.add("branch", Function(lambda u: u if u > 0 else -u), d.input("u")))
        assert bs.simulate(d, {"u": [-2.0]})["y"] == 2
        with pytest.raises(BlockError, match=r"branch.*test_jax\.py.*xp\.where") as caught:
            bs.simulate(d, {"u": [-2.0]}, engine="jax")
        assert "TracerBoolConversionError" in str(caught.value)

    def test_numpy_functions_on_traced_values_are_named_with_theirs(self):
        d = bs.Diagram()
        d.output("y", d.add("sine", Function(lambda u: np.sin(u)), d.input("u")))
        with pytest.raises(BlockError, match=r"sine.*xp's functions"):
            bs.simulate(d, {"u": [1.0]}, engine="jax")

    @pytest.mark.parametrize("steps", [5, 70])
    def test_what_a_squashing_block_hides_in_a_loop_is_found(self, steps):
        d = bs.Diagram()
        total = d.add(
            "total", Sum(), d.add("quotient", Product("*/"), d.add("one", Constant(1.0)), d.input("u"))
        )
        d.connect(d.add("z", UnitDelay(0.0), d.add("squash", Sigmoid(), total)), total)
        d.output("y", d.nodes["squash"])
        u = np.ones(steps)
        u[-2] = 0
        for engine in ("numpy", "jax"):
            with pytest.raises(NonFiniteError) as caught:
                bs.simulate(d, {"u": u}, engine=engine)
            assert (caught.value.path, caught.value.step) == ("quotient", steps - 2)
            bs.simulate(d, {"u": u}, engine=engine, check_finite=False)

    @pytest.mark.parametrize("kind", ["dead", "delayed", "masked", "limited delay"])
    def test_what_nobody_sees_is_found(self, kind):
        @bs.block
        class Limited(UnitDelay):
            def update(self, xp, u):
                return xp.minimum(u, 1.0)

        d = bs.Diagram()
        u = d.input("u")
        quotient = d.add("quotient", Product("/"), u)
        if kind == "delayed":
            d.add("late", bs.library.Delay(0.0, 2), quotient)
            d.output("y", d.add("limit", bs.library.Saturation(), quotient))
        elif kind == "masked":
            d.output("y", d.add("mask", Product(), quotient, d.input("on", dtype=bool)))
        elif kind == "limited delay":
            d.output("y", d.add("late", Limited(0.0), quotient))
        else:
            d.output("y", d.add("limit", bs.library.Saturation(), u))
        inputs = {"u": np.ones(20)} | ({"on": np.zeros(20, bool)} if kind == "masked" else {})
        inputs["u"][5] = 0
        for engine in ("numpy", "jax"):
            with pytest.raises(NonFiniteError) as caught:
                bs.simulate(d, inputs, engine=engine)
            assert (caught.value.path, caught.value.step) == ("quotient", 5)

    def test_of_a_batch_the_first_run_is_named(self):
        d = bs.Diagram()
        d.output("y", d.add("quotient", Product("/"), d.input("u")))
        u = np.ones((16, 5000))
        u[0, 4500] = u[9, 10] = 0
        for engine in ("numpy", "jax"):
            with pytest.raises(NonFiniteError) as caught:
                bs.simulate(d, {"u": u}, engine=engine)
            assert caught.value.step == 4500

    def test_a_sum_of_values_that_overflows_is_no_fault(self):
        d = bs.Diagram()
        u = d.input("u")
        for k in range(3):
            d.output(f"y{k}", d.add(f"b{k}", Bias(0.0), u))
        big = np.full(4, 1.5e308)
        np.testing.assert_array_equal(bs.simulate(d, {"u": big}, engine="jax")["y1"], big)


def test_progress_of_a_batch_without_outputs_is_told_of_all_steps():
    d, told = bs.Diagram(), []
    d.add("z", UnitDelay(0.0), d.input("u"))
    bs.simulate(d, {"u": np.ones((13, 70))}, engine="jax", progress=lambda *a: told.append(a))
    assert told[-1] == (13 * 70, 13 * 70)


def test_a_batch_compiles_once_for_all_cores():
    before = compilations()
    bs.simulate(lstm(2, 9), {"x": np.ones((32, 5, 2))}, engine="jax")
    assert compilations() == before + 1


def test_progress_is_told_of_all_steps():
    told = []
    bs.simulate(lstm(), {"x": np.ones((9000, 3))}, engine="jax", progress=lambda *a: told.append(a))
    assert told[-1] == (9000, 9000)
    assert len(told) > 1


def test_float64_is_not_switched_on_for_others():
    bs.simulate(lstm(), {"x": np.ones((5, 3))}, engine="jax")
    assert jnp.ones(1).dtype == jnp.float32


class TestFunctions:
    def test_it_is_what_simulate_does(self):
        d, x = lstm(), np.random.default_rng(6).normal(size=(20, 3))
        outputs, state = bs.function(d, record="i/sum")(d.parameters(), {"x": x})
        result = bs.simulate(d, {"x": x}, record="i/sum", dtype="float32")
        for name in result.signals:
            np.testing.assert_allclose(outputs[name], result[name], atol=1e-5)
        np.testing.assert_allclose(state["cell_state"], result.final_state["cell_state"], atol=1e-5)

    def test_gradients_are_those_of_finite_differences(self):
        d, x = lstm(), np.random.default_rng(7).normal(size=(15, 3))
        with jax.enable_x64(True):
            f = bs.function(d, dtype="float64")

            def loss(params):
                outputs, state = f(params, {"x": x})
                return (outputs["h"] ** 2).sum() + state["cell_state"].sum()

            params = d.parameters()
            gradient = jax.jit(jax.grad(loss))(params)
            assert gradient.keys() == params.keys()
            for path, field in (("i/W", "K"), ("g/R", "K"), ("f/b", "value"), ("hidden_state", "initial")):
                index = (0,) * params[path][field].ndim
                sides = []
                for step in (1e-6, -1e-6):
                    moved = {p: {f: np.array(a) for f, a in fields.items()} for p, fields in params.items()}
                    moved[path][field][index] += step
                    sides.append(float(loss(moved)))
                expected = (sides[0] - sides[1]) / 2e-6
                assert gradient[path][field][index] == pytest.approx(expected, rel=1e-6, abs=1e-9)

    @pytest.mark.parametrize("seed", range(4))
    def test_derivatives_are_those_of_steps_in_order(self, seed):
        """Forward, reverse, twice and mapped, against `Plan.step` one step after another."""
        d, inputs = random_network(seed) if seed else (lstm(), {"x": np.ones((30, 3))})
        counter = d.add("counter", UnitDelay(np.array(3)))
        d.connect(d.add("twice", Sum("++"), counter, counter), counter)
        d.output("count", counter)
        with jax.enable_x64(True):
            plan, f = bs.compile(d), bs.function(d, dtype="float64")
            inputs = {name: jnp.asarray(a[:6]) for name, a in inputs.items()}
            params = {p: {k: a for k, a in q.items() if a.dtype == float} for p, q in d.parameters().items()}
            names = [name for name in d.outputs if name != "count"]

            def compiled(params, inputs):
                outputs, _ = f(params, inputs)
                return sum((outputs[name] ** 2).sum() for name in names)

            def stepped(params, inputs):
                blocks = {p: plan.blocks[p].with_parameters(params.get(p, {})) for p in plan.initial_state}
                state, total = {path: block.init() for path, block in blocks.items()}, 0.0
                for k in range(6):
                    row = {name: a[k] for name, a in inputs.items()}
                    state, signals = plan.step(jnp, float(k), state, row, params)
                    total += sum((signals[name] ** 2).sum() for name in names)
                return total

            def batch(f):
                many = {name: jnp.stack([a, 2 * a]) for name, a in inputs.items()}
                return lambda params: jax.vmap(f, (None, 0))(params, many).sum()

            direction = jax.tree.map(jnp.ones_like, params)

            def of(f):
                slope = lambda params: jax.jvp(f, (params,), (direction,))[1]  # noqa: E731
                return jax.grad(f)(params), slope(params), jax.grad(slope)(params)

            pairs = [(lambda p: compiled(p, inputs), lambda p: stepped(p, inputs))]
            pairs.append((batch(compiled), batch(stepped)))
            for mine, plain in pairs:
                for a, b in zip(jax.tree.leaves(of(mine)), jax.tree.leaves(of(plain)), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)

    def test_derivatives_of_a_loop_around_it(self):
        d = lstm()
        with jax.enable_x64(True):
            f, params, x = bs.function(d, dtype="float64"), d.parameters(), jnp.ones((1, 3))

            def step(h):
                return f(params, {"x": x}, {"hidden_state": h})[0]["h"][0]

            def orbit(h):
                return jax.lax.scan(lambda h, _: (step(h), None), h, None, length=4)[0]

            start = jnp.full(4, 0.1)
            h, expected = start, jnp.eye(4)
            for _ in range(4):
                h, expected = step(h), jax.jacfwd(step)(h) @ expected
            for jacobian in (jax.jacfwd(orbit), jax.jacrev(orbit), jax.jit(jax.jacfwd(orbit))):
                np.testing.assert_allclose(jacobian(start), expected, atol=1e-14)

    def test_it_composes_with_vmap_jacfwd_and_itself(self):
        d, x = lstm(), np.random.default_rng(8).normal(size=(4, 10, 3)).astype("float32")
        f, params = bs.function(d), d.parameters()
        outputs, _ = jax.vmap(lambda x: f(params, {"x": x}))(x)
        np.testing.assert_allclose(outputs["h"], bs.simulate(d, {"x": x})["h"], atol=1e-5)
        whole, _ = f(params, {"x": x[0]})
        _, state = f(params, {"x": x[0, :6]})
        rest, _ = f(params, {"x": x[0, 6:]}, state)
        np.testing.assert_allclose(rest["h"], whole["h"][6:], atol=1e-6)
        jacobian = jax.jacfwd(lambda h: f(params, {"x": x[0]}, state | {"hidden_state": h})[0]["h"])(
            jnp.zeros(4)
        )
        assert jacobian.shape == (10, 4, 4)

    def test_the_step_goes_on_from_a_state_that_holds_it(self):
        d = bs.Diagram()
        d.output("t", d.add("clock", bs.library.Clock()))
        outputs, state = bs.function(d, dt=0.5)({}, 4, {"@step": 2})
        np.testing.assert_allclose(outputs["t"], [1.0, 1.5, 2.0, 2.5])
        assert state["@step"] == 6

    def test_tables_need_not_be_given(self):
        d = bs.Diagram()
        d.output("y", d.add("table", bs.library.FromArray([1.0, 3.0])))
        outputs, _ = bs.function(d)({}, np.int64(3))
        np.testing.assert_array_equal(outputs["y"], [1, 3, 3])

    def test_floats_are_not_cut_to_integers(self):
        d = bs.Diagram()
        d.output("y", d.input("n", dtype=int))
        with pytest.raises(InputError, match=r"input 'n' .*dtype int64"):
            bs.function(d)({}, {"n": np.array([1.7, 2.9])})

    def test_optax_trains_with_it(self):
        optax = pytest.importorskip("optax")
        d = bs.nn.dense(np.zeros((1, 2)), np.zeros(1))
        f, x = bs.function(d), np.random.default_rng(9).normal(size=(50, 2))
        target = x @ [2.0, -1.0] + 0.5
        optimizer = optax.adam(0.1)
        params = d.parameters()
        state = optimizer.init(params)

        @jax.jit
        def step(params, state):
            loss = lambda p: jnp.mean((f(p, {"x": x})[0]["y"][:, 0] - target) ** 2)  # noqa: E731
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return optax.apply_updates(params, updates), state

        for _ in range(300):
            params, state = step(params, state)
        np.testing.assert_allclose(params["W"]["K"], [[2.0, -1.0]], atol=1e-3)

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            (lambda f: f({"i/X": {}}, {"x": np.ones((2, 3))}), DiagramError, r"params\['i/X'\].*i/"),
            (lambda f: f({"i/W": {"L": 1}}, {"x": np.ones((2, 3))}), InputError, "one of K"),
            (lambda f: f({"i/W": {"K": 1}}, {"x": np.ones((2, 3))}), InputError, r"shape \(4, 3\)"),
            (lambda f: f({}, {"x": np.ones((2, 2, 3))}), InputError, r"jax\.vmap"),
            (lambda f: f({}, {"x": np.ones((2, 3))}, {"cell": 1}), DiagramError, "cell_state"),
            (lambda f: f({}, {"x": np.ones((2, 3))}, {"cell_state": 1}), InputError, r"shape \(4,\)"),
            (lambda f: f({}, 5), InputError, "a dictionary by name"),
        ],
    )
    def test_bad_arguments_are_named(self, call, error, words):
        with pytest.raises(error, match=re.compile(words, re.DOTALL)):
            call(bs.function(lstm()))

    def test_float64_must_be_enabled(self):
        with pytest.raises(InputError, match="jax_enable_x64"):
            bs.function(lstm(), dtype="float64")
