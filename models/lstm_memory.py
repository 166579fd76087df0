"""A network that remembers its first input for any time, by weights that are calculated.

    blocksim run models/lstm_memory.py
    blocksim run models/lstm_memory.py -p cell=rnn -p steps=1000

Two of the 32 units of an LSTM or a GRU do it, and six of a plain recurrent layer; the others stay zero.
`examples/memory.py` measures the error.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs

RECORD = ["x", "*/h"]
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}


def model(cell: str = "lstm", scale: float = 1e-2, units: int = 32) -> bs.Diagram:
    make = {"lstm": bs.nn.memory_lstm, "gru": bs.nn.memory_gru, "rnn": bs.nn.memory_rnn}[cell]
    return make(scale, units=units, name="lstm_memory")


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
    """What is remembered at the end, how far off it is and may be, and the units that remember."""
    x, y = result["x"], result["y"]
    first, largest = np.maximum([abs(x[0, 0]), abs(x).max()], 1e-300)
    bound = bs.nn.memory_bound(cell, max(2, len(x)), scale, size=first, others=largest)
    table = Table("steps", f"{len(x)}")
    table.add_row("the first input", f"{x[0, 0]:.9f}")
    table.add_row("the last output", f"{y[-1, 0]:.9f}")
    table.add_row("error", f"{abs(y[-1, 0] - x[0, 0]):.2e}")
    table.add_row("at most", f"{bound:.2e}")
    Console().print(table)

    picture = folder / "lstm_memory_signals.png"
    result.plot(picture, ["x", "y", f"{cell}/h"])
    return [picture]
