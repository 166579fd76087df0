"""The NumPy engine against a loop written by hand, and how building and long runs scale.

Run: python examples/benchmarks/numpy_engine.py

All figures of a comparison are measured in turn within one run; the medians are printed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import platform
import resource
import statistics
import time
from collections.abc import Callable

import networkx
import numpy as np

import blocksim as bs
from blocksim.library import Bias, Gain, Sum, UnitDelay


def seconds(work: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stepping(units: int = 8, inputs: int = 8, steps: int = 5000, rounds: int = 31) -> None:
    """The 27-block LSTM through `simulate` against the same NumPy calls in a plain loop."""
    rng = np.random.default_rng(0)
    W, R, b = (rng.normal(size=s) for s in ((4 * units, inputs), (4 * units, units), 4 * units))
    x = rng.normal(size=(steps, inputs))
    diagram = bs.nn.lstm(W, R, b)
    (Wi, Wf, Wg, Wo), (Ri, Rf, Rg, Ro), (bi, bf, bg, bo) = (np.split(a, 4) for a in (W, R, b))

    def by_hand() -> tuple[np.ndarray, np.ndarray]:
        exp, tanh = np.exp, np.tanh
        h, c = np.zeros(units), np.zeros(units)
        hs, cs = np.empty((steps, units)), np.empty((steps, units))
        for k, u in enumerate(x):
            i = 1 / (1 + exp(-(Wi @ u + Ri @ h + bi)))
            f = 1 / (1 + exp(-(Wf @ u + Rf @ h + bf)))
            g = tanh(Wg @ u + Rg @ h + bg)
            o = 1 / (1 + exp(-(Wo @ u + Ro @ h + bo)))
            c = f * c + i * g
            h = o * tanh(c)
            hs[k], cs[k] = h, c
        return hs, cs

    def by_blocks() -> tuple[np.ndarray, np.ndarray]:
        run = bs.simulate(diagram, {"x": x})
        return run["h"], run["c"]

    same = all(np.array_equal(a, b) for a, b in zip(by_hand(), by_blocks(), strict=True))
    pairs = [(seconds(by_hand), seconds(by_blocks)) for _ in range(rounds)]
    hand, blocks = (statistics.median(side) / steps * 1e6 for side in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    print(f"LSTM of {len(diagram.flatten().nodes)} blocks, {units} units, float64, {steps} steps")
    print(f"  by hand {hand:.1f} us/step, simulate {blocks:.1f} us/step, ratio {ratio:.2f} (goal 1.3)")
    print(f"  the same numbers to the last bit: {same}")


def chain(blocks: int) -> bs.Diagram:
    """Gains, sums and delays in a row."""
    d = bs.Diagram("chain")
    signal = d.input("u")
    for k in range(blocks):
        block = (Gain(1.0), Sum(), UnitDelay(0.0), Bias(0.0))[k % 4]
        signal = d.add(f"n{k}", block, signal)
    d.output("y", signal)
    return d


def building(rounds: int = 5) -> None:
    """Time to build and to compile a chain, which must grow in proportion to its length."""
    sizes = (2_500, 5_000, 10_000, 20_000, 40_000)
    times = [[seconds(lambda n=n: bs.compile(chain(n))) for n in sizes] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    print("a chain of blocks: build and compile")
    for blocks, took in zip(sizes, medians, strict=True):
        goal = " (goal 3 s)" if blocks == 10_000 else ""
        print(f"  {blocks:6d} blocks {took:6.2f} s, {took / blocks * 1e6:4.0f} us a block{goal}")
    slope = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
    print(f"  time grows as the length to the power {slope:.2f} (goal 1)")


def memory() -> None:
    """The peak memory of short and long runs of a counter of which only the last value is kept."""
    d = bs.Diagram("counter")
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("more", Bias(1.0), z), z)
    d.output("n", z)
    print("a counter, only the last value kept: peak memory")
    for steps in (1_000, 1_000_000):
        took = seconds(lambda n=steps: bs.simulate(d, steps=n, keep="last"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {steps:8d} steps {peak:7.1f} MiB, {took:.2f} s")


if __name__ == "__main__":
    print(f"python {platform.python_version()}, numpy {np.__version__}, networkx {networkx.__version__}")
    memory()
    stepping()
    building()
