"""Sources: signals that depend on time or on a state of their own."""

from __future__ import annotations

from typing import Any

from blocksim.block import Array, Block, block, param

__all__ = ["Constant"]


@block
class Constant(Block):
    """y = value, of any shape; an integer or boolean array keeps its dtype."""

    value: Array = param(keep_dtype=True)

    def output(self) -> Any:
        return self.value
