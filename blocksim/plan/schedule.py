"""The order of evaluation: each block after those whose outputs its own outputs need."""

from __future__ import annotations

from blocksim import graph
from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import AlgebraicLoopError


def schedule(flat: Diagram) -> list[str]:
    """The paths of all blocks, in an order that depends on names and wires alone.

    Raises AlgebraicLoopError with a loop of direct feedthrough, block by block, if there is one.
    """
    import networkx as nx  # takes as long to load as all the rest

    needs = nx.DiGraph()
    needs.add_nodes_from(flat.nodes)
    for path, node in flat.nodes.items():
        assert isinstance(node.block, Block)
        for port, origin in node.wires.items():
            if node.block.feedthrough(port) and origin.node.name in flat.nodes:
                needs.add_edge(origin.node.name, path)
    try:
        return list(nx.lexicographical_topological_sort(needs))
    except nx.NetworkXUnfeasible:
        loop = graph.algebraic_loop(graph.to_networkx(flat)) or []
        raise AlgebraicLoopError(loop, [flat.nodes[p].line for p in loop]) from None
