"""What the `check` methods of several blocks share."""

from __future__ import annotations

from blocksim.block import Signal
from blocksim.errors import Mismatch


def same_shape(u: tuple[Signal, ...], advice: str = "") -> None:
    """Raise Mismatch unless all signals have one shape: nothing is broadcast that nobody wrote."""
    if len({signal.shape for signal in u}) > 1:
        raise Mismatch(
            "inputs of one shape",
            "shapes " + ", ".join(str(s.shape) for s in u),
            advice or "Nothing is broadcast: bring the inputs to one shape first.",
        )
