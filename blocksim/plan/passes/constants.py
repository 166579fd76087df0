"""What depends on parameters alone is computed once."""

from __future__ import annotations

from blocksim.plan.program import Program


def fold_constants(program: Program) -> None:
    """Move operations that read neither time, inputs nor states, directly or through others."""
    known = program.constants()
    for stage in program.stages:
        left = []
        for op in stage.operations:
            if op.method == "output" and op.writes and known.issuperset(op.reads):
                known.update(op.writes)
                program.once.append(op)
            else:
                left.append(op)
        stage.operations = left
