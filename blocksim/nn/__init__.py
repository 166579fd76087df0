"""Networks as diagrams of elementary blocks, and the vectorized references that verify them."""

from blocksim.nn import reference
from blocksim.nn.compose import bidirectional, sequential, stateful
from blocksim.nn.layers import dense, gate, lstm

__all__ = ["bidirectional", "dense", "gate", "lstm", "reference", "sequential", "stateful"]
