"""Arithmetic: gains, sums, products and elementwise functions."""

from __future__ import annotations

from functools import reduce
from operator import add, mul
from typing import Any

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch, ParameterError, user_line
from blocksim.library._check import by_port, fits, floats, numbers, one_of, same_dtype, same_shape

__all__ = [
    "Abs",
    "Bias",
    "Complement",
    "Dot",
    "Gain",
    "MathFunction",
    "MinMax",
    "Product",
    "Sign",
    "Sqrt",
    "Sum",
]


@block
class Gain(Block):
    """y = K u: K @ u for a matrix K, K * u elementwise for any other.

    K: a scalar, (n, m) for u (m,), else the shape of u.

    >>> import blocksim as bs
    >>> bs.library.Gain([[1.0, 2.0], [3.0, 4.0]])
    Gain(K=2x2)
    """

    transparent = True

    K: Array = param()

    @property
    def elementwise(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.K.ndim != 2

    def matrix(self) -> str | None:
        return "K" if self.K.ndim == 2 else None

    def output(self, u: Any) -> Any:
        K = self.K
        return K @ u if K.ndim == 2 else K * u

    def check(self, u: Signal) -> None:
        K = self.K.shape
        if len(K) == 2 and (len(u.shape) not in (1, 2) or u.shape[0] != K[1]):
            advice = "Give K one column for each element of u."
            raise Mismatch(f"a signal ({K[1]},) for K {K}", str(u), advice, "u")
        if len(K) not in (0, 2) and u.shape not in ((), K):
            advice = "Give K one number for all elements of the signal, or one for each."
            raise Mismatch(f"a signal {K} or a scalar for K {K}", str(u), advice, "u")


@block
class Bias(Block):
    """y = u + b, elementwise. b: a scalar or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Bias(0.5).output(np.array([1.0, 2.0]))
    array([1.5, 2.5])
    """

    elementwise = True
    transparent = True

    b: Array = param()

    def output(self, u: Any) -> Any:
        return u + self.b

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Complement(Block):
    """y = 1 - u, elementwise: the other part of a share.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Complement().output(np.array([0.25, 1.0]))
    array([0.75, 0.  ])
    """

    elementwise = True
    transparent = True

    def output(self, u: Any) -> Any:
        return 1 - u

    def check(self, u: Signal) -> None:
        numbers(u=u)


@block
class Sum(Block):
    """y = +-u1 +-u2 ...; `signs` such as "+-" fixes the number of inputs, "" adds all that are wired.

    >>> import blocksim as bs
    >>> bs.library.Sum("+-").input_ports()
    ('u1', 'u2')
    """

    elementwise = True
    transparent = True

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
        numbers(**by_port(u))


@block
class Product(Block):
    """y = u1 * u2 ..., elementwise; `operators` such as "*/" divides, "" multiplies all that are wired.

    >>> import blocksim as bs
    >>> bs.library.Product("*/").input_ports()
    ('u1', 'u2')
    """

    elementwise = True

    @property
    def transparent(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "/" not in self.operators

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
        if "/" in self.operators:
            floats(**by_port(u))


def _check_operators(block: Block, field: str, value: str, known: str) -> None:
    if not isinstance(value, str) or set(value) - set(known):
        raise ParameterError(
            f"{type(block).__name__}, {field}", f"a text of {' and '.join(known)}, one for each input",
            repr(value), "", user_line(),
        )  # fmt: skip


@block
class Abs(Block):
    """y = |u|, elementwise."""

    elementwise = True
    transparent = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.abs(u)

    def check(self, u: Signal) -> None:
        numbers(u=u)


@block
class Sign(Block):
    """y = -1, 0 or 1, the sign of u, elementwise."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.sign(u)

    def check(self, u: Signal) -> None:
        numbers(u=u)


@block
class Sqrt(Block):
    """y = sqrt(u), elementwise, for u >= 0."""

    elementwise = True
    transparent = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.sqrt(u)

    def check(self, u: Signal) -> None:
        floats(u=u)


_UNARY = {name: name for name in ["exp", "log", "log10", "square", "reciprocal"]} | {
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "sinh": "sinh", "cosh": "cosh", "floor": "floor", "ceil": "ceil", "fix": "trunc",
}  # fmt: skip
_BINARY = {"pow": "power", "mod": "mod", "rem": "fmod", "hypot": "hypot", "atan2": "arctan2"}


@block
class MathFunction(Block):
    """y = function(u), or function(u1, u2), elementwise, by Simulink's name of the function.

    Of u: exp, log, log10, square, reciprocal, sin, cos, tan, asin, acos, atan, sinh, cosh, floor, ceil,
    fix (towards zero). Of u1 and u2: pow, mod (the sign of u2), rem (the sign of u1), hypot, atan2.
    Angles are in radians.

    >>> import blocksim as bs, numpy as np
    >>> remainder = bs.library.MathFunction("rem")
    >>> remainder.input_ports(), float(remainder.output(np, -7.0, 3.0))
    (('u1', 'u2'), -1.0)
    """

    elementwise = True

    function: str

    def __post_init__(self) -> None:
        one_of(self, "function", [*_UNARY, *_BINARY])

    def arity(self) -> tuple[str, ...]:
        return ("u",) if self.function in _UNARY else ("u1", "u2")

    def output(self, xp: Any, *u: Any) -> Any:
        return getattr(xp, (_UNARY | _BINARY)[self.function])(*u)

    def check(self, *u: Signal) -> None:
        same_shape(u)
        floats(**dict(zip(self.arity(), u, strict=True)))


@block
class MinMax(Block):
    """y = the smallest of u1, u2 ..., elementwise; the largest with function "max".

    >>> import blocksim as bs, numpy as np
    >>> bs.library.MinMax("max").output(np, np.array([1.0, 4.0]), np.array([3.0, 2.0]))
    array([3., 4.])
    """

    elementwise = True

    function: str = "min"

    def __post_init__(self) -> None:
        one_of(self, "function", ["min", "max"])

    def output(self, xp: Any, *u: Any) -> Any:
        return reduce(xp.minimum if self.function == "min" else xp.maximum, u)

    def check(self, *u: Signal) -> None:
        same_shape(u)
        same_dtype(u)


@block
class Dot(Block):
    """y = sum(u1 * u2) over all elements, a scalar.

    >>> import blocksim as bs, numpy as np
    >>> float(bs.library.Dot().output(np, np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """

    transparent = True

    def output(self, xp: Any, u1: Any, u2: Any) -> Any:
        return xp.sum(u1 * u2)

    def check(self, u1: Signal, u2: Signal) -> None:
        same_shape((u1, u2))
        floats(u1=u1, u2=u2)
