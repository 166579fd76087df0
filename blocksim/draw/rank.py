"""Which wires go back, which blocks face left for it, and the layer of every block."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from blocksim.draw.scene import Box, Label, PortKey, Scene

Edge = tuple[str, str]
Row = tuple[dict[int, float], float]
"""The coefficients of variables, by their numbers, and the least that their sum may be."""


@dataclass(eq=False)
class Net:
    """One signal of a level: everything that is wired to one output port.

    It leaves its source in the channel `begin`, to the left if `backward`; `main` is the target that goes
    on along the main path. `names` are what is written beside it, each at its source or at a target.
    """

    source: tuple[str, str]
    targets: list[tuple[str, str]] = field(default_factory=list)
    loop: int | None = None
    error: bool = False
    main: str | None = None
    names: list[tuple[tuple[str, str], Label]] = field(default_factory=list)
    begin: int = 0
    backward: bool = False


@dataclass(eq=False)
class Vertex:
    """A node of one level. `box` is None for a port in the wall of the frame around the level.

    `placed` is the box as it is in the picture, `y` its height there.

    `freedom` says how inputs may be placed: "fixed", in any "order", or at any of three "sides".
    """

    key: str
    port: tuple[str, PortKey] | None = None
    box: Box | None = None
    placed: Box | None = None
    inner: Scene | None = None
    inputs: dict[str, Net | None] = field(default_factory=dict)
    outputs: dict[str, Net] = field(default_factory=dict)
    signs: dict[str, str] = field(default_factory=dict)
    freedom: str = "fixed"
    delays: bool = False
    layer: int = 0
    y: float = 0.0

    @property
    def wall(self) -> bool:
        return self.port is not None and self.box is None

    @property
    def flipped(self) -> bool:
        return self.box is not None and self.box.flipped

    def flippable(self) -> bool:
        return (
            self.box is not None
            and self.box.shape not in ("terminal", "frame")
            and len(self.box.ports) == 2
            and len(self.outputs) == 1
            and [net is not None for net in self.inputs.values()] == [True]
        )


def rank(vertices: dict[str, Vertex]) -> None:
    """Flip blocks on the way back and set the layer of every vertex: inputs at 0, outputs in the last."""
    graph = nx.DiGraph()
    graph.add_nodes_from(vertices)
    depth = _depths(vertices)
    for key, vertex in vertices.items():
        for position, (port, net) in enumerate(vertex.inputs.items()):
            if net is not None:
                source = net.source[0]
                cost = 4.0 - 2 * (depth[key] <= depth[source]) - (vertex.delays or vertices[source].delays)
                cost -= position > 0 and vertex.freedom != "fixed"
                cost -= 0.5 * (vertex.signs.get(port) == "−")
                old = graph.get_edge_data(source, key, {"cost": 0})["cost"]
                graph.add_edge(source, key, cost=old + max(cost, 0.25))
    cut = cut_cycles(graph)
    graph.remove_edges_from(cut)
    graph.add_edges_from(list(graph.edges), least=1)
    for edge in cut:
        _flip_chain(vertices, graph, edge, cut)
    _set_layers(vertices, graph, cut)
    _set_main(vertices)


def cut_cycles(graph: nx.DiGraph) -> list[Edge]:
    """Edges of least total `cost` without which the graph has no cycle; of a large graph, of little cost."""
    rest = graph.copy()
    loops: list[Edge] = [(a, b) for a, b in graph.edges if a == b]
    rest.remove_edges_from(loops)
    order = {node: i for i, node in enumerate(graph)}
    cycles: dict[frozenset[Edge], list[Edge]] = {}
    cut: list[Edge] = []
    while True:
        parts = [sorted(c, key=order.__getitem__) for c in nx.strongly_connected_components(rest)]
        parts = sorted((part for part in parts if len(part) > 1), key=lambda part: order[part[0]])
        if not parts:
            return loops + cut
        for part in parts:
            members = set(part)  # a subgraph's own order would change with the hashes of the names
            inside = nx.DiGraph((a, b) for a in part for b in rest[a] if b in members)
            for node in part[:: 1 + len(part) // 16]:
                cycle = _shortest_cycle(inside, node)
                cycles.setdefault(frozenset(cycle), cycle)
        cut = _cover(list(cycles.values()), graph)
        rest = graph.copy()
        rest.remove_edges_from(loops + cut)


def _shortest_cycle(graph: nx.DiGraph, node: str) -> list[Edge]:
    paths = nx.single_source_shortest_path(graph, node)
    path = min((paths[p] for p in graph.predecessors(node)), key=len)
    return list(zip(path, [*path[1:], node], strict=True))


def _cover(cycles: list[list[Edge]], graph: nx.DiGraph) -> list[Edge]:
    """The cheapest edges that meet every one of the cycles."""
    edges = list(dict.fromkeys(edge for cycle in cycles for edge in cycle))
    column = {edge: j for j, edge in enumerate(edges)}
    rows = np.repeat(np.arange(len(cycles)), [len(cycle) for cycle in cycles])
    columns = [column[edge] for cycle in cycles for edge in cycle]
    meets = csr_array((np.ones(len(rows)), (rows, columns)), (len(cycles), len(edges)))
    cost = [graph.edges[edge]["cost"] + 1e-4 * j / len(edges) for j, edge in enumerate(edges)]
    found = milp(
        cost, integrality=np.ones(len(edges)), bounds=Bounds(0, 1), constraints=LinearConstraint(meets, lb=1),
        options={"mip_rel_gap": 0.0 if len(edges) < 400 else 0.05},
    )  # fmt: skip
    return [edge for edge, taken in zip(edges, found.x, strict=True) if taken > 0.5]


def _depths(vertices: dict[str, Vertex]) -> dict[str, int]:
    """How far along each vertex is: the longest way from the inputs that no delay shortens.

    What only delays feed comes after them; unreached vertices come last.
    """
    before = {
        key: [net.source[0] for net in vertex.inputs.values() if net] for key, vertex in vertices.items()
    }
    through = nx.DiGraph()
    through.add_nodes_from(vertices)
    through.add_edges_from((a, b) for b, found in before.items() for a in found if not vertices[b].delays)
    acyclic = nx.is_directed_acyclic_graph(through)
    order = list(nx.topological_sort(through)) if acyclic else list(vertices)
    known = {key: 0 for key, vertex in vertices.items() if vertex.port is not None and not vertex.inputs}
    known = known or {key: 0 for key in vertices if not before[key]}
    while True:
        for delays in (False, True):
            found = known if not delays else dict(known)
            for key in order:
                depths = [known[source] for source in before[key] if source in known]
                if depths and key not in known and vertices[key].delays == delays:
                    found[key] = 1 + max(depths)
        if found == known:
            return {key: known.get(key, len(vertices)) for key in vertices}
        known = found


def _flip_chain(vertices: dict[str, Vertex], graph: nx.DiGraph, edge: Edge, cut: list[Edge]) -> None:
    """Turn round the blocks beside a cut wire that lie on the way back alone."""
    tail, head = edge
    if tail == head:
        return
    chain: list[str] = []
    at = tail
    while vertices[at].flippable() and len(chain) < 8:
        targets = {t for net in vertices[at].outputs.values() for t, _ in net.targets}
        if targets != ({chain[0]} if chain else {head}) or at == head:
            break
        chain.insert(0, at)
        at = next(net.source[0] for net in vertices[at].inputs.values() if net)
    if not chain and vertices[head].flippable() and vertices[head].delays:
        chain = [head]
    if not chain:
        return
    first, last = vertices[chain[0]], vertices[chain[-1]]
    source = next(net.source[0] for net in first.inputs.values() if net)
    targets = list(dict.fromkeys(t for net in last.outputs.values() for t, _ in net.targets))
    if any(vertices[key].flipped or vertices[key].wall or key in chain for key in [source, *targets]):
        return
    trial = graph.copy()
    trial.remove_edges_from([*trial.in_edges(chain), *trial.out_edges(chain)])
    for target in targets:
        trial.add_edge(target, chain[-1], least=int(vertices[target].freedom == "sides"))
    for a, b in pairwise(chain):
        trial.add_edge(b, a, least=1)
    if not nx.is_directed_acyclic_graph(trial):
        return
    trial.add_edge(chain[0], source, least=0)
    if not nx.is_directed_acyclic_graph(trial):  # the way back is longer: it ends to the right of its source
        trial.remove_edge(chain[0], source)
    graph.clear()
    graph.update(trial)
    for key in chain:
        box = vertices[key].box
        assert box is not None
        box.flip()


def _set_layers(vertices: dict[str, Vertex], graph: nx.DiGraph, cut: list[Edge]) -> None:
    """The layers of least total length of the nets, by a linear program; ports in walls at the two ends."""
    column = {key: j for j, key in enumerate(vertices)}
    last = len(column)
    cost = [0.0] * last + [1e-3]
    rows: list[Row] = [
        ({column[b]: 1.0, column[a]: -1.0}, least) for a, b, least in graph.edges(data="least")
    ]

    def soften(weight: float, differences: list[tuple[str, str]], more: float = 0.0) -> None:
        """Let the largest of these differences of layers, where it is positive, cost its weight."""
        cost.append(weight)
        free = len(cost) - 1
        rows.extend(({free: 1.0, column[b]: -1.0, column[a]: 1.0}, more) for a, b in differences if a != b)

    for vertex in vertices.values():
        for net in vertex.outputs.values():
            source, keys = net.source[0], list(dict.fromkeys(key for key, _ in net.targets))
            ahead = [key for key in keys if graph.has_edge(source, key)]
            back = [key for key in keys if graph.has_edge(key, source) and key not in ahead]
            soften(1.0, [(source, key) for key in ahead])
            soften(1.0, [(key, source) for key in back])
            for a, b in [(source, key) for key in ahead] + [(key, source) for key in back]:
                cost[column[a]] -= 0.05
                cost[column[b]] += 0.05
            for key in keys:  # a wire that turns back to a block is not to pass beside the other targets
                if vertices[key].flipped and key not in back:
                    for other in keys:
                        if other != key and not vertices[other].flipped:
                            soften(1.5, [(other, key)], more=1.0)
    for tail, head in cut:
        if not graph.has_edge(tail, head) and not graph.has_edge(head, tail):
            soften(0.6, [(head, tail)])
    walls = any(vertex.wall for vertex in vertices.values())
    lower, upper = np.zeros(len(cost)), np.full(len(cost), np.inf)
    for key, vertex in vertices.items():
        if not vertex.wall:
            rows.append(({last: 1.0, column[key]: -1.0}, 1.0))
            lower[column[key]] = float(walls)
        elif vertex.inputs:
            rows += [({column[key]: sign, last: -sign}, 0.0) for sign in (1.0, -1.0)]
        else:
            upper[column[key]] = 0
    found = solve(np.array(cost), rows, lower, upper)
    for key, vertex in vertices.items():
        vertex.layer = round(found[column[key]])


def _set_main(vertices: dict[str, Vertex]) -> None:
    """Mark the nets of the main path: the longest from an input that leads on to an output."""
    length: dict[str, int] = {}
    before: dict[str, tuple[Net, str]] = {}
    for key in sorted(vertices, key=lambda key: vertices[key].layer):
        vertex = vertices[key]
        length[key] = int(vertex.port is not None and not vertex.inputs)
        for net in vertex.inputs.values():
            if net is not None and not vertex.flipped:
                source = vertices[net.source[0]]
                found = length.get(source.key, 0) if source.layer < vertex.layer else 0
                if found and found + 1 > length[key]:
                    length[key], before[key] = found + 1, (net, source.key)
    ends = [key for key, vertex in vertices.items() if vertex.port is not None and vertex.inputs]
    key = max(ends or vertices, key=lambda key: length[key], default="")
    while key in before:
        net, source = before[key]
        net.main, key = key, source


def solve(
    cost: NDArray[np.float64],
    rows: list[Row],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The x of least cost.x with each row.x >= its bound. Raises ArithmeticError where there is none."""
    index = np.repeat(np.arange(len(rows)), [len(row) for row, _ in rows])
    entries = [-value for row, _ in rows for value in row.values()]
    columns = [column for row, _ in rows for column in row]
    matrix = csr_array((entries, (index, columns)), (len(rows), len(cost)))
    found = linprog(
        cost, matrix if rows else None, [-bound for _, bound in rows] or None,
        bounds=np.column_stack([lower, upper]), method="highs-ds",
    )  # fmt: skip
    if found.x is None:
        raise ArithmeticError(found.message)
    return found.x
