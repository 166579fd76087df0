"""Scene -> matplotlib figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Patch, Polygon

from blocksim.draw.scene import Box, Label, Scene, Wire

UNIT = 1 / 100
"""Inches in a unit of the scene."""
INK, HALO = "#222222", 4.0
LOOPS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito's colours, told apart by colour-blind readers."""
FILLS = {
    "plain": "#ffffff", "gain": "#fff6df", "state": "#e3edfb", "function": "#e6f5e6", "constant": "#f2f2f2",
    "terminal": "#ededed", "subsystem": "#f3eff8",
}  # fmt: skip


def render(scene: Scene) -> Figure:
    """The figure of a scene, in its size."""
    figure = Figure(figsize=(scene.width * UNIT, scene.height * UNIT))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    for box in scene.boxes:
        if box.shape == "frame":
            _box(axes, box)
    for wire in scene.wires:
        _wire(axes, wire)
    for box in scene.boxes:
        if box.shape != "frame":
            _box(axes, box)
    return figure


def _wire(axes: Axes, wire: Wire) -> None:
    """A net, drawn over a white halo that interrupts the wires it crosses."""
    colour = INK if wire.loop is None else LOOPS[wire.loop % len(LOOPS)]
    width = 1.4 if wire.loop is None else 2.0
    style = {"capstyle": "projecting", "zorder": 2}
    axes.add_collection(
        LineCollection(wire.pieces, colors="white", linewidths=width + HALO, capstyle="butt", zorder=2)
    )
    axes.add_collection(LineCollection(wire.pieces, colors=colour, linewidths=width, **style))
    for x, y in wire.dots:
        axes.add_patch(Circle((x, y), 3.6, color=colour, linewidth=0, zorder=3))
    for (x, y), (dx, dy) in wire.arrows:
        back, side = (x - 9 * dx, y - 9 * dy), (4.5 * dy, 4.5 * dx)
        corners = [(x, y), (back[0] + side[0], back[1] + side[1]), (back[0] - side[0], back[1] - side[1])]
        axes.add_patch(Polygon(corners, color=colour, linewidth=0, zorder=3))


def _box(axes: Axes, box: Box) -> None:
    left, top = box.x - box.w / 2, box.y - box.h / 2
    if box.shape == "frame":
        look = {"facecolor": "#1f3a6e0a", "edgecolor": "#8793a5", "linewidth": 1.0, "zorder": 1}
    else:
        look = {"facecolor": FILLS[box.fill], "edgecolor": INK, "linewidth": 1.2, "zorder": 4}
    patch: Patch
    if box.shape == "circle":
        patch = Circle((box.x, box.y), box.w / 2, **look)
    elif box.shape == "triangle":
        base, tip = (box.w / 2, -box.w / 2) if box.flipped else (-box.w / 2, box.w / 2)
        corners = [(box.x + base, top), (box.x + tip, box.y), (box.x + base, top + box.h)]
        patch = Polygon(corners, joinstyle="round", **look)
    else:
        radius = {"terminal": box.h / 2, "frame": 8}.get(box.shape, 3)
        patch = FancyBboxPatch((left, top), box.w, box.h, f"round,pad=0,rounding_size={radius}", **look)
    axes.add_patch(patch)
    if box.curve:
        x0, y0, w, h = left + 8, top + box.h - 8, box.w - 16, box.h - 26
        points = [(x0 + w * u, y0 - h * v) for u, v in box.curve]
        axes.add_collection(LineCollection([points], colors="#2e7d32", linewidths=1.8, zorder=5))
    for label in box.labels:
        _label(axes, box, label)


def _label(axes: Axes, box: Box, label: Label) -> None:
    below = label.at[1] > box.h / 2
    dx = -label.at[0] if box.flipped and box.shape == "triangle" and not below else label.at[0]
    axes.text(
        box.x + dx, box.y + label.at[1], label.text,
        size=label.size, ha=label.align, va="center_baseline" if below else "center", parse_math=label.math,
        color="#555555" if below else INK, weight="bold" if label.bold else "normal", zorder=6,
    )  # fmt: skip
