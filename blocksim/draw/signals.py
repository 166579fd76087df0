"""Signals over time: stacked scopes, steps for a few components and a map of colours for many."""

from __future__ import annotations

import re
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from blocksim.block import as_array
from blocksim.draw.axes import LONGEST, TEXT, dress, font
from blocksim.draw.save import check_path, save
from blocksim.draw.symbols import shorten
from blocksim.draw.text import steady
from blocksim.draw.themes import Theme
from blocksim.draw.themes import theme as find_theme
from blocksim.errors import InputError, describe, user_line

LINES = 8
"""Signals of more components than this become a map."""
MOST = 40
"""Signals in one figure."""
COLUMNS = 2_000
"""Rows beyond twice this are thinned: of each column of the picture, the smallest and largest stay."""
UNITS = (
    (1e-3, 1e6, "µs"),
    (0.5, 1e3, "ms"),
    (600.0, 1.0, "s"),
    (36_000.0, 1 / 60, "min"),
    (np.inf, 1 / 3600, "h"),
)
"""The longest span of each unit of time, how many there are in a second, its sign."""


def plot_signals(
    time: ArrayLike,
    signals: dict[str, ArrayLike],
    path: str | PathLike[str] | None = None,
    *,
    theme: str = "light",
    title: str = "",
) -> Figure:
    """Draw each signal over time (seconds) in a scope of its own, all over the same time; saved to `path`.

    time (T,), every signal (T, *shape), titled by its path. A unit in brackets at the end of a name,
    `speed [rpm]`, goes to the axis. Each component is drawn as steps that hold from row to row; more than
    8 become a map of colours. Long signals are thinned so that no peak is lost. Raises InputError where
    lengths differ or there are more than 40 signals, FileError for a bad path.

    >>> from blocksim.draw.signals import plot_signals
    >>> figure = plot_signals([0.0, 1.0], {"h [m]": [[1.0, 2.0], [3.0, 4.0]]})
    >>> axis = figure.axes[0]
    >>> axis.get_title("left"), axis.get_ylabel(), len(axis.lines)
    ('h', 'm', 2)
    """
    file, look = None if path is None else check_path(path), find_theme(theme)
    if len(signals) > MOST:
        raise InputError(
            "plot", f"at most {MOST} signals", f"{len(signals)}", "Choose some with names=.", user_line()
        )
    t = _numbers("the time", time).astype(float)
    if t.ndim != 1 or not np.isfinite(t).all():
        raise InputError("plot, time", "a vector of finite seconds", describe(time), line=user_line())
    span = float(t[-1] - t[0]) if len(t) > 1 else 1.0
    scale, unit = next((scale, unit) for most, scale, unit in UNITS if span <= most)
    with steady():
        count = max(1, len(signals))
        height = 0.7 + 0.3 * bool(title) + count * max(1.15, min(1.9, 14 / count))
        figure = Figure(figsize=(9, height), layout="constrained", facecolor=look.background)
        axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for axis, (name, signal) in zip(axes, signals.items(), strict=False):
            values = _numbers(repr(name), signal)
            if values.shape[:1] != t.shape:
                raise InputError(
                    f"plot of {name!r}", f"an array with a row for each of the {t.size} instants",
                    describe(values), "The first axis is time.", user_line(),
                )  # fmt: skip
            _scope(figure, axis, name, t * scale, values, look)
        axes[-1].set_xlabel(f"time ({unit})")
        for axis in figure.axes:
            dress(axis, look)
        if title:
            figure.suptitle(title, fontproperties=font(TEXT + 1), color=look.ink, parse_math=False)
    if file is not None:
        save(figure, file)
    return figure


def _numbers(what: str, value: ArrayLike) -> NDArray[Any]:
    array = as_array(value)
    if array.dtype.kind not in "biuf":
        raise InputError(f"plot of {what}", "an array of real numbers", describe(value), line=user_line())
    return array


def _scope(
    figure: Figure, axis: Axes, name: str, t: NDArray[np.float64], values: NDArray[np.generic], look: Theme
) -> None:
    """One signal in its axes."""
    unit = re.fullmatch(r"(.*\S)\s*\[([^\[\]]+)\]", name)
    title, sign = (unit[1], unit[2]) if unit else (name, "")
    rows = values.reshape(len(t), int(np.prod(values.shape[1:])))
    shape = f"  {'×'.join(map(str, values.shape[1:]))}" if values.ndim > 2 else ""
    axis.set_title(shorten(title, LONGEST) + shape, loc="left")
    if sign and rows.shape[1] <= LINES:
        axis.set_ylabel(shorten(sign))
    if not rows.size:
        return
    if values.dtype.kind in "iub":
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    step = t[-1] - t[-2] if len(t) > 1 else 1.0
    if rows.shape[1] > LINES:
        t, rows = _strongest(t, rows.astype(float))
        edges = np.append(t, t[-1] + step)
        mesh = axis.pcolormesh(
            edges, np.arange(rows.shape[1] + 1) - 0.5, rows.T, rasterized=True, cmap="viridis"
        )
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        bar = figure.colorbar(mesh, ax=axis, pad=0.01)
        bar.set_label(shorten(sign))
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        return
    for j in range(rows.shape[1]):
        at, shown = thin(t, rows[:, j].astype(float))
        held = np.append(at, t[-1] + step), np.append(shown, shown[-1])
        axis.step(*held, where="post", color=_colours(look)[j], label=f"{j}", linewidth=1.4)
    axis.margins(x=0)
    if rows.shape[1] > 1:
        legend = axis.legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, prop=font(), labelcolor=look.ink,
            handlelength=1.2, labelspacing=0.15, ncols=1 + (rows.shape[1] > 4),
        )  # fmt: skip
        legend.set_in_layout(True)


def _colours(look: Theme) -> list[str]:
    return [*look.loops, look.ink, look.quiet, look.curve]


def thin(
    t: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows that are enough to draw a long signal: of each column of the picture the lowest and highest.

    >>> import numpy as np
    >>> from blocksim.draw.signals import thin
    >>> values = np.zeros(100_000)
    >>> values[54_321] = 1.0
    >>> t, shown = thin(np.arange(100_000.0), values)
    >>> len(shown) < 5_000, float(t[shown.argmax()])
    (True, 54321.0)
    """
    if len(values) <= 2 * COLUMNS:
        return t, values
    width = -(-len(values) // COLUMNS)
    starts = np.arange(0, len(values), width)
    full = np.pad(values, (0, len(starts) * width - len(values)), mode="edge").reshape(-1, width)
    ends = {0, len(values) - 1}
    picked = np.concatenate([starts + full.argmin(1), starts + full.argmax(1), [*ends]])
    picked = np.unique(np.minimum(picked, len(values) - 1))
    return t[picked], values[picked]


def _strongest(
    t: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the rows in each column of the picture, for each component the value farthest from zero."""
    if len(rows) <= 2 * COLUMNS:
        return t, rows
    width = -(-len(rows) // COLUMNS)
    starts = np.arange(0, len(rows), width)
    low, high = np.minimum.reduceat(rows, starts), np.maximum.reduceat(rows, starts)
    return t[starts], np.where(-low > high, low, high)
