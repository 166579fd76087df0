"""Networks as diagrams of elementary blocks, and the vectorized references that verify them."""

from blocksim.nn import reference
from blocksim.nn.layers import dense, gate, lstm, sequential

__all__ = ["dense", "gate", "lstm", "reference", "sequential"]
