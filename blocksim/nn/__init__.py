"""Networks as diagrams of elementary blocks, and the vectorized references that verify them."""

from blocksim.nn import reference
from blocksim.nn.cells import gate, gru, lstm, reset_gate, rnn
from blocksim.nn.compose import bidirectional, sequential, stateful
from blocksim.nn.layers import dense
from blocksim.nn.linear_system import linear_system_from_lstm, lstm_from_linear_system
from blocksim.nn.memory import memory_bound, memory_gru, memory_lstm, memory_rnn
from blocksim.nn.normalize import batch_norm, layer_norm, normalize
from blocksim.nn.sequence_layers import (
    average_pool1d,
    conv1d,
    flatten,
    global_average_pool1d,
    global_max_pool1d,
    last,
    max_pool1d,
)
from blocksim.nn.sequences import Padded, batches, pad, sort_by_length, to_labels
from blocksim.nn.step_layers import (
    activation,
    average_pool2d,
    conv2d,
    dropout,
    elu,
    embedding,
    leaky_relu,
    max_pool2d,
    relu,
    sigmoid,
    softmax,
    tanh,
)

__all__ = [
    "Padded",
    "activation",
    "average_pool1d",
    "average_pool2d",
    "batch_norm",
    "batches",
    "bidirectional",
    "conv1d",
    "conv2d",
    "dense",
    "dropout",
    "elu",
    "embedding",
    "flatten",
    "gate",
    "global_average_pool1d",
    "global_max_pool1d",
    "gru",
    "last",
    "layer_norm",
    "leaky_relu",
    "linear_system_from_lstm",
    "lstm",
    "lstm_from_linear_system",
    "max_pool1d",
    "max_pool2d",
    "memory_bound",
    "memory_gru",
    "memory_lstm",
    "memory_rnn",
    "normalize",
    "pad",
    "reference",
    "relu",
    "reset_gate",
    "rnn",
    "sequential",
    "sigmoid",
    "softmax",
    "sort_by_length",
    "stateful",
    "tanh",
    "to_labels",
]
