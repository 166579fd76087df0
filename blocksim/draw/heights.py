"""The height of every block, passing wire and port: a linear program in which straight wires win.

Each wire costs the vertical distance of its two ends. Solved again with weights that fall with that
distance (Candès, Wakin, Boyd 2008), it leaves few bends rather than many small ones.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from blocksim.draw.order import Ending, Item, Side
from blocksim.draw.rank import Net, solve
from blocksim.draw.scene import PortKey

TRACK = 14.0
"""Between wires side by side."""
LARGE = 2_000
"""Items of a level above which the program is solved with its first weights only."""
SOFT = 6.0
"""Distances far below this cost as much as if they were nothing."""

Layers = list[list[Item]]
Sum = dict[int, float]
"""Variable -> coefficient; a height is such a sum and a constant."""
Height = tuple[Sum, float]


@dataclass(eq=False)
class End:
    """Where a net ends at one side of an item."""

    net: Net
    item: Item
    side: Side
    port: PortKey | None


@dataclass
class Link:
    """A wire or a part of one: the weight of its straightness, the variable of its distance, and its
    place from 0 at the left to 1."""

    weight: float
    variable: int
    along: float


@dataclass
class Heights:
    """The heights of items and their ends; of boxes also the distance from the middle to the edge."""

    ends: dict[Item, list[End]]
    y: dict[Item, float] = field(default_factory=dict)
    half: dict[Item, float] = field(default_factory=dict)
    at: dict[End, float] = field(default_factory=dict)
    bends: dict[int, float] = field(default_factory=dict)
    """The distances of links that are not straight, by their variables."""


Channel = dict[Net, tuple[list[End], list[End]]]


def channel(layers: Layers, ends: dict[Item, list[End]], c: int) -> Channel:
    """The ends of each net in the channel before layer c: at its left, and at its right."""
    found: Channel = defaultdict(lambda: ([], []))
    for k, side in ((c - 1, "right"), (c, "left")):
        for item in layers[k] if 0 <= k < len(layers) else ():
            for end in ends[item]:
                if end.side == side:
                    found[end.net][side == "left"].append(end)
    return dict(found)


def gap(a: Item, b: Item) -> float:
    """The least distance of two neighbours in a layer."""
    wires = (a.vertex is None) + (b.vertex is None)
    return (26.0, 18.0, TRACK - 2)[wires]


class Program:
    """The linear program of the layers in their order; the variables in `straight` are held at zero."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.ends: dict[Item, list[End]] = {}
        self.straight: set[int] = set()
        self.rows: list[tuple[Sum, float]] = []
        self.cost: list[float] = []
        self.lower: list[float] = []
        self.at: dict[Item | End, Height] = {}
        self.edges: dict[Item, tuple[Height, Height]] = {}
        for layer in layers:
            for item in layer:
                self._add(item)
            for a, b in pairwise(layer):
                self._below(self.edges[a][1], self.edges[b][0], gap(a, b))
        self._bound()
        self.links = self._links()

    def _variable(self, cost: float = 0.0, lower: float = -np.inf) -> int:
        self.cost.append(cost)
        self.lower.append(lower)
        return len(self.cost) - 1

    def _below(self, a: Height, b: Height, least: float) -> None:
        """b lies below a by at least so much."""
        row: Sum = dict(b[0])
        for variable, coefficient in a[0].items():
            row[variable] = row.get(variable, 0.0) - coefficient
        self.rows.append((row, least + a[1] - b[1]))

    def _add(self, item: Item) -> None:
        """The variables of an item; a port's place in an elastic box is one where its side has several."""
        middle = self._variable()
        self.at[item] = {middle: 1.0}, 0.0
        ends = self.ends[item] = []
        box = item.vertex.box if item.vertex else None
        elastic = (
            box is not None and box.elastic and item.vertex is not None and item.vertex.freedom == "fixed"
        )
        half = self._variable(1.0, box.h / 2) if elastic and box else None
        top: Height = ({middle: 1.0}, -item.up) if half is None else ({middle: 1.0, half: -1.0}, 0.0)
        beyond = item.down - box.h / 2 if box else 0.0
        bottom: Height = ({middle: 1.0}, item.down) if half is None else ({middle: 1.0, half: 1.0}, beyond)
        self.edges[item] = top, bottom
        sides: tuple[tuple[Side, list[Ending]], ...] = ("left", item.left), ("right", item.right)
        for side, found in sides:
            edge: tuple[Height, float] | None = None
            heights = [dy for _, dy in item.ports.values()] or [0.0]
            rim = box.h / 2 - max(map(abs, heights)) if box else 0.0
            below = max((dy for _, dy, _ in found), default=0.0)
            for net, dy, port in found:
                end = End(net, item, side, port)
                ends.append(end)
                if half is None or len(found) == 1 or box is None:
                    self.at[end] = {middle: 1.0}, dy
                    continue
                self.at[end] = {self._variable(): 1.0}, 0.0
                place = (top, rim) if edge is None else (edge[0], dy - edge[1])
                self._below(place[0], self.at[end], place[1])
                self._below(self.at[end], ({middle: 1.0, half: 1.0}, 0.0), rim + below - dy)
                edge = self.at[end], dy

    def _bound(self) -> None:
        """The picture is low, and so is each layer."""
        top, bottom = self._variable(-0.02), self._variable(0.02)
        self.rows.append(({bottom: 1.0, top: -1.0}, 0.0))
        for layer in self.layers:
            if layer:
                first, last = self.edges[layer[0]][0], self.edges[layer[-1]][1]
                self._below(({top: 1.0}, 0.0), first, 0.0)
                self._below(last, ({bottom: 1.0}, 0.0), 0.0)
                for height, sign in ((first, -0.004), (last, 0.004)):
                    for variable, coefficient in height[0].items():
                        self.cost[variable] += sign * coefficient

    def _links(self) -> list[Link]:
        """What should be at one height, with its weight and the variable of its distance."""
        found: list[tuple[Height, Height, float, float]] = []
        for c in range(len(self.layers) + 1):
            for net, (left, right) in channel(self.layers, self.ends, c).items():
                begin, others = _begin(net, c, left, right)
                across = [(a, b) for a in others if a.side == "left" for b in others if b.side == "right"]
                found += [(self.at[a], self.at[b], 0.3, c / len(self.layers)) for a, b in across]
                for end in others:
                    passing = (begin.item.vertex is None) + (end.item.vertex is None)
                    weight = (1.0, 1.5, 4.0)[passing] / (1 + (len(others) > 3) * (end is not others[0]))
                    leads = end.item.vertex is None or end.item.vertex.key == net.main
                    weight *= 2.5 if net.main and leads else 1.0
                    found.append((self.at[begin], self.at[end], weight, c / len(self.layers)))
        for layer in self.layers:
            for item in layer:
                if item.into is not None:
                    found.append((self.at[item], self.at[item.into], 0.3, 0.5))
        links = []
        for a, b, weight, along in found:
            distance = self._variable(weight, 0.0)
            self._below(a, _plus(b, distance), 0.0)
            self._below(b, _plus(a, distance), 0.0)
            links.append(Link(weight, distance, along))
        return links

    def keep_apart(self, a: End, b: End, least: float) -> None:
        """Demand that b lies below a."""
        self._below(self.at[a], self.at[b], least)

    def solve(self, tilt: float = 0.0, near: Heights | None = None) -> Heights:
        """The heights; with a positive `tilt`, straightness counts more at the right, else at the left.

        With `near`, what is straight there is to stay so.

        Raises ArithmeticError where the demands contradict each other.
        """
        cost, lower = np.array(self.cost), np.array(self.lower)
        lower[0] = 0.0  # one height is fixed, else the program may be called unbounded
        upper = np.full(len(cost), np.inf)
        upper[0] = 0.0
        upper[list(self.straight)] = 0.0
        x = np.zeros(len(cost))
        if near is not None:
            x[list(near.bends)] = list(near.bends.values())
        turns = 1 if len(self.links) > LARGE else 4 if near is None else 2
        for turn in range(turns):
            for link in self.links:
                weight = link.weight * (1 + tilt * (link.along - 0.5) * (turn < 2))
                again = turn or near is not None
                cost[link.variable] = weight * 4 * SOFT / (x[link.variable] + SOFT) if again else weight
            x = solve(cost, self.rows, lower, upper)
        heights = Heights(self.ends)

        def value(height: Height) -> float:
            return round(float(sum(c * x[v] for v, c in height[0].items())) + height[1], 3) + 0.0

        for item, ends in self.ends.items():
            y = heights.y[item] = value(self.at[item])
            heights.half[item] = y - value(self.edges[item][0])
            heights.at |= {end: value(self.at[end]) for end in ends}
        for link in self.links:
            if x[link.variable] > 1e-3:
                heights.bends[link.variable] = float(x[link.variable])
        return heights


def _plus(height: Height, variable: int) -> Height:
    return height[0] | {variable: 1.0}, height[1]


def _begin(net: Net, c: int, left: list[End], right: list[End]) -> tuple[End, list[End]]:
    """The end from which the signal comes in channel c, and the others."""
    first, other = (right, left) if c < net.begin or (c == net.begin and net.backward) else (left, right)
    if not first:
        first, other = other, []
    own = [end for end in first if end.item.vertex and end.item.vertex.key == net.source[0]]
    begin = own[0] if own else min(first, key=lambda end: end.item.vertex is not None)
    return begin, [end for end in first + other if end is not begin]
