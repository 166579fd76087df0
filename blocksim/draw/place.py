"""Heights of blocks, tracks of wires between the layers, and the wires themselves."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Literal

import numpy as np

from blocksim.draw.order import Group, Item
from blocksim.draw.rank import Net, Vertex
from blocksim.draw.scene import Point, PortKey, Scene, Wire

BAND = 40.0
"""The most height that is left empty across the whole picture."""
TRACK, MARGIN, NEAR = 14.0, 22.0, 7.0
"""Between vertical wires; between them and the blocks; heights nearer than this look like one."""

Layers = list[list[Item]]


def place(groups: list[list[Group]], least: float = 0.0) -> tuple[Scene, float]:
    """The scene of the groups in their order, at least so wide, and how bad it is."""
    layers: Layers = [[item for group in layer for item in group.items] for layer in groups]
    _set_heights(layers)
    tracks = []
    for channel in range(len(layers) + 1):
        order, clash = _order_tracks(layers, channel)
        while clash is not None:
            _push(layers[channel], *clash)
            order, clash = _order_tracks(layers, channel)
        tracks.append(order)
    return _draw(layers, tracks, least)


# -- heights -----------------------------------------------------------------------------------


def _gap(a: Item, b: Item) -> float:
    """The least distance of two neighbours in a layer."""
    wires = (a.vertex is None) + (b.vertex is None)
    return a.down + b.up + (26.0, 18.0, TRACK - 2)[wires]


def _set_heights(layers: Layers) -> None:
    for layer in layers:
        y = 0.0
        for i, item in enumerate(layer):
            y += _gap(layer[i - 1], item) if i else item.up
            item.y = y
        for item in layer:
            item.y -= y / 2
    sides = [("left",), ("right",)] * 5 + [("left", "right")] * 3
    for turn, side in enumerate(sides):
        for k in range(len(layers)) if turn % 2 == 0 else reversed(range(len(layers))):
            _settle(layers, k, side)
    for _ in range(3):
        _straighten(layers)
    _compact(layers)


def _compact(layers: Layers) -> None:
    """Close the bands in which there is nothing but vertical wires."""
    end, shift = np.inf, 0.0
    for item in sorted((item for layer in layers for item in layer), key=lambda item: item.y - item.up):
        top, bottom = item.y - item.up, item.y + item.down
        shift += max(0.0, top - end - BAND)
        end = bottom if np.isinf(end) else max(end, bottom)
        item.y -= shift


def _ends(layers: Layers, channel: int) -> dict[Net, tuple[list[float], list[float]]]:
    """The heights at which each net of a channel enters: from the layer at its left, and at its right."""
    found: dict[Net, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    if channel > 0:
        for item in layers[channel - 1]:
            for net, dy in item.right:
                found[net][0].append(item.y + dy)
    if channel < len(layers):
        for item in layers[channel]:
            for net, dy in item.left:
                found[net][1].append(item.y + dy)
    return dict(found)


def _far(ends: tuple[list[float], list[float]], other: int, own: float) -> float | None:
    """The middle one of the heights at which a net leaves a channel at its other side, else at the same."""
    far = sorted(ends[other]) or sorted(y for y in ends[1 - other] if y != own)
    return far[(len(far) - 1) // 2] if far else None


def _settle(layers: Layers, k: int, sides: tuple[str, ...]) -> None:
    """Move the items of a layer to the medians that their wires want, in order and apart (isotonic)."""
    layer = layers[k]
    blocks: list[tuple[list[tuple[float, float]], list[Item]]] = []
    shift: dict[Item, float] = {}
    total = 0.0
    channels = {"left": (_ends(layers, k), 0), "right": (_ends(layers, k + 1), 1)}
    for i, item in enumerate(layer):
        total += _gap(layer[i - 1], item) if i else 0.0
        shift[item] = total
        wants = [(item.y - total, 1e-3)]
        for side in sides:
            ends, other = channels[side]
            for net, dy in getattr(item, side):
                far = _far(ends[net], other, item.y + dy)
                if far is not None:
                    weight = (4.0 if item.vertex is None else 1.0) / len(getattr(item, side))
                    wants.append((far - dy - total, weight))
        blocks.append((wants, [item]))
        while len(blocks) > 1 and _median(blocks[-2][0]) > _median(blocks[-1][0]):
            low, high = blocks.pop(), blocks.pop()
            blocks.append((high[0] + low[0], high[1] + low[1]))
    for wants, items in blocks:
        y = _median(wants)
        for item in items:
            item.y = y + shift[item]


def _median(wants: list[tuple[float, float]]) -> float:
    half, passed = sum(weight for _, weight in wants) / 2, 0.0
    ordered = sorted(wants)
    for value, weight in ordered:
        passed += weight
        if passed >= half:
            return value
    return ordered[-1][0]


def _straighten(layers: Layers) -> None:
    """Bring the ends of one wire after the other to one height, where the neighbours leave room."""
    chains: list[list[tuple[int, int, float]]] = []  # layer, place in it, height below the chain's own
    open_ends: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for k, layer in enumerate(layers):
        came = {(net, i): dy for i, item in enumerate(layers[k - 1] if k else []) for net, dy in item.right}
        taken: set[tuple[int, int]] = set()
        for i in sorted(range(len(layer)), key=lambda i: layer[i].vertex is not None):
            links = [
                (
                    layers[k - 1][j].vertex is not None,
                    abs(layers[k - 1][j].y + far - layer[i].y - dy),
                    j,
                    far - dy,
                )
                for net, dy in layer[i].left
                for (other, j), far in came.items()
                if other is net and (k - 1, j) not in taken
            ]
            if links:
                _, _, j, offset = min(links)
                taken.add((k - 1, j))
                chain = open_ends[k - 1, j]
                chain.append((k, i, chain[-1][2] + offset))
            else:
                chain = [(k, i, 0.0)]
                chains.append(chain)
            open_ends[k, i] = chain
    for chain in sorted(chains, key=len, reverse=True):
        part: list[tuple[int, int, float]] = []
        room = (-np.inf, np.inf)
        for k, i, below in chain:
            own = _room(layers[k], i, below)
            both = max(own[0], room[0]), min(own[1], room[1])
            if both[0] > both[1]:
                _align(layers, part, room)
                part, both = [], own
            part.append((k, i, below))
            room = both
        _align(layers, part, room)


def _align(layers: Layers, part: list[tuple[int, int, float]], room: tuple[float, float]) -> None:
    wants = sorted(_wants(layers, part))
    y = min(max(wants[(len(wants) - 1) // 2], room[0]), room[1])
    for k, i, below in part:
        layers[k][i].y = y + below


def _wants(layers: Layers, part: list[tuple[int, int, float]]) -> list[float]:
    """The heights of a straight chain that would make other wires of its items straight too, else its own."""
    found = []
    linked = {k for k, _, _ in part[1:]}
    for k, i, below in part:
        item = layers[k][i]
        for c, ends, other in ((k, item.left, 0), (k + 1, item.right, 1)):
            heights = _ends(layers, c) if c not in linked else {}
            for net, dy in ends:
                far = _far(heights[net], other, item.y + dy) if net in heights else None
                found += [far - dy - below] if far is not None else []
    return found or [layers[k][i].y - below for k, i, below in part]


def _room(layer: list[Item], i: int, dy: float) -> tuple[float, float]:
    """Between which heights an item can move, less `dy`."""
    low = layer[i - 1].y + _gap(layer[i - 1], layer[i]) if i else -np.inf
    high = layer[i + 1].y - _gap(layer[i], layer[i + 1]) if i + 1 < len(layer) else np.inf
    return min(low, layer[i].y) - dy, max(high, layer[i].y) - dy


def _push(layer: list[Item], net: Net, y: float) -> None:
    """Lower the item at whose left a net ends at a height, and what is in its way."""
    at = next(i for i, item in enumerate(layer) for n, dy in item.left if n is net and item.y + dy == y)
    layer[at].y += NEAR + 1
    for a, b in pairwise(layer[at:]):
        b.y = max(b.y, a.y + _gap(a, b))


# -- tracks ------------------------------------------------------------------------------------


def _order_tracks(layers: Layers, channel: int) -> tuple[dict[Net, int], tuple[Net, float] | None]:
    """The track of each net that needs one, from the left, and an end that no order keeps off a wire."""
    ends = _ends(layers, channel)
    nets = [net for net, (left, right) in ends.items() if max(left + right) - min(left + right) > 1e-3]
    span = {
        net: (min(map(min, filter(None, ends[net]))), max(map(max, filter(None, ends[net])))) for net in nets
    }
    cost: dict[tuple[Net, Net], float] = {}
    for a in nets:
        for b in nets:
            if a is not b:  # a at the left of b
                cost[a, b] = sum(span[b][0] < y < span[b][1] for y in ends[a][1])
                cost[a, b] += sum(span[a][0] < y < span[a][1] for y in ends[b][0])
                cost[a, b] += 1000.0 * any(abs(p - q) < NEAR for p in ends[a][1] for q in ends[b][0])
    order: list[Net] = []
    for turn in range(4):
        before = list(order)
        for net in nets:
            if net in order:
                order.remove(net)
            costs = [sum(cost[net, other] for other in order)]
            for other in order:
                costs.append(costs[-1] + cost[other, net] - cost[net, other])
            order.insert(costs.index(min(costs)), net)
        if order == before and turn:
            break
    for i, a in enumerate(order):
        for b in order[i + 1 :]:
            if cost[a, b] >= 1000:
                y = next(p for p in ends[a][1] if any(abs(p - q) < NEAR for q in ends[b][0]))
                return {}, (a, y)
    tracks: dict[Net, int] = {}
    for net in order:
        low, high = span[net]
        near = [
            n for other, n in tracks.items() if span[other][0] - TRACK < high and low < span[other][1] + TRACK
        ]
        tracks[net] = 1 + max(near, default=-1)
    return tracks, None


# -- wires -------------------------------------------------------------------------------------


def _draw(layers: Layers, tracks: list[dict[Net, int]], least: float) -> tuple[Scene, float]:
    scene = Scene()
    lines: dict[Net, list[tuple[Point, Point]]] = {}

    def line(net: Net, a: Point, b: Point) -> None:
        lines.setdefault(net, []).append((a, b))

    edges: list[tuple[float, float]] = []
    for k, layer in enumerate(layers):
        wide = 2 * MARGIN + TRACK * max(tracks[k].values(), default=0)
        left = edges[-1][1] + wide if k else 0.0
        edges.append((left, left + max((item.width for item in layer), default=0.0)))
    more = max(0.0, least - edges[-1][1])
    edges[-1] = edges[-1][0] + more, edges[-1][1] + more
    scene.width = edges[-1][1]
    for layer, (left, right) in zip(layers, edges, strict=True):
        x = (left + right) / 2
        for item in layer:
            y, box = item.y, item.vertex.box if item.vertex else None
            if item.vertex is not None:
                item.vertex.y = y
            if item.into is not None and item.net:
                line(
                    item.net, (x, y), (x, item.into.y + (item.into.up if y > item.into.y else -item.into.up))
                )
            elif box is not None:
                box.x, box.y, box.ports = x, y, item.ports
                scene.boxes.append(box)
            half = box.w / 2 if box else 0.0
            for net, dy in item.left:
                line(net, (left, y + dy), (x - half, y + dy))
            for net, dy in item.right:
                line(net, (x + half, y + dy), (right, y + dy))
    for c, order in enumerate(tracks):
        left = edges[c - 1][1] if c else -MARGIN
        right = edges[c][0] if c < len(layers) else scene.width + MARGIN
        for net, (at_left, at_right) in _ends(layers, c).items():
            x = left + MARGIN + TRACK * order[net] if net in order else right
            heights = at_left + at_right
            if net in order:
                line(net, (x, min(heights)), (x, max(heights)))
            for y in at_left:
                line(net, (left, y), (x, y))
            for y in at_right:
                line(net, (x, y), (right, y))
    vertices = {item.vertex.key: item.vertex for layer in layers for item in layer if item.vertex}
    for net, pieces in lines.items():
        scene.wires.append(_wire(net, _merge(pieces), vertices))
    return scene, _badness(scene)


def _wire(net: Net, pieces: list[tuple[Point, Point]], vertices: dict[str, Vertex]) -> Wire:
    """A net with its junctions, where more than two of its pieces meet, and its arrows."""
    dots = [
        (x, y)
        for (x, y0), (x1, y1) in pieces
        for (x0, y), (x2, y2) in pieces
        if x == x1 and y == y2 and x0 <= x <= x2 and y0 <= y <= y1
        and (x0 < x) + (x < x2) + (y0 < y) + (y < y1) > 2
    ]  # fmt: skip
    wire = Wire(_end(net.source, "out", vertices), [], pieces, dots, [], net.loop)
    for target in net.targets:
        vertex = vertices[target[0]]
        wire.targets.append(_end(target, "in", vertices))
        if vertex.box is not None and vertex.box.shape != "frame":
            dx, dy = vertex.box.ports["in", target[1]]
            along = (0.0, -dy / abs(dy)) if dx == 0 else (-dx / abs(dx), 0.0)
            wire.arrows.append((vertex.box.port(("in", target[1])), along))
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
    flat, upright, pieces = [], [], 0
    for i, wire in enumerate(scene.wires):
        pieces += len(wire.pieces)
        for (x0, y0), (x1, y1) in wire.pieces:
            (flat if y0 == y1 else upright).append((x0, x1, y0, i) if y0 == y1 else (y0, y1, x0, i))
    length = sum(high - low for low, high, _, _ in flat + upright)
    h, v = np.array(flat).reshape(-1, 1, 4), np.array(upright).reshape(1, -1, 4)
    across = (
        (h[..., 0] < v[..., 2]) & (v[..., 2] < h[..., 1]) & (v[..., 0] < h[..., 2]) & (h[..., 2] < v[..., 1])
    )
    return 4.0 * float((across & (h[..., 3] != v[..., 3])).sum()) + pieces + length / 300
