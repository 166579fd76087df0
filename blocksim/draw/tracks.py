"""The order of the vertical wires in the channel between two layers."""

from __future__ import annotations

from itertools import combinations

from blocksim.draw.heights import TRACK, Channel, End
from blocksim.draw.rank import Net

NEAR = 8.0
"""Heights nearer than this look like one."""
CLASH = 1000.0


def order_tracks(ends: Channel, at: dict[End, float]) -> tuple[dict[Net, int], list[tuple[End, End]]]:
    """The track of each net that needs one, from the left, and pairs of ends that no order keeps apart.

    Two nets of which one ends at the left and the other at the right at one height must stand in this
    order; other pairs in that with fewer crossings.
    """
    heights = {net: ([at[e] for e in left], [at[e] for e in right]) for net, (left, right) in ends.items()}
    span = {net: (min(left + right), max(left + right)) for net, (left, right) in heights.items()}
    nets = [net for net in ends if span[net][1] - span[net][0] > 1e-3]
    cost: dict[tuple[Net, Net], float] = {}
    for a in nets:
        for b in nets:
            if a is not b and span[a][0] - NEAR < span[b][1] and span[b][0] - NEAR < span[a][1]:
                cost[a, b] = sum(span[b][0] < y < span[b][1] for y in heights[a][1])
                cost[a, b] += sum(span[a][0] < y < span[a][1] for y in heights[b][0])
                cost[a, b] += CLASH * any(abs(p - q) < NEAR for p in heights[a][1] for q in heights[b][0])
    order = _insert(nets, cost)
    clashes = []
    for a, b in combinations(order, 2):
        if cost.get((a, b), 0.0) >= CLASH:
            right, left = ends[a][1], ends[b][0]
            clashes += [(p, q) for p in right for q in left if abs(at[p] - at[q]) < NEAR]
    tracks: dict[Net, int] = {}
    for net in order:
        low, high = span[net]
        near = [
            n for other, n in tracks.items() if span[other][0] - TRACK < high and low < span[other][1] + TRACK
        ]
        tracks[net] = 1 + max(near, default=-1)
    return tracks, clashes


def _insert(nets: list[Net], cost: dict[tuple[Net, Net], float]) -> list[Net]:
    """An order of little cost: each net in turn goes to its best place, until nothing changes."""
    order: list[Net] = []
    for turn in range(6):
        before = list(order)
        for net in nets:
            if net in order:
                order.remove(net)
            costs = [sum(cost.get((net, other), 0.0) for other in order)]
            for other in order:
                costs.append(costs[-1] + cost.get((other, net), 0.0) - cost.get((net, other), 0.0))
            order.insert(costs.index(min(costs)), net)
        if order == before and turn:
            break
    return order
