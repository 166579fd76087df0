"""Writing figures to files."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure

from blocksim.draw.text import steady
from blocksim.errors import FileError, describe, user_line

DPI, PIXELS = 150, 10_000
"""Dots an inch; fewer where a side would have more pixels than this."""
NO_DATE = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def check_path(path: str | PathLike[str]) -> Path:
    """The path, if its ending is one that can be written. Raises FileError."""
    if not isinstance(path, (str, PathLike)) or "\0" in str(path):
        raise FileError("draw, path", "the name of a file", describe(path), line=user_line())
    found = Path(path)
    if found.suffix.lower() not in NO_DATE:
        raise FileError(
            str(found), "a file name that ends in " + ", ".join(NO_DATE), repr(found.suffix or "no ending"),
            "The ending chooses the format.", user_line(),
        )  # fmt: skip
    return found


def resolution(longest: float) -> float:
    """The dots an inch of a picture whose longer side has so many inches."""
    return min(DPI, PIXELS / longest)


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same figure gives the same file. Raises FileError where that is refused."""
    dpi = resolution(max(figure.get_size_inches()))
    kind = path.suffix.lower()
    try:
        with steady():
            figure.savefig(
                path, dpi=dpi, format=kind[1:], metadata=NO_DATE[kind], facecolor=figure.get_facecolor()
            )
    except OSError as error:
        raise FileError(
            str(path), "a file that can be written", str(error.strerror or error),
            "Look at the folder and its permissions.", user_line(),
        ) from error  # fmt: skip


def svg(figure: Figure) -> str:
    """The figure as an SVG document."""
    with io.StringIO() as text, steady():
        figure.savefig(text, format="svg", metadata=NO_DATE[".svg"], facecolor=figure.get_facecolor())
        return text.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, for a screen."""
    with io.BytesIO() as data, steady():
        figure.savefig(data, format="png", dpi=90, metadata={}, facecolor=figure.get_facecolor())
        return data.getvalue()
