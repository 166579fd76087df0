"""A picture in which some parts stand out and the rest is pale, and several such pictures on one sheet."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import networkx as nx

from blocksim.draw.scene import Box, Label, Point, PortKey, Scene, Wire
from blocksim.errors import DiagramError, did_you_mean, user_line

GAP, TITLE = 36.0, 34.0
"""Between the pictures on a sheet; the height of their titles."""


def highlight(scene: Scene, patterns: Iterable[str]) -> Scene:
    """A copy with everything pale but the nodes of some paths or globs, all below them, and wires between.

    Of a wire that branches, only the way to highlighted nodes stands out. Raises DiagramError for a
    pattern that no node has.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    names = {box.path.lstrip("/") for box in scene.boxes}
    for pattern in wanted:
        if not any(_matches(name, pattern) for name in names):
            raise DiagramError(
                f"draw, highlight {pattern!r}", "the path of a node in the picture, or a glob",
                "none that fits", did_you_mean(pattern, names), user_line(),
            )  # fmt: skip
    found = copy.deepcopy(scene)
    lit = {b.path for b in found.boxes if any(_matches(b.path.lstrip("/"), p) for p in wanted)}
    around = {path for path in (b.path for b in found.boxes) if any(b.startswith(f"{path}/") for b in lit)}
    boxes = {box.path: box for box in found.boxes}
    for box in found.boxes:
        box.dim = box.path not in lit | around
    found.wires = [part for wire in found.wires for part in _parts(wire, boxes, lit, around)]
    return found


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or path.startswith(f"{pattern}/") or fnmatchcase(path, f"{pattern}/*")


def _parts(wire: Wire, boxes: dict[str, Box], lit: set[str], around: set[str]) -> list[Wire]:
    """A wire as the part that leads from one highlighted end to others, and a pale rest."""

    def on(end: tuple[str, PortKey]) -> bool:
        return end[0] in lit or end[0] in around

    targets = [target for target in wire.targets if on(target)]
    if not on(wire.source) or not targets:
        return [replace(wire, dim=True)]
    tree = nx.Graph(_segments(wire))
    start = _nearest(tree, boxes[wire.source[0]].port(wire.source[1]))
    ends = [_nearest(tree, boxes[path].port(key)) for path, key in targets]
    used = {frozenset(e) for end in ends for e in nx.utils.pairwise(nx.shortest_path(tree, start, end))}
    pieces = [[s for s in _segments(wire) if (frozenset(s) in used) == lit_] for lit_ in (True, False)]
    arrows = [[a for a in wire.arrows if (_nearest(tree, a[0]) in ends) == lit_] for lit_ in (True, False)]
    dots = [d for d in wire.dots if sum(d in s for s in pieces[0]) > 2]
    bright = replace(wire, targets=targets, pieces=pieces[0], dots=dots, arrows=arrows[0])
    pale = replace(wire, pieces=pieces[1], dots=[], arrows=arrows[1], labels=[], dim=True)
    return [pale, bright] if pieces[1] else [bright]


def _segments(wire: Wire) -> list[tuple[Point, Point]]:
    """The pieces, parted at junctions and wherever another begins or ends on them."""
    ends = sorted({end for piece in wire.pieces for end in piece}.union(wire.dots))
    found = []
    for (x0, y0), (x1, y1) in wire.pieces:
        on = [
            p
            for p in ends
            if (p[1] == y0 == y1 and x0 <= p[0] <= x1) or (p[0] == x0 == x1 and y0 <= p[1] <= y1)
        ]
        found += list(nx.utils.pairwise(on))
    return found


def _nearest(tree: nx.Graph, point: Point) -> Point:
    return min(tree, key=lambda p: abs(p[0] - point[0]) + abs(p[1] - point[1]))


def sheet(scenes: Mapping[str, Scene], columns: int = 2) -> Scene:
    """Pictures side by side and below each other, each under its title."""
    found = Scene()
    top = 0.0
    rows = [list(scenes.items())[i : i + columns] for i in range(0, len(scenes), columns)]
    for row in rows:
        left = 0.0
        for title, scene in row:
            scene.move(left, top + TITLE)
            found.boxes += scene.boxes
            found.wires += scene.wires
            found.labels += [
                *scene.labels,
                Label(title, (left + 16, top + TITLE / 2 + 4), 13, "left", bold=True),
            ]
            left += scene.width + GAP
        found.width = max(found.width, left - GAP)
        top += TITLE + max(scene.height for _, scene in row) + GAP / 2
    found.height = top
    return found
