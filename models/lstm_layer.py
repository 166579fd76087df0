"""An LSTM layer opened up: 4 inputs, 3 units, and a dense layer of 2 outputs on the hidden state.

    blocksim check models/lstm_layer.py
    blocksim run models/lstm_layer.py -p hidden=8

The weights are random. The initial states h0 and c0 are not zero, so that every signal is alive from
the first step on.
"""

import numpy as np

import blocksim as bs

RECORD = ["x", *(f"lstm/{name}" for name in "ifgoch")]


def weights(inputs, hidden, outputs, seed):
    """W (4n, m), R (4n, n), b (4n,), h0 (n,), c0 (n,) of the LSTM; V (p, n), d (p,) of the dense layer."""
    rng = np.random.default_rng(seed)
    shapes = {
        "W": (4 * hidden, inputs),
        "R": (4 * hidden, hidden),
        "b": 4 * hidden,
        "h0": hidden,
        "c0": hidden,
        "V": (outputs, hidden),
        "d": outputs,
    }
    return {name: rng.normal(scale=0.5, size=shape) for name, shape in shapes.items()}


def model(inputs: int = 4, hidden: int = 3, outputs: int = 2, seed: int = 0) -> bs.Diagram:
    w = weights(inputs, hidden, outputs, seed)
    d = bs.Diagram("lstm_layer")
    x = d.input("x", shape=inputs)
    lstm = d.add("lstm", bs.nn.lstm(w["W"], w["R"], w["b"], w["h0"], w["c0"]), x)
    d.output("y", d.add("dense", bs.nn.dense(w["V"], w["d"]), lstm["h"]))
    return d


def inputs(inputs, seed):
    """Twenty steps of noise."""
    return {"x": np.random.default_rng(seed + 1).normal(size=(20, inputs))}


def reference(data, inputs, hidden, outputs, seed):
    """The same layer over the whole sequence, without blocks."""
    w = weights(inputs, hidden, outputs, seed)
    h, c = bs.nn.reference.lstm(data["x"], w["W"], w["R"], w["b"], w["h0"], w["c0"])
    return {"y": bs.nn.reference.dense(h, w["V"], w["d"]), "lstm/h": h, "lstm/c": c}
