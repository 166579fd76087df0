"""Networks as diagrams of elementary blocks, and the vectorized references that verify them."""

from blocksim.nn import reference
from blocksim.nn.cells import gate, gru, lstm, reset_gate, rnn
from blocksim.nn.compose import bidirectional, sequential, stateful
from blocksim.nn.layers import dense

__all__ = [
    "bidirectional",
    "dense",
    "gate",
    "gru",
    "lstm",
    "reference",
    "reset_gate",
    "rnn",
    "sequential",
    "stateful",
]
