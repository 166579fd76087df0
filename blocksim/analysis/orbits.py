"""Orbits of a diagram's step: Lyapunov exponents along one, and cycles with their multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.analysis.point import operating_point
from blocksim.analysis.system import Vector
from blocksim.arguments import as_count, read_inputs
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, InputError, describe, user_line

CLOSED = 1e-10
"""A cycle returns to where it began within this, relative to its largest state."""


@dataclass(frozen=True, eq=False)
class Lyapunov:
    """The largest Lyapunov exponents, per step, and the estimate of the largest after each step."""

    exponents: Vector
    history: Vector

    @property
    def largest(self) -> float:
        return float(self.exponents[0])


def lyapunov(
    diagram: Diagram,
    inputs: Mapping[str, ArrayLike] | None = None,
    at: Any = None,
    *,
    steps: int | None = None,
    count: int = 1,
    transient: int = 0,
    **options: Any,
) -> Lyapunov:
    """lim ln|dx[k]| / k for a small change dx of the state: > 0 in chaos, < 0 where it is forgotten.

    inputs: the data of a driven run, (T, *shape) each; without them the inputs stay as `at` says, for
    `steps` (10,000). The `count` largest exponents come by QR decompositions along the run (Benettin,
    Galgani, Giorgilli and Strelcyn 1980), the first `transient` steps not counted. `at` is where it
    starts; `at` and options (step, run, params, dt) as of `linearize`. Divide by dt for 1/s.

    Raises the errors of `linearize`, InputError for inputs or numbers that do not fit, AnalysisError for
    a run that overflows.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("a", bs.library.Gain(-0.5), z), z)
    >>> round(bs.analysis.lyapunov(d, steps=50).largest, 12) == round(float(np.log(0.5)), 12)
    True
    """
    point = operating_point(diagram, at, **options)
    system, params, x, u = point.vectors(diagram)
    if inputs is None:
        length = as_count("steps", 10_000 if steps is None else steps)
        rows = np.broadcast_to(u, (length, len(u)))
    else:
        if not point.plan.inputs:
            raise InputError("inputs", "None, as the diagram has none", describe(inputs), "", user_line())
        arrays, length, batch = read_inputs(point.plan, inputs, steps)
        if batch is not None:
            raise InputError("inputs", "one run, (T, *shape)", f"a batch of {batch}", "", user_line())
        rows = np.concatenate([np.reshape(a, (length, -1)) for a in arrays], axis=1).astype(float)
    width = as_count("count", count, 1, len(x))
    as_count("transient", transient, 0, length - 1)

    def make() -> Any:
        import jax
        import jax.numpy as jnp

        def run(params: Any, x: Any, Q: Any, rows: Any) -> Any:
            def one(carry: Any, u: Any) -> Any:
                x, Q = carry
                after, tangent = jax.linearize(lambda x: system.map(params, x, u)[0], x)
                Q, R = jnp.linalg.qr(jax.vmap(tangent, 1, 1)(Q))
                return (after, Q), jnp.log(abs(jnp.diagonal(R)))

            return jax.lax.scan(one, (x, Q), rows)

        return run

    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(len(x), width)))[0]
    (end, _), growth = system.compiled("lyapunov", make)(params, x, Q, rows)
    if not np.isfinite(end).all() or np.isnan(growth).any():
        raise AnalysisError(
            "lyapunov", "a run that stays finite", "inf or NaN",
            "Start elsewhere, or take fewer steps.", user_line(),
        )  # fmt: skip
    means = np.cumsum(growth[transient:], 0) / np.arange(1, length - transient + 1)[:, None]
    return Lyapunov(np.sort(means[-1])[::-1], means[:, 0])


@dataclass(frozen=True, eq=False)
class Cycle:
    """States x[0], ..., x[k-1] that a diagram's step goes round: `points` (k, n), named by `states`.

    `multipliers` are the eigenvalues of the step's derivative along the whole cycle, the largest first;
    `residual` is how far the last step misses the first point.
    """

    points: Vector
    multipliers: NDArray[Any]
    residual: float
    states: tuple[str, ...]

    @property
    def stable(self) -> bool:
        """Whether all multipliers are inside the unit circle: what starts near comes nearer."""
        return bool(abs(self.multipliers).max(initial=0.0) < 1)


def multipliers(diagram: Diagram, period: int, at: Any = None, **options: Any) -> Cycle:
    """mu: eigenvalues of J(x[k-1]) ... J(x[0]) on the cycle of `period` steps that Newton finds from `at`.

    The inputs stay as `at` says; `at` and options (step, run, params, dt) as of `linearize`. Raises its
    errors, and AnalysisError where no cycle of that period, and no smaller one, is reached.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("next", bs.library.Function(lambda z: -(z**3)), z), z)
    >>> cycle = bs.analysis.multipliers(d, 2, {"z": 0.9})
    >>> cycle.points.ravel().round(12), cycle.multipliers.round(9), cycle.stable
    (array([ 1., -1.]), array([9.]), False)
    """
    length = as_count("period", period)
    point = operating_point(diagram, at, **options)
    system, params, x, u = point.vectors(diagram)

    def make() -> Any:
        import jax

        def after(params: Any, x: Any, u: Any) -> Any:
            return system.map(params, x, u)[0]

        return lambda *args: (after(*args), jax.jacfwd(after, argnums=1)(*args))

    advance, eye = system.compiled("step and jacobian", make), np.eye(len(x))
    points, J, scale, error, found = [x], eye, 1.0, np.inf, False
    for _ in range(60):
        points, J = [x], eye
        for _ in range(length):
            after, slope = advance(params, points[-1], u)
            points, J = [*points, after], slope @ J
        miss, scale = points[-1] - x, 1 + abs(x).max()
        before, error = error, float(abs(miss).max())
        found = error <= CLOSED * scale
        if not np.isfinite(J).all() or not np.isfinite(miss).all() or (found and error >= before / 2):
            break
        x = x + np.linalg.lstsq(eye - J, miss)[0]
    where = f"a cycle of {length} steps"
    if not found:
        raise AnalysisError(
            "multipliers", where, f"none near the start: the last Newton step misses by {error:.1e}",
            "Start nearer, such as at the final_state of a long run.", user_line(),
        )  # fmt: skip
    for shorter in range(1, length):
        if length % shorter == 0 and abs(points[shorter] - points[0]).max() <= 1e-6 * scale:
            raise AnalysisError(
                "multipliers", where, f"one of {shorter}", "Start elsewhere, or ask for that.", user_line()
            )
    values = np.linalg.eigvals(J)
    values = values[np.lexsort((-np.imag(values), -abs(values)))]
    return Cycle(np.array(points[:-1]), values, error, tuple(system.states))
