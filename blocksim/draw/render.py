"""Scene -> matplotlib figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from blocksim.draw.scene import DOT, Box, Label, Point, Scene, Wire
from blocksim.draw.strokes import ARROW, Line, breaks, lines
from blocksim.draw.text import FAMILY, steady
from blocksim.draw.themes import LIGHT, Theme, blend

UNIT = 1 / 100
"""Inches in a unit of the scene."""
PALE = 0.22
"""How much is left of the colour of what is not highlighted."""
WIRE, LOOP, EDGE = 1.5, 2.1, 1.3
"""Widths in points."""


class _Sheet:
    """Paths gathered by their looks, since few artists are drawn much faster than many."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.paths: dict[tuple[float, str, str, float, bool], list[Path]] = defaultdict(list)

    def add(self, layer: float, path: Path, face: str, edge: str, width: float, dashed: bool = False) -> None:
        self.paths[layer, face, edge, width, dashed].append(path)

    def draw(self) -> None:
        for (layer, face, edge, width, dashed), paths in sorted(self.paths.items()):
            self.axes.add_collection(
                PathCollection(
                    paths, facecolors=face, edgecolors=edge, linewidths=width, zorder=layer,
                    linestyles=[(0, (4, 1.5))] if dashed else "solid",
                    joinstyle="round", capstyle="butt", transform=self.axes.transData,
                    offset_transform=IdentityTransform(),
                ),
                autolim=False,
            )  # fmt: skip


def render(scene: Scene, theme: Theme = LIGHT) -> Figure:
    """The figure of a scene, in its size."""
    with steady():
        return _render(scene, theme)


def _render(scene: Scene, theme: Theme) -> Figure:
    figure = Figure(figsize=(scene.width * UNIT, scene.height * UNIT), facecolor=theme.background)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    sheet = _Sheet(axes)
    for box in scene.boxes:
        _box(sheet, box, theme)
    _wires(sheet, scene, theme)
    for (x, y), number, label in scene.legend:
        colour, dashed = theme.loop(number)
        sheet.add(2, Path([(x, y), (x + 26, y)]), "none", colour, LOOP, dashed)
        _text(axes, label, label.at, theme.ink)
    sheet.draw()
    for box in scene.boxes:
        for label in box.labels:
            colour = theme.quiet if label.quiet else theme.ink
            at = box.x + label.at[0], box.y + label.at[1]
            _text(axes, label, at, _shade(colour, box.dim, theme))
    for wire in scene.wires:
        for label in wire.labels:
            _text(axes, label, label.at, _colour(wire, theme, theme.quiet))
    for label in scene.labels:
        _text(axes, label, label.at, theme.quiet if label.quiet else theme.ink)
    return figure


def _shade(colour: str, dim: bool, theme: Theme) -> str:
    return blend(colour, theme.background, PALE) if dim else colour


def _colour(wire: Wire, theme: Theme, plain: str) -> str:
    colour = theme.error if wire.error else plain if wire.loop is None else theme.loop(wire.loop)[0]
    return _shade(colour, wire.dim, theme)


def _wires(sheet: _Sheet, scene: Scene, theme: Theme) -> None:
    """Every net with arrows and junctions; a wire hops over another, or has a gap where it cannot."""
    crossed = breaks(scene)
    for i, wire in enumerate(scene.wires):
        colour = _colour(wire, theme, theme.ink)
        width = WIRE if wire.loop is None and not wire.error else LOOP
        dashed = wire.loop is not None and not wire.error and theme.loop(wire.loop)[1]
        layer = 2.0 if wire.dim else 2.4
        for line in lines(wire, crossed.get(i, {})):
            sheet.add(layer, _path(line), "none", colour, width, dashed)
        for x, y in wire.dots:
            sheet.add(layer + 0.1, _disc((x, y), DOT), colour, "none", 0.0)
        for tip, along in wire.arrows:
            sheet.add(layer + 0.1, _arrow(tip, along), colour, "none", 0.0)


def _path(line: Line) -> Path:
    vertices, codes = [line.start], [Path.MOVETO]
    for kind, *points in line.moves:
        if kind == "hop":  # half a circle
            (x, y), end = points
            r = end[0] - x
            top = (x, y - abs(r))
            vertices += _quarter(vertices[-1], (x - r, top[1]), top)
            vertices += _quarter(top, (end[0], top[1]), end)
            codes += [Path.CURVE4] * 6
        elif kind == "corner":
            vertices += _quarter(vertices[-1], *points)
            codes += [Path.CURVE4] * 3
        else:
            vertices += points
            codes.append(Path.MOVETO if kind == "gap" else Path.LINETO)
    return Path(vertices, codes)


def _quarter(start: Point, corner: Point, end: Point) -> list[Point]:
    """A quarter of a circle from start to end as a Bézier curve; the corner is where its tangents meet."""
    k = 0.5523
    first, second = (tuple(p + k * (c - p) for p, c in zip(at, corner, strict=True)) for at in (start, end))
    return [(first[0], first[1]), (second[0], second[1]), end]


def _disc(centre: Point, radius: float) -> Path:
    return Path.circle(centre, radius)


def _arrow(tip: Point, along: Point) -> Path:
    (x, y), (dx, dy) = tip, along
    back, side = (x - ARROW * dx, y - ARROW * dy), (4.6 * dy, 4.6 * dx)
    return _closed([tip, (back[0] + side[0], back[1] + side[1]), (back[0] - side[0], back[1] - side[1])])


def _closed(points: Iterable[Point]) -> Path:
    corners = list(points)
    return Path([*corners, corners[0]], closed=True)


def _rounded(box: Box, radius: float) -> Path:
    """A rectangle with rounded corners."""
    left, top, right, bottom = box.area()
    vertices, codes = [(left + radius, top)], [Path.MOVETO]
    corners = [(right, top), (right, bottom), (left, bottom), (left, top)]
    ways = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    for (x, y), (dx, dy), (ex, ey) in zip(corners, ways, ways[1:] + ways[:1], strict=True):
        start, end = (x - radius * dx, y - radius * dy), (x + radius * ex, y + radius * ey)
        vertices += [start, *_quarter(start, (x, y), end)]
        codes += [Path.LINETO, *[Path.CURVE4] * 3]
    return Path([*vertices, vertices[0]], [*codes, Path.CLOSEPOLY])


def _box(sheet: _Sheet, box: Box, theme: Theme) -> None:
    if box.shape == "frame":
        edge = theme.error if box.error else theme.frame_edge
        path = _rounded(box, 8.0)
        depth = 0.2 + 0.001 * box.path.count("/")
        sheet.add(depth, path, theme.frame, _shade(edge, box.dim, theme), EDGE if box.error else 1.0)
        return
    edge = _shade(theme.error if box.error else theme.ink, box.dim, theme)
    face = _shade(theme.ink if box.fill == "ink" else theme.fills[box.fill], box.dim, theme)
    if box.shape == "circle":
        path = _disc((box.x, box.y), box.w / 2)
    elif box.shape == "triangle":
        base, tip = (box.w / 2, -box.w / 2) if box.flipped else (-box.w / 2, box.w / 2)
        _, top, _, bottom = box.area()
        path = _closed([(box.x + base, top), (box.x + tip, box.y), (box.x + base, bottom)])
    else:
        radius = {"terminal": box.h / 2, "bar": 2.0}.get(box.shape, 4.0)
        path = _rounded(box, radius)
    sheet.add(4, path, face, edge, LOOP if box.error else EDGE)
    colours = {"curve": theme.curve, "axis": theme.axis, "ink": theme.ink}
    widths = {"curve": 1.9, "axis": 0.9, "ink": EDGE}
    for i, stroke in enumerate(box.strokes):
        points = [(box.x + x, box.y + y) for x, y in stroke.points]
        colour = _shade(colours[stroke.kind], box.dim, theme)
        sheet.add(5 + 0.01 * i, Path(points), "none", colour, widths[stroke.kind])


def _text(axes: Axes, label: Label, at: Point, colour: str) -> None:
    font = FontProperties(family=FAMILY, size=label.size, weight="bold" if label.bold else "normal")
    axes.text(
        at[0], at[1], label.text, color=colour, ha=label.align, va="center", fontproperties=font,
        parse_math=label.math, zorder=6,
    )  # fmt: skip
