"""Matrix gains that read the same signal become one product."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from blocksim.plan.code import XP
from blocksim.plan.plan import Operation
from blocksim.plan.program import AnyOperation, Join, MatrixProduct, Program, Read, Slice, Stage


def merge_products(program: Program) -> None:
    """Merge them in each stage; those whose results go the same way stand side by side."""
    order = _ways(program)
    for stage in program.stages:
        groups: dict[int, list[Operation]] = {}
        for op in stage.operations:
            if not isinstance(op, Operation) or op.method != "output":
                continue
            if program.plan.blocks[op.path].matrix() and len(program.signals[op.reads[0]].shape) == 1:
                groups.setdefault(op.reads[0], []).append(op)
        for ops in groups.values():
            _merge(program, stage, sorted(ops, key=order))


def _merge(program: Program, stage: Stage, ops: list[Operation]) -> None:
    blocks, signals = program.plan.blocks, program.signals
    matrices = []
    for op in ops:
        name = blocks[op.path].matrix() or ""
        array = getattr(blocks[op.path], name)
        slot = program.new_slot(array.shape, array.dtype)
        program.once.append(Read((XP,), (slot,), (op.path,), name))
        matrices.append(slot)
    outputs = [signals[op.writes[0]] for op in ops]
    size, dtype = sum(signal.shape[0] for signal in outputs), outputs[0].dtype
    (source,) = ops[0].reads
    K = program.new_slot((signals[source].shape[0], size), signals[matrices[0]].dtype)
    program.once.append(Join((XP, *matrices), (K,), rows=True))
    y = program.new_slot((size,), dtype)
    made: list[AnyOperation] = [MatrixProduct((source, K), (y,), names=tuple(op.path for op in ops))]
    start = 0
    for op, signal in zip(ops, outputs, strict=True):
        made.append(Slice((XP, y), op.writes, start=start, shape=signal.shape))
        start += signal.shape[0]
    merged = set(map(id, ops))
    places = [i for i, op in enumerate(stage.operations) if id(op) in merged]
    left = [op for op in stage.operations if id(op) not in merged]
    stage.operations = left[: places[0]] + made + left[places[0] :]


def _ways(program: Program, steps: int = 3) -> Callable[[Operation], Any]:
    """A sort key: by the kinds of the blocks that a signal goes to within so many steps, then by names."""
    readers: dict[int, list[Operation]] = {}
    for op in program.operations():
        for slot in op.reads:
            if isinstance(op, Operation):
                readers.setdefault(slot, []).append(op)

    @cache
    def way(op: Operation, steps: int) -> tuple:
        onward = [r for slot in op.writes for r in readers.get(slot, []) if r.method == "output"]
        kinds = sorted((repr(program.plan.blocks[r.path]), way(r, steps - 1)) for r in onward if steps)
        return tuple(kinds)

    def key(op: Operation) -> tuple:
        onward = sorted(r.path for slot in op.writes for r in readers.get(slot, []))
        return way(op, steps), onward, op.path

    return key
