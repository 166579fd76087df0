"""How often each method finds an equilibrium of an LSTM, random or trained, and how fast.

    python examples/equilibria.py

The recurrent weights of the random networks are gain*N(0, 1)/sqrt(n), their biases N(0, 1)/2. The trained
network reads digits (models/lstm_digits.py); its inputs are the constant rows of test images.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs
from blocksim.analysis import Control, equilibria, equilibrium
from blocksim.analysis.equilibrium import METHODS

DATA = Path(__file__).parent.parent / "models" / "data"
SLOW = ("paper", "paper-ode", "simulate")  # where they fail, they take long: two networks will do
CONTROL = Control(max_steps=500)


def random_network(n: int, gain: float, seed: int, candidate: float = 1.0) -> bs.Diagram:
    rng = np.random.default_rng(seed)
    R, b = gain * rng.normal(size=(4 * n, n)) / np.sqrt(n), 0.5 * rng.normal(size=4 * n)
    b[2 * n : 3 * n] *= candidate
    return bs.nn.lstm(np.zeros((4 * n, 1)), R, b)


def trained_network() -> tuple[bs.Diagram, list[np.ndarray]]:
    weights = bs.load_weights(DATA / "lstm_digits.safetensors", "W", "R", "b")
    W, R, b = (a.astype(float) for a in weights.values())
    images = bs.load_weights(DATA / "lstm_digits_test.safetensors", "images")["images"] / 16
    return bs.nn.lstm(W, R, b), [np.zeros(8), *images[:5, 4]]


def row(table: Table, name: str, cases: list[tuple[bs.Diagram, dict[str, np.ndarray]]]) -> None:
    """Each method's count of cases solved, with its mean time."""
    cells = []
    for method in METHODS:
        tried = cases[: 1 if "128" in name else 2] if method in SLOW else cases
        before = time.perf_counter()
        solved = sum(
            equilibrium(layer, inputs, method, control=CONTROL).status == "ok" for layer, inputs in tried
        )
        spent = (time.perf_counter() - before) / len(tried)
        cells.append(f"{solved}/{len(tried)} {1e3 * spent:4.0f}")
    table.add_row(name, *cells)


def main(count: int = 3) -> None:
    warnings.simplefilter("ignore")  # the published homotopy warns where it is likely to fail
    console = Console(width=110)
    equilibrium(random_network(2, 1.0, 0), method="fixed-point")  # loads what is loaded at first use
    table = Table("units", *METHODS, title="found of tried, mean ms")
    for n in (8, 32, 128):
        for gain in (0.5, 1.0, 2.0, 4.0):
            row(table, f"{n}, gain {gain:g}", [(random_network(n, gain, s), {}) for s in range(count)])
        small = [(random_network(n, 1.0, s, candidate=0.03), {}) for s in range(count)]
        row(table, f"{n}, gain 1, small b_g", small)
    layer, rows = trained_network()
    row(table, "32, trained", [(layer, {"x": x}) for x in rows])
    console.print(table)

    free = equilibrium(layer)
    console.print(
        f"trained, without input: |h| up to {np.max(np.abs(free.state['hidden_state'])):.3f}, "  # pyright: ignore
        f"residual {free.residual:.1e}, spectral radius {free.spectral_radius:.4f}, stable: {free.stable}"
    )
    console.print(f"trained, from many starts: {equilibria(layer).reason}")

    big, times = random_network(128, 1.0, 0), []
    for _ in range(10):
        before = time.perf_counter()
        found = equilibrium(big, method="fixed-point")
        times.append(time.perf_counter() - before)
    console.print(
        f"128 units, warm: {1e3 * np.median(times):.0f} ms, {found.path.steps} steps, "  # pyright: ignore
        f"spectral radius {found.spectral_radius:.4f}"  # pyright: ignore
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
