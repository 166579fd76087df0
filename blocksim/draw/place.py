"""The places of blocks, and the wires between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from blocksim.draw.heights import TRACK, End, Heights, Layers, Program, channel, gap
from blocksim.draw.names import place_names
from blocksim.draw.order import Group, Item
from blocksim.draw.rank import Net, Vertex
from blocksim.draw.scene import Box, Point, PortKey, Scene, Wire
from blocksim.draw.tracks import NEAR, order_tracks

MARGIN, NAME = 22.0, 12.0
"""Between blocks and vertical wires; what a name needs there beside its width."""
TILTS = (-0.9, 0.0, -1.8, 1.8)
"""How much more straightness counts at the right, in the first weights; the left is a good beginning."""
SMALL = 250
"""Wires of a level up to which several solutions are compared."""
TRIES = 12
"""How often wires that clash are parted by the program, before they are just pushed."""

Margin = tuple[int, bool]
"""A channel, and whether its right side."""


@dataclass
class Placement:
    """One solution: the program, its heights and the tracks, and how bad the picture is."""

    program: Program
    heights: Heights
    tracks: list[dict[Net, int]]
    badness: float


def place(groups: list[list[Group]]) -> Placement:
    """A first solution for the groups in their order."""
    return _settle(Program([[item for group in layer for item in group.items] for layer in groups]), TILTS[0])


def _wall(item: Item, inputs: bool) -> bool:
    return item.vertex is not None and item.vertex.wall and bool(item.vertex.inputs) == inputs


def polish(found: Placement) -> Placement:
    """Begin in other ways too; then straighten one bent wire after the other. The best is kept."""
    program = found.program
    if len(program.links) > SMALL:
        return found
    found = min([found, *(_settle(program, tilt) for tilt in TILTS[1:])], key=lambda found: found.badness)
    tried: set[int] = set()
    while todo := sorted(found.heights.bends.keys() - tried, key=lambda v: (found.heights.bends[v], v)):
        tried.add(todo[0])
        program.straight.add(todo[0])
        try:
            other = _settle(program, near=found.heights)
        except ArithmeticError:
            other = found
        if other.badness < found.badness - 1e-6:
            found = other
        else:
            program.straight.remove(todo[0])
    return found


def _settle(program: Program, tilt: float = 0.0, near: Heights | None = None) -> Placement:
    """Solve a program; pairs of wires that no order of tracks parts are pushed apart."""
    layers, size = program.layers, len(program.rows)
    heights = program.solve(tilt, near)
    tracks, clashes = _tracks(layers, heights)
    for _ in range(TRIES):
        if not clashes:
            break
        for a, b in clashes:
            program.keep_apart(*((a, b) if heights.at[a] < heights.at[b] else (b, a)), TRACK)
        try:
            heights = program.solve(0.0, heights)
        except ArithmeticError:
            break
        tracks, clashes = _tracks(layers, heights)
    del program.rows[size:]
    while clashes:
        _push(layers, heights, clashes[0][1])
        tracks, clashes = _tracks(layers, heights)
    scene, _ = draw(layers, heights, tracks)
    badness = _badness(scene) + 0.5 * sum(item.unusual for item in heights.y)
    sides = [[y for item, y in heights.y.items() if _wall(item, inputs)] for inputs in (True, False)]
    if all(sides):  # frames in a row stand beside each other where signals leave as high as they came
        badness += abs(sides[0][0] - sides[1][0]) / 60
    return Placement(program, heights, tracks, badness)


def finish(found: Placement, least: float) -> Scene:
    """The scene at least so wide, with names beside the wires; channels get wider where these need room."""
    margins: dict[Margin, float] = {}
    vertices = _vertices(found.program.layers)
    while True:
        scene, nets = draw(found.program.layers, found.heights, found.tracks, least, margins)
        wanted = dict(margins)
        for at, width in place_names(scene, nets, vertices, anywhere=False):
            wanted[at] = max(wanted.get(at, MARGIN), width + NAME)
        if wanted == margins:
            for wire in scene.wires:
                wire.labels = []
            place_names(scene, nets, vertices, anywhere=True)
            return scene
        margins = wanted


def _tracks(layers: Layers, heights: Heights) -> tuple[list[dict[Net, int]], list[tuple[End, End]]]:
    found = [order_tracks(channel(layers, heights.ends, c), heights.at) for c in range(len(layers) + 1)]
    return [order for order, _ in found], [clash for _, clashes in found for clash in clashes]


def _push(layers: Layers, heights: Heights, end: End) -> None:
    """Lower the item of an end, and what is in its way."""
    layer = next(layer for layer in layers if end.item in layer)
    low = -np.inf
    for item in layer[layer.index(end.item) :]:
        up = item.up if heights.half[item] <= item.up else heights.half[item]
        shift = max(0.0, low + up - heights.y[item]) if item is not end.item else NEAR + 1
        heights.y[item] += shift
        for other in heights.ends[item]:
            heights.at[other] += shift
        at = layer.index(item)
        if at + 1 < len(layer):
            low = heights.y[item] + up - item.up + item.down + gap(item, layer[at + 1])


def _vertices(layers: Layers) -> dict[str, Vertex]:
    return {item.vertex.key: item.vertex for layer in layers for item in layer if item.vertex}


# -- drawing -----------------------------------------------------------------------------------


def draw(
    layers: Layers,
    heights: Heights,
    tracks: list[dict[Net, int]],
    least: float = 0.0,
    margins: dict[Margin, float] | None = None,
) -> tuple[Scene, list[Net]]:
    """The scene of blocks and wires, and the nets of its wires; writes where each vertex is."""
    scene = Scene()
    channels, columns = _columns(layers, tracks, least, margins or {})
    scene.width = channels[-1][1]
    lines: dict[Net, list[tuple[Point, Point]]] = defaultdict(list)
    for layer, (left, right) in zip(layers, columns, strict=True):
        x = (left + right) / 2
        for item in layer:
            y, half = heights.y[item], 0.0
            if item.into is not None and item.net:
                edge = heights.y[item.into] + (item.into.up if y > heights.y[item.into] else -item.into.up)
                lines[item.net].append(((x, y), (x, edge)))
            elif item.vertex is not None:
                item.vertex.y = y
                if item.vertex.box is not None:
                    box = item.vertex.placed = _box(item, heights, x)
                    scene.boxes.append(box)
                    half = box.w / 2
            for end in heights.ends[item]:
                edge = (left, x - half) if end.side == "left" else (x + half, right)
                lines[end.net].append(((edge[0], heights.at[end]), (edge[1], heights.at[end])))
    for c, (left, right, first) in enumerate(channels):
        for net, ends in channel(layers, heights.ends, c).items():
            x = first + TRACK * tracks[c][net] if net in tracks[c] else right
            ys = [heights.at[end] for side in ends for end in side]
            if net in tracks[c]:
                lines[net].append(((x, min(ys)), (x, max(ys))))
            lines[net] += [((left, heights.at[end]), (x, heights.at[end])) for end in ends[0]]
            lines[net] += [((x, heights.at[end]), (right, heights.at[end])) for end in ends[1]]
    vertices = _vertices(layers)
    scene.wires = [_wire(net, _merge(pieces), vertices) for net, pieces in lines.items()]
    return scene, list(lines)


def _columns(
    layers: Layers, tracks: list[dict[Net, int]], least: float, margins: dict[Margin, float]
) -> tuple[list[tuple[float, float, float]], list[tuple[float, float]]]:
    """Each channel from left to right with the place of its first track, and each layer."""
    channels: list[tuple[float, float, float]] = []
    columns: list[tuple[float, float]] = []
    x = 0.0
    for c, order in enumerate(tracks):
        outside = c in (0, len(layers)) and not order and not any(at == c for at, _ in margins)
        before, after = (0.0 if outside else margins.get((c, back), MARGIN) for back in (False, True))
        width = before + TRACK * max(order.values(), default=0) + after
        channels.append((x, x + width, x + before))
        x += width
        if c < len(layers):
            wide = max((item.width for item in layers[c]), default=0.0)
            columns.append((x, x + wide))
            x += wide
    more = max(0.0, least - x)
    if more and columns:  # before the last layer, which may be the frame's wall
        (left, right, first), (end, outside, after) = channels[-2:]
        channels[-2:] = [(left, right + more, first), (end + more, outside + more, after + more)]
        columns[-1] = columns[-1][0] + more, columns[-1][1] + more
    return channels, columns


def _box(item: Item, heights: Heights, x: float) -> Box:
    """The box of an item in its place; an elastic one in its height, with its ports and their names."""
    assert item.vertex is not None
    box, y = item.vertex.box, heights.y[item]
    assert box is not None
    ports, more = dict(item.ports), heights.half[item] - box.h / 2 if box.elastic else 0.0
    for end in heights.ends[item]:
        if end.port is not None:
            ports[end.port] = ports[end.port][0], heights.at[end] - y
    for kind in ("in", "out"):  # ports without a wire keep their distance from the one above
        shift = None
        free: list[PortKey] = []
        wired = {end.port for end in heights.ends[item]}
        for port in sorted((p for p in ports if p[0] == kind), key=lambda p: item.ports[p][1]):
            if port in wired:
                shift = ports[port][1] - item.ports[port][1]
                for before in free:
                    ports[before] = ports[before][0], item.ports[before][1] + shift
                free = []
            elif shift is None:
                free.append(port)
            else:
                ports[port] = ports[port][0], item.ports[port][1] + shift
    labels = []
    for label in box.labels:
        if label.port is not None:
            label = label.moved(0.0, ports[label.port][1] - box.ports[label.port][1])
        elif label.at[1] > box.h / 2:
            label = label.moved(0.0, more)
        labels.append(label)
    return replace(box, x=x, y=y, h=box.h + 2 * more, ports=ports, labels=labels)


def _wire(net: Net, pieces: list[tuple[Point, Point]], vertices: dict[str, Vertex]) -> Wire:
    """A net with its junctions, where more than two of its pieces meet, and its arrows."""
    dots = [
        (x, y)
        for (x, y0), (x1, y1) in pieces
        for (x0, y), (x2, y2) in pieces
        if x == x1 and y == y2 and x0 <= x <= x2 and y0 <= y <= y1
        and (x0 < x) + (x < x2) + (y0 < y) + (y < y1) > 2
    ]  # fmt: skip
    wire = Wire(_end(net.source, "out", vertices), [], pieces, dots, [], net.loop, net.error)
    for target in net.targets:
        vertex = vertices[target[0]]
        wire.targets.append(_end(target, "in", vertices))
        if vertex.placed is not None and vertex.placed.shape != "frame":
            dx, dy = vertex.placed.ports["in", target[1]]
            along = (0.0, -dy / abs(dy)) if dx == 0 else (-dx / abs(dx), 0.0)
            wire.arrows.append((vertex.placed.port(("in", target[1])), along))
    return wire


def _end(at: tuple[str, str], kind: Literal["in", "out"], vertices: dict[str, Vertex]) -> tuple[str, PortKey]:
    """The box and port at which a net begins or ends: for a wall, the port of the frame around the level."""
    vertex = vertices[at[0]]
    if vertex.box is not None:
        return vertex.box.path, (kind, at[1])
    assert vertex.port is not None
    return vertex.port


def _merge(pieces: list[tuple[Point, Point]]) -> list[tuple[Point, Point]]:
    """The same lines without overlaps, each left to right or top to bottom, on a grid of 1/1000."""
    rows: dict[tuple[int, float], list[tuple[float, float]]] = defaultdict(list)
    for piece in pieces:
        a, b = sorted((round(x, 3) + 0.0, round(y, 3) + 0.0) for x, y in piece)
        if a != b:
            axis = 0 if a[1] == b[1] else 1
            rows[axis, a[1 - axis]].append((a[axis], b[axis]))
    merged: list[tuple[Point, Point]] = []
    for (axis, at), spans in rows.items():
        joined: list[list[float]] = []
        for low, high in sorted(spans):
            if joined and low <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], high)
            else:
                joined.append([low, high])
        merged += [((low, at), (high, at)) if axis == 0 else ((at, low), (at, high)) for low, high in joined]
    return merged


def _badness(scene: Scene) -> float:
    """Crossings count most, then bends, then length."""
    flat, upright, bends = [], [], 0
    for i, wire in enumerate(scene.wires):
        corners = {end for (a, b) in wire.pieces if a[1] == b[1] for end in (a, b)}
        corners &= {end for (a, b) in wire.pieces if a[0] == b[0] for end in (a, b)}
        bends += len(corners.difference(wire.dots))
        for (x0, y0), (x1, y1) in wire.pieces:
            (flat if y0 == y1 else upright).append((x0, x1, y0, i) if y0 == y1 else (y0, y1, x0, i))
    length = sum(high - low for low, high, _, _ in flat + upright)
    h, v = np.array(flat).reshape(-1, 1, 4), np.array(upright).reshape(1, -1, 4)
    across = (
        (h[..., 0] < v[..., 2]) & (v[..., 2] < h[..., 1]) & (v[..., 0] < h[..., 2]) & (h[..., 2] < v[..., 1])
    )
    return 4.0 * float((across & (h[..., 3] != v[..., 3])).sum()) + bends + length / 400
