"""How large a text is, and which names are set as mathematics. Units: 1/100 inch."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator

import matplotlib
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

FAMILY = "DejaVu Sans"
"""Comes with matplotlib, so that a picture is the same everywhere."""
GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|"
    "chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)
VARIABLE = re.compile(rf"({GREEK}|[A-Za-z])(?:_?(\d{{1,2}})|_([A-Za-z]|{GREEK}))?")
"""A letter, with one letter or a number as its subscript."""


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """matplotlib's own settings, whatever the user's are: a picture is the same everywhere."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {"font.family": FAMILY, "mathtext.fontset": "dejavusans", "svg.hashsalt": "blocksim"}
        )
        yield


@functools.lru_cache(maxsize=65536)
def extent(text: str, size: float, math: bool = False, bold: bool = False) -> tuple[float, float]:
    """Width and height of a text as it is drawn, in units; every plain line is equally high."""
    font = FontProperties(family=FAMILY, weight="bold" if bold else "normal", size=size)
    width, height, _ = text_to_path.get_text_width_height_descent(text, font, math)
    scale = 100 / 72
    return float(width) * scale, max(float(height) if math else 0.0, 1.17 * size) * scale


def typeset(name: str) -> tuple[str, bool]:
    """A name as it is shown, and whether that is mathematics.

    `c`, `W_f`, `x1`, `sigma` and what stands between two dollars are; `f/W` is W with f as a subscript.

    >>> from blocksim.draw.text import typeset
    >>> typeset("W_f"), typeset("sum"), typeset("f/W"), typeset("a_b$")
    (('$W_{f}$', True), ('sum', False), ('$W_{f}$', True), ('a_b$', False))
    """
    outer, _, inner = name.rpartition("/")
    if len(outer) == 1 and len(inner) == 1 and (outer + inner).isalpha() and name.isascii():
        return f"${inner}_{{{outer}}}$", True
    if found := VARIABLE.fullmatch(name):
        base, number, letter = found.groups()
        sub = number or letter
        base, sub = (f"\\{part}" if re.fullmatch(GREEK, part or "") else part for part in (base, sub or ""))
        return (f"${base}_{{{sub}}}$" if sub else f"${base}$"), True
    if len(name) > 2 and name[0] == name[-1] == "$" and name.count("$") == 2 and _parses(name):
        return name, True
    return name, False


def _parses(text: str) -> bool:
    try:
        extent(text, 10.0, True)
    except ValueError:
        return False
    return True
