"""A network that remembers its first input for any time, by weights that are calculated.

    blocksim run models/lstm_memory.py
    blocksim run models/lstm_memory.py -p cell=rnn -p length=1000

Two of the 32 units of an LSTM or a GRU do it, and six of a plain recurrent layer; the others stay zero.
`examples/memory.py` measures the error.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import blocksim as bs

RECORD = ["x"]
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
FIRST = {"lstm": 1, "gru": 1, "rnn": 2}
"""The step from which a cell remembers."""


def model(cell: str = "lstm", scale: float = 1e-2, units: int = 32) -> bs.Diagram:
    cells = {"lstm": bs.nn.memory_lstm, "gru": bs.nn.memory_gru, "rnn": bs.nn.memory_rnn}
    if cell not in cells:
        raise ValueError(f"there is no cell {cell!r}, but there are {', '.join(cells)}")
    return cells[cell](scale, units=units, name="lstm_memory")


def inputs(length: int = 30, seed: int = 0):
    """Numbers from -1 to 1: the first is to be remembered."""
    return {"x": np.random.default_rng(seed).uniform(-1, 1, (length, 1))}


def reference(data, cell, scale, units):
    """The same network over the whole sequence, without blocks."""
    p = model(cell, scale, units).parameters()
    weights = [
        np.concatenate([p[f"{cell}/{gate}/{name}"][field] for gate in GATES[cell]])
        for name, field in (("W", "K"), ("R", "K"), ("b", "value"))
    ]
    h = getattr(bs.nn.reference, cell)(data["x"], *weights)
    return {"y": (h[0] if cell == "lstm" else h) @ p["read"]["K"].T}


def report(result: bs.Result, folder: Path, cell, scale):
    """What is remembered, how far off it is and may be at most, at the end and over time."""
    x, y = result["x"][:, 0], result["y"][:, 0]
    steps = np.arange(FIRST[cell], len(x) + 1)
    table = Table("steps", f"{len(x)}")
    table.add_row("the first input", f"{x[0]:.9f}")
    table.add_row("the last output", f"{y[-1]:.9f}")
    if not len(steps):
        table.add_row("remembered", f"from step {FIRST[cell]} on")
        Console().print(table)
        return []
    first, largest = np.maximum([abs(x[0]), abs(x).max()], 1e-300)
    bound = [bs.nn.memory_bound(cell, n, scale, size=first, others=largest) for n in steps.tolist()]
    error = abs(y - x[0])[steps - 1]
    table.add_row("error", f"{error[-1]:.2e}")
    table.add_row("at most", f"{bound[-1]:.2e}")
    Console().print(table)

    figure = Figure(figsize=(9, 5), layout="constrained")
    signals, off = figure.subplots(2, 1, sharex=True)
    k = np.arange(1, len(x) + 1)
    signals.plot(k, x, ".-", color="gray", lw=0.5, label="x")
    signals.plot(steps, y[steps - 1], lw=2, label="y")
    signals.legend(loc="upper right")
    off.semilogy(steps, bound, lw=5, color="lightgray", label="at most")
    off.semilogy(steps, np.maximum(error, 1e-18), label="|y - x[1]|")
    off.set(xlabel="step", ylim=(min(error.min() or 1, bound[0]) / 10, 10 * bound[-1]))
    off.legend(loc="lower right")
    picture = folder / "lstm_memory_signals.png"
    figure.savefig(picture, dpi=120)
    return [picture]
