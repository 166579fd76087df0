"""Activations: elementwise nonlinear functions of neural networks, and softmax."""

from __future__ import annotations

from typing import Any

from blocksim.block import Block, block

__all__ = ["Sigmoid", "Tanh"]


@block
class Sigmoid(Block):
    """y = 1 / (1 + exp(-u)), elementwise."""

    def output(self, xp: Any, u: Any) -> Any:
        return 1 / (1 + xp.exp(-u))


@block
class Tanh(Block):
    """y = tanh(u), elementwise."""

    def output(self, xp: Any, u: Any) -> Any:
        return xp.tanh(u)
