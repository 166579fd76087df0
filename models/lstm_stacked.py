"""Two LSTM layers, one on the other, and a dense layer: the hidden state of each feeds the next.

The diagram is a row of three subsystems, to be opened as far as one likes:

    blocksim draw models/lstm_stacked.py -o stacked.png --depth 1
"""

import numpy as np

import blocksim as bs

SHAPES = {"first": (4, 6), "second": (6, 5)}
"""The inputs and units of each layer."""
OUTPUTS = 2


def weights(seed):
    """(W, R, b) of each LSTM layer and (V, d) of the dense layer, random."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(scale=0.5, size=shape)

    layers = {
        name: (normal(4 * units, inputs), normal(4 * units, units), normal(4 * units))
        for name, (inputs, units) in SHAPES.items()
    }
    return layers, (normal(OUTPUTS, SHAPES["second"][1]), normal(OUTPUTS))


def model(seed: int = 0) -> bs.Diagram:
    layers, dense = weights(seed)
    lstms = [bs.nn.lstm(W, R, b, name=name) for name, (W, R, b) in layers.items()]
    return bs.nn.sequential([*lstms, bs.nn.dense(*dense)], name="lstm_stacked")


def inputs(seed):
    """Thirty steps of noise."""
    return {"x": np.random.default_rng(seed + 1).normal(size=(30, SHAPES["first"][0]))}


def reference(data, seed):
    """The same network over the whole sequence, without blocks."""
    layers, dense = weights(seed)
    signal, found = data["x"], {}
    for name, (W, R, b) in layers.items():
        signal, found[f"{name}/c"] = bs.nn.reference.lstm(signal, W, R, b)
        found[f"{name}/h"] = signal
    return {"y": bs.nn.reference.dense(signal, *dense)} | found
