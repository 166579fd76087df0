"""Equilibria of a diagram at a constant input: states that its step leaves as they are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.analysis import homotopy
from blocksim.analysis.newton import Vector, newton
from blocksim.analysis.path import Control, Path, follow
from blocksim.analysis.problem import Problem, problem
from blocksim.analysis.system import Parameters, System
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, describe, user_line

Method = Literal["auto", "fixed-point", "paper", "paper-ode", "newton", "simulate"]
METHODS = ("auto", "fixed-point", "paper", "paper-ode", "newton", "simulate")
SEEDS, SEEDS_OF_OTHERS = 5, 3
ROUGHLY = Control(tolerance=1e-4, max_steps=1000)
"""How paths are followed of which the end alone counts."""
LONGEST_RUN = 20_000


@dataclass(frozen=True)
class Equilibrium:
    """x = F(x, u), or why none was found.

    - status: "ok", and then only there is a `state` (by path) and a `vector`; else what the method came
      to: "not converged", "did not settle", "singular", "singular start", "step failed", "left", "max
      steps", "inaccurate" (a point whose residual or estimated error is not small) or "failed" (all that
      `auto` tried). `reason` says it in words.
    - method: the one that ended so. tried: all, with what they came to.
    - residual: max |x - F(x)| in the diagram's own map. error: an estimate of the distance to the exact one.
    - path: that of a homotopy, else None.
    - jacobian: dF/dx; eigenvalues, spectral_radius, stable (all inside the unit circle) and index
      (sign det(I - dF/dx), 0 where I - dF/dx is singular) come from it.
    - inputs, params (those replaced), dt: what it is the equilibrium of, beside the diagram.
    """

    status: str
    reason: str
    method: str
    vector: Vector | None = None
    state: dict[str, Any] | None = None
    residual: float = float("inf")
    error: float = float("inf")
    jacobian: Vector | None = field(default=None, repr=False)
    path: Path | None = field(default=None, repr=False)
    tried: tuple[str, ...] = field(default=(), repr=False)
    inputs: dict[str, Any] = field(default_factory=dict, repr=False)
    params: Parameters = field(default_factory=dict, repr=False)
    dt: float = 1.0

    @cached_property
    def eigenvalues(self) -> NDArray[Any] | None:
        """Those of dF/dx, the largest modulus first."""
        if self.jacobian is None:
            return None
        values = np.linalg.eigvals(self.jacobian)
        return values[np.argsort(-np.abs(values), kind="stable")]

    @property
    def spectral_radius(self) -> float:
        """The largest modulus of an eigenvalue; NaN without a point."""
        return float("nan") if self.eigenvalues is None else float(np.abs(self.eigenvalues[0]))

    @property
    def stable(self) -> bool | None:
        """Whether all eigenvalues lie inside the unit circle."""
        return None if self.eigenvalues is None else self.spectral_radius < 1

    @cached_property
    def index(self) -> int | None:
        """sign det(I - dF/dx), from the LU factors."""
        if self.jacobian is None:
            return None
        return int(np.linalg.slogdet(np.eye(len(self.jacobian)) - self.jacobian)[0])


@dataclass(frozen=True)
class Attempt:
    """What a method came to: unknowns that it takes for a solution, or None."""

    method: str
    status: str
    reason: str
    x: Vector | None = None
    path: Path | None = None


def equilibrium(
    diagram: Diagram | System,
    inputs: Mapping[str, ArrayLike] | None = None,
    method: Method = "auto",
    *,
    start: Mapping[str, ArrayLike] | None = None,
    params: Parameters | None = None,
    seed: int = 0,
    tolerance: float = 1e-9,
    control: Control | None = None,
    dt: float = 1.0,
) -> Equilibrium:
    """x = F(x, u): a state that the diagram's step leaves as it is, at the constant input u.

    `inputs` are constant values by name, zero where not given. A layer made by `nn.lstm` is solved in
    its n hidden states; any other diagram in all its states. Methods:

    - auto: Newton from `start` (by path; the initial state if not given), else the homotopy
      "fixed-point" from 5 seeds, else one that brings in the candidate's bias, else a simulation and
      Newton. For what is not an LSTM there are 3 seeds, and the third is Newton's homotopy from `start`.
    - fixed-point: along x - t R(x) - (1 - t) a from a random a near 0 (near `start`), for t from 0 to 1.
      For an LSTM almost every path arrives.
    - paper, paper-ode: the published homotopy of the LSTM, by prediction and correction, and as a
      differential equation with Newton at its end. It often fails; it warns where it is likely to.
    - newton, simulate: each of these alone.

    The result is "ok" only if max |x - F(x)| <= tolerance in the diagram's own map and the distance to
    the exact solution is estimated as small. Raises AnalysisError for a diagram without states or whose
    step depends on the time, and for "paper" with what is not an LSTM; other errors as `System`.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.lstm(np.zeros((4, 1)), [[0.0], [0.0], [3.0], [0.0]], [2.0, 2.0, 3.5, 2.0])
    >>> found = equilibrium(layer)
    >>> found.status, found.state["hidden_state"].round(6).item(), found.stable, found.index
    ('ok', 0.880796, True, 1)
    """
    if method not in METHODS:
        raise AnalysisError(
            "equilibrium, method", f"one of {', '.join(METHODS)}", describe(method), "", user_line()
        )
    with np.errstate(all="ignore"):
        solver = solver_of(diagram, inputs, params, tolerance, control, start, dt)
        return solver.cascade(seed) if method == "auto" else solver.result(solver.attempt(method, seed))


def solver_of(
    diagram: Diagram | System,
    inputs: Mapping[str, ArrayLike] | None,
    params: Parameters | None,
    tolerance: float,
    control: Control | None,
    start: Mapping[str, ArrayLike] | None,
    dt: float,
) -> Solver:
    """What a user gives, verified. A System has its inputs and parameters, and is compiled once."""
    if isinstance(diagram, System) and (inputs is not None or params is not None):
        raise AnalysisError(
            "equilibrium", "a System alone", "inputs or params beside it", "Give them to System.", user_line()
        )
    if not (isinstance(tolerance, (int, float, np.number)) and tolerance > 0):
        raise AnalysisError(
            "equilibrium, tolerance", "a positive number", describe(tolerance), "", user_line()
        )
    system = diagram if isinstance(diagram, System) else System(diagram, inputs, params=params, dt=dt)
    return Solver(system, problem(system), tolerance, control, start)


class Solver:
    """The methods, on one problem."""

    def __init__(
        self,
        system: System,
        of: Problem,
        tolerance: float = 1e-9,
        control: Control | None = None,
        start: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self.system, self.problem, self.tolerance = system, of, tolerance
        self.control = control or ROUGHLY
        self.state = system.x0 if start is None else system.pack(start)
        self.start = of.drop(self.state)
        self.centre = of.centre if of.form is not None or start is None else self.start

    # -- methods -----------------------------------------------------------------------------------

    def attempt(self, method: str, seed: int = 0) -> Attempt:
        """One method by its name."""
        if method in ("paper", "paper-ode"):
            return self.published(method)
        calls = {
            "newton": lambda: self.newton(self.start),
            "fixed-point": lambda: self.fixed_point(seed),
            "simulate": lambda: self.simulate(),
            "unbiased": lambda: self.unbiased(),
        }
        return calls[method]()

    def error(self, x: Vector) -> tuple[Vector, Vector]:
        """x - R(x) and its derivative."""
        value, slope = self.problem.reduced(x)
        return x - value, np.eye(len(x)) - slope

    def newton(self, x: Vector, method: str = "newton", contraction: float = 0.5) -> Attempt:
        """Newton's method from x."""
        found, iterations, converged = newton(self.error, x, contraction=contraction)
        if not converged and x is self.start and np.array_equal(self.problem.step(self.state), self.state):
            return Attempt(method, "ok", "the start is an equilibrium", self.start)
        if not converged:
            return Attempt(method, "not converged", f"Newton did not converge in {iterations} iterations")
        return Attempt(method, "ok", f"Newton converged in {iterations} iterations", found)

    def along(self, method: str, family: Any, x: Vector) -> Attempt:
        """The end of a path from a solution x at t = 0, corrected in the problem itself."""
        path = follow(family, x, control=self.control)
        return self.corrected(method, path, path.x)

    def corrected(self, method: str, path: Path, x: Vector) -> Attempt:
        if path.status != "ok":
            return Attempt(method, path.status, path.reason, None, path)
        found, _, converged = newton(self.error, x)
        if not converged or np.max(np.abs(found - x), initial=0.0) > 1e-6 * (
            1 + np.max(np.abs(x), initial=0.0)
        ):
            return Attempt(method, "inaccurate", "Newton does not stay at the path's end", None, path)
        folds = f" and {len(path.folds)} folds" if path.folds else ""
        return Attempt(method, "ok", f"{path.steps} steps{folds} along the path", found, path)

    def fixed_point(self, seed: int = 0, a: Vector | None = None) -> Attempt:
        """The robust homotopy, from a, or from the a of a seed."""
        if a is None:
            a = self.centre + np.random.default_rng(seed).uniform(-0.1, 0.1, len(self.centre))
        return self.along("fixed-point", homotopy.fixed_point(self.problem.reduced, a), a)

    def unbiased(self) -> Attempt:
        """From the network without a candidate's bias; from the start, for what is not an LSTM."""
        form = self.problem.form
        if form is None:
            return self.along(
                "unbiased", homotopy.global_newton(self.problem.reduced, self.start), self.start
            )
        zero = np.zeros(form.n)
        return self.along("unbiased", homotopy.bias(form, zero), zero)

    def published(self, method: str) -> Attempt:
        """The published homotopy, by prediction and correction or as a differential equation."""
        form = self.problem.form
        if form is None:
            raise AnalysisError(
                f"equilibrium of {self.system.diagram.name!r}, method {method!r}", "a layer made by nn.lstm",
                "another diagram", "Use 'auto' or 'fixed-point'.", user_line(),
            )  # fmt: skip
        shift = homotopy.shift(form)
        if shift.singular:
            return Attempt(method, "singular", shift.singular)
        if shift.largest >= homotopy.SAFE_SHIFT:
            warnings.warn(
                f"The published homotopy moves the gates by up to {shift.largest:.3g} (max |W_j q_c|). It is "
                f"safe below {homotopy.SAFE_SHIFT:g}, and often fails above: use method='auto'.",
                stacklevel=4,
            )
        family, start = homotopy.bias(form, shift.q), np.zeros(form.n)
        if method == "paper-ode":
            path = homotopy.integrate(family, start)
            return self.corrected(method, path, path.x)
        return self.along(method, family, start)

    def simulate(self) -> Attempt:
        """A long run from the start, and Newton from where it goes."""
        z, steps, change = self.state, 0, np.inf
        for count in (100, 900, 4000, LONGEST_RUN - 5000):
            z, steps = self.problem.run(z, count), steps + count
            if not np.isfinite(z).all():
                return Attempt("simulate", "did not settle", f"the run is not finite after {steps} steps")
            before, change = change, float(np.max(np.abs(self.problem.step(z) - z), initial=0.0))
            size = float(np.max(np.abs(z), initial=0.0))
            if change <= 1e-6 * (1 + size):
                found = self.newton(self.problem.drop(z), "simulate")
                off = np.inf if found.x is None else np.max(np.abs(self.problem.lift(found.x) - z), initial=0)
                if off <= 1e-2 * (1 + size):
                    return Attempt("simulate", "ok", f"settled within {steps} steps", found.x)
            elif steps >= 5000 and change > before / 4:
                break  # a cycle, chaos, or so slow that the rest of the steps would not do
        if change == 0:  # where Newton's method fails, as it may on a corner
            return Attempt("simulate", "ok", f"came to rest within {steps} steps", self.problem.drop(z))
        return Attempt(
            "simulate", "did not settle", f"it still changes by {change:.1e} a step after {steps} steps"
        )

    def cascade(self, seed: int) -> Equilibrium:
        """The methods in turn until one holds."""
        seeds = SEEDS if self.problem.form is not None else SEEDS_OF_OTHERS
        tries = [
            ("newton", seed),
            *(("fixed-point", seed + k) for k in range(seeds)),
            ("unbiased", 0),
            ("simulate", 0),
        ]
        tried: list[str] = []
        for method, number in tries:
            found = self.result(self.attempt(method, number))
            tried.append(f"{method}: {found.status}, {found.reason}")
            if found.status == "ok":
                return replace(found, tried=tuple(tried))
        return Equilibrium("failed", "Nothing held: " + "; ".join(tried), "auto", tried=tuple(tried))

    # -- what a method found, in the diagram's own map -------------------------------------------------

    def result(self, attempt: Attempt) -> Equilibrium:
        """The point in the original map, if there it is one."""
        tried = (f"{attempt.method}: {attempt.status}, {attempt.reason}",)
        if attempt.x is None:
            return Equilibrium(attempt.status, attempt.reason, attempt.method, path=attempt.path, tried=tried)
        z = self.problem.lift(attempt.x)
        if not np.isfinite(z).all():
            why = "a state of the solution is not finite: a forget gate is fully open, and its cell grows"
            return Equilibrium("inaccurate", why, attempt.method, path=attempt.path, tried=tried)
        gap = self.problem.step(z) - z
        residual = float(np.max(np.abs(gap)))
        J = self.problem.jacobian(z)
        error, why = np.inf, ""
        if not residual <= self.tolerance:
            why = f"the residual {residual:.2g} is above the tolerance {self.tolerance:g}"
        else:
            error = _distance(J, gap)
            if not error <= 1e-6 * (1 + np.max(np.abs(z))):
                why = f"the residual is {residual:.2g}, but the solution may be {error:.2g} away"
        if why:
            return Equilibrium(
                "inaccurate",
                why,
                attempt.method,
                residual=residual,
                error=error,
                path=attempt.path,
                tried=tried,
            )
        return Equilibrium(
            "ok",
            attempt.reason,
            attempt.method,
            z,
            self.system.unpack(z),
            residual,
            error,
            J,
            attempt.path,
            tried,
            self.system.unpack_inputs(self.system.u0),
            self.system.params,
            self.system.dt,
        )


def _distance(J: Vector, gap: Vector) -> float:
    """|(I - J)^-1 gap|, the length of a Newton step from here: what is left to the exact solution."""
    if not np.any(gap):
        return 0.0
    if not np.isfinite(J).all():
        return np.inf
    A = np.eye(len(J)) - J
    try:
        return float(np.max(np.abs(np.linalg.solve(A, gap))))
    except np.linalg.LinAlgError:
        return np.inf
