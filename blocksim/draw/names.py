"""Names beside wires, where they touch nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from blocksim.draw.rank import Net, Vertex
from blocksim.draw.scene import DOT, Label, Point, Rectangle, Scene, Wire

CLEAR, STEP = 2.0, 6.0
"""Between a name and all else, and between the places that are tried."""


class _Taken:
    """The rectangles of a scene that a name must not meet."""

    def __init__(self, scene: Scene) -> None:
        areas = [box.area() for box in scene.boxes]
        areas += [label.area(box.x, box.y) for box in scene.boxes for label in box.labels]
        areas += [_span(piece) for wire in scene.wires for piece in wire.pieces]
        areas += [(x - DOT, y - DOT, x + DOT, y + DOT) for wire in scene.wires for x, y in wire.dots]
        self.areas = np.array(areas).reshape(-1, 4)

    def add(self, area: Rectangle) -> None:
        self.areas = np.vstack([self.areas, area])

    def free(self, area: Rectangle) -> bool:
        left, top, right, bottom = self.areas.T
        meets = (left < area[2] + CLEAR) & (area[0] - CLEAR < right)
        return not (meets & (top < area[3] + CLEAR - 0.5) & (area[1] - CLEAR + 0.5 < bottom)).any()


def place_names(
    scene: Scene, nets: list[Net], vertices: dict[str, Vertex], anywhere: bool
) -> list[tuple[tuple[int, bool], float]]:
    """Write the names of nets into the scene's wires; returns where there was no room, and the width.

    A name stands next to the end that it is for, or with `anywhere` along other parts of the wire. A
    place is a channel and whether it is at its right side.
    """
    taken = _Taken(scene)
    missing = []
    for wire, net in zip(scene.wires, nets, strict=True):
        for end, label in net.names:
            vertex = vertices[end[0]]
            source = end == net.source
            leftward = net.backward if source else not vertex.flipped
            point = _point(wire, vertex, source, net, end)
            places = _places(wire, label, point, leftward, anywhere)
            found = next((at for at in places if taken.free(at.area())), None)
            if found is None:
                missing.append(((vertex.layer + (not leftward), leftward), label.width()))
            else:
                taken.add(found.area())
                wire.labels.append(found)
    return missing


def _point(wire: Wire, vertex: Vertex, source: bool, net: Net, end: tuple[str, str]) -> Point:
    """Where the end of a net is: at its block, or at a wall."""
    if vertex.placed is not None:
        return vertex.placed.port(("out" if source else "in", end[1]))
    xs = [x for piece in wire.pieces for x, y in piece if abs(y - vertex.y) < 1e-2]
    return (min(xs) if source else max(xs)), vertex.y


def _places(wire: Wire, label: Label, point: Point, leftward: bool, anywhere: bool) -> Iterator[Label]:
    """Places along the wire from an end, above it and below; then along its other horizontal pieces."""
    (x, y), width, height = point, label.width(), label.height()
    sign = -1 if leftward else 1
    flat = [piece for piece in map(_span, wire.pieces) if piece[1] == piece[3]]
    own = [piece for piece in flat if abs(piece[1] - y) < 1e-2 and piece[0] - 1e-2 <= x <= piece[2] + 1e-2]
    rest = sorted((piece for piece in flat if piece not in own), key=lambda piece: piece[0] - piece[2])
    for left, level, right, _ in own:
        length = x - left if leftward else right - x
        for side in (-1, 1):
            for along in np.arange(4.0, max(4.0, length - width - 4) + 0.1, STEP):
                yield _at(label, x + sign * (along + width / 2), level + side * (height / 2 + CLEAR), width)
    for left, level, right, _ in rest if anywhere else ():
        for side in (-1, 1):
            for start in np.arange(left + 4.0, right - width - 4, STEP):
                yield _at(label, start + width / 2, level + side * (height / 2 + CLEAR), width)


def _at(label: Label, x: float, y: float, width: float) -> Label:
    return replace(label, at=(round(float(x), 3), round(y, 3)), align="center")


def _span(piece: tuple[Point, Point]) -> Rectangle:
    (x0, y0), (x1, y1) = piece
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
