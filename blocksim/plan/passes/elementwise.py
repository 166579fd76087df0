"""Equal elementwise blocks on neighbouring parts of a wide signal become one call on all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Any

from blocksim.block import Block, Signal
from blocksim.plan.code import XP, T
from blocksim.plan.plan import Operation
from blocksim.plan.program import AnyOperation, Elementwise, Join, Program, Read, Slice, Stage


def merge_elementwise(program: Program) -> None:
    """Merge them in each stage, from the inputs on: the results are again parts of one signal."""
    merger = _Merger(program)
    for stage in program.stages:
        merger.merge(stage)


class _Merger:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.parts = {
            op.writes[0]: (op.reads[1], op.start) for op in program.operations() if isinstance(op, Slice)
        }
        """The wide signal and the first element of each slot that is a part of one."""
        self.joined: dict[tuple[int, ...], int] = {}
        """The slots of joined constants."""

    def merge(self, stage: Stage) -> None:
        """Operations of one depth do not depend on each other, so they may become one."""
        depth = _depths(stage)
        order: dict[int, list[AnyOperation]] = {}
        for op, d in zip(stage.operations, depth, strict=True):
            order.setdefault(d, []).append(op)
        made: list[AnyOperation] = []
        for d in sorted(order):
            constants = self.program.constants()
            groups: dict[Any, list[Operation]] = {}
            rest: list[AnyOperation] = []
            for op in order[d]:
                key = self._key(op, constants)
                if key is None or not isinstance(op, Operation):
                    rest.append(op)
                else:
                    groups.setdefault(key, []).append(op)
            for (_, _, sources), ops in groups.items():
                for run in self._runs(ops, sources):
                    if len(run) > 1:
                        made += self._merged(run, sources)
                    else:
                        rest += run
            made += rest
        stage.operations = made

    def _key(self, op: AnyOperation, constants: set[int]) -> Any:
        """What operations must share to be merged; None where one cannot be."""
        if not isinstance(op, Operation) or op.method != "output" or len(op.writes) != 1 or T in op.reads:
            return None
        program, block = self.program, self.program.plan.blocks[op.path]
        signal = program.signals[op.writes[0]]
        arrays = block.parameters().values()
        if not block.elementwise or op.path in program.plan.scalars:
            return None
        sources: list[Any] = []
        for slot in op.reads:
            if slot == XP:
                sources.append("xp")
            elif slot not in program.signals or program.signals[slot].shape != signal.shape:
                return None
            elif slot in constants:
                sources.append(("constant", program.signals[slot].dtype))
            elif slot in self.parts:
                sources.append(self.parts[slot][0])
            else:
                return None
        if not any(isinstance(s, int) for s in sources) or any(
            a.shape not in ((), signal.shape) for a in arrays
        ):
            return None
        dtypes = signal.dtype, *(array.dtype for array in arrays)
        return type(block), (_settings(block), dtypes), tuple(sources)

    def _runs(self, ops: list[Operation], sources: tuple[Any, ...]) -> Iterator[list[Operation]]:
        """The operations in groups that read neighbouring parts, in the order of the parts."""
        placed = [i for i, source in enumerate(sources) if isinstance(source, int)]

        def starts(op: Operation) -> list[int]:
            return [self.parts[op.reads[i]][1] for i in placed]

        def size(op: Operation) -> int:
            return prod(self.program.signals[op.writes[0]].shape)

        ops = sorted(ops, key=starts)
        run = ops[:1]
        for a, b in pairwise(ops):
            if all(y - x == size(a) for x, y in zip(starts(a), starts(b), strict=True)):
                run.append(b)
            else:
                yield run
                run = [b]
        yield run

    def _merged(self, ops: list[Operation], sources: tuple[Any, ...]) -> list[AnyOperation]:
        program, first = self.program, ops[0]
        block, signals = program.plan.blocks[first.path], program.signals
        shapes = [signals[op.writes[0]].shape for op in ops]
        sizes = list(map(prod, shapes))
        made: list[AnyOperation] = []
        fields = tuple(block.parameters())
        reads = []
        for name in fields:
            vectors = []
            for op, size in zip(ops, sizes, strict=True):
                dtype = getattr(program.plan.blocks[op.path], name).dtype
                vectors.append(program.new_slot((size,), dtype))
                program.once.append(Read((XP,), (vectors[-1],), (op.path,), name, size))
            reads.append(self._constant(tuple(vectors)))
        for i, source in enumerate(sources):
            slots = [op.reads[i] for op in ops]
            if source == "xp":
                reads.append(XP)
            elif isinstance(source, tuple):
                reads.append(self._constant(tuple(slots)))
            elif sum(sizes) == signals[source].shape[0]:
                reads.append(source)
            else:
                part = program.new_slot((sum(sizes),), signals[source].dtype)
                made.append(Slice((XP, source), (part,), start=self.parts[slots[0]][1], shape=(sum(sizes),)))
                reads.append(part)
        y = program.new_slot((sum(sizes),), signals[first.writes[0]].dtype)
        names = tuple(op.path for op in ops)
        made.append(Elementwise(tuple(reads), (y,), (first.path,), fields, names))
        start = 0
        for op, shape in zip(ops, shapes, strict=True):
            made.append(Slice((XP, y), op.writes, start=start, shape=shape))
            self.parts[op.writes[0]] = y, start
            start += prod(shape)
        return made

    def _constant(self, slots: tuple[int, ...]) -> int:
        """Constants joined once."""
        if slots not in self.joined:
            found: list[Signal] = [self.program.signals[slot] for slot in slots]
            slot = self.program.new_slot((sum(prod(s.shape) for s in found),), found[0].dtype)
            self.program.once.append(Join((XP, *slots), (slot,)))
            self.joined[slots] = slot
        return self.joined[slots]


def _depths(stage: Stage) -> list[int]:
    """How many operations of the stage lie before each, on the longest way."""
    last = 1 + len(stage.operations)
    depth: list[int] = []
    at: dict[int, int] = {}
    for op in stage.operations:
        late = stage.loop and op.method == "update"
        depth.append(last if late else max([at.get(slot, -1) + 1 for slot in op.reads], default=0))
        if not late:
            at.update(dict.fromkeys(op.writes, depth[-1]))
    return depth


def _settings(block: Block) -> Any:
    """The fields of a block that are no parameters, as text where they are plain."""
    fields = [f for f in dataclasses.fields(block) if not f.metadata.get("param")]  # pyright: ignore
    values = [getattr(block, f.name) for f in fields]
    plain = all(type(v) in (str, int, float, bool, type(None)) for v in values)
    return tuple(map(repr, values)) if plain else id(block)
