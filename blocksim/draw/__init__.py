"""Pictures of diagrams and signals. matplotlib is imported where a picture is made."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from blocksim.diagram import Diagram
from blocksim.errors import DiagramError, describe, user_line

__all__ = ["draw"]


def draw(diagram: Diagram, path: str | PathLike[str], depth: int | None = None) -> Path:
    """Draw a diagram from left to right into a .png, .svg or .pdf file; returns the file's path.

    `depth` is how many levels of subsystems are opened, each in a frame; without it, all. The wires of
    the feedback loops are coloured. Diagrams that do not compile yet are drawn too.
    Raises FileError for another ending or a path that cannot be written, DiagramError for a bad depth.

    >>> import blocksim as bs, numpy as np, tempfile
    >>> cell = bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bs.draw(cell, f"{folder}/cell.png", depth=0).name
    'cell.png'
    """
    from blocksim.draw.layout import layout
    from blocksim.draw.render import render
    from blocksim.draw.save import check_path, save

    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise DiagramError(
            "draw, depth", "an integer >= 0, or None for all levels", describe(depth), "", user_line()
        )
    file = check_path(path)
    save(render(layout(diagram, depth)), file)
    return file
