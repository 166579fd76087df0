"""Passes leave the values of kept signals and states as they were; each does what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_networks import random_network

import blocksim as bs
from blocksim.library import Constant, Gain, Sum, Tanh, UnitDelay
from blocksim.plan import Plan
from blocksim.plan.code import DT, FIRST, XP, T
from blocksim.plan.passes import (
    PASSES,
    drop_dead,
    fold_constants,
    hoist,
    merge_elementwise,
    merge_products,
    optimize,
)
from blocksim.plan.program import Elementwise, MatrixProduct, Program


def interpret(
    program: Program, inputs: dict[str, np.ndarray], steps: int
) -> tuple[dict[int, Any], list[Any]]:
    """A program run in NumPy, stage by stage, with Python loops: rows of kept slots, and the states after."""
    plan = program.plan
    once: dict[int, Any] = {XP: np, DT: 1.0}

    def do(op, env):
        value = op.call(plan.blocks, *(env[s] for s in op.reads))
        return dict(zip(op.writes, value if len(op.writes) > 1 else [value], strict=True))

    for op in program.once:
        once |= do(op, once)
    rows: list[dict[int, Any]] = [{T: float(k)} for k in range(steps)]
    for i, name in enumerate(plan.flat.inputs):
        for k in range(steps):
            rows[k][FIRST + i] = inputs[name][k]
    slots = {op.path: op.writes[0] for op in plan.updates}
    states = {slots[path]: state for path, state in plan.initial_state.items()}
    for stage in program.stages:
        if stage.loop:
            current = {op.writes[0]: states[op.writes[0]] for op in stage.updates}
            for row in rows:
                row |= current
                for op in stage.operations:
                    if op.method == "output":
                        row |= do(op, once | row)
                current = {op.writes[0]: do(op, once | row)[op.writes[0]] for op in stage.updates}
            states |= current
            continue
        for op in stage.operations:
            found = [do(op, once | row) for row in rows]
            if op.method == "update":
                (slot,) = op.writes
                before = [states[slot], *(f[slot] for f in found)]
                states[slot] = before.pop()
                found = [{slot: value} for value in before]
            for row, new in zip(rows, found, strict=True):
                row |= new
    kept = {slot: np.stack([(once | row)[slot] for row in rows]) for slot in program.keep}
    return kept, [states[slots[path]] for path in plan.initial_state]


def network(seed: int) -> tuple[Plan, dict[str, np.ndarray]]:
    d, inputs = random_network(seed)
    return bs.compile(d), inputs


@pytest.mark.parametrize("keep", ["outputs", "all"])
@pytest.mark.parametrize("batch", range(10))
def test_each_pass_leaves_values_as_they_were(batch, keep):
    """20 random networks a case, after each pass in turn, and the whole as it is recorded."""
    for seed in range(20 * batch, 20 * batch + 20):
        plan, inputs = network(seed)
        slots = set(plan.outputs.values()) if keep == "outputs" else set(plan.names.values())
        program = Program.of(plan, slots)
        expected, states = interpret(program, inputs, 30)
        for each in PASSES:
            each(program)
            got, after = interpret(program, inputs, 30)
            for slot in slots:
                np.testing.assert_allclose(got[slot], expected[slot], rtol=0, atol=1e-12, err_msg=f"{each}")
            for a, b in zip(after, states, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_the_plain_program_is_what_the_engine_does():
    d, inputs = random_network(7)
    plan = bs.compile(d)
    got, _ = interpret(Program.of(plan, plan.outputs.values()), inputs, 30)
    result = bs.simulate(d, inputs)
    for name, slot in plan.outputs.items():
        np.testing.assert_array_equal(got[slot], result[name])


def lstm(n: int = 3) -> Plan:
    return bs.compile(bs.nn.lstm(np.ones((4 * n, 2)), np.ones((4 * n, n)), np.zeros(4 * n)))


def kinds(program: Program, kind: type) -> list[list[str]]:
    return [sorted(op.names) for op in program.operations() if isinstance(op, kind)]


def test_dead_blocks_are_dropped_unless_recorded():
    d = bs.Diagram()
    u = d.input("u")
    d.add("dead", Tanh(), u)
    d.output("y", d.add("alive", Gain(2.0), u))
    plan = bs.compile(d)
    for keep, count in ((set(plan.outputs.values()), 1), (set(plan.names.values()), 2)):
        program = Program.of(plan, keep)
        drop_dead(program)
        assert len(program.operations()) == count


def test_constants_are_computed_once():
    d = bs.Diagram()
    constant = d.add("twice", Gain(2.0), d.add("one", Constant(1.0)))
    d.output("y", d.add("sum", Sum(), constant, d.input("u")))
    program = Program.of(bs.compile(d), [])
    fold_constants(program)
    assert [op.paths for op in program.once] == [("one",), ("twice",)]


def test_only_parts_with_feedback_are_in_the_loop():
    d = bs.Diagram()
    u = d.input("u")
    shifted = d.add("shift", UnitDelay(0.0), d.add("before", Gain(2.0), u))
    total = d.add("total", Sum(), shifted)
    d.connect(d.add("memory", UnitDelay(0.0), total), total)
    d.output("y", d.add("after", Tanh(), total))
    program = Program.of(bs.compile(d), [])
    hoist(program)
    found = [(stage.loop, {op.paths[0] for op in stage.operations}) for stage in program.stages]
    assert found == [
        (False, {"before", "shift"}),
        (True, {"total", "memory"}),
        (False, {"after"}),
    ]


def test_stacked_layers_are_a_loop_each_and_one_product_between():
    layers = [bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8), name=name) for name in "ab"]
    plan = bs.compile(bs.nn.sequential(layers))
    program = optimize(plan, plan.outputs.values())
    assert [stage.loop for stage in program.stages] == [False, True, False, True]
    assert [len(stage.operations) for stage in program.stages if not stage.loop] == [1, 1]


def test_gates_become_one_product_each_way_one_sum_and_one_sigmoid():
    program = optimize(lstm(), [])
    assert kinds(program, MatrixProduct) == [[f"{g}/W" for g in "fgio"], [f"{g}/R" for g in "fgio"]]
    assert kinds(program, Elementwise) == [
        [f"{g}/sum" for g in "fgio"], [f"{g}/activation" for g in "fio"],
    ]  # fmt: skip


def test_products_of_different_signals_are_not_merged():
    d = bs.Diagram()
    for name in "ab":
        d.output(f"y{name}", d.add(name, Gain(np.ones((2, 2))), d.input(f"u{name}", shape=2)))
    program = Program.of(bs.compile(d), [])
    merge_products(program)
    merge_elementwise(program)
    assert all(len(names) == 1 for names in kinds(program, MatrixProduct))


def test_a_program_is_printed_stage_by_stage():
    text = str(optimize(lstm(), []))
    assert text.index("once:") < text.index("for all steps at once:") < text.index("step by step:")
    assert "product of f/R, i/R, o/R, g/R(hidden_state, " in text
