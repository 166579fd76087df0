"""Passes: each rewrites a program so that a run takes less time, and leaves its values as they were."""

from __future__ import annotations

from collections.abc import Iterable

from blocksim.plan.passes.constants import fold_constants
from blocksim.plan.passes.dead import drop_dead
from blocksim.plan.passes.elementwise import merge_elementwise
from blocksim.plan.passes.hoist import hoist
from blocksim.plan.passes.products import merge_products
from blocksim.plan.plan import Plan
from blocksim.plan.program import Program

PASSES = (drop_dead, fold_constants, hoist, merge_products, merge_elementwise, drop_dead)


def optimize(plan: Plan, keep: Iterable[int], check: bool = False, elementwise: bool = True) -> Program:
    """The plan's program after all passes; `keep` are the slots whose values the run must give.

    With `check`, blocks whose output nobody reads stay, for their values to be looked at. Without
    `elementwise`, elementwise work is not merged: for engines that fuse it by themselves.

    >>> import blocksim as bs, numpy as np
    >>> plan = bs.compile(bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8)))
    >>> program = optimize(plan, plan.outputs.values())
    >>> [(stage.loop, len(stage.operations)) for stage in program.stages]
    [(False, 1), (True, 18)]
    """
    program = Program.of(plan, keep, check)
    for each in PASSES:
        if elementwise or each is not merge_elementwise:
            each(program)
    return program
