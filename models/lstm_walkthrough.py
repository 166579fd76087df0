"""The two pictures of every introduction to the LSTM, drawn from a diagram that runs.

The layer unrolled over time: one cell for each step, the hidden and the cell state handed on from one to
the next, without any delay. And one step with its gates, stage by stage:

    blocksim run models/lstm_walkthrough.py -p length=4

writes `lstm_walkthrough_unrolled.png` and `lstm_walkthrough_stages.png`. All cells share the same
weights, and the outputs are those of the layer with its loops closed.
"""

from pathlib import Path

import numpy as np

import blocksim as bs
from blocksim.library import Constant, Product, Sigmoid, Sum, Tanh

X, H, C = "x_t", "$h_{t-1}$", "$c_{t-1}$"
STAGES = {
    "One step": ["*"],
    "1  Forget: how much of each cell stays": [X, H, "f"],
    "2  Input: what is new, and how much of it counts": [X, H, "i", "g", "write"],
    "3  Update: the old, weakened, and the new": [C, "f", "keep", "write", "c", "c_t", "i", "g"],
    "4  Output: how much of each cell is shown": [X, H, "o", "c", "squash", "h", "h_t"],
}
"""What stands out at each stage."""


def weights(inputs, units, seed):
    """W (4n, m), R (4n, n), b (4n,), h0 and c0 (n,), random."""
    rng = np.random.default_rng(seed)
    shapes = (4 * units, inputs), (4 * units, units), (4 * units,), (units,), (units,)
    return [rng.normal(scale=0.5, size=shape) for shape in shapes]


def cell(W, R, b) -> bs.Diagram:
    """One step: from x_t and the states before it to h_t and c_t."""
    d = bs.Diagram("cell")
    units = len(b) // 4
    h0 = d.input(H, shape=units)
    c0 = d.input(C, shape=units)
    x = d.input(X, shape=W.shape[1])
    rows = zip(np.split(W, 4), np.split(R, 4), np.split(b, 4), strict=True)
    i, f, g, o = (
        d.add(key, bs.nn.gate(*row, Tanh() if key == "g" else Sigmoid()), x, h0)
        for key, row in zip("ifgo", rows, strict=True)
    )
    c = d.add("c", Sum(), d.add("keep", Product(), c0, f), d.add("write", Product(), i, g))
    h = d.add("h", Product(), d.add("squash", Tanh(), c), o)
    d.output("h_t", h)
    d.output("c_t", c)
    return d


def start(h0, c0) -> bs.Diagram:
    """The states before the first step."""
    d = bs.Diagram("start")
    d.output("$h_0$", d.add("h", Constant(h0)))
    d.output("$c_0$", d.add("c", Constant(c0)))
    return d


def model(length: int = 3, inputs: int = 4, units: int = 3, seed: int = 0) -> bs.Diagram:
    """The layer over `length` steps, unrolled: inputs x_1, x_2, ..., outputs h_1, h_2, ..."""
    W, R, b, h0, c0 = weights(inputs, units, seed)
    d = bs.Diagram("lstm_walkthrough")
    before = d.add("start", start(h0, c0))
    h, c = before["$h_0$"], before["$c_0$"]
    for k in range(1, length + 1):
        step = d.add(f"A_{k}", cell(W, R, b), h, c, d.input(f"x_{k}", shape=inputs))
        h, c = step["h_t"], step["c_t"]
        d.output(f"h_{k}", h)
    return d


def sequence(length, inputs, seed):
    return np.random.default_rng(seed + 1).normal(size=(length, inputs))


def inputs(length, inputs, seed):
    """One step, in which the whole sequence is there at once."""
    return {f"x_{k + 1}": row[None] for k, row in enumerate(sequence(length, inputs, seed))}


def reference(data, length, inputs, units, seed):
    """The layer with its loops, over the sequence."""
    x = np.concatenate([data[f"x_{k + 1}"] for k in range(length)])
    h, _ = bs.nn.reference.lstm(x, *weights(inputs, units, seed))
    return {f"h_{k + 1}": h[k : k + 1] for k in range(length)}


def report(result, folder: Path, length, inputs, units, seed):
    """The two pictures."""
    W, R, b, *_ = weights(inputs, units, seed)
    unrolled, stages = folder / "lstm_walkthrough_unrolled.png", folder / "lstm_walkthrough_stages.png"
    bs.draw(model(length, inputs, units, seed), unrolled, depth=0)
    bs.draw(cell(W, R, b), stages, depth=0, highlight=STAGES)
    return [unrolled, stages]
