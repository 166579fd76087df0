"""The engine `bdsim` against the NumPy engine: two schedulers, two sets of arithmetic, one result."""

from __future__ import annotations

import gc
import re
import sys
import weakref
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from bdsim.blockdiagram import BlockDiagram
from bdsim.components import FunctionBlock, clocklist
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_examples import EXAMPLES, STATEFUL, diagram_of, run_alone
from random_diagrams import Linear

import blocksim as bs
from blocksim.errors import BlockError, NonFiniteError
from blocksim.interop.bdsim import mapping
from blocksim.interop.bdsim.laws import LAWS, threefry
from blocksim.interop.bdsim.native import NATIVE
from blocksim.library import Constant, Function, Gain, Product, Sum, Tanh, UnitDelay
from blocksim.plan.tree import tree_map

TOLERANCE = 1e-12
quick = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def _leaves_nothing(capfd: pytest.CaptureFixture[str]):
    """Every test here: nothing is printed, no clock stays behind, the command line is untouched."""
    before = list(sys.argv)
    yield
    assert capfd.readouterr() == ("", "")
    assert clocklist == []
    assert sys.argv == before


def assert_same(a: bs.Result, b: bs.Result, tolerance: float = TOLERANCE) -> None:
    """All recorded signals and final states, values and dtypes."""

    def same(x: np.ndarray, y: np.ndarray) -> None:
        x, y = np.asarray(x), np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(y, x, rtol=tolerance, atol=tolerance)

    tree_map(same, a.signals, b.signals)
    tree_map(same, a.final_state, b.final_state)


def both(d: bs.Diagram, inputs=None, tolerance: float = TOLERANCE, **options) -> bs.Result:
    """Run on both engines, compare every signal, and return bdsim's result."""
    options.setdefault("record", "**")
    ours = bs.simulate(d, inputs, **options)
    theirs = bs.simulate(d, inputs, engine="bdsim", **options)
    assert_same(ours, theirs, tolerance)
    return theirs


# -- time and order --------------------------------------------------------------------------------


@quick
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), m=st.integers(1, 5), steps=st.integers(1, 30))
def test_lstm_every_signal(seed, n, m, steps):
    rng = np.random.default_rng(seed)
    W, R, b, h0, c0 = (rng.normal(size=s) for s in [(4 * n, m), (4 * n, n), 4 * n, n, n])
    both(bs.nn.lstm(W, R, b, h0, c0), {"x": rng.normal(size=(steps, m))})


@quick
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 20))
def test_random_diagrams_in_random_order(seed, size):
    rng = np.random.default_rng(seed)
    d = Linear.draw(rng, size).diagram(rng.permutation(size).tolist())
    both(d, {"u": rng.normal(size=20)}, dt=float(rng.uniform(1e-9, 2)))


@pytest.mark.parametrize("first", ["x", "y"])
def test_coupled_delays(first):
    d = bs.Diagram()
    nodes = {name: d.add(name, UnitDelay(0.0)) for name in (first, "xy".replace(first, ""))}
    one = d.add("one", Constant(1.0))
    d.connect(d.add("plus", Sum(), nodes["y"], one), nodes["x"])
    d.connect(nodes["x"], nodes["y"])
    run = bs.simulate(d, steps=7, record="x", engine="bdsim")
    np.testing.assert_array_equal(run["x"], [0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize("initial", [9.0, [9.0], [9.0, 8.0], [[9.0, 8.0], [7.0, 6.0]]])
def test_the_first_row_is_initial_and_the_first_input_is_not_lost(initial):
    shape = np.shape(initial)
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(initial), d.input("u", shape=shape)))
    u = np.arange(3 * np.prod(shape, dtype=int), dtype=float).reshape(3, *shape)
    run = both(d, {"u": u})
    np.testing.assert_array_equal(run["y"], [initial, *u[:2]])
    np.testing.assert_array_equal(run.final_state["z"], u[2])


@pytest.mark.parametrize("dt", [1e-12, 0.1, 1e9])
def test_time_is_that_of_the_step_however_short(dt):
    """bdsim joins events less than a microsecond apart; the engine's ticks are a second apart."""
    d = bs.Diagram()
    d.output("t", d.add("clock", Tells()))
    run = bs.simulate(d, steps=5, dt=dt, engine="bdsim", initial_state={"@step": 3})
    np.testing.assert_array_equal(run["t"], dt * np.arange(3, 8))


def test_resuming_is_bit_equal_to_an_unbroken_run():
    rng = np.random.default_rng(4)
    d = bs.nn.lstm(rng.normal(size=(12, 2)), rng.normal(size=(12, 3)), rng.normal(size=12))
    x = rng.normal(size=(30, 2))
    whole = bs.simulate(d, {"x": x}, engine="bdsim", record="**")
    first = bs.simulate(d, {"x": x[:11]}, engine="bdsim", record="**")
    rest = bs.simulate(d, {"x": x[11:]}, engine="bdsim", record="**", initial_state=first.final_state)
    for name, rows in whole.signals.items():
        np.testing.assert_array_equal(np.concatenate([first[name], rest[name]]), rows)
    for path, state in whole.final_state.items():
        np.testing.assert_array_equal(rest.final_state[path], state)


def test_a_batch_parameters_and_the_last_row_alone():
    d = bs.Diagram()
    d.output("y", d.add("g", Gain(np.eye(2)), d.add("z", UnitDelay([0.0, 0.0]), d.input("u", shape=2))))
    u = np.random.default_rng(5).normal(size=(3, 8, 2))
    run = both(d, {"u": u}, params={"g": {"K": [[1.0, 2.0], [3.0, 4.0]]}, "z": {"initial": [5.0, 6.0]}})
    assert run["y"].shape == (3, 8, 2)
    last = bs.simulate(d, {"u": u[0]}, engine="bdsim", keep="last")
    np.testing.assert_array_equal(last["y"], u[:1, -2])


def test_progress_counts_every_step():
    seen = []
    d = bs.Diagram()
    d.output("y", d.add("c", Constant(1.0)))
    bs.simulate(d, steps=7, engine="bdsim", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (7, 7)


def test_a_chain_longer_than_the_recursion_limit():
    d = bs.Diagram()
    chain = [d.add(f"g{k}", Gain(-1.0)) for k in range(400)]  # the last of the signal's way comes first
    for node, source in zip(chain, [*chain[1:], d.input("u")], strict=True):
        d.connect(source, node)
    d.output("y", chain[0])
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(350)
        np.testing.assert_array_equal(bs.simulate(d, {"u": [1.0, 2.0]}, engine="bdsim")["y"], [1, 2])
        assert sys.getrecursionlimit() == 350
    finally:
        sys.setrecursionlimit(limit)


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1), (3, 2), (3, 0), (3, 2, 2)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_shapes_and_float_types(shape, dtype):
    rng = np.random.default_rng(6)
    d = bs.Diagram()
    u = d.input("u", shape=shape)
    half = d.add("half", Gain(-0.5), u)
    total = d.add("total", Sum("+-"), half)
    d.connect(d.add("memory", UnitDelay(rng.normal(size=shape)), total), total)
    d.output("y", d.add("ratio", Product("*/*"), u, d.add("p", Constant(np.full(shape, 3.0))), total))
    run = both(d, {"u": rng.normal(size=(9, *shape))}, tolerance=0, dtype=dtype)
    assert run["y"].dtype == dtype
    assert run.final_state["memory"].shape == shape


@pytest.mark.parametrize(
    ("K", "shape"),
    [
        ((), ()), ((), (2,)), ((), (2, 3)),
        ((2,), ()), ((2,), (2,)),
        ((3, 2), (2,)), ((3, 2), (2, 3)), ((1, 2), (2,)),
        ((2, 1, 2), ()), ((2, 1, 2), (2, 1, 2)),
    ],
)  # fmt: skip
def test_gains_of_every_shape(K, shape):
    K = np.random.default_rng(1).normal(size=K)
    d = bs.Diagram()
    d.output("y", d.add("g", Gain(K), d.input("u", shape=shape)))
    both(d, {"u": np.random.default_rng(7).normal(size=(4, *shape))})


def test_integers_booleans_and_names_that_bdsim_would_change():
    d = bs.Diagram("$")
    n = d.input("n", shape=2, dtype=np.int32)
    both_ways = [d.add(name, UnitDelay(np.array([2, 3], np.int32)), n) for name in ("a$", "a", "a^{2}", "a²")]
    d.output("y", d.add("sum", Sum("+-++"), *both_ways))
    d.output("b", d.add("flag", UnitDelay(True), d.input("u", dtype=bool)))
    run = both(d, {"n": [[1, 2], [3, 4], [5, 6]], "u": [False, True, False]}, tolerance=0)
    assert run["y"].dtype == np.int32
    assert run["b"].tolist() == [True, False, True]


def test_without_states_inputs_or_operations():
    d = bs.Diagram()
    d.output("u", d.input("u", shape=2))
    np.testing.assert_array_equal(bs.simulate(d, {"u": np.eye(2)}, engine="bdsim")["u"], np.eye(2))
    d = bs.Diagram()
    d.output("y", d.add("c", Constant([[1.0, 2.0]])))
    assert both(d, steps=3)["y"].shape == (3, 1, 2)
    d = bs.Diagram()
    d.add("n", Counts(np.array(0)))
    assert both(d, steps=3, record=None).final_state["n"] == 3


# -- the library -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", TOLERANCE), ("float32", 2e-6)])
def test_every_library_block(name, dtype, tolerance):
    block, inputs = EXAMPLES[name]
    results = [
        run_alone(block, inputs, engine=engine, dtype=dtype, record="**")[1] for engine in ("numpy", "bdsim")
    ]
    assert_same(*results, tolerance)


@pytest.mark.parametrize("name", STATEFUL)
def test_every_state_resumes_bit_equal(name):
    block, inputs = EXAMPLES[name]
    whole = run_alone(block, inputs, engine="bdsim", steps=12)[1]
    first = run_alone(block, {k: u[:5] for k, u in inputs.items()}, engine="bdsim", steps=5)[1]
    rest = run_alone(
        block, {k: u[5:] for k, u in inputs.items()}, engine="bdsim", steps=7,
        initial_state=first.final_state,
    )[1]  # fmt: skip
    joined = {key: np.concatenate([first[key], rest[key]]) for key in whole.signals}
    tree_map(np.testing.assert_array_equal, joined, whole.signals)
    tree_map(np.testing.assert_array_equal, rest.final_state, whole.final_state)


def test_every_library_block_has_a_mapping():
    exported = {c for c in vars(bs.library).values() if isinstance(c, type) and issubclass(c, bs.Block)}
    assert len(exported) > 40
    assert exported - set(NATIVE) - set(LAWS) == set()
    for name, (block, inputs) in EXAMPLES.items():
        (kind,) = mapping(bs.compile(diagram_of(block, inputs))).values()
        assert kind == "bridge" or kind.startswith("native: "), name


def test_the_mapping_is_what_runs(monkeypatch: pytest.MonkeyPatch):
    """Every block that is made in bdsim, by the name of its class there."""
    made = []
    original = FunctionBlock.__init__

    def note(self, **options) -> None:
        made.append(type(self).__name__)
        original(self, **options)

    monkeypatch.setattr(FunctionBlock, "__init__", note)
    d = bs.Diagram()
    u = d.input("u", shape=2)
    d.output("y", d.add("tanh", Tanh(), d.add("sum", Sum("-"), d.add("gain", Gain(2.0), u))))
    assert mapping(bs.compile(d)) == {"gain": "native: GAIN", "sum": "native: SUM", "tanh": "bridge"}
    bs.simulate(d, {"u": np.ones((2, 2))}, engine="bdsim")
    assert sorted(made) == ["Gain", "Map", "Map", "Sum"]  # a Map for u and one for tanh


@pytest.mark.parametrize("module", ["laws", "native", "blocks"])
def test_a_bridge_calls_no_block_of_blocksim(module):
    """The text names no method of a block, so that nothing of its arithmetic can be shared."""
    text = Path(import_module(f"blocksim.interop.bdsim.{module}").__file__).read_text()
    assert re.findall(r"\bb\.(?:output|update|init)\b|_interpolate|threefry2x32|library\.\w+\(", text) == []


def test_threefry_known_answers():
    """From Random123's list, as the words of the counter and of the key."""
    assert threefry((0, 0), 0, 0) == (0x6B200159, 0x99BA4EFE)
    ones = 0xFFFFFFFF
    assert threefry((ones, ones), ones, ones) == (0x1CB996FC, 0xBB002BE7)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert threefry(pi[2:], *pi[:2]) == (0xC4923A9C, 0x483DF7A0)


# -- blocks of the user's own ----------------------------------------------------------------------


@bs.block
class Tells(bs.Block):
    """y = t."""

    def output(self, t):
        return t


@bs.block
class Counts(bs.Block):
    """A state and no output."""

    initial: bs.Array = bs.param(keep_dtype=True)

    def init(self):
        return self.initial

    def update(self, x):
        return x + 1


@bs.block
class Mixed(bs.Block):
    """The output reads `now`, the next state `later`: only `now` is direct feedthrough."""

    initial: bs.Array = bs.param()
    outputs = ("y", "total")

    def init(self):
        return {"memory": self.initial, "count": (np.array(0, np.int32),)}

    def output(self, xp, x, dt, now, *others):
        return xp.tanh(now) + x["memory"], sum(others, now) * dt + x["count"][0]

    def update(self, t, x, later):
        return {"memory": 0.5 * later + t, "count": (x["count"][0] + np.int32(1),)}


def test_a_loop_through_a_port_that_only_the_next_state_reads():
    d = bs.Diagram()
    u = d.input("u", shape=2)
    mixed = d.add("mixed", Mixed([1.0, 2.0]), now=u)
    squash = d.add("squash", Tanh(), mixed)
    d.connect(squash, mixed, "later")
    d.connect(u, mixed)
    d.output("y", mixed["total"])
    rng = np.random.default_rng(8)
    run = both(d, {"u": rng.normal(size=(10, 2))}, dt=0.1)
    assert run.final_state["mixed"]["count"][0].dtype == np.int32
    assert mapping(bs.compile(d)) == {"mixed": "own code", "squash": "bridge"}


@bs.block
class Boost(Gain):
    """A subclass of a library block is not that block."""

    def output(self, u):
        return 10 * self.K * u


def test_a_subclass_of_a_library_block_runs_its_own_code():
    d = bs.Diagram()
    d.output("y", d.add("boost", Boost(2.0), d.input("u")))
    assert both(d, {"u": [1.0, 2.0]})["y"].tolist() == [20, 40]
    assert mapping(bs.compile(d)) == {"boost": "own code"}


# -- errors ----------------------------------------------------------------------------------------


@bs.block
class Fails(bs.Block):
    """Raises, or changes its shape, from u >= 2 on."""

    how: str = "raise"

    def output(self, u):
        if u < 2:
            return u + 0.0
        if self.how == "raise":
            raise RuntimeError("no more")
        return np.array([u, u])


@pytest.mark.parametrize("check_finite", [True, False])
@pytest.mark.parametrize("how", ["raise", "shape"])
def test_a_failing_block_is_named_with_its_step(how, check_finite):
    d = bs.Diagram()
    inner = bs.Diagram("inner")
    inner.output("y", inner.add("bad", Fails(how), inner.input("u")))
    d.output("y", d.add("sub", inner, d.input("u")))
    expected = "no more" if how == "raise" else r"\(2,\)"
    with pytest.raises(BlockError, match=rf"(?s)sub/bad.*{expected}") as caught:
        bs.simulate(d, {"u": [0.0, 1.0, 2.0, 3.0]}, engine="bdsim", check_finite=check_finite)
    assert "step 2" in str(caught.value)


@pytest.mark.parametrize("check_finite", [True, False])
def test_a_function_that_raises_a_type_error(check_finite):
    """bdsim replaces it by one of its own, of another text."""
    d = bs.Diagram()
    d.output("y", d.add("f", Function(lambda u: u if u < 2 else u + "two"), d.input("u")))
    with pytest.raises(BlockError, match=r"(?s)^f .*step 1, got UFuncTypeError"):
        bs.simulate(d, {"u": [1.0, 2.0]}, engine="bdsim", check_finite=check_finite)


@bs.block
class Refuses(bs.Block):
    """Raises for values above 1e300, which a run should have stopped before."""

    def output(self, u):
        if u.max() > 1e300:
            raise RuntimeError("too large")
        return u * 1


def test_an_infinite_state_is_reported_before_the_block_that_it_breaks():
    d = bs.Diagram()
    blows = d.add("blows", Blows(hidden=False), d.input("u"))
    d.output("y", d.add("refuses", Refuses(), blows))
    for engine in ("numpy", "bdsim"):
        with pytest.raises(NonFiniteError, match="step 1") as caught:
            bs.simulate(d, {"u": [0.0, 2.0, 0.0]}, engine=engine)
        assert (caught.value.path, caught.value.step) == ("blows", 1), engine


def test_an_exception_of_the_users_progress_is_passed_on():
    def stop(done: int, total: int) -> None:
        raise KeyError("enough")

    d = bs.Diagram()
    d.output("y", d.add("c", Constant(1.0)))
    with pytest.raises(KeyError, match="enough"):
        bs.simulate(d, steps=3, engine="bdsim", progress=stop)


@bs.block
class Blows(bs.Block):
    """A state that is infinite after an input above 1; the output may hide it."""

    hidden: bool = True

    def init(self):
        return np.zeros(2)

    def output(self, xp, x):
        return xp.tanh(x) if self.hidden else x

    def update(self, x, u):
        return x + np.array(1e300) * 1e300 if u > 1 else x

    guarded = False


@pytest.mark.parametrize("u", [[1.0, 1.0, 0.0], [0.5, 1e9, 0.0], [0.0, 0.0, 1e9]])
@pytest.mark.parametrize("last", ["seen", "masked", "divided", "a state"])
def test_the_first_non_finite_value_is_the_one_numpy_finds(last, u):
    d = bs.Diagram()
    source = d.input("u")
    big = d.add("big", Gain(1e308), source)
    if last == "a state":
        total = d.add("blows", Blows(), big)
    else:
        memory = d.add("memory", UnitDelay(0.0), big)
        total = d.add("sum", Sum(), big, memory)
        if last == "masked":
            total = d.add("squash", Tanh(), total)
        elif last == "divided":
            total = d.add("one over", Product("/"), memory)
    d.output("y", total)
    found = []
    for engine in ("numpy", "bdsim"):
        with pytest.raises(NonFiniteError) as caught:
            bs.simulate(d, {"u": u}, engine=engine)
        found.append((caught.value.path, caught.value.step, str(caught.value)))
    assert found[0] == found[1]
    unchecked = [
        bs.simulate(d, {"u": u}, engine=e, check_finite=False, record="**") for e in ("numpy", "bdsim")
    ]
    assert_same(*unchecked)


def test_what_bdsim_says_of_a_diagram_that_it_refuses(monkeypatch: pytest.MonkeyPatch):
    def refuse(self) -> None:
        print("\x1b[31m  ERROR: a cycle\x1b[0m\n  ☑ something else")
        raise RuntimeError("could not compile system")

    monkeypatch.setattr(BlockDiagram, "schedule_generate", refuse)
    d = bs.Diagram()
    d.output("y", d.add("c", Constant(1.0)))
    with pytest.raises(bs.BlocksimError, match=r"got ERROR: a cycle; could not compile system\."):
        bs.simulate(d, steps=3, engine="bdsim")


def test_integers_that_float64_cannot_hold():
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(np.array(0)), d.input("n", dtype=np.int64)))
    assert both(d, {"n": [2**53, -(2**53), 0]})["y"].tolist() == [0, 2**53, -(2**53)]
    with pytest.raises(bs.BlocksimError, match=r"z, state: expected integers up to 9007199254740992"):
        bs.simulate(d, {"n": [0, 2**53 + 1, 0]}, engine="bdsim")


def test_a_diagram_is_freed_after_its_run():
    rng = np.random.default_rng(9)
    array = rng.normal(size=(50, 1))
    d = bs.nn.lstm(np.ones((4, 1)), np.ones((4, 1)), np.ones(4))
    result = bs.simulate(d, {"x": array}, engine="bdsim")
    plan = weakref.ref(result._plan)
    del result, d  # a diagram keeps what it was compiled to
    gc.collect()
    assert plan() is None
