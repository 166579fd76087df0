"""Following a path of solutions of H(x, t) = 0 by pseudo-arclength prediction and correction.

The path may turn back in t: at a fold H_x is singular, but the system bordered with the tangent is not.
Lengths are of the metric <x, y>/n + t s, so that a step means the same for few and for many unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from blocksim.analysis.newton import Vector, newton, solve

Family = Callable[[Vector, float], tuple[Vector, Vector, Vector]]
"""(x, t) -> H (n,), H_x (n, n), H_t (n,)."""


@dataclass(frozen=True)
class Point:
    """A point of a path with its unit tangent.

    `sign` is that of det [[H_x, H_t], [tangent']]: it stays the same along a path, and `index`, the sign
    of det H_x, changes at its folds. `ds` is the length of the step that led here.
    """

    x: Vector
    t: float
    dx: Vector
    dt: float
    sign: int
    ds: float = 0.0
    iterations: int = 0

    @property
    def index(self) -> int:
        """sign det H_x, zero at a fold."""
        return self.sign * int(np.sign(self.dt))


@dataclass
class Path:
    """What `follow` found: all points of the path, and how it ended.

    - status: "ok" (arrived at t = `target`, or at `until`), "left" (the range of t or the bound of x),
      "step failed", "max steps" or "singular start"; `reason` says it in words.
    - x, t: the last point. folds: where t turns, each as the number of the point before it.
    - branch_points: where the sign of the bordered determinant changed, likewise.
    - direction: the sign of dt at the start.
    """

    status: str
    reason: str
    x: Vector
    t: float
    points: list[Point] = field(default_factory=list, repr=False)
    branch_points: list[int] = field(default_factory=list)
    rejected: int = 0
    evaluations: int = 0

    @property
    def steps(self) -> int:
        """How many steps were accepted."""
        return max(0, len(self.points) - 1)

    @property
    def folds(self) -> list[int]:
        """k for each fold between the points k and k+1."""
        turns = np.sign([p.dt for p in self.points])
        return np.flatnonzero(turns[1:] * turns[:-1] < 0).tolist()

    @property
    def direction(self) -> int:
        """The sign of dt at the start."""
        return int(np.sign(self.points[0].dt)) if self.points else 0


@dataclass(frozen=True)
class Control:
    """How a path is followed: lengths of steps, and what makes one be rejected.

    A sign of the bordered determinant that changes means that a step has jumped to another path, or to
    another part of the same, and the step is rejected; a family with a symmetry has branch points where
    it does change, and with `crossing` > 0 it may in a step of at most that length.

    A point is on the path when its last correction is at most `tolerance`: the error is of the order of
    the square of that, and that of the tangent of its size.
    """

    first: float = 0.05
    most: float = 1.0
    most_dt: float = 0.25
    least: float = 1e-7
    iterations: int = 6
    distance: float = 0.5
    cosine: float = 0.8
    tolerance: float = 1e-6
    crossing: float = 0.0
    max_steps: int = 2000


def follow(
    family: Family,
    x: ArrayLike,
    t: float = 0.0,
    *,
    target: float | None = 1.0,
    until: Callable[[Point], bool] | None = None,
    direction: int | None = None,
    tangent: tuple[ArrayLike, float] | None = None,
    t_range: tuple[float, float] = (-10.0, 11.0),
    x_bound: float = 1e6,
    control: Control | None = None,
) -> Path:
    """H(x, t) = 0 from a solution (x, t) along its path, to t = target or until(point) is true.

    `family(x, t)` gives H (n,), H_x (n, n) and H_t (n,). The path starts with the sign of dt that
    `direction` gives, that of det H_x if not given (for a homotopy of index one the way that cannot come
    back to the start), or along a `tangent` (dx, dt). It ends as "left" where t leaves `t_range` or a
    number of x is beyond `x_bound`. Method: Allgower and Georg 1990.

    >>> import numpy as np
    >>> circle = lambda x, t: (x**2 + t**2 - 1, np.diag(2 * x), np.array([2 * t]))  # noqa: E731
    >>> path = follow(circle, [0.6], 0.8, target=-1.0, direction=1, until=lambda p: p.t < 0)
    >>> path.status, len(path.folds), path.x.item() < 0
    ('ok', 1, True)
    """
    control = control or Control()
    walk = _Walk(family, np.array(x, float), float(t), control)
    start = walk.start(direction, tangent)
    if isinstance(start, str):
        return Path("singular start", start, walk.x0, walk.t0, evaluations=walk.evaluations)
    points, branches, rejected, ds, point = [start], [], 0, control.first, start
    retried = False

    def ended(status: str, reason: str, x: Vector | None = None, t: float | None = None) -> Path:
        last = points[-1]
        return Path(
            status, reason, last.x if x is None else x, last.t if t is None else t,
            points, branches, rejected, walk.evaluations,
        )  # fmt: skip

    while len(points) <= control.max_steps:
        ds = min(ds, control.most, control.most_dt / max(abs(point.dt), 1e-300))
        new = walk.step(point, ds)
        if isinstance(new, str):
            rejected, retried = rejected + 1, True
            ds /= 2
            if ds < control.least:
                return ended("step failed", f"{new}, at t = {point.t:.6g} with a step of {2 * ds:.2g}")
            continue
        if target is not None and (point.t - target) * (new.t - target) <= 0 and point.t != target:
            x_end = walk.arrive(point, new, target)
            if x_end is not None:
                points.append(new)
                return ended("ok", f"arrived at t = {target:g}", x_end, target)
            rejected, retried = rejected + 1, True
            ds /= 2
            if ds < control.least:
                return ended("step failed", f"no solution at t = {target:g} where the path crosses it")
            continue
        if new.sign != point.sign:
            branches.append(len(points) - 1)
        points.append(new)
        point = new
        if until is not None and until(point):
            return ended("ok", f"stopped at t = {point.t:.6g}")
        if not t_range[0] <= point.t <= t_range[1]:
            return ended("left", f"t = {point.t:.6g} is outside {t_range[0]:g}..{t_range[1]:g}")
        if np.max(np.abs(point.x)) > x_bound:
            return ended("left", f"|x| is beyond {x_bound:g}, at t = {point.t:.6g}")
        if not retried:  # else the step is as long as one can be
            ds *= 2 if new.iterations <= 3 else 1.3 if new.iterations == 4 else 0.8
        retried = False
    return ended("max steps", f"{control.max_steps} steps led to t = {points[-1].t:.6g}")


def walk_between(
    family: Family,
    before: Point,
    after: Point,
    control: Control = Control(),
) -> Callable[[float], Point | str]:
    """The points of a path between two that follow each other: a function of the distance from `before`.

    It gives the point in the plane at this distance (0 to after.ds) normal to the tangent of `before`, or
    says why there is none.

    >>> import numpy as np
    >>> circle = lambda x, t: (x**2 + t**2 - 1, np.diag(2 * x), np.array([2 * t]))  # noqa: E731
    >>> path = follow(circle, [0.6], 0.8, target=None, until=lambda p: p.dt < 0, direction=1)
    >>> point = walk_between(circle, *path.points[-2:])(path.points[-1].ds / 2)
    >>> abs(point.x.item() ** 2 + point.t**2 - 1) < 1e-12
    True
    """
    walk = _Walk(family, before.x, before.t, control)
    along = np.append(before.dx, before.dt)
    chord = np.append(after.x, after.t) - np.append(before.x, before.t) - after.ds * along

    def at(ds: float) -> Point | str:
        guess = np.append(before.x, before.t) + ds * along + (ds / after.ds) ** 2 * chord
        found = walk.correct(guess, along, after.ds)
        if isinstance(found, str):
            return found
        return walk.point(found.u, found.tangent, found.sign, ds, found.iterations)

    return at


class Corrected(NamedTuple):
    """A point of the path, its tangent (of any length), the sign of its bordered determinant.

    The last two are of the last correction's derivatives: their error is of the order of its size.
    """

    u: Vector
    tangent: Vector
    sign: int
    iterations: int


def _last(n: int) -> Vector:
    """The unit vector e_n."""
    last = np.zeros(n)
    last[-1] = 1.0
    return last


class _Walk:
    """The steps of `follow`: each gives a point, or says why there is none."""

    def __init__(self, family: Family, x: Vector, t: float, control: Control) -> None:
        self.family, self.x0, self.t0, self.control = family, x, t, control
        self.weights = np.append(np.full(len(x), 1 / max(1, len(x))), 1.0)
        self.evaluations = 0

    def norm(self, z: Vector) -> float:
        return float(np.sqrt(np.sum(self.weights * z * z)))

    def bordered(self, u: Vector, along: Vector) -> tuple[Vector, Vector]:
        """H, and [[H_x, H_t], [along']] in the metric."""
        self.evaluations += 1
        value, by_x, by_t = self.family(u[:-1], float(u[-1]))
        n = len(value)
        matrix = np.empty((n + 1, n + 1))
        matrix[:n, :n], matrix[:n, n], matrix[n] = by_x, by_t, self.weights * along
        return value, matrix

    def point(self, u: Vector, along: Vector, sign: int, ds: float = 0.0, iterations: int = 0) -> Point:
        along = along / self.norm(along)
        return Point(u[:-1].copy(), float(u[-1]), along[:-1], float(along[-1]), sign, ds, iterations)

    def start(self, direction: int | None, tangent: tuple[ArrayLike, float] | None) -> Point | str:
        u = np.append(self.x0, self.t0)
        if tangent is not None:
            along = np.append(np.asarray(tangent[0], float), float(tangent[1]))
        else:
            along = np.zeros(len(u))
            along[-1] = 1.0 if direction is None else float(np.sign(direction))
        found = solve(self.bordered(u, along)[1], _last(len(u)))
        if found is None or (abs(found[0][-1]) < 1e-12 * self.norm(found[0]) and tangent is None):
            return f"H_x is singular at the start, t = {self.t0:g}"
        if tangent is None and direction is None and found[1] < 0:
            # With `along` = e_t the bordered determinant is det H_x, and both change sign together
            # with the tangent.
            found = -found[0], -found[1]
        return self.point(u, *found)

    def correct(self, guess: Vector, along: Vector, ds: float) -> Corrected | str:
        """Newton on H = 0 in the plane through `guess` normal to the tangent `along`."""
        u, before, c, last = guess.copy(), np.inf, self.control, _last(len(guess))
        for k in range(1, c.iterations + 1):
            value, matrix = self.bordered(u, along)
            off = np.dot(matrix[-1], u - guess)
            solved = solve(matrix, np.column_stack([np.append(value, off), last]))
            if solved is None:
                return "the bordered system is singular"
            correction, tangent = solved[0].T
            size = self.norm(correction)
            if size > 0.5 * before:
                return "the corrections do not shrink"
            u, before = u - correction, size
            if self.norm(u - guess) > c.distance * ds:
                return "the path is far from the prediction"
            if size <= c.tolerance * (1 + self.norm(u)):
                return Corrected(u, tangent, solved[1], k)
        return "the corrections are slow"

    def step(self, point: Point, ds: float) -> Point | str:
        along = np.append(point.dx, point.dt)
        found = self.correct(np.append(point.x, point.t) + ds * along, along, ds)
        if isinstance(found, str):
            return found
        new = self.point(found.u, found.tangent, found.sign, ds, found.iterations)
        if np.dot(self.weights * along, np.append(new.dx, new.dt)) <= self.control.cosine:
            return "the path turns"
        if new.sign != point.sign and ds > self.control.crossing:
            return "the sign of the bordered determinant changes"
        return new

    def arrive(self, a: Point, b: Point, target: float) -> Vector | None:
        """x at t = target between two points of the path: by Newton, else by regula falsi in arclength."""

        def at_target(x: Vector) -> tuple[Vector, Vector]:
            value, by_x, _ = self.family(x, target)
            self.evaluations += 1
            return value, by_x

        share = _share(a, b, target)
        guess = _between(a, b, share)
        x, _, converged = newton(at_target, guess)
        near = self.control.distance * b.ds
        if converged and self.norm(np.append(x - guess, 0.0)) <= min(near, 0.2 * b.ds + 1e-6):
            return x
        low, high, f_low, f_high = 0.0, b.ds, a.t - target, b.t - target
        along = np.append(a.dx, a.dt)
        for _ in range(60):
            ds = high - f_high * (high - low) / (f_high - f_low) if f_high != f_low else (low + high) / 2
            found = self.correct(np.append(a.x, a.t) + ds * along, along, b.ds)
            if isinstance(found, str):
                return None
            off = found.u[-1] - target
            if abs(off) <= 1e-9:
                x, _, converged = newton(at_target, found.u[:-1])
                return x if converged and np.max(np.abs(x - found.u[:-1])) <= 1e-4 else None
            if off * f_high > 0:  # Illinois: the end that stays counts half
                high, f_high, f_low = ds, off, f_low / 2
            else:
                low, f_low, f_high = ds, off, f_high / 2
        return None


def _share(a: Point, b: Point, target: float) -> float:
    """How far along from a to b the cubic through both, with their slopes in t, meets the target."""
    low, high = 0.0, 1.0
    up = b.t > a.t
    for _ in range(40):
        middle = (low + high) / 2
        value: Any = _cubic(a.t, b.t, a.dt * b.ds, b.dt * b.ds, middle)
        low, high = (middle, high) if (value < target) == up else (low, middle)
    return (low + high) / 2


def _between(a: Point, b: Point, share: float) -> Vector:
    return _cubic(a.x, b.x, a.dx * b.ds, b.dx * b.ds, share)


def _cubic(p: Any, q: Any, dp: Any, dq: Any, s: float) -> Any:
    """Hermite's cubic on 0..1 with these ends and slopes."""
    r = 1 - s
    return r * r * ((1 + 2 * s) * p + s * dp) + s * s * ((1 + 2 * r) * q - r * dq)
