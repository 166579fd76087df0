"""The pieces of a net as lines to draw: chained, with rounded corners, hopping over other nets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

import numpy as np

from blocksim.draw.scene import DOT, Point, Rectangle, Scene, Wire

CORNER, HOP, GAP, ARROW = 7.0, 5.0, 4.0, 10.0
"""The radius of a corner and of the arc over another wire, half of a gap, the length of an arrow's head."""
LEAST = 3.0
"""The radius that a corner keeps beside an arc."""
CLEAR = 2.0
"""Between an arc and all else."""

Move = tuple[str, Point] | tuple[str, Point, Point]
"""("to", end), ("corner", control point, end), ("hop", centre, end): half a circle above the line,
or ("gap", end): nothing is drawn up to there."""
Breaks = Mapping[Point, Literal["hop", "gap"]]
"""Where the horizontal pieces of a wire cross other wires, and what they do there."""


@dataclass
class Line:
    """A line without branches: where it begins, and how it goes on."""

    start: Point
    moves: list[Move]


def lines(wire: Wire, breaks: Breaks) -> list[Line]:
    """A wire's lines between its ends and junctions; they end inside the heads of its arrows."""
    pieces = list(dict.fromkeys(part for piece in wire.pieces for part in _split(piece, wire.dots)))
    at: dict[Point, list[tuple[Point, Point]]] = defaultdict(list)
    for a, b in pieces:
        at[a].append((a, b))
        at[b].append((a, b))
    found, left = [], dict.fromkeys(pieces)
    tips = {tip for tip, _ in wire.arrows}
    for piece in pieces:
        if piece not in left:
            continue
        chain = [piece[0], piece[1]]
        del left[piece]
        for _ in range(2):  # to one end, then to the other
            while len(at[chain[-1]]) == 2 and chain[-1] not in wire.dots:
                onward = [p for p in at[chain[-1]] if p in left]
                if not onward:
                    break
                del left[onward[0]]
                chain.append(onward[0][1] if onward[0][0] == chain[-1] else onward[0][0])
            chain.reverse()
        found.append(_line(_behind_tips(_straightened(chain), tips), breaks))
    return found


def _split(piece: tuple[Point, Point], dots: list[Point]) -> list[tuple[Point, Point]]:
    """A piece between the junctions on it."""
    (x0, y0), (x1, y1) = piece
    inner = [(x, y) for x, y in dots if (y == y0 == y1 and x0 < x < x1) or (x == x0 == x1 and y0 < y < y1)]
    return [(a, b) for a, b in pairwise([piece[0], *sorted(inner), piece[1]]) if a != b]


def _straightened(chain: list[Point]) -> list[Point]:
    """The chain without points in the middle of a straight line."""
    inner = [b for a, b, c in zip(chain, chain[1:], chain[2:], strict=False) if not _aligned(a, b, c)]
    return [chain[0], *inner, chain[-1]]


def _aligned(a: Point, b: Point, c: Point) -> bool:
    return a[0] == b[0] == c[0] or a[1] == b[1] == c[1]


def _behind_tips(chain: list[Point], tips: set[Point]) -> list[Point]:
    """The chain that stops in the middle of an arrow's head, so that the head stays pointed."""
    ends = [(0, 1), (-1, -2)]
    points = list(chain)
    for end, before in ends:
        if chain[end] in tips and _length(chain[end], chain[before]) > ARROW:
            points[end] = _toward(chain[end], chain[before], ARROW / 2)
    return points


def _line(chain: list[Point], breaks: Breaks) -> Line:
    line = Line(chain[0], [])
    crossed = [_crossed(a, b, breaks) for a, b in pairwise(chain)]
    for i, (here, end) in enumerate(pairwise(chain)):
        for kind, start, centre, stop in _merged(here, end, crossed[i], breaks):
            line.moves.append(("to", start))
            line.moves.append(("hop", centre, stop) if kind == "hop" else ("gap", stop))
        if i + 2 == len(chain):
            line.moves.append(("to", end))
            break
        onward = chain[i + 2]
        room = [_length(here, end) / 2, _length(end, onward) / 2]
        room += [_length(p, end) - (HOP if breaks[p] == "hop" else GAP) for p in crossed[i] + crossed[i + 1]]
        radius = max(0.0, min(CORNER, *room))
        line.moves.append(("to", _toward(end, here, radius)))
        line.moves.append(("corner", end, _toward(end, onward, radius)))
    return line


def _crossed(a: Point, b: Point, breaks: Breaks) -> list[Point]:
    """The breaks on a horizontal piece, in the order in which they come."""
    if a[1] != b[1]:
        return []
    low, high = sorted((a[0], b[0]))
    return sorted((p for p in breaks if p[1] == a[1] and low < p[0] < high), reverse=a[0] > b[0])


def _merged(
    a: Point, b: Point, crossed: list[Point], breaks: Breaks
) -> list[tuple[str, Point, Point, Point]]:
    """The kind, start, centre and end of each break, gaps that meet being one."""
    found: list[tuple[str, Point, Point, Point]] = []
    way = 1 if b[0] > a[0] else -1
    for x, y in crossed:
        kind = breaks[x, y]
        reach = way * (HOP if kind == "hop" else GAP)
        start, stop = (x - reach, y), (x + reach, y)
        if found and kind == found[-1][0] == "gap" and (start[0] - found[-1][3][0]) * way < CLEAR:
            _, start, _, _ = found.pop()
        found.append((kind, start, (x, y), stop))
    return found


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _toward(a: Point, b: Point, by: float) -> Point:
    """The point so far from a on the way to b."""
    share = by / (_length(a, b) or 1.0)
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def crossings(scene: Scene) -> list[tuple[int, int, Point]]:
    """Where the horizontal piece of one wire crosses the vertical piece of another: (wire, other, point)."""
    pieces = [(*sorted(piece), i) for i, wire in enumerate(scene.wires) for piece in wire.pieces]
    upright = sorted((a[0], a[1], b[1], i) for a, b, i in pieces if a[0] == b[0])
    found = []
    xs = [entry[0] for entry in upright]
    for (left, y), (right, y1), i in pieces:
        if y == y1:
            for x, low, high, j in upright[bisect_right(xs, left) : bisect_left(xs, right)]:
                if i != j and low < y < high:
                    found.append((i, j, (x, y)))
    return found


def breaks(scene: Scene) -> dict[int, dict[Point, Literal["hop", "gap"]]]:
    """What each wire does where it crosses: it hops where the arc has room, else it has a gap."""
    areas, owners = _obstacles(scene)
    found: dict[int, dict[Point, Literal["hop", "gap"]]] = defaultdict(dict)
    for i, j, (x, y) in crossings(scene):
        arc = x - HOP - CLEAR, y - HOP - CLEAR, x + HOP + CLEAR, y - CLEAR
        near = (
            (areas[:, 0] < arc[2]) & (areas[:, 2] > arc[0]) & (areas[:, 1] < arc[3]) & (areas[:, 3] > arc[1])
        )
        near &= ~((owners == j) & (areas[:, 0] == x) & (areas[:, 2] == x))  # but for what it hops over
        free = not near.any() and _straight(scene.wires[i], x, y, 0) and _straight(scene.wires[j], x, y, 1)
        found[i][x, y] = "hop" if free else "gap"
    for kinds in found.values():
        for _, points in groupby(sorted(kinds, key=lambda p: (p[1], p[0])), key=lambda p: p[1]):
            for a, b in pairwise(points):
                if b[0] - a[0] < 2 * HOP + CLEAR:
                    kinds[a] = kinds[b] = "gap"
    return found


def _obstacles(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The rectangles that no arc may touch, and the numbers of the wires that they belong to, or -1."""
    found: list[tuple[Rectangle, int]] = [(area, -1) for _, _, area in scene.texts()]
    for box in scene.boxes:
        left, top, right, bottom = area = box.area()
        walls = [(x, top, x, bottom) for x in (left, right)] + [(left, y, right, y) for y in (top, bottom)]
        found += [(part, -1) for part in (walls if box.shape == "frame" else [area])]
    for i, wire in enumerate(scene.wires):
        found += [
            ((min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])), i) for a, b in wire.pieces
        ]
        found += [((x - DOT, y - DOT, x + DOT, y + DOT), i) for x, y in wire.dots]
    return np.array([area for area, _ in found]).reshape(-1, 4), np.array([i for _, i in found])


def _straight(wire: Wire, x: float, y: float, axis: int) -> bool:
    """Whether a wire goes straight along an axis for as long as an arc at (x, y) takes."""
    reaches = [(p, HOP + LEAST) for piece in wire.pieces for p in piece]
    reaches += [(p, HOP + DOT) for p in wire.dots] + [(p, HOP + ARROW) for p, _ in wire.arrows]
    here = (x, y)
    return not any(
        p[1 - axis] == here[1 - axis] and abs(p[axis] - here[axis]) < reach for p, reach in reaches
    )
