"""Networks as diagrams of elementary blocks, and the vectorized references that verify them."""

from blocksim.nn import reference
from blocksim.nn.cells import gate, gru, lstm, reset_gate, rnn
from blocksim.nn.layers import dense, sequential

__all__ = ["dense", "gate", "gru", "lstm", "reference", "reset_gate", "rnn", "sequential"]
