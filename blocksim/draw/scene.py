"""A picture as data: boxes with ports and texts, and wires of straight pieces. Units: 1/100 inch, y downward.

The layout makes a `Scene` of a diagram; a renderer draws it. Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from blocksim.draw.text import extent

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom."""
DOT = 3.8
"""The radius of a junction."""
PortKey = tuple[Literal["in", "out"], str]
"""Whether it takes or gives a signal, and its name."""


@dataclass(frozen=True)
class Label:
    """A text in points of `size`; `at` is its vertical middle, at the side or centre that `align` says.

    `math` is TeX between dollars, else the text is plain. A box's labels are relative to its centre.
    """

    text: str
    at: Point = (0.0, 0.0)
    size: float = 10.0
    align: Literal["left", "center", "right"] = "center"
    math: bool = False
    bold: bool = False
    quiet: bool = False
    """Whether it is in the colour of captions."""
    port: PortKey | None = None
    """The port that it names: where this moves, it moves along."""

    def width(self) -> float:
        return extent(self.text, self.size, self.math, self.bold)[0]

    def height(self) -> float:
        return extent(self.text, self.size, self.math, self.bold)[1]

    def area(self, x: float = 0.0, y: float = 0.0) -> Rectangle:
        """The rectangle that it takes, with (x, y) as the origin of `at`."""
        w, h = self.width(), self.height()
        left = x + self.at[0] - {"left": 0.0, "center": w / 2, "right": w}[self.align]
        return left, y + self.at[1] - h / 2, left + w, y + self.at[1] + h / 2

    def moved(self, dx: float, dy: float) -> Label:
        return replace(self, at=(self.at[0] + dx, self.at[1] + dy))


@dataclass(frozen=True)
class Stroke:
    """A line of points in a box, relative to its centre: a "curve", an "axis" behind it, or in "ink"."""

    points: list[Point]
    kind: Literal["curve", "axis", "ink"] = "ink"


@dataclass
class Box:
    """A block, a terminal or a frame: centred at `(x, y)`, `w` wide and `h` high.

    `shape` is "box", "triangle", "circle", "terminal", "bar" or "frame"; `ports` are relative to the
    centre; `fill` names the kind of block. `elastic` boxes may be made higher, with the ports at a side
    spread out, so that wires are straight.
    """

    path: str
    shape: str
    w: float
    h: float
    labels: list[Label] = field(default_factory=list)
    ports: dict[PortKey, Point] = field(default_factory=dict)
    strokes: list[Stroke] = field(default_factory=list)
    fill: str = "plain"
    elastic: bool = False
    flipped: bool = False
    error: bool = False
    """Whether it is part of an algebraic loop."""
    dim: bool = False
    """Whether it is drawn pale, since others are highlighted."""
    x: float = 0.0
    y: float = 0.0

    def port(self, key: PortKey) -> Point:
        """Where a port is in the scene."""
        dx, dy = self.ports[key]
        return self.x + dx, self.y + dy

    def area(self) -> Rectangle:
        return self.x - self.w / 2, self.y - self.h / 2, self.x + self.w / 2, self.y + self.h / 2

    def flip(self) -> None:
        """Take inputs at the right and give outputs at the left."""
        self.flipped = not self.flipped
        self.ports = {key: (-dx, dy) for key, (dx, dy) in self.ports.items()}
        if self.shape == "triangle":
            self.labels = [replace(label, at=(-label.at[0], label.at[1])) for label in self.labels]


@dataclass
class Wire:
    """A net: one source, all its targets, the horizontal and vertical pieces between, and its junctions.

    `arrows` are the ends at blocks, each with the unit vector it points along; `loop` is the number
    of the feedback loop that it is part of, or None. Its labels stand beside it, absolute.
    """

    source: tuple[str, PortKey]
    targets: list[tuple[str, PortKey]]
    pieces: list[tuple[Point, Point]]
    dots: list[Point]
    arrows: list[tuple[Point, Point]]
    loop: int | None = None
    error: bool = False
    dim: bool = False
    labels: list[Label] = field(default_factory=list)


@dataclass
class Scene:
    """Everything in a picture, from (0, 0) to (width, height).

    `loops` are the names of the feedback loops by number, `legend` says which colour is which: the left
    end of a short line, the loop's number, its name. `labels` stand for themselves. `quick` says that
    some level was so large that it was laid out with less search.
    """

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    loops: dict[int, str] = field(default_factory=dict)
    legend: list[tuple[Point, int, Label]] = field(default_factory=list)
    quick: bool = False

    def move(self, dx: float, dy: float) -> None:
        """Shift everything."""

        def moved(p: Point) -> Point:
            return p[0] + dx, p[1] + dy

        for box in self.boxes:
            box.x, box.y = moved((box.x, box.y))
        for wire in self.wires:
            wire.pieces = [(moved(a), moved(b)) for a, b in wire.pieces]
            wire.dots = [moved(p) for p in wire.dots]
            wire.arrows = [(moved(p), d) for p, d in wire.arrows]
            wire.labels = [label.moved(dx, dy) for label in wire.labels]
        self.labels = [label.moved(dx, dy) for label in self.labels]
        self.legend = [(moved(p), number, label.moved(dx, dy)) for p, number, label in self.legend]

    def texts(self) -> Iterator[tuple[Label, Box | Wire | None, Rectangle]]:
        """Every label with what it belongs to and the rectangle that it takes."""
        for box in self.boxes:
            yield from ((label, box, label.area(box.x, box.y)) for label in box.labels)
        for wire in self.wires:
            yield from ((label, wire, label.area()) for label in wire.labels)
        yield from ((label, None, label.area()) for label in self.labels)
        yield from ((label, None, label.area()) for _, _, label in self.legend)
