"""Linear interpolation in a table, for all array namespaces and float types."""

from __future__ import annotations

from typing import Any

import numpy as np

from blocksim.block import Block
from blocksim.library._check import require


def require_increasing(block: Block, field: str) -> None:
    """Raise ParameterError unless the field is a vector of two or more strictly increasing numbers."""
    points = getattr(block, field)
    ok = points.ndim == 1 and points.size >= 2 and np.all(np.diff(points) > 0)
    require(ok, block, field, "a vector of at least two strictly increasing numbers")


def interpolate(xp: Any, u: Any, points: Any, values: Any) -> Any:
    """`values` (n, ...) at `u` between the increasing `points` (n,); the end pieces go on beyond the ends.

    Exact at the points and between equal values, since each half of a piece starts from its own end.
    """
    i = xp.clip(xp.searchsorted(points, u, side="right") - 1, 0, points.shape[0] - 2)
    a = (u - points[i]) / (points[i + 1] - points[i])
    rise = values[i + 1] - values[i]
    return xp.where(a < 0.5, values[i] + a * rise, values[i + 1] - (1 - a) * rise)
