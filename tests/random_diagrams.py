"""Random diagrams for property tests, and the operations that tests do on diagrams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import blocksim as bs
from blocksim.library import Gain, Sum, UnitDelay


@dataclass
class Linear:
    """A random linear diagram as a list of parts, so that it can be built in any order.

    Node k of `kinds` reads `sources[k]`: indices of nodes, or -1 for the input. Sums and gains read
    only earlier nodes, delays any, so each loop passes through a delay.
    """

    kinds: list[str] = field(default_factory=list)
    sources: list[list[int]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> Linear:
        """A diagram of `size` nodes, at least one of them a delay."""
        made = cls()
        for k in range(size):
            kind = "delay" if k == 0 else str(rng.choice(["gain", "sum", "delay"], p=[0.35, 0.4, 0.25]))
            count = int(rng.integers(2, 4)) if kind == "sum" else 1
            low, high = -1, size if kind == "delay" else k
            made.kinds.append(kind)
            made.sources.append([int(s) for s in rng.integers(low, high, size=count)])
            made.values.append(float(rng.uniform(-0.7, 0.7)))
            made.signs.append("".join(rng.choice(["+", "-"], size=count)))
        return made

    def diagram(self, order: list[int] | None = None) -> bs.Diagram:
        """The diagram, its nodes added in the given order; every node is an output."""
        d = bs.Diagram("linear")
        u = d.input("u")
        nodes: dict[int, bs.diagram.Node] = {}
        for k in order if order is not None else range(len(self.kinds)):
            block = {"gain": lambda k=k: Gain(self.values[k]), "sum": lambda k=k: Sum(self.signs[k])}
            nodes[k] = d.add(f"n{k}", block.get(self.kinds[k], lambda k=k: UnitDelay(self.values[k]))())
        for k, node in nodes.items():
            for port, source in zip(node.inputs, self.sources[k], strict=True):
                d.connect(u if source < 0 else nodes[source], node, port)
        for k, node in sorted(nodes.items()):
            d.output(f"y{k}", node)
        return d

    def state_space(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A, B, C, D and x0 of the same system, assembled without blocksim.

        All nodes together solve y = G y + P x + E u, the delays' next states are S y + F u.
        """
        size = len(self.kinds)
        delays = [k for k in range(size) if self.kinds[k] == "delay"]
        G, E = np.zeros((size, size)), np.zeros((size, 1))
        P = np.zeros((size, len(delays)))
        S, F = np.zeros((len(delays), size)), np.zeros((len(delays), 1))
        for k in range(size):
            for sign, source in zip(self.signs[k], self.sources[k], strict=True):
                weight = {"gain": self.values[k], "sum": 1.0 if sign == "+" else -1.0, "delay": 1.0}[
                    self.kinds[k]
                ]
                matrix, vector = (S, F) if self.kinds[k] == "delay" else (G, E)
                row = delays.index(k) if self.kinds[k] == "delay" else k
                if source < 0:
                    vector[row, 0] += weight
                else:
                    matrix[row, source] += weight
            if self.kinds[k] == "delay":
                P[k, delays.index(k)] = 1.0
        C, D = (np.linalg.solve(np.eye(size) - G, M) for M in (P, E))
        x0 = np.array([self.values[k] for k in delays])
        return S @ C, S @ D + F, C, D, x0


def random_lstm(rng: np.random.Generator, m: int, n: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    """W, R, b, h0 and c0 of an LSTM with m inputs and n units."""
    shapes = {"W": (4 * n, m), "R": (4 * n, n), "b": (4 * n,), "h0": (n,), "c0": (n,)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def nest(diagram: bs.Diagram, groups: list[list[str]]) -> bs.Diagram:
    """The same system with each group of nodes moved into a subsystem of its own."""
    outer = bs.Diagram(diagram.name)
    sources = {node: outer.input(name, node.block.shape) for name, node in diagram.inputs.items()}
    place = {name: f"group{i}" for i, group in enumerate(groups) for name in group}
    inner = {f"group{i}": bs.Diagram(f"group{i}") for i in range(len(groups))}
    for name, node in diagram.nodes.items():
        (inner[place[name]] if name in place else outer).add(name, node.block)

    def crosses(target: str, origin: str) -> bool:
        return place.get(target) != place.get(origin)

    wires = [
        (name, port, origin) for name, node in diagram.nodes.items() for port, origin in node.wires.items()
    ]
    for group, d in inner.items():
        for name in diagram.nodes:
            if place.get(name) == group:
                for port in d.nodes[name].block.outputs:
                    d.output(f"out_{name}_{port}", d.nodes[name][port])
        for name, _, origin in wires:
            if place.get(name) == group and (origin.node in sources or crosses(name, origin.node.name)):
                key = f"in_{origin.node.name}_{origin.name}"
                if key not in d.inputs:
                    d.input(key)
        outer.add(group, d)

    def reach(origin: bs.node.Port) -> bs.node.Port | bs.node.Node:
        if origin.node in sources:
            return sources[origin.node]
        name = origin.node.name
        if name in place:
            return outer.nodes[place[name]][f"out_{name}_{origin.name}"]
        return outer.nodes[name][origin.name]

    for name, port, origin in wires:
        group = place.get(name)
        if group is None:
            outer.connect(reach(origin), outer.nodes[name], port)
        elif origin.node in sources or crosses(name, origin.node.name):
            key = f"in_{origin.node.name}_{origin.name}"
            if key not in outer.nodes[group].wires:
                outer.connect(reach(origin), outer.nodes[group], key)
            inner[group].connect(inner[group].inputs[key], inner[group].nodes[name], port)
        else:
            local = inner[group].nodes[origin.node.name][origin.name]
            inner[group].connect(local, inner[group].nodes[name], port)
    for name, port in diagram.outputs.items():
        outer.output(name, reach(port))
    return outer
