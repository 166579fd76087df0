"""Only the parts with feedback need the loop: what lies before and after runs for all steps at once."""

from __future__ import annotations

from blocksim.plan.program import Program, Stage


def hoist(program: Program) -> None:
    """Split each loop into stages along the condensation of its graph, the feedback through states included.

    A stage holds all parts with feedback that have equally many of them before them, or all that lies
    between two such stages.
    """
    import networkx as nx

    stages: list[Stage] = []
    for stage in program.stages:
        if not stage.loop:
            stages.append(stage)
            continue
        operations = stage.operations
        writer = {slot: i for i, op in enumerate(operations) for slot in op.writes}
        graph = nx.DiGraph()
        graph.add_nodes_from(range(len(operations)))
        graph.add_edges_from(
            (writer[slot], i) for i, op in enumerate(operations) for slot in op.reads if slot in writer
        )
        parts = nx.condensation(graph)
        level: dict[int, int] = {}
        for part in nx.lexicographical_topological_sort(parts, key=lambda p: min(parts.nodes[p]["members"])):
            members = parts.nodes[part]["members"]
            loop = len(members) > 1 or any(graph.has_edge(i, i) for i in members)
            before = [level[p] for p in parts.predecessors(part)]
            # even levels run for all steps at once, odd ones are loops
            level[part] = max([b + (1 if b % 2 != loop else 2 * loop) for b in before], default=int(loop))
        at: dict[int, list[int]] = {}
        for part, number in level.items():  # in topological order
            at.setdefault(number, []).extend(sorted(parts.nodes[part]["members"]))
        for number in sorted(at):
            order = sorted(at[number]) if number % 2 else at[number]
            stages.append(Stage(bool(number % 2), [operations[i] for i in order]))
    program.stages = stages
