"""The pieces of a net as lines to draw: chained, with rounded corners, and hopping over other nets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from blocksim.draw.scene import Point, Scene, Wire

CORNER, HOP = 7.0, 5.0
"""The radius of a corner, and of the arc over another wire."""

Move = tuple[str, Point] | tuple[str, Point, Point]
"""("to", end), ("corner", control point, end), or ("hop", centre, end): half a circle above the line."""


@dataclass
class Line:
    """A line without branches: where it begins, and how it goes on."""

    start: Point
    moves: list[Move]


def lines(wire: Wire, hops: list[Point]) -> list[Line]:
    """A wire's lines between its ends and junctions; `hops` are where its horizontal pieces hop."""
    at: dict[Point, list[tuple[Point, Point]]] = defaultdict(list)
    pieces = [part for piece in wire.pieces for part in _split(piece, wire.dots)]
    for a, b in pieces:
        at[a].append((a, b))
        at[b].append((a, b))
    found, left = [], dict.fromkeys(pieces)

    def is_corner(point: Point) -> bool:
        return len(at[point]) == 2 and point not in wire.dots

    for piece in pieces:
        if piece not in left:
            continue
        chain = [piece[0], piece[1]]
        del left[piece]
        for _ in range(2):  # to one end, then to the other
            while is_corner(chain[-1]):
                onward = [p for p in at[chain[-1]] if p in left]
                if not onward:
                    break
                del left[onward[0]]
                chain.append(onward[0][1] if onward[0][0] == chain[-1] else onward[0][0])
            chain.reverse()
        found.append(_line(chain, hops))
    return found


def _split(piece: tuple[Point, Point], dots: list[Point]) -> list[tuple[Point, Point]]:
    """A piece between the junctions on it."""
    (x0, y0), (x1, y1) = piece
    inner = [(x, y) for x, y in dots if (y == y0 == y1 and x0 < x < x1) or (x == x0 == x1 and y0 < y < y1)]
    points = [piece[0], *sorted(inner), piece[1]]
    return list(pairwise(points))


def _line(chain: list[Point], hops: list[Point]) -> Line:
    line = Line(chain[0], [])
    at = chain[0]
    for i, corner in enumerate(chain[1:], 1):
        before = _hops_between(at, corner, hops)
        for hop in before:
            step = HOP if corner[0] > at[0] else -HOP
            line.moves += [("to", (hop[0] - step, hop[1])), ("hop", hop, (hop[0] + step, hop[1]))]
        if i == len(chain) - 1:
            line.moves.append(("to", corner))
            break
        onward = chain[i + 1]
        radius = min(CORNER, _length(chain[i - 1], corner) / 2, _length(corner, onward) / 2)
        line.moves.append(("to", _toward(corner, chain[i - 1], radius)))
        at = _toward(corner, onward, radius)
        line.moves.append(("corner", corner, at))
    return line


def _hops_between(a: Point, b: Point, hops: list[Point]) -> list[Point]:
    """The hops on a horizontal piece, in the order in which they come."""
    if a[1] != b[1]:
        return []
    low, high = sorted((a[0], b[0]))
    return sorted((hop for hop in hops if hop[1] == a[1] and low < hop[0] < high), reverse=a[0] > b[0])


def _length(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _toward(a: Point, b: Point, by: float) -> Point:
    """The point so far from a on the way to b."""
    share = by / (_length(a, b) or 1.0)
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def crossings(scene: Scene) -> list[tuple[int, int, Point]]:
    """Where the horizontal piece of one wire crosses the vertical piece of another: (wire, other, point)."""
    upright = [
        (x, y0, y1, i) for i, wire in enumerate(scene.wires) for (x, y0), (x1, y1) in wire.pieces if x == x1
    ]
    upright.sort()
    found = []
    xs = [entry[0] for entry in upright]
    for i, wire in enumerate(scene.wires):
        for (x0, y), (x1, y1) in wire.pieces:
            if y == y1:
                for x, low, high, j in upright[bisect_right(xs, x0) : bisect_left(xs, x1)]:
                    if i != j and low < y < high:
                        found.append((i, j, (x, y)))
    return found


def hops(scene: Scene) -> dict[int, list[Point]]:
    """The crossings, by the wire that hops, where an arc has room: no corner, junction or port near."""
    found: dict[int, list[Point]] = defaultdict(list)
    for i, j, (x, y) in crossings(scene):
        reach = HOP + 1.0
        own = [p for piece in scene.wires[i].pieces for p in piece] + scene.wires[i].dots
        others = [p for piece in scene.wires[j].pieces for p in piece] + scene.wires[j].dots
        near = any(abs(p[0] - x) < reach and abs(p[1] - y) < reach for p in own + others)
        if not near and all(abs(x - p[0]) >= 2 * reach or p[1] != y for p in found[i]):
            found[i].append((x, y))
    return found
