"""How good a picture is, computed from its geometry alone: faults that no picture may have, and measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blocksim.draw.save import DPI, resolution
from blocksim.draw.scene import DOT, Box, Label, Point, PortKey, Rectangle, Scene, Wire
from blocksim.draw.strokes import crossings

EPS = 2e-3
CLOSE = 6.0
"""Wires of two nets side by side are at least so far apart, in units of 1/100 inch."""
CAPITAL = 0.73
"""The height of a capital letter, of the size of its font."""


@dataclass(frozen=True)
class Report:
    """The faults by kind, each a text that says where, and the measures; lengths in 1/100 inch."""

    faults: dict[str, list[str]]
    blocks: int
    wires: int
    labels: int
    crossings: int
    bends: int
    length: float
    size: tuple[float, float]
    smallest_text: float
    """The height of a capital letter of the smallest text, in pixels at 150 dots an inch."""

    @property
    def clean(self) -> bool:
        return not any(self.faults.values())

    def __str__(self) -> str:
        dpi = resolution(max(self.size) / 100)
        rows = [(kind, str(len(found))) for kind, found in self.faults.items()]
        rows += [
            ("blocks, wires, labels", f"{self.blocks}, {self.wires}, {self.labels}"),
            ("crossings, bends", f"{self.crossings}, {self.bends}"),
            ("length of wires", f"{self.length / 100:.1f} in"),
            ("size", f"{self.size[0] / 100:.1f} x {self.size[1] / 100:.1f} in"),
            ("smallest text", f"{self.smallest_text * dpi / DPI:.1f} px high at {dpi:.0f} dpi"),
        ]
        width = max(len(kind) for kind, _ in rows)
        lines = [f"{kind:<{width}}  {value}" for kind, value in rows]
        lines += [f"  {kind}: {text}" for kind, found in self.faults.items() for text in found]
        return "\n".join(lines)


def report(scene: Scene) -> Report:
    """What is wrong with a picture, and its measures.

    >>> import blocksim as bs, numpy as np
    >>> from blocksim.draw.layout import layout
    >>> from blocksim.draw.quality import report
    >>> cell = bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8))
    >>> found = report(layout(cell.flatten()))
    >>> found.clean, found.crossings, found.bends <= 20
    (True, 3, True)
    """
    geometry = _Geometry(scene)
    texts = list(scene.texts())
    return Report(
        faults={kind: list(dict.fromkeys(check(geometry))) for kind, check in CHECKS.items()},
        blocks=len(geometry.leaves),
        wires=len(scene.wires),
        labels=len(texts),
        crossings=len(crossings(scene)),
        bends=sum(map(_bends, scene.wires)),
        length=sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for w in scene.wires for a, b in w.pieces),
        size=(scene.width, scene.height),
        smallest_text=min((label.size for label, _, _ in texts), default=np.inf) * CAPITAL * DPI / 72,
    )


def _bends(wire: Wire) -> int:
    """Where one horizontal and one vertical piece end and meet, and nothing branches."""
    flat = {end for a, b in wire.pieces if a[1] == b[1] for end in (a, b)}
    upright = {end for a, b in wire.pieces if a[0] == b[0] for end in (a, b)}
    return len((flat & upright).difference(wire.dots))


@dataclass
class _Geometry:
    """A scene as arrays of rectangles, and what each belongs to."""

    scene: Scene
    leaves: list[Box] = field(init=False)
    frames: list[Box] = field(init=False)
    pieces: list[tuple[Wire, Rectangle]] = field(init=False)
    texts: list[tuple[Label, Box | Wire | None, Rectangle]] = field(init=False)

    def __post_init__(self) -> None:
        self.leaves = [box for box in self.scene.boxes if box.shape != "frame"]
        self.frames = [box for box in self.scene.boxes if box.shape == "frame"]
        self.pieces = [(wire, _span(piece)) for wire in self.scene.wires for piece in wire.pieces]
        self.texts = list(self.scene.texts())
        self.leaf_areas = _array([box.area() for box in self.leaves])
        self.frame_areas = _array([box.area() for box in self.frames])
        self.piece_areas = _array([area for _, area in self.pieces])
        self.text_areas = _array([area for _, _, area in self.texts])


def _array(areas: list[Rectangle]) -> NDArray[np.float64]:
    return np.array(areas, float).reshape(-1, 4)


def _span(piece: tuple[Point, Point]) -> Rectangle:
    (x0, y0), (x1, y1) = piece
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _meeting(areas: NDArray[np.float64], area: Rectangle, margin: float = -EPS) -> list[int]:
    """The rectangles whose inside meets another's; lines count by their whole length."""
    left, top, right, bottom = areas.T
    meets = (left < area[2] + margin) & (area[0] < right + margin)
    return np.flatnonzero(meets & (top < area[3] + margin) & (area[1] < bottom + margin)).tolist()


def _at(point: Point) -> str:
    return f"({point[0]:.0f}, {point[1]:.0f})"


def _of(wire: Wire) -> str:
    path, (_, port) = wire.source
    return f"the wire from {path or 'the frame'}.{port}"


# -- checks ------------------------------------------------------------------------------------

Faults = Iterator[str]


def _through_blocks(g: _Geometry) -> Faults:
    for wire, area in g.pieces:
        for i in _meeting(g.leaf_areas, area):
            yield f"{_of(wire)} runs through {g.leaves[i].path} at {_at(area[:2])}"


def _on_wires(g: _Geometry) -> Faults:
    for wire, other, at in _side_by_side(g, EPS):
        yield f"{_of(wire)} lies on {_of(other)} at {_at(at)}"


def _near_wires(g: _Geometry) -> Faults:
    for wire, other, at in _side_by_side(g, CLOSE - EPS):
        yield f"{_of(wire)} is too near {_of(other)} at {_at(at)}"


def _side_by_side(g: _Geometry, margin: float) -> Iterator[tuple[Wire, Wire, Point]]:
    """Parallel pieces of two nets that overlap in length and are nearer than the margin, or touch."""
    flat = np.array([area[1] == area[3] for _, area in g.pieces], bool)
    for i, (wire, area) in enumerate(g.pieces):
        across = (0.0, margin) if flat[i] else (margin, 0.0)
        grown = area[0] - across[0], area[1] - across[1], area[2] + across[0], area[3] + across[1]
        for j in _meeting(g.piece_areas, grown, -EPS / 2):
            other = g.pieces[j][0]
            if j > i and other is not wire and flat[i] == flat[j]:
                yield wire, other, (area[0], area[1])


def _diagonals(g: _Geometry) -> Faults:
    for wire in g.scene.wires:
        for a, b in wire.pieces:
            if a[0] != b[0] and a[1] != b[1]:
                yield f"{_of(wire)} is oblique from {_at(a)} to {_at(b)}"


def _overlaps(g: _Geometry) -> Faults:
    boxes = g.scene.boxes
    areas = _array([box.area() for box in boxes])
    for i, box in enumerate(boxes):
        for j in _meeting(areas, box.area()):
            a, b = (box, boxes[j]) if len(box.path) < len(boxes[j].path) else (boxes[j], box)
            held = a.shape == "frame" and b.path.startswith(f"{a.path}/") and _inside(b.area(), a.area())
            if j > i and not held:
                yield f"{a.path} and {b.path} overlap at {_at((b.x, b.y))}"


def _inside(inner: Rectangle, outer: Rectangle) -> bool:
    low = inner[0] >= outer[0] - EPS and inner[1] >= outer[1] - EPS
    return low and inner[2] <= outer[2] + EPS and inner[3] <= outer[3] + EPS


def _ends(g: _Geometry) -> Faults:
    """The loose ends of a wire are its ports, each of these has one, and the wire hangs together."""
    boxes = {box.path: box for box in g.scene.boxes}
    for wire in g.scene.wires:
        spans = _array([_span(piece) for piece in wire.pieces])
        ends = Counter(end for piece in wire.pieces for end in piece)
        ports = [boxes[path].port(key) for path, key in [wire.source, *wire.targets]]
        for end in ends:
            free = len(_meeting(spans, (*end, *end), EPS)) == 1
            if free and not any(_near(end, port) for port in ports):
                yield f"{_of(wire)} has a loose end at {_at(end)}"
        for port in ports:
            if not any(_near(port, end) for end in ends):
                yield f"{_of(wire)} does not reach its port at {_at(port)}"
        if wire.pieces and len(_reached(spans)) < len(spans):
            yield f"{_of(wire)} is torn at {_at(wire.pieces[0][0])}"


def _near(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < EPS and abs(a[1] - b[1]) < EPS


def _reached(spans: NDArray[np.float64]) -> set[int]:
    found, todo = {0}, [0]
    while todo:
        area = spans[todo.pop()]
        new = set(_meeting(spans, (area[0], area[1], area[2], area[3]), EPS)) - found
        found |= new
        todo += new
    return found


def _text_on_text(g: _Geometry) -> Faults:
    for i, (label, _, area) in enumerate(g.texts):
        for j in _meeting(g.text_areas, area):
            if j > i:
                yield f"{label.text!r} and {g.texts[j][0].text!r} overlap at {_at(label.at)}"


def _text_on_wire(g: _Geometry) -> Faults:
    for label, _, area in g.texts:
        for i in _meeting(g.piece_areas, area):
            yield f"{label.text!r} stands on {_of(g.pieces[i][0])} at {_at(area[:2])}"
    dots = [(wire, (x - DOT, y - DOT, x + DOT, y + DOT)) for wire in g.scene.wires for x, y in wire.dots]
    for wire, area in dots:
        for i in _meeting(g.text_areas, area):
            yield f"{g.texts[i][0].text!r} stands on a junction of {_of(wire)} at {_at(area[:2])}"
    for box in g.leaves:
        for label in box.labels:
            for stroke in box.strokes if abs(label.at[1]) < box.h / 2 else ():
                points = np.array(stroke.points, float)
                steps = np.linspace(points[:-1], points[1:], 9).reshape(-1, 2)
                left, top, right, bottom = label.area()
                x, y = steps.T
                if ((left < x) & (x < right) & (top + 1.5 < y) & (y < bottom - 1.5)).any():
                    yield f"{label.text!r} stands on a line of the symbol of {box.path}"


def _label_on_block(g: _Geometry) -> Faults:
    """A text lies inside its own block or beside it, and on no other's; not on the wall of a frame."""
    for label, owner, area in g.texts:
        for i in _meeting(g.leaf_areas, area):
            box = g.leaves[i]
            if box is not owner or not _fits(label, area, box):
                yield f"{label.text!r} stands on {box.path} at {_at(area[:2])}"
        for i in _meeting(g.frame_areas, area):
            if not _inside(area, g.frames[i].area()):
                yield f"{label.text!r} stands on the wall of {g.frames[i].path} at {_at(area[:2])}"


def _fits(label: Label, area: Rectangle, box: Box) -> bool:
    """Whether a text in its own block stays in the outline; the room between lines does not count."""
    half = label.height() / 2 if label.math else 0.4 * label.height()
    middle = (area[1] + area[3]) / 2
    low, high = middle - half, middle + half
    left, top, right, bottom = box.area()
    if low < top - EPS or high > bottom + EPS:
        return False
    if box.shape == "circle":
        corners = [(x - box.x, y - box.y) for x in (area[0], area[2]) for y in (low + 3, high - 3)]
        return all(np.hypot(*corner) <= box.w / 2 + EPS for corner in corners)
    if box.shape == "triangle":
        reach = max(abs(low + 2 - box.y), abs(high - 2 - box.y)) / (box.h / 2) * box.w
        right, left = (right, left + reach) if box.flipped else (right - reach, left)
    return left - EPS <= area[0] and area[2] <= right + EPS


def _clipped(g: _Geometry) -> Faults:
    whole = 0.0, 0.0, g.scene.width, g.scene.height
    for label, _, area in g.texts:
        if not _inside(area, whole):
            yield f"{label.text!r} is cut off at {_at(area[:2])}"


def _outside(g: _Geometry) -> Faults:
    whole = 0.0, 0.0, g.scene.width, g.scene.height
    for box in g.scene.boxes:
        if not _inside(box.area(), whole):
            yield f"{box.path} is outside of the picture"
    for wire, area in g.pieces:
        if not _inside(area, whole):
            yield f"{_of(wire)} leaves the picture at {_at(area[:2])}"


def _through_frames(g: _Geometry) -> Faults:
    """A wire of one level stays out of the frames beside it, and off the walls of all."""
    for frame in g.frames:
        left, top, right, bottom = area = frame.area()
        inner = {id(wire) for wire in g.scene.wires if _belongs(wire, frame.path)}
        for i in _meeting(g.piece_areas, area, EPS):
            wire, (x0, y0, x1, y1) = g.pieces[i]
            along = x0 == x1 and min(abs(x0 - left), abs(x0 - right)) < EPS
            along |= y0 == y1 and min(abs(y0 - top), abs(y0 - bottom)) < EPS
            if along:
                yield f"{_of(wire)} runs along the wall of {frame.path} at {_at((x0, y0))}"
            elif id(wire) not in inner and _meeting(_array([area]), (x0, y0, x1, y1)):
                yield f"{_of(wire)} runs through the frame {frame.path} at {_at((x0, y0))}"


def _belongs(wire: Wire, path: str) -> bool:
    """Whether a wire is of the level inside a frame: an input of the frame is a source there."""

    def inside(end: tuple[str, PortKey], source: bool) -> bool:
        wall = end[0] == path and (end[1][0] == "in") == source
        return wall or end[0].startswith(f"{path}/")

    return inside(wire.source, True) and all(inside(target, False) for target in wire.targets)


CHECKS: dict[str, Callable[[_Geometry], Faults]] = {
    "wire through a block": _through_blocks,
    "wire on another net's wire": _on_wires,
    "wires too close": _near_wires,
    "diagonals": _diagonals,
    "block overlap": _overlaps,
    "wire end off its port": _ends,
    "text on text": _text_on_text,
    "text on a wire": _text_on_wire,
    "label on a block": _label_on_block,
    "clipped text": _clipped,
    "outside the picture": _outside,
    "wire through a frame": _through_frames,
}
