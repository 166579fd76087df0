"""Comparisons and logic: blocks with boolean outputs."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

from blocksim.block import Block, Signal, block
from blocksim.library._check import one_of, same_shape

__all__ = ["LogicalOperator", "RelationalOperator"]

_COMPARISONS = {
    "==": operator.eq, "~=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
_LOGIC = {"AND": operator.and_, "OR": operator.or_, "XOR": operator.xor}
_NEGATED = {"NAND": "AND", "NOR": "OR"}


@block
class RelationalOperator(Block):
    """y = u1 operator u2, elementwise and boolean; the operator is ==, ~=, <, <=, > or >=.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.RelationalOperator("<").output(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    array([ True, False])
    """

    elementwise = True

    operator: str

    def __post_init__(self) -> None:
        one_of(self, "operator", _COMPARISONS)

    def output(self, u1: Any, u2: Any) -> Any:
        return _COMPARISONS[self.operator](u1, u2)

    def check(self, u1: Signal, u2: Signal) -> None:
        same_shape((u1, u2))


@block
class LogicalOperator(Block):
    """y = u1 operator u2 ..., elementwise and boolean; numbers other than zero are true.

    The operator is AND, OR, NAND, NOR or XOR (true for an odd number of true inputs) of all inputs
    that are wired, or NOT of one.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.LogicalOperator("NOR").output(np.array([0.0, 0.0]), np.array([0.0, 2.0]))
    array([ True, False])
    """

    elementwise = True

    operator: str

    def __post_init__(self) -> None:
        one_of(self, "operator", [*_LOGIC, *_NEGATED, "NOT"])

    def arity(self) -> tuple[str, ...] | None:
        return ("u",) if self.operator == "NOT" else None

    def output(self, *u: Any) -> Any:
        true = [v != 0 for v in u]
        if self.operator == "NOT":
            return ~true[0]
        y = reduce(_LOGIC[_NEGATED.get(self.operator, self.operator)], true)
        return ~y if self.operator in _NEGATED else y

    def check(self, *u: Signal) -> None:
        same_shape(u)
