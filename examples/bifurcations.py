"""Bifurcation diagrams: the logistic map, and an LSTM of one unit over a bias.

Run: python examples/bifurcations.py [FOLDER]

The pictures go to FOLDER, or to the folder that it is run in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import blocksim as bs
from blocksim.analysis.attractors import bifurcation_diagram
from blocksim.analysis.continuation import continuation
from blocksim.library import Complement, Gain, Product, UnitDelay


def logistic() -> bs.Diagram:
    """x[k+1] = r x (1 - x)."""
    d = bs.Diagram("logistic")
    x = d.add("x", UnitDelay(0.3))
    d.connect(d.add("r", Gain(2.5), d.add("growth", Product(), x, d.add("room", Complement(), x))), x)
    d.output("population", x)
    return d


def unit(b_g: float) -> bs.Diagram:
    """An LSTM of one unit that remembers: it has one or three equilibria, by its bias."""
    return bs.nn.lstm(
        np.zeros((4, 1)), np.array([[0.0], [0.0], [3.0], [0.0]]), np.array([2.0, 2.0, b_g, 2.0])
    )


def draw(folder: Path) -> list[Path]:
    """The pictures of the logistic map and of the LSTM."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "bifurcations_logistic.png", folder / "bifurcations_lstm.png"]

    d, span = logistic(), (2.5, 4.0)
    branches = [continuation(d, "r/K", span)]
    for _ in range(3):  # from each flip on, the cycle of twice the period
        flip = next(point for point in branches[-1].special if point.kind == "flip")
        branches.append(branches[-1].switch(flip))
    for branch in branches:
        print(branch)
    bifurcation_diagram(d, "r/K", span, points=1200, keep=150).plot(files[0], branches=branches)

    bias = continuation(unit(-3.5), ("g/b", "value", 0), (-3.5, 3.5))
    print(bias)
    bias.plot(files[1], "h[0]")
    return files


if __name__ == "__main__":
    for file in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()):
        print(file)
