"""Arithmetic: gains, sums, products and elementwise functions."""

from __future__ import annotations

from functools import reduce
from operator import add, mul
from typing import Any

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch, ParameterError, user_line
from blocksim.library._check import same_shape

__all__ = ["Gain", "Product", "Sum"]


@block
class Gain(Block):
    """y = K u: K @ u for a matrix K, K * u elementwise for a scalar or a vector.

    K: scalar, (n,) or (n, m), the matrix for u (m,).

    >>> import blocksim as bs
    >>> bs.library.Gain([[1.0, 2.0], [3.0, 4.0]])
    Gain(K=2x2)
    """

    K: Array = param()

    def output(self, u: Any) -> Any:
        K = self.K
        return K @ u if K.ndim == 2 else K * u

    def check(self, u: Signal) -> None:
        K = self.K.shape
        if len(K) == 2 and (len(u.shape) not in (1, 2) or u.shape[0] != K[1]):
            advice = "Give K one column for each element of u."
            raise Mismatch(f"a signal ({K[1]},) for K {K}", str(u), advice, "u")
        if len(K) == 1 and u.shape not in ((), K):
            raise Mismatch(f"a signal {K} or a scalar for K {K}", str(u), "", "u")


@block
class Sum(Block):
    """y = +-u1 +-u2 ...; `signs` such as "+-" fixes the number of inputs, "" adds all that are wired.

    >>> import blocksim as bs
    >>> bs.library.Sum("+-").input_ports()
    ('u1', 'u2')
    """

    signs: str = ""

    def __post_init__(self) -> None:
        _check_operators(self, "signs", self.signs, "+-")

    def arity(self) -> int | None:
        return len(self.signs) or None

    def output(self, *u: Any) -> Any:
        if not self.signs:
            return reduce(add, u)
        total, *rest = u
        if self.signs[0] == "-":
            total = -total
        for sign, v in zip(self.signs[1:], rest, strict=True):
            total = total + v if sign == "+" else total - v
        return total

    def check(self, *u: Signal) -> None:
        same_shape(u)


@block
class Product(Block):
    """y = u1 * u2 ..., elementwise; `operators` such as "*/" divides, "" multiplies all that are wired.

    >>> import blocksim as bs
    >>> bs.library.Product("*/").input_ports()
    ('u1', 'u2')
    """

    operators: str = ""

    def __post_init__(self) -> None:
        _check_operators(self, "operators", self.operators, "*/")

    def arity(self) -> int | None:
        return len(self.operators) or None

    def output(self, *u: Any) -> Any:
        if not self.operators:
            return reduce(mul, u)
        y, *rest = u
        if self.operators[0] == "/":
            y = 1 / y
        for operator, v in zip(self.operators[1:], rest, strict=True):
            y = y * v if operator == "*" else y / v
        return y

    def check(self, *u: Signal) -> None:
        same_shape(u)


def _check_operators(block: Block, field: str, value: str, known: str) -> None:
    if not isinstance(value, str) or set(value) - set(known):
        raise ParameterError(
            f"{type(block).__name__}, {field}", f"a text of {' and '.join(known)}, one for each input",
            repr(value), "", user_line(),
        )  # fmt: skip
