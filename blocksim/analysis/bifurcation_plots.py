"""Bifurcation diagrams: branches over a parameter, and the attractors that simulation finds."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from blocksim.errors import InputError, user_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from blocksim.analysis.attractors import BifurcationDiagram
    from blocksim.analysis.continuation import Branch

MARKERS = {"fold": "s", "flip": "D", "Neimark-Sacker": "o", "branch point": "^", "border collision": "X"}


def plot_branches(
    branches: Sequence[Branch],
    path: str | PathLike[str] | None = None,
    *,
    attractors: BifurcationDiagram | None = None,
    name: str | None = None,
    title: str = "",
    theme: str = "light",
) -> Figure:
    """Draw branches over their parameter, unstable parts dashed, bifurcations marked; saved to `path`.

    Cycles are drawn by all their points, each period in a colour of its own. Raises InputError for a name
    that a branch has not, or without branches and attractors, FileError for a bad path.
    """
    from blocksim.draw.axes import chart, finish

    if not branches and attractors is None:
        raise InputError("plot", "branches, attractors, or both", "neither", "", user_line())
    shown = name or _default_name(branches, attractors)
    parameter = attractors.parameter if attractors else branches[0].parameter
    figure, axis, look = chart((9.0, 5.5), theme, title, parameter, shown)
    labels: set[str] = set()

    def once(label: str) -> str:
        new = label not in labels
        labels.add(label)
        return label if new else "_" + label

    if attractors is not None:
        rows = attractors[shown]
        x = np.repeat(attractors.values, rows.shape[1])
        axis.plot(x, rows.ravel(), ",", color=look.quiet, alpha=0.35, rasterized=True, label="_attractors")
    periods = sorted({branch.period for branch in branches})
    for branch in branches:
        kind = "equilibria" if branch.period == 1 else f"{branch.period}-cycles"
        colour = look.loops[periods.index(branch.period) % len(look.loops)]
        for part, stable in branch.pieces:
            rows = branch[shown][part]
            label = once(f"{'stable' if stable else 'unstable'} {kind}")
            lines = axis.plot(
                branch.values[part], rows, "-" if stable else "--", color=colour,
                linewidth=2.0 if stable else 1.3,
            )  # fmt: skip
            for k, line in enumerate(lines):  # one entry of the legend for all points of a cycle
                line.set_label(label if k == 0 else "_")
    for branch in branches:
        for point in branch.special:
            y = branch[shown][point.position]
            axis.plot(
                np.full(len(y), point.value), y, MARKERS.get(point.kind, "*"), color=look.error,
                markeredgecolor=look.background, markersize=7, zorder=5, label=once(point.kind),
            )  # fmt: skip
    return finish(figure, axis, look, path)


def _default_name(branches: Sequence[Branch], attractors: BifurcationDiagram | None) -> str:
    """The first output, else the first state."""
    if attractors is not None and attractors.names:
        return attractors.names[0]
    if not branches:
        raise InputError("plot, name", "a signal", "none was recorded", "Pass record=.", user_line())
    return branches[0].default_name
