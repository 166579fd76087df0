"""Random networks of vectors: matrix gains that share signals, elementwise blocks, products and delays."""

from __future__ import annotations

import numpy as np

import blocksim as bs
from blocksim.library import (
    Bias,
    Constant,
    Delay,
    DiscreteIntegrator,
    Gain,
    Product,
    Saturation,
    Sigmoid,
    Sum,
    Tanh,
    UnitDelay,
)


def random_network(seed: int, size: int | None = None) -> tuple[bs.Diagram, dict[str, np.ndarray]]:
    """A diagram of `size` blocks on vectors of one length, with its inputs; it stays bounded."""
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(1, 5)), size or int(rng.integers(4, 24))
    d = bs.Diagram(f"network{seed}")
    sources = [d.input("u", shape=n), d.input("v", shape=n)]
    late = []
    for k in range(size):
        pick = lambda count: [sources[i] for i in rng.integers(0, len(sources), count)]  # noqa: E731
        kind = int(rng.integers(0, 11))
        if kind == 0:
            late.append(d.add(f"n{k}", UnitDelay(rng.normal(size=n))))
            sources.append(late[-1])
            continue
        if kind == 1:
            late.append(d.add(f"n{k}", Delay(rng.normal(size=n), 2)))
            sources.append(late[-1])
            continue
        block, inputs = {
            2: (Gain(0.4 * rng.normal(size=(n, n))), 1),
            3: (Gain(0.4 * rng.normal(size=(n, n))), 1),
            4: (Sum("".join(rng.choice(["+", "-"], 2))), 2),
            5: (Sum("++"), 2),
            6: (Tanh(), 1),
            7: (Sigmoid(), 1),
            8: (Product(), 2),
            9: (Bias(rng.normal(size=n)), 1),
            10: (DiscreteIntegrator(np.zeros(n), -0.3), 1),
        }[kind]
        node = d.add(f"n{k}", block, *pick(inputs))
        if kind in (4, 5, 8, 10):  # keep what may grow within bounds
            node = d.add(f"s{k}", Saturation(-2.0, 2.0), node)
        sources.append(node)
    sources.append(d.add("constant", Tanh(), d.add("one", Constant(np.ones(n)))))
    for delay in late:
        d.connect(sources[int(rng.integers(0, len(sources)))], delay)
    d.output("y", sources[-2])
    d.output("z", sources[int(rng.integers(0, len(sources)))])
    return d, {name: rng.normal(size=(30, n)) for name in "uv"}
