"""`continuation`: equilibria and cycles of a diagram over a parameter, with their bifurcations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.analysis.cycles import Cycles
from blocksim.analysis.equilibrium import Equilibrium, equilibrium
from blocksim.analysis.knob import Parameter, as_range, make_knob
from blocksim.analysis.newton import newton
from blocksim.analysis.path import Control, Path, Point, follow, walk_between
from blocksim.analysis.special_points import Sample, special_points
from blocksim.analysis.system import Parameters, System, Vector
from blocksim.block import as_array
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, InputError, describe, did_you_mean, user_line

SETTLE = 3000
"""Steps of simulation that look for a stable cycle to start from."""
CROSSING = 2e-3
"""The longest step over a branch point: where a longer one seems to be, the step has left the branch."""
BOUNDARY = 1e-6
"""A cycle with a multiplier this close outside the unit circle is drawn as the stable side's end."""


@dataclass(frozen=True)
class SpecialPoint:
    """A bifurcation on a branch.

    - kind: "fold" (an eigenvalue +1, the parameter turns), "flip" (-1), "Neimark-Sacker" (a pair on the
      unit circle), "branch point" (+1 and the branch goes on: pitchfork, transcritical) or "border
      collision" (eigenvalues jump across the circle, in a diagram that is not smooth).
    - value: the parameter. vector, state: one point of the cycle. eigenvalues: all, `multiplier` the one
      on the circle. position: the number of the point in the branch's arrays.
    """

    kind: str
    value: float
    vector: Vector = field(repr=False)
    state: dict[str, Any]
    multiplier: complex
    eigenvalues: NDArray[np.complex128] = field(repr=False)
    position: int
    tangent: tuple[Vector, float] = field(repr=False)


class Branch:
    """Equilibria, or cycles of `period` steps, along a curve over a parameter.

    - values (m,): the parameter at each point of the curve, which may turn back. vectors (m, n) and
      `states` {path: (m, *shape)}: the state, one point of the cycle. eigenvalues (m, n): those of the
      step's derivative, of k steps' for a k-cycle. stable (m,): all of them within the unit circle.
    - special: the bifurcations in order; each is also a point of the arrays.
    - `branch["h[2]"]` (m, period): a state or output along the branch, by its name in `names`.
    - status: "ok" where the branch has left the range or closed; else "step failed", "max steps",
      "left" (states beyond 1e6 times the scale) or "singular start", and `reason` says it in words.
    """

    def __init__(self, cycles: Cycles, path: Path, status: str, reason: str, control: Control) -> None:
        self._cycles, self._control = cycles, control
        self.parameter, self.range, self.period = cycles.knob.name, cycles.range, cycles.period
        self.status, self.reason = status, reason
        steps = [Sample(0.0, p, cycles.eigenvalues(p.x, p.t)) for p in path.points]
        samples = steps[:1]
        special: list[tuple[int, str, complex]] = []
        for before, after in pairwise(steps):
            between = walk_between(cycles.family, before.point, after.point, control)
            for found in special_points(cycles, between, before, after):
                special.append((len(samples), found.kind, found.multiplier))
                samples.append(found.sample)
            samples.append(after)
        points = [sample.point for sample in samples]
        self._points = points
        n, system = len(cycles.system.x0), cycles.system
        self.values = np.array([cycles.value(p.t) for p in points])
        self.vectors = np.array([p.x * cycles.scale for p in points]).reshape(-1, n)
        self.eigenvalues = np.array([sample.eigenvalues for sample in samples]).reshape(-1, n)
        orbits = [cycles.orbit(p.x, p.t) for p in points]
        joined = [np.concatenate(orbit, axis=1) for orbit in orbits]
        width = len(system.states) + len(system.outputs)
        self._signals = np.array(joined).reshape(len(points), self.period, width)
        self._columns = {name: k for k, name in enumerate([*system.states, *system.outputs])}
        self.names = list(self._columns)
        self.default_name = [*system.outputs, *system.states][0]
        self.special = [
            SpecialPoint(
                kind, float(self.values[k]), self.vectors[k], system.unpack(self.vectors[k]), multiplier,
                self.eigenvalues[k], k, (points[k].dx, points[k].dt),
            )
            for k, kind, multiplier in special
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        head = f"<Branch over {self.parameter}: {len(self)} points"
        if self.period > 1:
            head += f" of a {self.period}-cycle"
        rows = [f"  {s.kind} at {s.value:.9g}" for s in self.special]
        return "\n".join([f"{head}, {self.status}: {self.reason}", *rows]) + ">"

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.names:
            raise InputError(
                f"branch[{name!r}]", "the name of a number among the states and outputs",
                "none of that name", did_you_mean(name, self.names), user_line(),
            )  # fmt: skip
        return self._signals[:, :, self._columns[name]]

    @property
    def states(self) -> dict[str, Any]:
        """The states by path, (m, *shape)."""
        rows = [self._cycles.system.unpack(x) for x in self.vectors]
        return {path: np.array([row[path] for row in rows]) for path in (rows[0] if rows else {})}

    @property
    def spectral_radius(self) -> NDArray[np.float64]:
        """The largest |eigenvalue| (m,)."""
        return np.max(np.abs(self.eigenvalues), axis=1, initial=0.0)

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Where all eigenvalues are within the unit circle (m,)."""
        return self.spectral_radius < 1

    @property
    def pieces(self) -> list[tuple[slice, bool]]:
        """The branch cut where its stability changes: points from..to with ends shared, and stable or not."""
        radius = self.spectral_radius
        steady = np.maximum(radius[1:], radius[:-1]) < 1 + BOUNDARY
        cuts = [0, *(np.flatnonzero(steady[1:] != steady[:-1]) + 1).tolist(), len(steady)]
        return [(slice(a, b + 1), bool(steady[a])) for a, b in pairwise(cuts) if b > a]

    def at(self, value: float) -> Vector:
        """The states (count, n) of all points of the branch at a value of the parameter."""
        t = (value - self.range[0]) / (self.range[1] - self.range[0])
        found: list[Vector] = []
        for a, b in pairwise(self._points):
            if a.t != b.t and (a.t - t) * (b.t - t) <= 0:
                guess = a.x + (b.x - a.x) * (t - a.t) / (b.t - a.t)
                x = newton(lambda x: self._cycles.family(x, t)[:2], guess, contraction=2.0)[0]
                new = all(np.max(np.abs(x - other)) > 1e-8 * (1 + np.max(np.abs(x))) for other in found)
                if new and np.max(np.abs(self._cycles.family(x, t)[0])) <= 1e-10 * (1 + np.max(np.abs(x))):
                    found.append(x)
        return self._cycles.scale * np.array(found).reshape(len(found), self.vectors.shape[1])

    def switch(self, point: SpecialPoint, side: int = 1, distance: float = 1e-3) -> Branch:
        """The other branch through a flip, of twice the period, or through a branch point.

        It starts at this distance from the point, on either `side` (1 or -1). Raises AnalysisError at
        a point of another kind, or where there is no other branch.
        """
        if point.kind not in ("flip", "branch point"):
            raise AnalysisError("switch", "a flip or a branch point", f"a {point.kind}", "", user_line())
        period = self.period * (2 if point.kind == "flip" else 1)
        cycles = replace(self._cycles, period=period)
        t = (point.value - self.range[0]) / (self.range[1] - self.range[0])
        u = np.append(point.vector / cycles.scale, t)
        along = np.append(*point.tangent)
        along /= np.linalg.norm(along)
        slope = np.column_stack(cycles.family(u[:-1], t)[1:])
        # Both branches' tangents are in the plane that [H_x, H_t] maps to zero: the direction in it that
        # is normal to this branch leads to the other one.
        plane = np.linalg.svd(slope)[2][-2:]
        normal = plane - np.outer(plane @ along, along)
        away = normal[int(np.argmax(np.linalg.norm(normal, axis=1)))]
        away *= side * np.sign(away[np.argmax(np.abs(away))]) / np.linalg.norm(away)

        def displaced(u: Vector) -> tuple[Vector, Vector]:
            value, by_x, by_t = cycles.family(u[:-1], float(u[-1]))
            bordered = np.vstack([np.column_stack([by_x, by_t]), away])
            return np.append(value, away @ (u - start) - distance), bordered

        start = u
        found, _, converged = newton(displaced, u + distance * away, contraction=2.0)
        if not converged or not cycles.is_solution(found[:-1], float(found[-1])):
            raise AnalysisError(
                "switch", f"another branch near {self.parameter} = {point.value:g}",
                "none that Newton's method finds", "Try another distance.", user_line(),
            )  # fmt: skip
        return _branch(cycles, found[:-1], float(found[-1]), self._control, (away[:-1], float(away[-1])))

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        name: str | None = None,
        *,
        branches: Sequence[Branch] = (),
        theme: str = "light",
    ) -> Any:
        """Draw a state or output over the parameter, unstable parts dashed, bifurcations marked.

        `name` is one of `names`, the first output if not given, else the first state; `branches` are
        drawn in the same axes. Returns the matplotlib figure, saved where `path` is given.
        """
        from blocksim.analysis.bifurcation_plots import plot_branches

        return plot_branches([self, *branches], path, name=name, theme=theme)


def continuation(
    diagram: Diagram,
    parameter: Parameter,
    range: Sequence[float] = (0.0, 1.0),
    *,
    start: Mapping[str, Any] | Equilibrium | ArrayLike | None = None,
    period: int = 1,
    inputs: Mapping[str, ArrayLike] | None = None,
    params: Parameters | None = None,
    dt: float = 1.0,
    max_step: float = 0.02,
    max_steps: int = 2000,
    scale: float | None = None,
) -> Branch:
    """The branch of equilibria x = F(x; s) as s goes from `range[0]` towards `range[1]`.

    - parameter: `"a/K"` (a number, by path and field), `("i/b", "value", 0)` (an element of an array), `"u"`
      or `("u", 0)` (a constant input), `{path: {field: (from, to)}}` (a blend), or a function of s that
      gives `{path: {field: array}}`.
    - start: a state by path or as a vector, or an `Equilibrium`, near the first point; the diagram's
      initial state if not given. From there Newton's method, simulation and `equilibrium` look for it.
    - period: of cycles to follow instead. inputs: constant, zero where not given.
    - max_step: the longest step, as a share of the range: of two bifurcations within one step the second
      may undo what the first did, and both be missed. scale: how large the states are, to measure
      lengths by: 1 if not given, or the largest at the start.

    The branch may turn, and ends where it leaves the range; one that does not pass `range[0]` is followed
    from a range that begins on it. Raises AnalysisError where there is no
    equilibrium at the start, and the errors of `System`.

    Method: pseudo-arclength (`blocksim.analysis.path`); eigenvalues that cross the unit circle are located
    by bracketing, for the parameter to 1e-8 or better.

    >>> import blocksim as bs
    >>> from blocksim.analysis.continuation import continuation
    >>> d = bs.Diagram()  # x[k+1] = x + r - x^2
    >>> x, r = d.add("x", bs.library.UnitDelay(1.0)), d.add("r", bs.library.Constant(1.0))
    >>> d.connect(d.add("next", bs.library.Sum("++-"), x, r, d.add("square", bs.library.Product(), x, x)), x)
    >>> d.output("y", x)
    >>> continuation(d, "r/value", (0.5, -1.0))
    <Branch over r/value: ... points, ok: back at 0.5
      fold at ...>
    """
    ends = as_range(range)
    if isinstance(period, bool) or not isinstance(period, (int, np.integer)) or period < 1:
        raise InputError("period", "an integer of at least 1", describe(period), "", user_line())
    for name, number in (("max_step", max_step), ("max_steps", max_steps), ("scale", scale or 1.0)):
        if isinstance(number, bool) or not isinstance(number, (int, float, np.number)) or not number > 0:
            raise InputError(name, "a positive number", describe(number), "", user_line())
    system = System(diagram, inputs, params=params, dt=dt)
    cycles = Cycles(system, make_knob(system, parameter, ends), ends, int(period), scale or 1.0)
    x = _first(cycles, start)
    if scale is None and (largest := float(np.max(np.abs(x)))) > 1:
        cycles, x = replace(cycles, scale=largest), x / largest
    control = Control(
        first=min(0.01, max_step), most=max(0.1, 2 * max_step), most_dt=max_step,
        tolerance=1e-10, crossing=CROSSING, max_steps=int(max_steps),
    )  # fmt: skip
    return _branch(cycles, x, 0.0, control, None)


def _first(cycles: Cycles, start: Mapping[str, Any] | Equilibrium | ArrayLike | None) -> Vector:
    """A cycle at the start of the range. Raises AnalysisError where none is found."""
    system = cycles.system
    if isinstance(start, Equilibrium):
        start = start.state or {}
    if isinstance(start, Mapping):
        x = system.pack({**system.unpack(system.x0), **start})
    else:
        x = system.x0 if start is None else as_array(start)
    if x.shape != system.x0.shape or x.dtype.kind not in "iuf" or not np.isfinite(x).all():
        raise InputError("start", f"a vector of {len(system.x0)} numbers", describe(start), "", user_line())
    x = x.astype(float) / cycles.scale
    found = cycles.solve(x, 0.0)
    if found is None:
        settled = cycles.settle(x, 0.0, SETTLE)
        found = cycles.solve(settled, 0.0) if np.isfinite(settled).all() else None
    if found is None and cycles.period == 1:
        given = equilibrium(cycles.system_at(0.0), start=system.unpack(x * cycles.scale))
        found = None if given.vector is None else cycles.solve(given.vector / cycles.scale, 0.0)
    if found is None:
        what = "an equilibrium" if cycles.period == 1 else f"a cycle of {cycles.period} steps"
        raise AnalysisError(
            f"continuation over {cycles.knob.name!r}",
            f"{what} at the start of the range, {cycles.range[0]:g}",
            "none found by Newton's method, simulation or a homotopy",
            "Start where there is one, or give a state near it as start=.", user_line(),
        )  # fmt: skip
    return found


def _branch(
    cycles: Cycles, x: Vector, t: float, control: Control, tangent: tuple[Vector, float] | None
) -> Branch:
    """The branch from a solution on, cut at the ends of the range."""
    first: list[Point] = []

    def over(point: Point) -> bool:
        if not first:
            first.append(point)
        gap = np.sqrt(np.mean((point.x - x) ** 2) + (point.t - t) ** 2)
        along = np.mean(point.dx * first[0].dx) + point.dt * first[0].dt
        closed = point is not first[0] and 0 < t < 1 and gap < 0.5 * point.ds and along > 0.8
        return bool(closed) or not 0 <= point.t <= 1

    path = follow(
        cycles.family, x, t, target=None, until=over, control=control, tangent=tangent,
        direction=1 if tangent is None else None,
    )  # fmt: skip
    status, place = (
        path.status,
        f"at {cycles.knob.name} = {cycles.value(path.points[-1].t if path.points else t):g}",
    )
    reason = {
        "singular start": f"an eigenvalue is +1 {place}, a fold or a branch point; start elsewhere",
        "max steps": f"{control.max_steps} steps led to a point {place}",
        "left": f"a state is beyond {1e6 * cycles.scale:g} {place}",
    }.get(status, f"{path.reason.partition(', at t')[0]} {place}")
    if status == "ok":
        last, reason = path.points[-1], "the branch is closed"
        if not 0 <= last.t <= 1:
            end = float(last.t > 1)
            reason = f"{'arrived' if end else 'back'} at {cycles.value(end):g}"
            _cut(cycles, path, end, control)
    return Branch(cycles, path, status, reason, control)


def _cut(cycles: Cycles, path: Path, end: float, control: Control) -> None:
    """Replace the last point, which is outside the range, by the one on its end."""
    from scipy.optimize import brentq

    before, after = path.points[-2:]
    between = walk_between(cycles.family, before, after, control)

    def off(at: float) -> float:
        point = before if at == 0 else between(at)
        return np.nan if isinstance(point, str) else point.t - end

    if before.t != end:
        at: Any = brentq(off, 0.0, after.ds, xtol=1e-15)
        point = between(at)
        if isinstance(point, Point):
            path.points[-1] = point
            return
    path.points.pop()
