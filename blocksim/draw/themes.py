"""The colours of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from blocksim.errors import DiagramError, did_you_mean, user_line


@dataclass(frozen=True)
class Theme:
    """Colours by what they are for; `loops` are told apart by colour-blind readers."""

    background: str
    ink: str
    quiet: str
    frame: str
    frame_edge: str
    curve: str
    axis: str
    error: str
    fills: dict[str, str]
    loops: tuple[str, ...]

    def loop(self, number: int) -> tuple[str, bool]:
        """The colour of a loop, and whether its line is dashed, since others have had all the colours."""
        return self.loops[number % len(self.loops)], number >= len(self.loops)


LIGHT = Theme(
    background="#ffffff",
    ink="#222222",
    quiet="#555555",
    frame="#f3f5fa",
    frame_edge="#8793a5",
    curve="#2e7d32",
    axis="#b9c4b9",
    error="#c8102e",
    fills={
        "plain": "#ffffff", "gain": "#fff6df", "state": "#e3edfb", "function": "#e6f5e6",
        "constant": "#f2f2f2", "terminal": "#ededed", "subsystem": "#f3eff8",
    },
    loops=("#0072B2", "#B04E00", "#00805C", "#A5457D", "#00427A"),
)  # fmt: skip
"""The loops' colours are those of Okabe and Ito, darkened until a text in them can be read on white."""

DARK = Theme(
    background="#1b1e24",
    ink="#e8e8e8",
    quiet="#a9b0bb",
    frame="#23272f",
    frame_edge="#596373",
    curve="#7ed08a",
    axis="#4b5a4e",
    error="#ff6b6b",
    fills={
        "plain": "#2a2e36", "gain": "#443c26", "state": "#26384f", "function": "#26402c",
        "constant": "#33373e", "terminal": "#3a3f47", "subsystem": "#372f44",
    },
    loops=("#56B4E9", "#F0A04B", "#3CC79A", "#E6A0C8", "#F0E442"),
)  # fmt: skip

THEMES = {"light": LIGHT, "dark": DARK}


def theme(name: str) -> Theme:
    """The theme of a name. Raises DiagramError for another than "light" and "dark".

    >>> from blocksim.draw.themes import theme
    >>> theme("dark").background
    '#1b1e24'
    """
    if not isinstance(name, str) or name not in THEMES:
        raise DiagramError(
            "theme", " or ".join(map(repr, THEMES)), repr(name), did_you_mean(str(name), THEMES), user_line()
        )
    return THEMES[name]


def blend(colour: str, other: str, share: float) -> str:
    """A mixture of two colours, with this share of the first."""
    parts = zip(_bytes(colour), _bytes(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def contrast(a: str, b: str) -> float:
    """How well a text of one colour is read on another: 1 to 21, by WCAG 2."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _bytes(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _luminance(colour: str) -> float:
    parts = [c / 255 for c in _bytes(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
