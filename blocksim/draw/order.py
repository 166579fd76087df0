"""The order of blocks and passing wires in each layer: few crossings, found by barycentres and exchanges."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import combinations, pairwise, permutations, product
from typing import Literal

from blocksim.draw.rank import Net, Vertex
from blocksim.draw.scene import Point, PortKey

Side = Literal["left", "right"]
EXCHANGES = 200_000
"""How many places a group is tried at falls with the size of the picture by this."""


@dataclass(eq=False)
class Item:
    """What has a height of its own in a layer: a vertex, a wire that passes, or its bend into a sum.

    `left` and `right` are where nets end at its sides, relative to `y`, from the top down; `ports` are the
    places of its block's ports; `into` is the sum that a bend leads to.
    """

    vertex: Vertex | None = None
    net: Net | None = None
    up: float = 1.0
    down: float = 1.0
    width: float = 0.0
    left: list[tuple[Net, float]] = field(default_factory=list)
    right: list[tuple[Net, float]] = field(default_factory=list)
    ports: dict[PortKey, Point] = field(default_factory=dict)
    into: Item | None = None
    y: float = 0.0


@dataclass(eq=False)
class Group:
    """Items that stay together, in one of several arrangements of the ports of their block."""

    layer: int
    choices: list[list[Item]]
    choice: int = 0
    rank: int = 0

    @property
    def items(self) -> list[Item]:
        return self.choices[self.choice]

    def nets(self, side: Side) -> list[Net]:
        return [net for item in self.items for net, _ in (item.left if side == "left" else item.right)]


def make_groups(vertices: dict[str, Vertex]) -> list[list[Group]]:
    """The groups of each layer, with one passage for each net through each layer that it spans."""
    layers = 1 + max([1, *(v.layer + (v.port is None) for v in vertices.values())])
    nets = {net: None for v in vertices.values() for net in v.outputs.values() if net.targets}
    from_right: dict[tuple[str, str], bool] = {}
    channels: dict[Net, list[int]] = {}
    for net in nets:
        source = vertices[net.source[0]]
        begin = source.layer + (not source.flipped)
        channels[net] = [begin]
        for key, port in net.targets:
            target = vertices[key]
            from_right[key, port] = target.freedom == "sides" and begin > target.layer
            right = target.flipped or from_right[key, port]
            channels[net].append(target.layer + right)
    for vertex in vertices.values():  # a sum takes two inputs from the right, a third at its left
        late = [port for port in vertex.inputs if from_right.get((vertex.key, port))]
        for port in late[:-2]:
            net = vertex.inputs[port]
            from_right[vertex.key, port] = False
            assert net is not None
            channels[net].append(vertex.layer)
    passing = {(net, k): None for net in nets for k in range(min(channels[net]), max(channels[net]))}
    groups: list[list[Group]] = [[] for _ in range(layers)]
    for vertex in vertices.values():
        bends: dict[str, tuple[bool, bool]] = {}
        for port, net in vertex.inputs.items():
            late = from_right.get((vertex.key, port), False)
            merged = late and net is not None and passing.pop((net, vertex.layer), 0) is None
            bends[port] = late, merged
        groups[vertex.layer].append(Group(vertex.layer, _arrangements(vertex, bends)))
    for net, layer in passing:
        item = Item(net=net, left=[(net, 0.0)], right=[(net, 0.0)])
        groups[layer].append(Group(layer, [[item]]))
    return groups


def _arrangements(vertex: Vertex, bends: dict[str, tuple[bool, bool]]) -> list[list[Item]]:
    """The ways to place a vertex; `bends` tells which inputs come from the right, and which pass on left."""
    box, ports = vertex.box, list(vertex.inputs)
    if box is None:
        item = Item(vertex, up=8, down=8)
        item.left = [(net, 0.0) for net in vertex.inputs.values() if net]
        item.right = [(net, 0.0) for net in vertex.outputs.values() if net.targets]
        return [[item]]
    if vertex.freedom == "sides":
        late = [port for port in ports if bends[port][0]]
        return [
            _sum(vertex, dict(zip(ports, places, strict=True)), bends)
            for places in permutations("LBT", len(ports))
            if ("L" in places or len(late) == len(ports))
            and not any(places[ports.index(port)] == "L" for port in late)
        ]
    heights = [box.ports["in", port][1] for port in ports]
    free = vertex.freedom == "order" and len(ports) <= 4
    orders = permutations(heights) if free else [heights]
    return [[_plain(vertex, dict(zip(ports, order, strict=True)))] for order in orders]


def _plain(vertex: Vertex, heights: dict[str, float]) -> Item:
    """The item of a box with its input ports at these heights."""
    box = vertex.box
    assert box is not None
    item = Item(vertex, ports=dict(box.ports))
    for port, dy in heights.items():
        item.ports["in", port] = (box.ports["in", port][0], dy)
    below = [label for label in box.labels if label.at[1] > box.h / 2]
    item.up, item.down = box.h / 2, max([box.h / 2, *(t.at[1] + 0.7 * t.size for t in below)])
    reach = [abs(t.at[0]) + t.width() / (2 if t.align == "center" else 1) for t in below]
    item.width = 2 * max([box.w / 2, *reach])
    for (kind, port), (dx, dy) in sorted(item.ports.items(), key=lambda end: end[1][1]):
        net = vertex.inputs.get(port) if kind == "in" else vertex.outputs.get(port)
        if net is not None and net.targets:
            (item.left if dx < 0 else item.right).append((net, dy))
    return item


def _sum(vertex: Vertex, places: dict[str, str], bends: dict[str, tuple[bool, bool]]) -> list[Item]:
    """A circle with inputs at its left, top and bottom, and the bends that lead to these."""
    item = _plain(vertex, {})
    item.left = []
    items, r = [item], item.up
    for port, place in places.items():
        net, (late, merged) = vertex.inputs[port], bends[port]
        assert net is not None
        item.ports["in", port] = {"L": (-r, 0.0), "T": (0.0, -r), "B": (0.0, r)}[place]
        if place == "L":
            item.left = [(net, 0.0)]
        else:
            bend = Item(net=net, into=item)
            bend.left = [(net, 0.0)] if merged or not late else []
            bend.right = [(net, 0.0)] if late else []
            items.insert(0 if place == "T" else len(items), bend)
    return items


# -- crossings ---------------------------------------------------------------------------------

Ends = dict[Net, list[tuple[Group, int, int]]]
"""Where each net ends in a channel: group, place in the group, and side (-1: at the right of a layer)."""


def _ends(groups: list[list[Group]], channel: int) -> Ends:
    ends: Ends = {}
    sides: tuple[tuple[int, Side, int], ...] = (channel, "left", 1), (channel - 1, "right", -1)
    for k, name, side in sides:
        for group in groups[k] if 0 <= k < len(groups) else ():
            for i, net in enumerate(group.nets(name)):
                ends.setdefault(net, []).append((group, i, side))
    return ends


def crossings(groups: list[list[Group]]) -> int:
    """The fewest crossings of the nets in all channels that the order allows."""
    channels = (_ends(groups, c) for c in range(len(groups) + 1))
    return sum(_crossings(ends, *pair) for ends in channels for pair in combinations(ends, 2))


def _crossings(points: Ends, a: Net, b: Net) -> int:
    """Around a channel, the ends of two nets alternate twice for nothing and twice more for each crossing."""
    if len(points[a]) < 2 or len(points[b]) < 2:
        return 0
    ends = [(s * (g.rank * 100 + i - 1e6), 0) for g, i, s in points[a]]
    ends += [(s * (g.rank * 100 + i - 1e6), 1) for g, i, s in points[b]]
    ends.sort()
    runs = (ends[0][1] != ends[-1][1]) + sum(p[1] != q[1] for p, q in pairwise(ends))
    return max(0, runs // 2 - 1)


def sort_layers(groups: list[list[Group]], seed: int) -> None:
    """Order every layer in place, starting from another order for each seed."""
    chance = random.Random(seed)
    for layer in groups:
        if seed:
            chance.shuffle(layer)
        _number(layer)
        for group in layer:
            group.choice = 0
    best: tuple[int, Arrangement] | None = None
    window = max(1, EXCHANGES // (1 + sum(len(layer) for layer in groups)) ** 2)
    for turn in range(4):
        side: Side = "left" if turn % 2 == 0 else "right"
        for k in range(len(groups)) if side == "left" else reversed(range(len(groups))):
            _barycentre(groups, k, side)
        for k in range(len(groups)):
            _exchange(groups, k, window)
        found = crossings(groups)
        if best is None or found < best[0]:
            best = found, arrangement(groups)
    assert best is not None
    restore(groups, best[1])


Arrangement = list[tuple[list[Group], list[int]]]


def arrangement(groups: list[list[Group]]) -> Arrangement:
    """The order of every layer and the choices of its groups, to come back to."""
    return [(list(layer), [group.choice for group in layer]) for layer in groups]


def restore(groups: list[list[Group]], found: Arrangement) -> None:
    """Order the layers as they once were."""
    for layer, (order, choices) in zip(groups, found, strict=True):
        layer[:] = order
        _number(layer)
        for group, choice in zip(layer, choices, strict=True):
            group.choice = choice


def _number(layer: list[Group]) -> None:
    for rank, group in enumerate(layer):
        group.rank = rank


def _barycentre(groups: list[list[Group]], k: int, side: Side) -> None:
    """Sort a layer by the mean place of what its groups are wired to at one side."""
    points = _ends(groups, k if side == "left" else k + 1)
    layer, wanted = groups[k], {}
    for group in layer:
        means = []
        for net in dict.fromkeys(group.nets(side)):
            others = [
                (g.rank + 0.4 + (i + 1) / 9) / len(groups[g.layer])
                for g, i, _ in points[net]
                if g is not group
            ]
            means += [sum(others) / len(others)] if others else []
        wanted[group] = sum(means) / len(means) if means else (group.rank + 0.5) / len(layer)
    layer.sort(key=wanted.__getitem__)
    _number(layer)


def _exchange(groups: list[list[Group]], k: int, window: int) -> None:
    """Move each group of a layer, and choose its arrangement, where that saves crossings."""
    layer = groups[k]
    points = {c: _ends(groups, c) for c in (k, k + 1)}
    sides: tuple[tuple[int, Side], ...] = (k, "left"), (k + 1, "right")

    def between(a: Group, b: Group) -> int:
        """Crossings of the nets of two groups."""
        total = 0
        for c, side in sides:
            pairs = {
                frozenset(pair) for pair in product(a.nets(side), b.nets(side)) if pair[0] is not pair[1]
            }
            total += sum(_crossings(points[c], *pair) for pair in pairs)
        return total

    def swap(i: int) -> int:
        """Exchange the groups at i and i + 1; the crossings that it costs."""
        a, b = layer[i], layer[i + 1]
        before = between(a, b)
        layer[i], layer[i + 1], a.rank, b.rank = b, a, i + 1, i
        return between(a, b) - before

    for group in list(layer):
        for step in (-1, 1):
            start, cost, best, best_at = group.rank, 0, 0, group.rank
            while abs(group.rank - start) < window and 0 <= group.rank + step < len(layer):
                cost += swap(min(group.rank, group.rank + step))
                if cost < best:
                    best, best_at = cost, group.rank
            while group.rank != best_at:
                swap(min(group.rank, group.rank - step))
    for group in layer:
        if len(group.choices) > 1:
            costs = []
            for choice in range(len(group.choices)):
                group.choice = choice
                points = {c: _ends(groups, c) for c in (k, k + 1)}
                pairs = {
                    (c, frozenset((a, b)))
                    for c, s in sides
                    for a in group.nets(s)
                    for b in points[c]
                    if a is not b
                }
                costs.append(sum(_crossings(points[c], *pair) for c, pair in pairs))
            group.choice = costs.index(min(costs))
