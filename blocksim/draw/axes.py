"""Axes in the fonts and colours of a theme."""

from __future__ import annotations

from os import PathLike

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from blocksim.draw.save import check_path, save
from blocksim.draw.symbols import shorten
from blocksim.draw.text import FAMILY, extent, steady
from blocksim.draw.themes import Theme
from blocksim.draw.themes import theme as find_theme

TEXT = 10.0
"""The size of texts, in points."""
LONGEST, ROW = 60, 0.22
"""The most characters of a title or a name; the height of a row of a legend, in inches."""


def font(size: float = TEXT) -> FontProperties:
    """The font of pictures."""
    return FontProperties(family=FAMILY, size=size)


def dress(axis: Axes, look: Theme) -> None:
    """Give axes the fonts and colours of a theme; their title and labels are not read as mathematics."""
    axis.set_facecolor(look.background)
    titles = axis.title, axis._left_title  # pyright: ignore[reportAttributeAccessIssue]
    for text, colour in (
        *((title, look.ink) for title in titles),
        *((part.label, look.quiet) for part in (axis.xaxis, axis.yaxis)),
    ):
        text.set(fontproperties=font(), color=colour, parse_math=False)
    for part in (axis.xaxis, axis.yaxis):
        part.offsetText.set(fontproperties=font(), color=look.quiet)
    axis.tick_params(colors=look.quiet, labelsize=TEXT, labelfontfamily=FAMILY)
    for side, spine in axis.spines.items():
        spine.set_color(look.quiet)
        spine.set_visible(side in ("left", "bottom"))
    if axis.lines:
        axis.grid(color=to_rgba(look.quiet, 0.25), linewidth=0.6)


def chart(
    size: tuple[float, float], theme: str, title: str = "", xlabel: str = "", ylabel: str = ""
) -> tuple[Figure, Axes, Theme]:
    """A figure of a size in inches with one pair of axes, and the theme of a name, as DiagramError says."""
    look = find_theme(theme)
    with steady():
        figure = Figure(figsize=size, layout="constrained", facecolor=look.background)
        axis = figure.add_subplot()
    axis.set_title(title, loc="left")
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    return figure, axis, look


def finish(figure: Figure, axis: Axes, look: Theme, path: str | PathLike[str] | None = None) -> Figure:
    """Dress a chart, put the legend of what has a label below it, and save it if there is a path.

    The figure grows with the rows of the legend. Raises FileError for a bad path.
    """
    file = None if path is None else check_path(path)
    handles, labels = axis.get_legend_handles_labels()
    names = [shorten(label, LONGEST) for label in labels]
    with steady():
        dress(axis, look)
        if names:
            widest = max(extent(name, TEXT)[0] for name in names) / 100 + 0.65
            columns = max(1, min(len(names), int(figure.get_figwidth() / widest)))
            figure.set_figheight(figure.get_figheight() + ROW * (-(-len(names) // columns) - 1))
            legend = figure.legend(
                handles, names, loc="outside lower center", ncols=columns, frameon=False, prop=font(),
                labelcolor=look.ink,
            )  # fmt: skip
            for text in legend.get_texts():
                text.set_parse_math(False)
    if file is not None:
        save(figure, file)
    return figure
