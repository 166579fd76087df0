"""Signals over time: one axis for each, lines for a few components and a map of colours for many."""

from __future__ import annotations

from os import PathLike

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from blocksim.draw.save import check_path, save
from blocksim.errors import InputError, describe, user_line

LINES = 8
"""Signals of more components than this become a map."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def plot_signals(
    time: ArrayLike, signals: dict[str, ArrayLike], path: str | PathLike[str] | None = None
) -> Figure:
    """Draw each signal over time (seconds) on an axis titled by its path; saved if `path` is given.

    time (T,), every signal (T, *shape), each component drawn as steps that hold from row to row; more
    than 8 components become a heat map. Raises InputError where lengths differ, FileError for a bad path.

    >>> from blocksim.draw.signals import plot_signals
    >>> figure = plot_signals([0.0, 1.0], {"h": [[1.0, 2.0], [3.0, 4.0]]})
    >>> figure.axes[0].get_title("left"), len(figure.axes[0].lines)
    ('h', 2)
    """
    file = None if path is None else check_path(path)
    t = np.asarray(time, float)
    figure = Figure(figsize=(9, 0.6 + 1.9 * max(1, len(signals))), layout="constrained")
    axes = figure.subplots(max(1, len(signals)), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, signal) in zip(axes, signals.items(), strict=False):
        values = np.asarray(signal)
        if t.ndim != 1 or values.shape[:1] != t.shape:
            raise InputError(
                f"plot of {name!r}", f"an array with a row for each of the {t.size} instants",
                describe(values), "The first axis is time.", user_line(),
            )  # fmt: skip
        rows = values.reshape(len(t), int(np.prod(values.shape[1:]))).astype(float)
        axis.set_title(name, loc="left", fontsize=10, parse_math=False)
        if not rows.size:
            continue
        edges = np.append(t, t[-1] + (t[-1] - t[-2] if len(t) > 1 else 1.0))  # each row holds for a step
        if rows.shape[1] > LINES:
            mesh = axis.pcolormesh(edges, np.arange(rows.shape[1] + 1) - 0.5, rows.T, rasterized=True)
            axis.set_ylabel("component")
            figure.colorbar(mesh, ax=axis, pad=0.01)
        else:
            for j, colour in zip(range(rows.shape[1]), COLOURS, strict=False):
                held = np.append(rows[:, j], rows[-1, j])
                axis.step(edges, held, where="post", color=colour, label=f"{j}", linewidth=1.4)
            axis.margins(x=0)
            axis.grid(alpha=0.3)
            if rows.shape[1] > 1:
                axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    axes[-1].set_xlabel("time (s)")
    if file is not None:
        save(figure, file)
    return figure
