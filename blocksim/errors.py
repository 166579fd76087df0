"""Every error says where, what was expected, what came, and what to do."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PACKAGE = str(Path(__file__).parent) + os.sep

Line = tuple[str, int]
"""A place in a user's source: file name and line number."""


class BlocksimError(ValueError):
    """`where (line): expected ..., got .... What to do.` The parts are attributes, for programs."""

    def __init__(
        self, where: str, expected: str, got: str, advice: str = "", line: Line | None = None
    ) -> None:
        self.where, self.expected, self.got, self.advice, self.line = (
            where,
            expected,
            got,
            advice,
            line,
        )
        place = f"{where} ({format_line(line)})" if line else where
        super().__init__(f"{place}: expected {expected}, got {got}." + (f" {advice}" if advice else ""))


class DiagramError(BlocksimError):
    """A name, a port or a wire of a diagram is wrong."""


class AlgebraicLoopError(DiagramError):
    """A loop of direct feedthrough: `loop` holds the paths of its blocks, in the signal's order."""

    def __init__(self, loop: list[str], lines: list[Line | None]) -> None:
        self.loop = loop
        chain = "\n".join(
            f"  -> {path}" + (f" ({format_line(line)})" if line else "")
            for path, line in zip(loop + loop[:1], lines + lines[:1], strict=True)
        )
        super().__init__(
            loop[0],
            "every loop to pass through a block with a state",
            "an algebraic loop, in which each output needs the next at the same instant",
            f"Put a UnitDelay on one of these wires:\n{chain}",
        )


class SignalError(BlocksimError):
    """The shape or dtype of a signal does not fit the port it arrives at."""


class ParameterError(BlocksimError):
    """A parameter of a block is not what the block takes."""


class InputError(BlocksimError):
    """The data given to a run does not fit the diagram."""


class BlockError(BlocksimError):
    """A block's own code raised, or returned something that is not a signal."""


class NonFiniteError(BlocksimError):
    """A run produced inf or NaN: `path` and `step` name the first block and step that did."""

    def __init__(self, path: str, step: int, got: str, line: Line | None) -> None:
        self.path, self.step = path, step
        super().__init__(
            path,
            f"a finite signal at step {step}",
            got,
            "It is the first such value of the run. Look at the inputs of this block at that step, "
            "or pass check_finite=False to let the run go on.",
            line,
        )


class AnalysisError(BlocksimError):
    """A diagram is not a system that the analysis is of."""


class FileError(BlocksimError):
    """A file or a model script cannot be used."""


class Mismatch(Exception):
    """Raised by a block's `check`; the plan adds the path, the port's source and the user's line."""

    def __init__(self, expected: str, got: str, advice: str = "", port: str | None = None) -> None:
        super().__init__(expected, got, advice)
        self.expected, self.got, self.advice, self.port = expected, got, advice, port


def user_line() -> Line | None:
    """The innermost line of the call stack that is not blocksim's own."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_PACKAGE, "<string>")):
            return name, frame.f_lineno
        frame = frame.f_back
    return None


def format_line(line: Line) -> str:
    """`model.py:12`, relative to the working directory where that is shorter."""
    name, number = line
    with suppress(ValueError):  # another drive
        name = min(name, os.path.relpath(name), key=len)
    return f"{name}:{number}"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`Did you mean 'h'?`, else what there is to choose from."""
    names = list(known)
    folded = {n.casefold(): n for n in names}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {folded[close[0]]!r}?"
    if not names:
        return "There are none."
    shown = ", ".join(repr(n) for n in names[:8])
    return f"There is {shown}" + (f" and {len(names) - 8} more." if len(names) > 8 else ".")


def describe(value: object) -> str:
    """A value as an error shows it: short, with its type, arrays by shape and dtype."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"an array of shape {tuple(shape)} and dtype {dtype}" if shape else f"{value} ({dtype})"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
