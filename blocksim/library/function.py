"""A user's own function as a block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from blocksim.block import Block, block
from blocksim.library._check import require

__all__ = ["Function"]


@block
class Function(Block):
    """y = f(u, ...): a pure function whose positional parameters name the input ports.

    A first parameter `xp` is given the array namespace; parameters with a default keep it. For
    several outputs f returns a tuple, in the order of `outputs`.

    >>> import blocksim as bs, numpy as np
    >>> polar = bs.library.Function(lambda xp, x, y: (xp.hypot(x, y), xp.arctan2(y, x)), ["r", "angle"])
    >>> polar.input_ports(), polar.outputs, float(polar.output(np, 3.0, 4.0)[0])
    (('x', 'y'), ('r', 'angle'), 5.0)
    """

    f: Callable[..., Any]
    outputs: Sequence[str] = ("y",)  # pyright: ignore[reportIncompatibleVariableOverride]

    guarded = True

    def __post_init__(self) -> None:
        advice = "Write def f(u1, u2): ..., without *args; wire a Clock where it needs the time."
        require(self._taken is not None, self, "f", "a function with named parameters", advice)
        names = self.outputs
        ok = isinstance(names, (tuple, list)) and all(isinstance(n, str) and n.isidentifier() for n in names)
        require(ok and 0 < len(names) == len(set(names)), self, "outputs", "different names, at least one")
        object.__setattr__(self, "outputs", tuple(names))

    @cached_property
    def _taken(self) -> list[str] | None:
        try:
            found = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):
            return None
        needed = [p for p in found if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        if any(p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in needed):
            return None
        return [p.name for p in needed]

    def arity(self) -> tuple[str, ...]:
        names = self._taken or []
        return tuple(names[1:] if names[:1] == ["xp"] else names)

    def output(self, xp: Any, *u: Any) -> Any:
        return self.f(xp, *u) if (self._taken or [])[:1] == ["xp"] else self.f(*u)
