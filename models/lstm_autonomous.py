"""An LSTM without any input: what it does by itself, and the point where it comes to rest.

    blocksim run models/lstm_autonomous.py
    blocksim run models/lstm_autonomous.py -p gain=1.5 -p seed=3

The gates read the hidden state and nothing else. With weights that are not large the states decay to one
equilibrium, by the spectral radius of the step's Jacobian there at each step; how near that is to 1 says
how long the network remembers. Larger weights give several equilibria, cycles, or chaos.
"""


import numpy as np

import blocksim as bs
from blocksim.library import Product, Sigmoid, Sum, Tanh, UnitDelay

STEPS = 60
RECORD = ["hidden_state", "cell_state"]


def weights(units, gain, seed):
    """R (4n, n) and b (4n,) with the rows [i; f; g; o]; h0 and c0 (n,)."""
    rng = np.random.default_rng(seed)
    R = gain * rng.normal(size=(4 * units, units)) / np.sqrt(units)
    return R, 0.5 * rng.normal(size=4 * units), np.tanh(rng.normal(size=units)), rng.normal(size=units)


def model(units: int = 8, gain: float = 1.0, seed: int = 0) -> bs.Diagram:
    R, b, h0, c0 = weights(units, gain, seed)
    d = bs.Diagram("lstm_autonomous")
    hidden, cell = d.add("hidden_state", UnitDelay(h0)), d.add("cell_state", UnitDelay(c0))
    i, f, g, o = (
        d.add(key, bs.nn.dense(*rows, Tanh() if key == "g" else Sigmoid(), name=key), hidden)
        for key, *rows in zip("ifgo", np.split(R, 4), np.split(b, 4), strict=True)
    )
    c = d.add("c", Sum(), d.add("keep", Product(), f, cell), d.add("write", Product(), i, g))
    h = d.add("h", Product(), o, d.add("squash", Tanh(), c))
    d.connect(c, cell)  # the cell loop
    d.connect(h, hidden)  # the hidden loop
    d.output("h", h)
    d.output("c", c)
    return d


def reference(data, units, gain, seed, steps):
    """The LSTM with inputs that are all zero."""
    R, b, h0, c0 = weights(units, gain, seed)
    h, c = bs.nn.reference.lstm(np.zeros((steps, 1)), np.zeros((4 * units, 1)), R, b, h0, c0)
    return {"h": h, "c": c}
