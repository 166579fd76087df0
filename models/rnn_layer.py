"""A plain recurrent layer opened up: 4 inputs, 3 units, and a dense layer of 2 outputs on the state.

    blocksim check models/rnn_layer.py
    blocksim run models/rnn_layer.py -p hidden=8

One gain for the input, one for the state of the step before, and a tanh: the layer that LSTM and GRU
improve on. The weights are random, and the initial state is not zero.
"""

import numpy as np

import blocksim as bs

RECORD = ["x", "rnn/h"]


def weights(inputs, hidden, outputs, seed):
    """W (n, m), R (n, n), b (n,), h0 (n,) of the RNN; V (p, n), d (p,) of the dense layer."""
    rng = np.random.default_rng(seed)
    shapes = {
        "W": (hidden, inputs),
        "R": (hidden, hidden),
        "b": hidden,
        "h0": hidden,
        "V": (outputs, hidden),
        "d": outputs,
    }
    return {name: rng.normal(scale=0.5, size=shape) for name, shape in shapes.items()}


def model(inputs: int = 4, hidden: int = 3, outputs: int = 2, seed: int = 0) -> bs.Diagram:
    w = weights(inputs, hidden, outputs, seed)
    d = bs.Diagram("rnn_layer")
    x = d.input("x", shape=inputs)
    rnn = d.add("rnn", bs.nn.rnn(w["W"], w["R"], w["b"], w["h0"]), x)
    d.output("y", d.add("dense", bs.nn.dense(w["V"], w["d"]), rnn))
    return d


def inputs(inputs, seed):
    """Twenty steps of noise."""
    return {"x": np.random.default_rng(seed + 1).normal(size=(20, inputs))}


def reference(data, inputs, hidden, outputs, seed):
    """The same layer over the whole sequence, without blocks."""
    w = weights(inputs, hidden, outputs, seed)
    h = bs.nn.reference.rnn(data["x"], w["W"], w["R"], w["b"], w["h0"])
    return {"y": bs.nn.reference.dense(h, w["V"], w["d"]), "rnn/h": h}
