"""How well networks with calculated weights remember a number: the error by time and by scale.

    pip install "blocksim[train]"
    python examples/memory.py [--steps 1500] [--out FOLDER]

The networks of `models/lstm_memory.py` read 1000 numbers from -1 to 1, of which the first is to be
remembered; then numbers of 1e12, and then with weights that are a thousandth off. At last an LSTM is trained
to say the first of 10 numbers, by so many steps of Adam, and meets longer sequences. A picture is written to
FOLDER.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from spectral_radius import Task, Weights, train

import blocksim as bs

CELLS = {"lstm": bs.nn.memory_lstm, "gru": bs.nn.memory_gru, "rnn": bs.nn.memory_rnn}
SCALES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)
STEPS = 1000


def numbers(runs: int = 6, size: float = 1.0, seed: int = 0):
    """Sequences (runs, STEPS, 1) of numbers up to the size, the first ones 1, -1, and others up to 1."""
    x = np.random.default_rng(seed).uniform(-1, 1, (runs, STEPS, 1))
    x[:2, 0] = [[1], [-1]]
    x[:, 1:] *= size
    return x


def errors(cell: str, scale: float, x, dtype="float64", params=None):
    """The largest |y - x[1]| of all runs at each step."""
    y = bs.simulate(CELLS[cell](scale), {"x": x}, dtype=dtype, params=params)["y"]
    return abs(y - x[:, :1].astype(dtype)).max((0, 2))


def noisy(cell: str, scale: float, relative: float = 1e-3, seed: int = 0):
    """The network's parameters, each a little off."""
    rng = np.random.default_rng(seed)
    return {
        path: {name: a * (1 + relative * rng.normal(size=a.shape)) for name, a in fields.items()}
        for path, fields in CELLS[cell](scale).parameters().items()
    }


def by_time(out: Path) -> Path:
    """The errors of all networks at each step, printed, and drawn with their bounds."""
    x, steps = numbers(), np.arange(1, STEPS + 1)
    shown = (2, 10, 100, 1000)
    table = Table("cell", "scale", *(f"n = {n}" for n in shown), "at most", "float32, n = 1000")
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    for (cell, _), axes in zip(CELLS.items(), figure.subplots(1, 3, sharey=True), strict=True):
        for k, scale in enumerate(SCALES):
            found, single = (errors(cell, scale, x, dtype) for dtype in ("float64", "float32"))
            bound = [bs.nn.memory_bound(cell, n, scale) for n in steps[1:].tolist()]
            values = (*(found[n - 1] for n in shown), bound[-1], single[-1])
            table.add_row(cell, f"{scale:.0e}", *(f"{v:.2e}" for v in values))
            axes.loglog(steps[1:], bound, color=f"C{k}", lw=5, alpha=0.3)
            axes.loglog(steps[1:], found[1:], color=f"C{k}", lw=1, label=f"scale {scale:.0e}")
        axes.set(title=cell, xlabel="steps n", ylim=(1e-14, 1e2))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("|y - x[1]|, and at most (broad)")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    Console(width=110).print("largest error while other numbers from -1 to 1 come", table)
    figure.savefig(out / "memory.png", dpi=120)
    return out / "memory.png"


def disturbed(scale: float = 1e-4) -> None:
    """What numbers of 1e12 in between, and weights that are off, do to the error."""
    table = Table("cell", "calm", "numbers of 1e12 in between", "weights a thousandth off: median of 20")
    calm, wild = (numbers(size=size)[:, :100] for size in (1.0, 1e12))
    for cell in CELLS:
        off = [errors(cell, scale, calm, params=noisy(cell, scale, seed=seed))[-1] for seed in range(20)]
        found = (errors(cell, scale, x)[-1] for x in (calm, wild))
        table.add_row(cell, *(f"{v:.2e}" for v in (*found, np.median(off))))
    Console(width=110).print(f"largest error after 100 steps, scale {scale:.0e}", table)


def learned(steps: int, length: int = 10, seed: int = 0) -> tuple[bs.Diagram, Weights]:
    """An LSTM of 32 units and its weights, trained on sequences of one length."""
    x = np.random.default_rng(seed).uniform(-1, 1, (20000, length, 1))
    task = Task(x, x[:, 0], lambda y, first: ((y[-1] - first) ** 2).mean(), 1, 32, 1, batch=100)
    *_, (_, _, weights) = train(task, steps, stored=1, seed=seed)
    return task.network(seed), {
        path: {field: np.asarray(a, float) for field, a in own.items()} for path, own in weights.items()
    }


def generalization(steps: int, lengths=(10, 11, 12, 15, 20, 50)) -> dict[str, list[float]]:
    """The root mean square of y - x[1] on new sequences of several lengths: trained, calculated, and of 0."""
    network, weights = learned(steps)
    found = {"trained with n = 10": [], "calculated": [], "y = 0": []}
    for n in lengths:
        x = np.random.default_rng(n).uniform(-1, 1, (300, n, 1))
        y = bs.simulate(network, {"x": x}, params=weights, keep="last")["y"]
        calculated = bs.simulate(CELLS["lstm"](1e-4), {"x": x}, keep="last")["y"]
        for name, said in zip(found, (y[:, -1], calculated[:, -1], 0.0), strict=True):
            found[name].append(float(np.sqrt(((said - x[:, 0]) ** 2).mean())))
    table = Table("LSTM of 32 units", *(f"n = {n}" for n in lengths))
    for name, values in found.items():
        table.add_row(name, *(f"{value:.2g}" for value in values))
    Console(width=110).print("root mean square of y - x[1]", table)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="of Adam")
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    picture = by_time(options.out)
    disturbed()
    generalization(options.steps)
    print(picture)


if __name__ == "__main__":
    main()
