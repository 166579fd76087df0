"""Discrete-time blocks: delays, integrators, transfer functions and state space."""

from __future__ import annotations

from typing import Any

from blocksim.block import Array, Block, block, param

__all__ = ["UnitDelay"]


@block
class UnitDelay(Block):
    """y[k] = u[k-1], y[0] = initial. `initial` fixes the shape and dtype of the signal.

    >>> import blocksim as bs
    >>> bs.library.UnitDelay([0.0, 1.0])
    UnitDelay(initial=2)
    """

    initial: Array = param(keep_dtype=True)

    def init(self) -> Any:
        return self.initial

    def output(self, x: Any) -> Any:
        return x

    def update(self, u: Any) -> Any:
        return u
