"""The plan: a pure step, an order that names alone decide, and code that does what the blocks do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_diagrams import Linear, random_lstm

import blocksim as bs
from blocksim.library import Constant, Gain, Sum, UnitDelay
from blocksim.plan.code import Code
from blocksim.plan.trace import Namespace, Recorder, Symbol


def test_what_a_diagram_was_compiled_to_cannot_be_changed_and_is_not_copied():
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(1.0), d.input("u")))
    plan = bs.compile(d)
    with pytest.raises(TypeError):
        plan.initial_state["z"] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        plan.initial_state["z"][...] = 5.0
    bs.simulate(d, {"u": [1.0]})
    assert bs.simulate(copy.deepcopy(d), {"u": [1.0]})["y"] == 1


def test_a_diagram_is_compiled_again_when_it_has_grown():
    inner, d = bs.Diagram("inner"), bs.Diagram()
    inner.output("y", inner.add("twice", Gain(2.0), inner.input("u")))
    d.output("y", d.add("inner", inner, d.input("u")))
    first = bs.compile(d)
    assert bs.compile(d) is first
    assert bs.compile(d, "float32") is not first
    inner.add("more", Gain(3.0), inner.nodes["twice"])
    assert bs.compile(d) is not first
    assert "inner/more" in bs.compile(d).signals


def test_step_is_the_whole_semantics():
    rng = np.random.default_rng(0)
    d = bs.nn.lstm(**random_lstm(rng, 2, 3))
    plan, x = bs.compile(d), rng.normal(size=(6, 2))
    state, run = plan.initial_state, bs.simulate(d, {"x": x}, record="**")
    before = {path: array.copy() for path, array in state.items()}
    for k in range(6):
        state, signals = plan.step(np, float(k), state, {"x": x[k]})
        for name in run.signals:
            np.testing.assert_array_equal(signals[name], run[name][k])
    for path, array in plan.initial_state.items():
        np.testing.assert_array_equal(array, before[path])
    np.testing.assert_array_equal(state["cell_state"], run.final_state["cell_state"])


def test_step_takes_parameters():
    d = bs.Diagram()
    d.output("y", d.add("k", Gain(2.0), d.input("u")))
    _, signals = bs.compile(d).step(np, 0.0, {}, {"u": 3.0}, {"k": {"K": np.array(4.0)}})
    assert signals["y"] == 12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 15))
def test_the_order_depends_on_names_and_wires_alone(seed, size):
    rng = np.random.default_rng(seed)
    parts = Linear.draw(rng, size)
    orders = [
        [op.path for op in bs.compile(parts.diagram(list(rng.permutation(size)))).operations]
        for _ in range(3)
    ]
    assert orders[0] == orders[1] == orders[2]


def test_shapes_and_dtypes_are_inferred():
    d = bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3))
    for dtype in (np.float64, np.float32):
        plan = bs.compile(d, dtype)
        assert plan.signals["i/sum"] == bs.Signal((3,), np.dtype(dtype))
        assert plan.inputs["x"] == bs.Signal((2,), np.dtype(dtype))
        assert {s.dtype for s in plan.signals.values()} == {np.dtype(dtype)}
        assert plan.initial_state["cell_state"].dtype == dtype


def test_what_never_changes_is_computed_once():
    d = bs.Diagram()
    scaled = d.add("scaled", Gain(2.0), d.add("one", Constant(1.0)))
    d.output("y", d.add("sum", Sum(), scaled, d.input("u")))
    plan = bs.compile(d)
    assert [op.path for op in plan.code.fixed] == ["one", "scaled"]
    assert "one" not in plan.code.text
    assert bs.simulate(d, {"u": [1.0]}, record="scaled", params={"one": {"value": 5.0}})["y"] == 11


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_written_out_blocks_do_what_their_methods_do(seed):
    rng = np.random.default_rng(seed)
    d = bs.nn.lstm(**random_lstm(rng, 2, 3))
    x = rng.normal(size=(5, 2))
    written = bs.simulate(d, {"x": x}, record="**")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Code, "_trace", lambda *_: None)
        called = bs.simulate(d, {"x": x}, record="**")
    for name in written.signals:
        np.testing.assert_array_equal(written[name], called[name])


def test_a_users_block_is_called_and_not_written_out():
    @bs.block
    class Twice(bs.Block):
        def output(self, u):
            return 2 * u

    d = bs.Diagram()
    d.output("y", d.add("three", Gain(3.0), d.add("twice", Twice(), d.input("u"))))
    code = bs.compile(d).code
    assert [op.path for op in code.called] == ["twice"]
    assert list(code.parameters) == [("three", "K")]


def symbols(*names: str) -> tuple[Recorder, list[Symbol]]:
    recorder = Recorder()
    return recorder, [Symbol(recorder, name, (3,), np.dtype(float)) for name in names]


def test_a_trace_records_operations_in_order():
    recorder, (u, v) = symbols("u", "v")
    xp = Namespace(recorder)
    names = recorder.trace(lambda a, b: (-a + 1.5 * b[0], xp.clip(a, -1, None)), [u, v], 2)
    assert recorder.lines == [
        "v0 = -u", "v1 = v[0]", "v2 = 1.5 * v1", "v3 = v0 + v2", "v4 = xp_clip(u, (-1), None)",
    ]  # fmt: skip
    assert names == ["v3", "v4"]
    assert recorder.functions == {"clip"}


def test_negative_numbers_keep_their_sign_to_themselves():
    recorder, (u,) = symbols("u")
    recorder.trace(lambda u: (-2.0) ** u + (-3) ** u, [u], 1)
    assert recorder.lines == ["v0 = (-2.0) ** u", "v1 = (-3) ** u", "v2 = v0 + v1"]


@pytest.mark.parametrize(
    "method",
    [
        lambda u: u if u[0] > 0 else -u,
        lambda u: np.tanh(u),
        lambda u: u + np.ones(3),
        lambda u: 1.0,
        lambda u: u.sum(),
        lambda u: next(iter(u)),
        lambda u: (u + 1) * float(u[0]),
        lambda u: (u + 1).shape and u,
        lambda u: u.reshape(3),
    ],
)
def test_what_symbols_cannot_record_leaves_no_trace(method):
    recorder, (u,) = symbols("u")
    assert recorder.trace(method, [u], 1) is None
    assert recorder.lines == []
    assert recorder.functions == set()


def test_the_shape_of_a_signal_is_known_while_tracing():
    recorder, (u,) = symbols("u")
    assert recorder.trace(lambda u: u * u.shape[0] if u.ndim == 1 else u, [u], 1) == ["v0"]
    assert recorder.lines == ["v0 = u * 3"]


def test_ten_thousand_blocks_in_a_chain():
    d = bs.Diagram()
    signal = d.input("u")
    for k in range(10_000):
        signal = d.add(f"n{k}", Gain(1.0) if k % 2 else Sum(), signal)
    d.output("y", d.add("last", UnitDelay(0.0), signal))
    assert bs.simulate(d, {"u": [4.0, 0.0]})["y"].tolist() == [0.0, 4.0]


def test_a_function_without_inputs_is_a_source():
    d = bs.Diagram()
    d.output("y", d.add("seven", bs.library.Function(lambda: 7.0)))
    assert bs.simulate(d, steps=2)["y"].tolist() == [7, 7]
