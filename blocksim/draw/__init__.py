"""Pictures of diagrams and signals. matplotlib is imported where a picture is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from blocksim.diagram import Diagram
from blocksim.errors import DiagramError, describe, did_you_mean, user_line

if TYPE_CHECKING:
    from blocksim.draw.scene import Scene

__all__ = ["draw", "picture", "write"]

Depth = int | Mapping[str, int] | None
Highlight = Collection[str] | Mapping[str, Collection[str]] | None


def draw(
    diagram: Diagram,
    path: str | PathLike[str],
    depth: Depth = None,
    *,
    theme: str = "light",
    highlight: Highlight = None,
) -> Path:
    """Draw a diagram from left to right into a .png, .svg or .pdf file; returns the file's path.

    `depth` is how many levels of subsystems are opened, each in a frame; without it, all. A mapping
    says so by path, `""` being the whole: `{"": 1, "lstm/i": 0}`. `theme` is "light" or "dark". With
    `highlight`, nodes of these paths or globs stand out and the rest is pale; a mapping from titles to
    such lists gives a sheet of pictures. The wires of each feedback loop have a colour of their own; an
    algebraic loop is red. Diagrams that do not compile yet are drawn too.
    Raises FileError for another ending or a path that cannot be written, DiagramError for a depth,
    theme or path that there is not.

    >>> import blocksim as bs, numpy as np, tempfile
    >>> cell = bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bs.draw(cell, f"{folder}/cell.png", depth=0, theme="dark").name
    'cell.png'
    """
    from blocksim.draw.save import check_path
    from blocksim.draw.themes import theme as find_theme

    file = check_path(path)
    find_theme(theme)
    return write(picture(diagram, depth, highlight), file, theme)


def picture(diagram: Diagram, depth: Depth = None, highlight: Highlight = None) -> Scene:
    """The picture of a diagram as data, to be measured or drawn; see `draw`."""
    from blocksim.draw.highlight import highlight as light
    from blocksim.draw.highlight import sheet
    from blocksim.draw.layout import layout
    from blocksim.draw.text import steady

    if not isinstance(diagram, Diagram):
        raise DiagramError("draw", "a Diagram", describe(diagram), line=user_line())
    _check_depth(diagram, depth)
    _check_highlight(highlight)
    with steady():
        scene = layout(diagram, depth)
        if isinstance(highlight, Mapping):
            return sheet({title: light(scene, paths) for title, paths in highlight.items()})
        return scene if highlight is None else light(scene, highlight)


def write(scene: Scene, path: str | PathLike[str], theme: str = "light") -> Path:
    """Write a picture to a file. Raises FileError."""
    from blocksim.draw.render import render
    from blocksim.draw.save import check_path, save
    from blocksim.draw.themes import theme as find_theme

    file = check_path(path)
    save(render(scene, find_theme(theme)), file)
    return file


def _check_highlight(highlight: object) -> None:
    def are_texts(group: object) -> bool:
        return isinstance(group, Collection) and all(isinstance(path, str) for path in group)

    groups = [*highlight.values(), list(highlight)] if isinstance(highlight, Mapping) else [highlight]
    if highlight is not None and (not highlight or not all(map(are_texts, groups))):
        raise DiagramError(
            "draw, highlight", "a list of paths or globs, or a dictionary from titles to such lists",
            describe(highlight), "", user_line(),
        )  # fmt: skip


def _check_depth(diagram: Diagram, depth: object) -> None:
    levels = depth.items() if isinstance(depth, Mapping) else [("", 0 if depth is None else depth)]
    from blocksim.draw.opened import opened

    inner = [path for path, node in opened(diagram).walk() if isinstance(node.block, Diagram)]
    subsystems = {"", *inner}
    for path, levels_below in levels:
        if path not in subsystems:
            raise DiagramError(
                f"draw, depth of {path!r}", "the path of a subsystem", "none of that path",
                did_you_mean(str(path), subsystems), user_line(),
            )  # fmt: skip
        if isinstance(levels_below, bool) or not isinstance(levels_below, int) or levels_below < 0:
            raise DiagramError(
                "draw, depth" + (f" of {path!r}" if path else ""), "an integer >= 0, or None for all levels",
                describe(levels_below), "", user_line(),
            )  # fmt: skip


def _repr_svg_(diagram: Diagram) -> str:
    """The picture that a notebook shows: subsystems are closed where all would be too much."""
    from blocksim.draw.opened import opened
    from blocksim.draw.render import render
    from blocksim.draw.save import svg
    from blocksim.draw.themes import theme

    count, depth = 0, 0
    while count <= MANY and depth <= LEVELS:
        depth += 1
        count = sum(path.count("/") <= depth for path, _ in opened(diagram).walk())
    return svg(render(picture(diagram, depth - 1 if count > MANY else None), theme("light")))


MANY, LEVELS = 60, 20
"""A notebook shows so many levels of subsystems as have no more blocks than this, of the first so many."""
setattr(Diagram, "_repr_svg_", _repr_svg_)  # noqa: B010  drawing stands above diagrams, which know nothing of it
