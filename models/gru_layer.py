"""A GRU layer opened up: 4 inputs, 3 units, and a dense layer of 2 outputs on the hidden state.

    blocksim check models/gru_layer.py
    blocksim run models/gru_layer.py -p reset=before

The weights are random, and the initial state is not zero. `reset` says where the gate r acts on the
past: on the hidden state "before" the product with the recurrent weights, or on the product "after" it.
"""

import numpy as np

import blocksim as bs

RECORD = ["x", "gru/r", "gru/z", "gru/n", "gru/h"]


def weights(inputs, hidden, outputs, seed):
    """W (3n, m), R (3n, n), b (3n,), h0 (n,) of the GRU; V (p, n), d (p,) of the dense layer."""
    rng = np.random.default_rng(seed)
    shapes = {
        "W": (3 * hidden, inputs),
        "R": (3 * hidden, hidden),
        "b": 3 * hidden,
        "h0": hidden,
        "V": (outputs, hidden),
        "d": outputs,
    }
    return {name: rng.normal(scale=0.5, size=shape) for name, shape in shapes.items()}


def model(
    inputs: int = 4, hidden: int = 3, outputs: int = 2, reset: str = "after", seed: int = 0
) -> bs.Diagram:
    w = weights(inputs, hidden, outputs, seed)
    d = bs.Diagram("gru_layer")
    x = d.input("x", shape=inputs)
    gru = d.add("gru", bs.nn.gru(w["W"], w["R"], w["b"], h0=w["h0"], reset=reset), x)
    d.output("y", d.add("dense", bs.nn.dense(w["V"], w["d"]), gru))
    return d


def inputs(inputs, seed):
    """Twenty steps of noise."""
    return {"x": np.random.default_rng(seed + 1).normal(size=(20, inputs))}


def reference(data, inputs, hidden, outputs, reset, seed):
    """The same layer over the whole sequence, without blocks."""
    w = weights(inputs, hidden, outputs, seed)
    h = bs.nn.reference.gru(data["x"], w["W"], w["R"], w["b"], h0=w["h0"], reset=reset)
    return {"y": bs.nn.reference.dense(h, w["V"], w["d"]), "gru/h": h}
