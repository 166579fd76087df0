"""Where eigenvalues cross the unit circle between two points of a branch: folds, flips, Neimark-Sacker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocksim.analysis.cycles import Cycles
from blocksim.analysis.path import Point

Eigenvalues = NDArray[np.complex128]
Between = Callable[[float], "Point | str"]
"""The point of a path at a distance from the one before, or why there is none."""

ON_CIRCLE = 1e-6
"""An eigenvalue that crosses is this close to the circle at the point that was found."""
ROUNDING = 1e-12
"""One this close outside may be on the circle: at a pitchfork it touches it and goes back."""
SPLIT = 1e-5
"""The share of a segment on either side of a special point where others are looked for."""


@dataclass(frozen=True)
class Sample:
    """A point of a path with the multipliers of its cycle."""

    at: float
    point: Point
    eigenvalues: Eigenvalues

    @property
    def distances(self) -> NDArray[np.float64]:
        """How far each eigenvalue is from the unit circle."""
        return np.abs(np.abs(self.eigenvalues) - 1)

    @property
    def key(self) -> tuple[int, int, int]:
        """What changes only where an eigenvalue crosses: how many are outside, and of the real ones on
        either side whether they are an odd number, since two real ones may become a pair outside."""
        outside = self.eigenvalues[np.abs(self.eigenvalues) > 1 + ROUNDING]
        real = outside[outside.imag == 0].real
        return len(outside), int(np.sum(real > 1)) % 2, int(np.sum(real < -1)) % 2


@dataclass(frozen=True)
class Found:
    """A special point: what it is, where, and the eigenvalue that is on the circle.

    "unresolved" is a change between two points that the corrector could not come between.
    """

    kind: str
    sample: Sample
    multiplier: complex


def special_points(cycles: Cycles, between: Between, before: Sample, after: Sample) -> list[Found]:
    """All special points on the path from one point to the next, in order."""

    def sample(at: float) -> Sample:
        point = between(at)
        if isinstance(point, str):
            point = _through(between, at, after.point.ds)
        return Sample(at, point, cycles.eigenvalues(point.x, point.t))

    found: list[Found] = []
    waiting = [(replace(before, at=0.0), replace(after, at=after.point.ds), 0)]
    while waiting:
        low, high, depth = waiting.pop()
        # beside where it turns, rounding turns it too
        turns = depth == 0 and low.point.dt * high.point.dt < 0
        if low.key == high.key and not turns:
            continue
        try:
            middle = _crossing(sample, low, high)
            gap = SPLIT * (high.at - low.at)
            sides = sample(max(low.at, middle.at - gap)), sample(min(high.at, middle.at + gap))
        except ArithmeticError:
            found.append(replace(_named(high, low, high), kind="unresolved"))
            continue
        found.append(_named(middle, *sides))
        if depth < 8:
            waiting += [(low, sides[0], depth + 1), (sides[1], high, depth + 1)]
    return sorted(found, key=lambda f: f.sample.at)


def _through(between: Between, at: float, ds: float) -> Point:
    """A point that Newton's method cannot find, as at a branch point, by a cubic through four around it."""
    for gap in (1e-3 * ds, 1e-2 * ds):
        points = [between(at + k * gap) for k in (-2, -1, 1, 2)]
        around = [p for p in points if isinstance(p, Point)]
        if len(around) == 4:
            x, t, dx, dt = (
                sum(w * getattr(p, name) for w, p in zip((-1 / 6, 2 / 3, 2 / 3, -1 / 6), around, strict=True))
                for name in ("x", "t", "dx", "dt")
            )
            return replace(around[1], x=np.asarray(x), t=float(t), dx=np.asarray(dx), dt=float(dt))
    raise ArithmeticError


def _crossing(sample: Callable[[float], Sample], low: Sample, high: Sample) -> Sample:
    """Where the key changes, or t turns, by a function that is continuous and zero there alone.

    The least distance of an eigenvalue to the circle, its sign changed where the key is not that of
    `low`, is such a function, since the key changes only where that distance is zero.
    """
    from scipy.optimize import brentq

    def test(at: float) -> float:
        here = low if at == low.at else high if at == high.at else sample(at)
        if low.key == high.key:
            return here.point.dt
        least = float(np.min(here.distances))
        return least if here.key == low.key else -least

    if test(low.at) * test(high.at) >= 0:  # an end is on the circle
        return low if abs(test(low.at)) < abs(test(high.at)) else high
    root: Any = brentq(test, low.at, high.at, xtol=1e-16 + 1e-14 * high.at, maxiter=200)
    return sample(root)


def _named(middle: Sample, low: Sample, high: Sample) -> Found:
    at_one = np.where(low.key == high.key, np.abs(middle.eigenvalues - 1), middle.distances)
    multiplier = complex(middle.eigenvalues[int(np.argmin(at_one))])
    if abs(abs(multiplier) - 1) > ON_CIRCLE:
        kind = "border collision"
    elif abs(multiplier.imag) > ON_CIRCLE:
        kind = "Neimark-Sacker"
    elif multiplier.real < 0:
        kind = "flip"
    else:
        # where a point of the path is on a branch point, both sides may have the sign of one of them
        turns = low.point.dt * high.point.dt <= 0 or abs(middle.point.dt) < ON_CIRCLE
        kind = "fold" if turns and low.point.sign == high.point.sign else "branch point"
    return Found(kind, middle, multiplier)
