"""Which wires go back, which blocks face left for it, and the layer of every block."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

from blocksim.draw.scene import Box, PortKey, Scene

Edge = tuple[str, str]
ROUNDS = 40


@dataclass(eq=False)
class Net:
    """One signal of a level: everything that is wired to one output port."""

    source: tuple[str, str]
    targets: list[tuple[str, str]] = field(default_factory=list)
    loop: int | None = None


@dataclass(eq=False)
class Vertex:
    """A node of one level. `box` is None for a port in the wall of the frame around the level.

    `freedom` says how inputs may be placed: "fixed", in any "order", or at any of three "sides".
    """

    key: str
    port: tuple[str, PortKey] | None = None
    box: Box | None = None
    inner: Scene | None = None
    inputs: dict[str, Net | None] = field(default_factory=dict)
    outputs: dict[str, Net] = field(default_factory=dict)
    signs: dict[str, str] = field(default_factory=dict)
    freedom: str = "fixed"
    delays: bool = False
    layer: int = 0
    y: float = 0.0

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
        for position, net in enumerate(vertex.inputs.values()):
            if net is not None:
                source = net.source[0]
                cost = 4.0 - 2 * (depth[key] <= depth[source]) - (vertex.delays or vertices[source].delays)
                cost -= position > 0 and vertex.freedom != "fixed"
                old = graph.get_edge_data(source, key, {"cost": 0})["cost"]
                graph.add_edge(source, key, cost=old + max(cost, 0.5))
    cut = cut_cycles(graph)
    graph.remove_edges_from(cut)
    graph.add_edges_from(list(graph.edges), least=1)
    for edge in cut:
        _flip_chain(vertices, graph, edge, cut)
    _set_layers(vertices, graph)


def cut_cycles(graph: nx.DiGraph) -> list[Edge]:
    """Edges of small total `cost` without which the graph has no cycle."""
    rest = graph.copy()
    loops: list[Edge] = [(a, b) for a, b in graph.edges if a == b]
    rest.remove_edges_from(loops)
    order = {node: i for i, node in enumerate(graph)}
    cycles: dict[frozenset[Edge], list[Edge]] = {}
    cut: list[Edge] = []
    for turn in range(graph.number_of_edges() + ROUNDS):
        parts = [sorted(c, key=order.__getitem__) for c in nx.strongly_connected_components(rest)]
        parts = sorted((part for part in parts if len(part) > 1), key=lambda part: order[part[0]])
        if not parts:
            break
        for part in parts:
            members = set(part)  # a subgraph's own order would change with the hashes of the names
            inside = nx.DiGraph((a, b) for a in part for b in rest[a] if b in members)
            for node in part[:: max(1, len(part) // 8)]:
                cycle = _shortest_cycle(inside, node)
                cycles.setdefault(frozenset(cycle), cycle)
        cut = _cover(list(cycles.values()), graph, cut if turn >= ROUNDS else [])
        rest = graph.copy()
        rest.remove_edges_from(loops + cut)
    return loops + cut


def _shortest_cycle(graph: nx.DiGraph, node: str) -> list[Edge]:
    paths = nx.single_source_shortest_path(graph, node)
    path = min((paths[p] for p in graph.predecessors(node)), key=len)
    return list(zip(path, [*path[1:], node], strict=True))


def _cover(cycles: list[list[Edge]], graph: nx.DiGraph, start: list[Edge]) -> list[Edge]:
    """Edges that meet every cycle, greedily by the number of cycles for the cost."""
    chosen = list(start)
    left = [cycle for cycle in cycles if not set(cycle) & set(chosen)]
    while left:
        counts = Counter(edge for cycle in left for edge in cycle)
        best = max(counts, key=lambda edge: counts[edge] / graph.edges[edge]["cost"])
        chosen.append(best)
        left = [cycle for cycle in left if best not in cycle]
    for edge in list(chosen):
        others = {e for e in chosen if e != edge}
        if edge not in start and all(others & set(cycle) for cycle in cycles):
            chosen.remove(edge)
    return chosen


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
    if any(vertices[key].flipped or key in chain for key in [source, *targets]):
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


def _set_layers(vertices: dict[str, Vertex], graph: nx.DiGraph) -> None:
    """The longest path from the left; then sources move next to what they feed."""
    position = {key: i for i, key in enumerate(vertices)}
    order = list(nx.lexicographical_topological_sort(graph, key=position.__getitem__))
    layer = {}
    for key in order:
        ends = vertices[key].port is not None
        layer[key] = max(
            [0 if ends else 1] + [layer[p] + least for p, _, least in graph.in_edges(key, data="least")]
        )
    for key in reversed(order):
        after = [layer[s] - least for _, s, least in graph.out_edges(key, data="least")]
        if vertices[key].port is None and after and not graph.in_degree(key):
            layer[key] = max(layer[key], min(after))
    last = 1 + max([0, *(n for key, n in layer.items() if vertices[key].port is None)])
    for key, vertex in vertices.items():
        vertex.layer = (last if vertex.inputs else 0) if vertex.port is not None else layer[key]
