"""How long pictures take: 27 blocks, 400 blocks, and 4,000 blocks as collapsed subsystems.

Run: python examples/benchmarks/drawing.py
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

import matplotlib
import networkx
import numpy as np
import scipy

import blocksim as bs
from blocksim.draw import picture, write
from blocksim.draw.quality import report
from blocksim.library import Gain, Sum, Tanh, UnitDelay


def lstm() -> bs.Diagram:
    """The LSTM of 27 blocks without walls."""
    return bs.nn.lstm(np.ones((12, 4)), np.ones((12, 3)), np.zeros(12)).flatten()


def tangle(blocks: int, seed: int = 0) -> bs.Diagram:
    """Blocks that each read some of the dozen before them, with loops through delays."""
    choose = random.Random(seed)
    d = bs.Diagram("tangle")
    sources = [d.input("u")]
    late = []
    while len(sources) <= blocks:
        k = len(sources)
        near = sources[-12:]
        if k % 10 == 5:
            late.append(d.add(f"delay{k}", UnitDelay(0.0)))
            sources.append(late[-1])
        elif k % 2:
            sources.append(d.add(f"n{k}", choose.choice([Gain(0.5), Tanh()]), choose.choice(near)))
        else:
            sources.append(d.add(f"n{k}", Sum(), *choose.sample(near, min(2, len(near)))))
    for i, delay in enumerate(late):
        d.connect(sources[min(blocks, 10 * i + choose.randint(8, 20))], delay)
    d.output("y", sources[-1])
    return d


def subsystem(blocks: int) -> bs.Diagram:
    """Two inputs, their sum, and a row of gains and tanhs."""
    d = bs.Diagram("row")
    signal = d.add("sum", Sum(), d.input("a"), d.input("b"))
    for k in range(blocks - 1):
        signal = d.add(f"n{k}", Tanh() if k % 2 else Gain(0.5), signal)
    d.output("y", signal)
    return d


def collapsed(subsystems: int, blocks: int) -> bs.Diagram:
    """Subsystems that each read two of the six before them."""
    choose = random.Random(0)
    d = bs.Diagram("collapsed")
    sources = [d.input("u")]
    for k in range(subsystems):
        sources.append(d.add(f"s{k}", subsystem(blocks), *choose.choices(sources[-6:], k=2)))
    d.output("y", sources[-1])
    return d


def measure(title: str, diagram: bs.Diagram, depth: int | None, goal: float, rounds: int) -> None:
    """Print the medians of the layout's and the whole picture's time, and what the layout is worth."""
    scene, times = picture(diagram, depth), []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            start = time.perf_counter()
            picture(diagram, depth)
            placed = time.perf_counter()
            write(scene, Path(folder, "x.png"))
            times.append((placed - start, time.perf_counter() - start))
    layout, whole = (statistics.median(column) for column in zip(*times, strict=True))
    found = report(scene)
    print(f"{title}, {len(diagram.flatten().nodes)} blocks{', with less search' if scene.quick else ''}")
    print(f"  layout {layout:.2f} s (goal {goal:g}), with the PNG {whole:.2f} s; ", end="")
    print(f"{found.crossings} crossings, {sum(map(len, found.faults.values()))} faults")


if __name__ == "__main__":
    print(f"networkx {networkx.__version__}, scipy {scipy.__version__}, matplotlib {matplotlib.__version__}")
    measure("LSTM without walls", lstm(), None, 1, 9)
    measure("Tangle", tangle(400), None, 20, 3)
    measure("100 collapsed subsystems", collapsed(100, 40), 0, 10, 3)
