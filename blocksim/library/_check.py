"""What the `__post_init__` and `check` methods of several blocks share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from blocksim.block import Block, Signal
from blocksim.errors import Mismatch, ParameterError, describe, user_line

# -- fields, when a block is made ------------------------------------------------------------------


def require(holds: Any, block: Block, field: str, expected: str, advice: str = "") -> None:
    """Raise ParameterError, with the field's value, unless the condition holds."""
    if not holds:
        raise ParameterError(
            f"{type(block).__name__}, {field}", expected, describe(getattr(block, field)), advice, user_line()
        )


def one_of(block: Block, field: str, choices: Iterable[str]) -> None:
    """Raise ParameterError unless the field is one of the words."""
    value, known = getattr(block, field), list(choices)
    require(isinstance(value, str) and value in known, block, field, " or ".join(map(repr, known)))


def is_integer(value: object, least: int) -> bool:
    """Whether the value is an integer (a boolean is not) of at least `least`."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= least


def as_integers(block: Block, field: str, least: int) -> None:
    """Make a field that holds an integer, or several, a tuple of integers of at least `least`."""
    value = getattr(block, field)
    several = [value] if isinstance(value, (int, np.integer)) else value
    ok = isinstance(several, (tuple, list, range, np.ndarray)) and all(is_integer(n, least) for n in several)
    require(ok, block, field, f"integers of at least {least}")
    object.__setattr__(block, field, tuple(int(n) for n in several))


def one_shape(block: Block, *shape: tuple[int, ...]) -> None:
    """Raise ParameterError unless all parameters that are not scalars have one shape, or the given one."""
    found = {name: array.shape for name, array in block.parameters().items() if array.ndim}
    if len({*found.values(), *shape}) > 1:
        raise ParameterError(
            f"{type(block).__name__}, {' and '.join(found)}",
            f"numbers, or arrays of {f'shape {shape[0]}' if shape else 'one shape'}",
            "shapes " + ", ".join(map(str, found.values())),
            "Give one number for all elements, or one for each.", user_line(),
        )  # fmt: skip


# -- signals, when a diagram is compiled -----------------------------------------------------------


def same_shape(u: tuple[Signal, ...], advice: str = "") -> None:
    """Raise Mismatch unless all signals have one shape: nothing is broadcast that nobody wrote."""
    if len({signal.shape for signal in u}) > 1:
        raise Mismatch(
            "inputs of one shape",
            "shapes " + ", ".join(str(s.shape) for s in u),
            advice or "Nothing is broadcast: bring the inputs to one shape first.",
        )


def same_dtype(u: tuple[Signal, ...]) -> None:
    """Raise Mismatch unless all signals have one dtype."""
    if len({signal.dtype for signal in u}) > 1:
        raise Mismatch(
            "inputs of one dtype",
            "dtypes " + ", ".join(str(s.dtype) for s in u),
            "Nothing is converted: make the signals of one dtype where they begin.",
        )


def floats(**signals: Signal) -> None:
    """Raise Mismatch for a signal, given by port, that is not of a float type."""
    for port, signal in signals.items():
        if signal.dtype.kind != "f":
            advice = "Make it floats where it begins; a Switch makes numbers of booleans."
            raise Mismatch("a signal of floats", str(signal), advice, port)


def numbers(**signals: Signal) -> None:
    """Raise Mismatch for a signal, given by port, that is boolean."""
    for port, signal in signals.items():
        if signal.dtype.kind == "b":
            advice = "Combine booleans with a LogicalOperator, or make numbers of them with a Switch."
            raise Mismatch("a signal of numbers", str(signal), advice, port)


def by_port(u: tuple[Signal, ...]) -> dict[str, Signal]:
    """The signals of a variadic `*u` by port."""
    return {f"u{i + 1}": signal for i, signal in enumerate(u)}


def fits(block: Block, u: Signal) -> None:
    """Raise Mismatch unless `u` is of floats, and each parameter a scalar or of the shape of `u`."""
    floats(u=u)
    for name, array in block.parameters().items():
        if array.ndim and array.shape != u.shape:
            advice = "Give one number for all elements of the signal, or one for each."
            raise Mismatch(f"a signal of shape {array.shape}, that of {name}", str(u), advice, "u")


def like(u: Signal, shape: tuple[int, ...], dtype: Any, source: str) -> None:
    """Raise Mismatch unless `u` has the shape and dtype that the field `source` fixes."""
    if (u.shape, u.dtype) != (shape, dtype):
        raise Mismatch(
            f"a signal {shape} {dtype}, as {source} fixes it", str(u),
            f"Make {source} and the signal agree in shape and dtype.", "u",
        )  # fmt: skip
