"""A picture as data: boxes with ports and texts, and wires of straight pieces. Units: 1/100 inch, y downward.

The layout makes a `Scene` of a diagram; the renderer draws it. Neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
PortKey = tuple[Literal["in", "out"], str]
"""Whether it takes or gives a signal, and its name."""


@dataclass(frozen=True)
class Label:
    """A text; `at` is relative to the centre of its box. `math` is TeX, else the text is plain."""

    text: str
    at: Point = (0.0, 0.0)
    size: float = 10.0
    align: Literal["left", "center", "right"] = "center"
    math: bool = False
    bold: bool = False

    def width(self) -> float:
        """An estimate in units, for a proportional font: rather too wide than too narrow."""
        if self.math:
            return 3.5 * self.size
        em = sum(1.0 if c in "mwMWOQ@%" or c > "\u02ff" else 0.78 if c.isupper() else 0.65 for c in self.text)
        return em * self.size / 72 * (115 if self.bold else 100)


@dataclass
class Box:
    """A block, a terminal or a frame: centred at `(x, y)`, `w` wide and `h` high.

    `shape` is "box", "triangle", "circle", "terminal" or "frame"; `ports` are relative to the centre,
    `curve` is a graph of a function in the unit square, or empty; `fill` names the kind of block.
    """

    path: str
    shape: str
    w: float
    h: float
    labels: list[Label] = field(default_factory=list)
    ports: dict[PortKey, Point] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)
    fill: str = "plain"
    flipped: bool = False
    x: float = 0.0
    y: float = 0.0

    def port(self, key: PortKey) -> Point:
        """Where a port is in the scene."""
        dx, dy = self.ports[key]
        return self.x + dx, self.y + dy

    def flip(self) -> None:
        """Take inputs at the right and give outputs at the left."""
        self.flipped = not self.flipped
        self.ports = {key: (-dx, dy) for key, (dx, dy) in self.ports.items()}


@dataclass
class Wire:
    """A net: one source, all its targets, the horizontal and vertical pieces between, and its junctions.

    `arrows` are the ends at blocks, each with the unit vector it points along; `loop` is the number
    of the feedback loop that it is part of, or None.
    """

    source: tuple[str, PortKey]
    targets: list[tuple[str, PortKey]]
    pieces: list[tuple[Point, Point]]
    dots: list[Point]
    arrows: list[tuple[Point, Point]]
    loop: int | None = None


@dataclass
class Scene:
    """Everything in a picture, from (0, 0) to (width, height)."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

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
