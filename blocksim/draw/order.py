"""The order of blocks and passing wires in each layer: few crossings, found by barycentres and exchanges."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Literal

from blocksim.draw.rank import Net, Vertex
from blocksim.draw.scene import Point, PortKey

Side = Literal["left", "right"]
Ending = tuple[Net, float, PortKey | None]
"""A net, its height relative to its item, and the port of the item's block."""
SPREAD = 6.0
"""How far blocks may be from their place in the diagram, at the last beginning; 1 is a whole layer."""
EXCHANGES = 8_000_000
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
    left: list[Ending] = field(default_factory=list)
    right: list[Ending] = field(default_factory=list)
    ports: dict[PortKey, Point] = field(default_factory=dict)
    into: Item | None = None
    unusual: bool = False
    """Whether a sum takes its inputs at other sides than in the first of its arrangements."""


@dataclass(eq=False)
class Group:
    """Items that stay together, in one of several arrangements of the ports of their block."""

    layer: int
    choices: list[list[Item]]
    declared: int | None = None
    """The place of its vertex among those of the diagram, if it has one."""
    choice: int = 0
    rank: int = 0

    def __post_init__(self) -> None:
        self._left = [[net for item in items for net, *_ in item.left] for items in self.choices]
        self._right = [[net for item in items for net, *_ in item.right] for items in self.choices]

    @property
    def items(self) -> list[Item]:
        return self.choices[self.choice]

    def nets(self, side: Side) -> list[Net]:
        return self._left[self.choice] if side == "left" else self._right[self.choice]


def make_groups(vertices: dict[str, Vertex]) -> list[list[Group]]:
    """The groups of each layer, with one passage for each net through each layer that it spans."""
    layers = 1 + max([0, *(v.layer for v in vertices.values())])
    nets = {net: None for v in vertices.values() for net in v.outputs.values() if net.targets}
    from_right: dict[tuple[str, str], bool] = {}
    channels: dict[Net, list[int]] = {}
    for net in nets:
        source = vertices[net.source[0]]
        net.backward = source.flipped
        net.begin = begin = source.layer + (not source.flipped)
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
    for declared, vertex in enumerate(vertices.values()):
        bends: dict[str, tuple[bool, bool]] = {}
        for port, net in vertex.inputs.items():
            late = from_right.get((vertex.key, port), False)
            merged = late and net is not None and passing.pop((net, vertex.layer), 0) is None
            bends[port] = late, merged
        groups[vertex.layer].append(Group(vertex.layer, _arrangements(vertex, bends), declared))
    for net, layer in passing:
        item = Item(net=net, left=[(net, 0.0, None)], right=[(net, 0.0, None)])
        groups[layer].append(Group(layer, [[item]]))
    return groups


def _arrangements(vertex: Vertex, bends: dict[str, tuple[bool, bool]]) -> list[list[Item]]:
    """The ways to place a vertex; `bends` tells which inputs come from the right, and which pass on left."""
    box, ports = vertex.box, list(vertex.inputs)
    if box is None:
        item = Item(vertex, up=8, down=8)
        item.left = [(net, 0.0, None) for net in vertex.inputs.values() if net]
        item.right = [(net, 0.0, None) for net in vertex.outputs.values() if net.targets]
        return [[item]]
    if vertex.freedom == "sides":
        late = [port for port in ports if bends[port][0]]
        found = [
            _sum(vertex, dict(zip(ports, places, strict=True)), bends)
            for places in permutations("LBT", len(ports))
            if ("L" in places or len(late) == len(ports))
            and not any(places[ports.index(port)] == "L" for port in late)
        ]
        for items in found[1 + (len(ports) == 2) :]:  # two inputs: the second from above or from below
            next(item for item in items if item.vertex).unusual = True
        return found
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
            (item.left if dx < 0 else item.right).append((net, dy, (kind, port)))
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
            item.left = [(net, 0.0, ("in", port))]
        else:
            bend = Item(net=net, into=item)
            bend.left = [(net, 0.0, None)] if merged or not late else []
            bend.right = [(net, 0.0, None)] if late else []
            items.insert(0 if place == "T" else len(items), bend)
    return items


# -- crossings ---------------------------------------------------------------------------------

Ends = dict[Net, tuple[list[tuple[Group, int]], list[tuple[Group, int]]]]
"""Where each net ends at the left of a channel and at its right: a group and the place in it."""


def _ends(groups: list[list[Group]], channel: int) -> Ends:
    ends: Ends = {}
    sides: tuple[tuple[int, Side], ...] = (channel - 1, "right"), (channel, "left")
    for place, (k, name) in enumerate(sides):
        for group in groups[k] if 0 <= k < len(groups) else ():
            for i, net in enumerate(group.nets(name)):
                ends.setdefault(net, ([], []))[place].append((group, i))
    return ends


def crossings(groups: list[list[Group]]) -> int:
    """The fewest crossings of the nets in all channels that the order allows."""
    channels = (_ends(groups, c) for c in range(len(groups) + 1))
    return sum(_crossings(ends[a], ends[b]) for ends in channels for a, b in combinations(ends, 2))


NetEnds = tuple[list[tuple[Group, int]], list[tuple[Group, int]]]


def _crossings(a: NetEnds, b: NetEnds) -> int:
    """Around a channel, the ends of two nets alternate twice for nothing and twice more for each crossing."""
    (left, right), (others, beyond) = a, b
    sizes = len(left) + len(right), len(others) + len(beyond)
    if sizes[0] < 2 or sizes[1] < 2:
        return 0
    if sizes == (2, 2) and len(left) == 1 == len(others):
        (g, i), (h, j) = left[0], others[0]
        (k, m), (n, o) = right[0], beyond[0]
        above = g.rank < h.rank if g is not h else i < j
        return above != (k.rank < n.rank if k is not n else m < o)
    ends = [(group.rank * 100 + i, 0) for group, i in a[0]] + [(group.rank * 100 + i, 1) for group, i in b[0]]
    ends += [(1e9 - group.rank * 100 - i, 0) for group, i in a[1]]
    ends += [(1e9 - group.rank * 100 - i, 1) for group, i in b[1]]
    ends.sort()
    last = ends[-1][1]
    runs = 0
    for _, owner in ends:
        runs += owner != last
        last = owner
    return max(0, runs // 2 - 1)


def best_orders(groups: list[list[Group]], restarts: int, keep: int) -> list[Arrangement]:
    """Some different orders with the fewest crossings, found from that many beginnings.

    Of equally many crossings, those are preferred in which blocks stand in the order of the diagram.
    """
    found: dict[tuple[object, ...], tuple[float, int, int, Arrangement]] = {}
    declared = arrangement(groups)
    for seed in range(restarts):
        restore(groups, declared)
        cost = sort_layers(groups, seed, seed / restarts)
        look = tuple((id(group), group.choice) for layer in groups for group in layer)
        found.setdefault(look, (cost, disorder(groups), seed, arrangement(groups)))
    ordered = sorted(found.values(), key=lambda entry: entry[:3])
    best = [order for cost, _, _, order in ordered if cost <= ordered[0][0] + 1][:keep]
    for i, order in enumerate(best):
        restore(groups, order)
        tidy(groups)
        best[i] = arrangement(groups)
    return best


def disorder(groups: list[list[Group]]) -> int:
    """How many pairs of blocks of one layer stand in another order than in the diagram."""
    places = [[group.declared for group in layer if group.declared is not None] for layer in groups]
    return sum(a > b for layer in places for a, b in combinations(layer, 2))


def sort_layers(groups: list[list[Group]], seed: int, disorder: float) -> int:
    """Order every layer in place, from a beginning that is so far from the present order, 0 to 1.

    Returns the crossings.
    """
    chance = random.Random(seed)
    for layer in groups:
        spread = SPREAD * disorder
        places = {group: i / len(layer) + spread * chance.random() for i, group in enumerate(layer)}
        layer.sort(key=places.__getitem__)
        _number(layer)
        for group in layer:
            group.choice = chance.randrange(len(group.choices)) if chance.random() < disorder else 0
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
    return best[0]


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
            near, far = points[net][side == "left"], points[net][side == "right"]
            across = far or [end for end in near if end[0] is not group]
            others = [(g.rank + 0.4 + (i + 1) / 9) / len(groups[g.layer]) for g, i in across]
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
            ends, others = points[c], b.nets(side)
            for p in a.nets(side) if others else ():
                for q in others:
                    if p is not q:
                        total += _crossings(ends[p], ends[q])
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
            _choose(group, points, sides)


def _choose(group: Group, points: dict[int, Ends], sides: tuple[tuple[int, Side], ...]) -> None:
    """Take the first of the arrangements of a group with the fewest crossings."""
    costs = []
    for choice in range(len(group.choices)):
        group.choice = choice
        total = 0
        for c, side in sides:
            own: dict[Net, NetEnds] = {}
            for i, net in enumerate(group.nets(side)):
                if net not in own:
                    left, right = ([e for e in ends if e[0] is not group] for ends in points[c][net])
                    own[net] = left, right
                own[net][side == "left"].append((group, i))
            for net, ends in own.items():
                total += sum(
                    _crossings(ends, own.get(o, other)) for o, other in points[c].items() if o is not net
                )
        costs.append(total)
    group.choice = costs.index(min(costs))
    for c, side in sides:
        for net in set(group.nets(side)):
            ends = points[c][net][side == "left"]
            ends[:] = [end for end in ends if end[0] is not group]
            ends += [(group, i) for i, other in enumerate(group.nets(side)) if other is net]


def tidy(groups: list[list[Group]]) -> None:
    """Bring what feeds a sum into the order of its first arrangement where that costs no crossings."""
    for k in range(1, len(groups)):
        for group in [g for g in groups[k] if g.choice]:
            before, at, chosen = _near(groups, k), list(groups[k - 1]), group.choice
            feeds = {net: g for g in groups[k - 1] for net in g.nets("right")}
            for choice in range(chosen):
                group.choice = choice
                wanted = list(dict.fromkeys(feeds[net] for net in group.nets("left") if net in feeds))
                places = sorted(g.rank for g in wanted)
                for g, place in zip(wanted, places, strict=True):
                    groups[k - 1][place] = g
                _number(groups[k - 1])
                if _near(groups, k) <= before:
                    break
                groups[k - 1][:] = at
                _number(at)
            else:
                group.choice = chosen


def _near(groups: list[list[Group]], k: int) -> int:
    """The crossings at both sides of a layer and of the one before it."""
    channels = [_ends(groups, c) for c in (k - 1, k, k + 1)]
    return sum(_crossings(ends[a], ends[b]) for ends in channels for a, b in combinations(ends, 2))
