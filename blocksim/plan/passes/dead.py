"""Operations whose results nobody reads are dropped, unless they are recorded."""

from __future__ import annotations

from blocksim.plan.program import AnyOperation, Program


def drop_dead(program: Program) -> None:
    """Keep what kept slots and states depend on."""
    needed = set(program.keep | program.watch)

    def alive(operations: list[AnyOperation]) -> list[AnyOperation]:
        found = []
        for op in reversed(operations):
            if op.method == "update" or not needed.isdisjoint(op.writes):
                needed.update(op.reads)
                found.append(op)
        return found[::-1]

    for stage in program.stages:  # states are read at the next step, wherever their update stands
        for op in stage.updates:
            needed.update(op.reads)
    for stage in reversed(program.stages):
        stage.operations = alive(stage.operations)
    program.stages = [stage for stage in program.stages if stage.operations]
    program.once = alive(program.once)
