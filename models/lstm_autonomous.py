"""An LSTM without any input: what it does by itself, and the point where it comes to rest.

    blocksim run models/lstm_autonomous.py
    blocksim run models/lstm_autonomous.py -p gain=1.5 -p seed=3

The gates read the hidden state and nothing else. With weights that are not large the states decay to one
equilibrium, by the spectral radius of the step's Jacobian there at each step; how near that is to 1 says
how long the network remembers. Larger weights give several equilibria, cycles, or chaos.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import blocksim as bs

STEPS = 60
RECORD = ["hidden_state", "cell_state"]


def weights(units, gain, seed):
    """R (4n, n) and b (4n,) with the rows [i; f; g; o]; h0 and c0 (n,)."""
    rng = np.random.default_rng(seed)
    R = gain * rng.normal(size=(4 * units, units)) / np.sqrt(units)
    return R, 0.5 * rng.normal(size=4 * units), np.tanh(rng.normal(size=units)), rng.normal(size=units)


def model(units: int = 8, gain: float = 1.0, seed: int = 0) -> bs.Diagram:
    return bs.nn.lstm(None, *weights(units, gain, seed), name="lstm_autonomous")


def reference(data, units, gain, seed, steps):
    """The LSTM with inputs that are all zero."""
    R, b, h0, c0 = weights(units, gain, seed)
    h, c = bs.nn.reference.lstm(np.zeros((steps, 1)), np.zeros((4 * units, 1)), R, b, h0, c0)
    return {"h": h, "c": c}


def report(result: bs.Result, folder: Path, units, gain, seed):
    """The equilibrium, how stable it is, and how the states come near it."""
    found = bs.analysis.equilibrium(model(units, gain, seed))
    table = Table("equilibrium", found.status)
    if found.state is None:
        table.add_row("why", found.reason)
        Console().print(table)
        return []
    radius = found.spectral_radius
    distance = np.hypot(*(np.linalg.norm(result[n] - x, axis=1) for n, x in found.state.items()))
    table.add_row("method", found.method)
    table.add_row("residual", f"{found.residual:.1e}")
    table.add_row("spectral radius", f"{radius:.4f}, {'stable' if found.stable else 'not stable'}")
    table.add_row("distance of the states at first", f"{distance[0]:.3g}")
    table.add_row("and at last", f"{distance[-1]:.3g}")
    Console().print(table)

    figure = Figure(figsize=(9, 4), layout="constrained")
    states, far = figure.subplots(1, 2)
    states.plot(result["cell_state"])
    for value in found.state["cell_state"]:
        states.axhline(value, ls=":", lw=1, color="gray")
    states.set(xlabel="step", title="cell_state, and the equilibrium (dotted)")
    far.semilogy(distance, label="distance of the states from it")
    if distance[-1] < 0.1 * distance[0]:
        k = np.arange(len(distance))
        line = distance[-1] * radius ** (k - k[-1])
        far.semilogy(k, line, ":", color="gray", label="spectral radius ^ step")
    far.set(xlabel="step", title=f"spectral radius {radius:.3f}")
    far.legend()
    picture = folder / "lstm_autonomous_decay.png"
    figure.savefig(picture, dpi=120)
    return [picture]
