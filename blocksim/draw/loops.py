"""The feedback loops of a diagram, and which of its signals are drawn in their colours."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import AlgebraicLoopError


@dataclass
class Loops:
    """`names` by number; `of` and `part` by block: its loop and its strongly connected part.

    `algebraic` are the blocks and subsystems on loops of direct feedthrough.
    """

    flat: Diagram
    names: dict[int, str] = field(default_factory=dict)
    of: dict[str, int] = field(default_factory=dict)
    part: dict[str, int] = field(default_factory=dict)
    algebraic: set[str] = field(default_factory=set)

    def colour(self, source: str, targets: list[str]) -> int | None:
        """The loop of a wire from one block to others."""
        on = source in self.of and any(self.part[source] == self.part.get(target) for target in targets)
        return self.of[source] if on else None


def find_loops(diagram: Diagram) -> Loops:
    """The loops of a diagram: for each state, the blocks that every way round from it and back passes.

    These are the dominators of the state's input seen from its output. A block of several loops is
    drawn as part of the smallest. Loops whose states have the same name in different subsystems share
    a number: the layers of a stack look alike.
    """
    try:
        flat = diagram.flatten()
    except AlgebraicLoopError as error:  # of nothing but the walls of subsystems
        return Loops(Diagram(diagram.name), algebraic=set(error.loop))
    graph = flat.to_networkx()
    found = Loops(flat)
    loops: dict[frozenset[str], str] = {}
    position = {name: i for i, name in enumerate(flat.nodes)}
    components = nx.strongly_connected_components(graph)
    parts = (sorted(part & position.keys(), key=position.__getitem__) for part in components)
    for number, part in enumerate(sorted(filter(None, parts), key=lambda part: position[part[0]])):
        inside = graph.subgraph(part)
        if len(part) == 1 and not inside.number_of_edges():
            continue
        found.part |= dict.fromkeys(part, number)
        through = nx.DiGraph((a, b) for a, b, yes in inside.edges(data="feedthrough") if yes)
        for ring in nx.strongly_connected_components(through):
            if len(ring) > 1 or any(through.has_edge(name, name) for name in ring):
                found.algebraic |= ring
        for name in part:
            block = flat.nodes[name].block
            if isinstance(block, Block) and hasattr(block, "init") and inside.in_degree(name):
                loops.setdefault(_dominators(nx.DiGraph(inside), name), name)
    numbers: dict[str, int] = {}
    for name in loops.values():
        numbers.setdefault(name.rpartition("/")[2], len(numbers))
    found.names = {number: name for name, number in numbers.items()}
    members: dict[str, frozenset[str]] = {}
    for loop, name in sorted(loops.items(), key=lambda item: len(item[0])):
        for member in loop:
            found.of.setdefault(member, numbers[name.rpartition("/")[2]])
            members.setdefault(member, loop)
    _add_branches(found, graph, members)
    return found


def _add_branches(found: Loops, graph: nx.MultiDiGraph, members: dict[str, frozenset[str]]) -> None:
    """Blocks in a row that lead from a loop back to it, beside others that do, are part of it too."""
    for name in found.part:
        if name in found.of:
            continue
        row = [name]
        while row[0] not in found.of and graph.in_degree(row[0]) == 1 and len(row) <= len(found.part):
            row.insert(0, next(graph.predecessors(row[0])))
        while row[-1] not in found.of and graph.out_degree(row[-1]) == 1 and len(row) <= len(found.part):
            row.append(next(graph.successors(row[-1])))
        start, *inner, end = row if len(row) > 2 else (name, name)
        alone = all(graph.in_degree(block) == 1 for block in inner)
        if alone and start in found.of and end in members[start]:
            found.of |= dict.fromkeys(inner, found.of[start])


def _dominators(graph: nx.DiGraph, state: str) -> frozenset[str]:
    """The nodes that every path from a node back to it passes, and the node itself."""
    back = object()
    graph.add_edges_from([(a, back) for a in graph.predecessors(state)])
    above = nx.immediate_dominators(graph, state)
    found, at = {state}, above[back]
    while at != state:
        found.add(at)
        at = above[at]
    return frozenset(found)
