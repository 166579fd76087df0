"""A diagram as a graph: flattened, as a networkx graph, its loops, and its wiring as a text table.

networkx is imported where it is used: it takes as long to load as all the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocksim.block import Block
from blocksim.errors import AlgebraicLoopError
from blocksim.node import Inport, Node, Port

if TYPE_CHECKING:
    import networkx as nx

    from blocksim.diagram import Diagram


@dataclass(frozen=True)
class Wall:
    """The signal at a subsystem's port; `declared` is what an input says of it."""

    port: Port
    declared: Inport | None
    node: Node


@dataclass(eq=False)
class _Scope:
    """One instance of a diagram: a diagram used twice has two."""

    diagram: Diagram
    path: str
    parent: _Scope | None
    node: Node | None
    children: dict[str, _Scope] = field(default_factory=dict)

    def at(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


def flatten(diagram: Diagram, flat: Diagram) -> None:
    """Fill `flat` with the leaf blocks of `diagram`, wired through the walls of its subsystems.

    A port whose wire is missing, here or at a wall on the way, stays without one. Raises
    AlgebraicLoopError for a loop of nothing but wires through the walls of subsystems.
    """
    for name, node in diagram.inputs.items():
        flat.inputs[name] = Node(flat, name, node.block, node.line)
    scopes = [_Scope(diagram, "", None, None)]
    for scope in scopes:
        for name, node in scope.diagram.nodes.items():
            if isinstance(node.block, Block):
                flat.nodes[scope.at(name)] = Node(flat, scope.at(name), node.block, node.line)
            elif not isinstance(node.block, Inport):
                child = _Scope(node.block, scope.at(name), scope, node)
                scope.children[name] = child
                scopes.append(child)

    def resolve(port: Port | None, scope: _Scope) -> Port | None:
        passed: dict[tuple[_Scope, Port], None] = {}
        while port is not None:
            name, block = port.node.name, port.node.block
            if isinstance(block, Block):
                return Port(flat.nodes[scope.at(name)], port.name)
            if (scope, port) in passed:
                loop = list(passed)[list(passed).index((scope, port)) :]
                walls = [(s, p.node) for s, p in loop[::-1] if not isinstance(p.node.block, Inport)]
                raise AlgebraicLoopError([s.at(n.name) for s, n in walls], [n.line for _, n in walls])
            passed[scope, port] = None
            if not isinstance(block, Inport):
                scope, port = scope.children[name], block.outputs.get(port.name)
            elif scope.parent is None or scope.node is None:
                return Port(flat.inputs[name], port.name)
            else:
                port, scope = scope.node.wires.get(name), scope.parent
        return None

    for scope in scopes:
        for name, node in scope.diagram.nodes.items():
            if isinstance(node.block, Block):
                wires = flat.nodes[scope.at(name)].wires
                for port, origin in node.wires.items():
                    if found := resolve(origin, scope):
                        wires[port] = found
        if scope.parent is not None and scope.node is not None:
            for name, node in scope.diagram.inputs.items():
                if found := resolve(Port(node, "y"), scope):
                    assert isinstance(node.block, Inport)
                    flat.doors[scope.at(name)] = Wall(found, node.block, scope.node)
        for name, port in scope.diagram.outputs.items():
            if found := resolve(port, scope):
                if scope.parent is None:
                    flat.outputs[name] = found
                elif scope.node is not None:
                    flat.walls[scope.at(name)] = Wall(found, None, scope.node)


def to_networkx(diagram: Diagram) -> nx.MultiDiGraph:
    """One level of a diagram as a graph; see `Diagram.to_networkx`."""
    import networkx as nx

    graph = nx.MultiDiGraph(name=diagram.name)
    for name in diagram.inputs:
        graph.add_node(name, kind="input", block=diagram.inputs[name].block)
    for name, node in diagram.nodes.items():
        kind = "block" if isinstance(node.block, Block) else "subsystem"
        graph.add_node(name, kind=kind, block=node.block)
    for name, node in diagram.nodes.items():
        for port, origin in node.wires.items():
            through = not isinstance(node.block, Block) or node.block.feedthrough(port)
            graph.add_edge(origin.node.name, name, source=origin.name, target=port, feedthrough=through)
    for name, origin in diagram.outputs.items():
        graph.add_node(f"({name})", kind="output", block=None)
        graph.add_edge(origin.node.name, f"({name})", source=origin.name, target="u", feedthrough=True)
    return graph


def loops(graph: nx.MultiDiGraph) -> list[list[str]]:
    """The shortest loop through each node that a loop enters by a port without feedthrough."""
    import networkx as nx

    found = []
    for part in _cyclic_parts(nx.DiGraph(graph)):
        broken = {
            target for _, target, through in graph.subgraph(part).edges(data="feedthrough") if not through
        }
        found += [_loop_through(part, node) for node in sorted(broken)]
    return found


def algebraic_loop(graph: nx.MultiDiGraph) -> list[str] | None:
    """A shortest loop of direct feedthrough, or None: what no order of evaluation can satisfy."""
    import networkx as nx

    through = nx.DiGraph()
    through.add_nodes_from(graph)
    through.add_edges_from((a, b) for a, b, yes in graph.edges(data="feedthrough") if yes)
    for part in _cyclic_parts(through):
        return _loop_through(part, min(part))
    return None


def _cyclic_parts(graph: nx.DiGraph) -> list[nx.DiGraph]:
    """The strongly connected parts that hold a loop, with nodes and edges in the order of their names."""
    import networkx as nx

    parts = []
    for nodes in nx.strongly_connected_components(graph):
        first = next(iter(nodes))
        if len(nodes) > 1 or graph.has_edge(first, first):
            part = nx.DiGraph()
            part.add_nodes_from(sorted(nodes))
            part.add_edges_from(sorted(graph.subgraph(nodes).edges()))
            parts.append(part)
    return sorted(parts, key=lambda part: next(iter(part)))


def _loop_through(part: nx.DiGraph, node: str) -> list[str]:
    """The shortest loop through a node; of several, the first by its names."""
    import networkx as nx

    paths = (nx.shortest_path(part, after, node) for after in part.successors(node))
    shortest = min(paths, key=lambda path: (len(path), path))
    return [node, *shortest[:-1]]


def _rows(diagram: Diagram, indent: str) -> list[tuple[tuple[str, str, str], Diagram | None]]:
    """The rows of one level, last first, each with the subsystem whose rows follow it."""
    rows: list[tuple[tuple[str, str, str], Diagram | None]] = []
    for name, node in diagram.inputs.items():
        rows.append(((indent + name, repr(node.block), ""), None))
    for name, node in diagram.nodes.items():
        wires = ", ".join(
            f"{port} <- {node.wires[port]!r}" if port in node.wires else f"{port} <- nothing"
            for port in node.inputs
        )
        inner = None if isinstance(node.block, (Block, Inport)) else node.block
        kind = repr(node.block) if inner is None else f"diagram {inner.name}"
        rows.append(((indent + name, kind, wires), inner))
    for name, origin in diagram.outputs.items():
        rows.append(((indent + name, "output", f"<- {origin!r}"), None))
    return rows[::-1]


def table(diagram: Diagram) -> str:
    """The wiring as text, one line a node, subsystems indented."""
    rows: list[tuple[str, str, str]] = []
    stack = _rows(diagram, "  ")
    while stack:
        row, inner = stack.pop()
        rows.append(row)
        if inner is not None:
            stack += _rows(inner, row[0][: -len(row[0].lstrip())] + "  ")
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    return "\n".join([f"diagram {diagram.name}", *lines])
