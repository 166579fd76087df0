"""What a block's method computes, as lines of code: it is run once on symbols that record it.

A call of a small block costs as much as its arithmetic. Written out in the step's own code, the
arithmetic of a block runs as it would in a loop written by hand.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any


class Untraceable(Exception):
    """The method does what symbols cannot record; it is called instead."""


class Recorder:
    """The lines recorded so far, and the functions of `xp` that they use."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.functions: set[str] = set()

    def emit(self, expression: str) -> Symbol:
        """A new local variable with the expression's value."""
        self.lines.append(f"v{len(self.lines)} = {expression}")
        return Symbol(self, f"v{len(self.lines) - 1}")

    def trace(self, method: Callable[..., Any], arguments: list[Any], outputs: int) -> list[str] | None:
        """Record a method and return the names of its outputs; None where it must be called."""
        lines, functions = len(self.lines), set(self.functions)
        try:
            value = method(*arguments)
            values = list(value) if isinstance(value, tuple) and outputs > 1 else [value]
            names = [v.text for v in values if isinstance(v, Symbol)]
            if len(names) == len(values) == outputs:
                return names
        except (Untraceable, TypeError, ValueError, AttributeError):
            pass
        del self.lines[lines:]
        self.functions = functions
        return None


class Symbol:
    """Stands for an array; `shape` and `dtype` are known of signals, states and parameters."""

    __slots__ = ("_dtype", "_shape", "recorder", "text")

    def __init__(
        self, recorder: Recorder, text: str, shape: tuple[int, ...] | None = None, dtype: Any = None
    ) -> None:
        self.recorder, self.text, self._shape, self._dtype = recorder, text, shape, dtype

    @property
    def shape(self) -> tuple[int, ...]:
        if self._shape is None:
            raise Untraceable
        return self._shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        if self._dtype is None:
            raise Untraceable
        return self._dtype

    def __getitem__(self, index: Any) -> Symbol:
        return self.recorder.emit(f"{self.text}[{_text(index)}]")

    def __getattr__(self, name: str) -> Any:
        raise Untraceable

    def _refuse(self, *args: Any) -> Any:
        raise Untraceable

    __bool__ = __iter__ = __len__ = __float__ = __int__ = __index__ = __array__ = _refuse


_BINARY = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "matmul": "@", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip
for _name, _sign in _BINARY.items():

    def _forward(self: Symbol, other: Any, sign: str = _sign) -> Symbol:
        return self.recorder.emit(f"{self.text} {sign} {_text(other)}")

    def _reflected(self: Symbol, other: Any, sign: str = _sign) -> Symbol:
        return self.recorder.emit(f"{_text(other)} {sign} {self.text}")

    setattr(Symbol, f"__{_name}__", _forward)
    if hasattr(operator, f"__i{_name}__"):  # the comparisons have no reflected form
        setattr(Symbol, f"__r{_name}__", _reflected)
for _name, _sign in {"neg": "-", "pos": "+", "invert": "~"}.items():

    def _unary(self: Symbol, sign: str = _sign) -> Symbol:
        return self.recorder.emit(f"{sign}{self.text}")

    setattr(Symbol, f"__{_name}__", _unary)


class Namespace:
    """Stands for `xp`: its functions give symbols."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        def function(*args: Any, **keywords: Any) -> Symbol:
            given = [_text(a) for a in args] + [f"{k}={_text(v)}" for k, v in keywords.items()]
            self._recorder.functions.add(name)
            return self._recorder.emit(f"xp_{name}({', '.join(given)})")

        return function


def _text(value: Any) -> str:
    if isinstance(value, Symbol):
        return value.text
    if value is None or type(value) in (bool, str):
        return repr(value)
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return f"({value!r})" if value < 0 else repr(value)
    if isinstance(value, (tuple, list)):
        inner = "".join(f"{_text(v)}, " for v in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, slice):
        return f"slice({_text(value.start)}, {_text(value.stop)}, {_text(value.step)})"
    raise Untraceable
