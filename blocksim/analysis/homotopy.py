"""Families H(x, t) whose solution at t = 0 is known and at t = 1 is an equilibrium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim.analysis.lstm_form import LstmForm
from blocksim.analysis.newton import Vector, newton, solve
from blocksim.analysis.path import Family, Path, Point

Map = Callable[[Vector], tuple[Vector, Vector]]
"""x -> R(x), R'(x)."""
SAFE_SHIFT = 3.0
"""The published homotopy arrives while max |W_j q_c| is below this."""


def fixed_point(R: Map, a: Vector) -> Family:
    """H = x - t R(x) - (1 - t) a, which is 0 at t = 0 for x = a alone.

    Where R maps a box into itself the path of almost every a in it arrives at t = 1: Chow, Mallet-Paret
    and Yorke 1978.
    """

    def family(x: Vector, t: float) -> tuple[Vector, Vector, Vector]:
        value, slope = R(x)
        return x - t * value - (1 - t) * a, _one_minus(t * slope), a - value

    return family


def global_newton(R: Map, start: Vector) -> Family:
    """H = x - R(x) - (1 - t) (start - R(start)), which is 0 at t = 0 for x = start."""
    error = start - R(start)[0]

    def family(x: Vector, t: float) -> tuple[Vector, Vector, Vector]:
        value, slope = R(x)
        return x - value - (1 - t) * error, _one_minus(slope), error

    return family


def bias(form: LstmForm, q: Vector) -> Family:
    """H = h - R(h) with the biases b_j + (1 - t) W_j q of i, f, o and t b_g of g; 0 at t = 0 for h = 0.

    With W_g q = -b_g this is the published homotopy x - F(x) - t x_c of x = [c; h - q] and x_c = [0; -q],
    where F has the biases b_j + W_j q and none of g: the same path, with the cell eliminated and h - q
    in its place moved by t q. q = 0 needs no solve. Source: Amrouche et al., "Long Short-Term Memory
    Neural Network Equilibria Computation and Analysis".
    """
    shift = form.W @ q
    start = form.b + shift
    start[2] = 0.0
    slope = form.b - start

    def family(h: Vector, t: float) -> tuple[Vector, Vector, Vector]:
        b = start + t * slope
        value, by_bias = form.sensitive(h, b)
        by_h = np.einsum("kn,knm->nm", by_bias, form.W)
        return h - value, _one_minus(by_h), -np.sum(by_bias * slope, axis=0)

    return family


def _one_minus(A: Vector) -> Vector:
    """I - A."""
    A = -A
    A[np.diag_indices(len(A))] += 1
    return A


@dataclass(frozen=True)
class Shift:
    """q_c with W_g q_c = -b_g, and how large it is: max |W_j q_c|; `singular` says why there is none."""

    q: Vector
    largest: float
    singular: str = ""


def shift(form: LstmForm) -> Shift:
    """The point about which the published homotopy is: where the candidate g is zero."""
    W, b = form.W[2], form.b[2]
    condition = float(np.linalg.cond(W)) if np.isfinite(W).all() else np.inf
    if not condition < 1e12:
        return Shift(np.zeros(form.n), np.inf, f"W_g is singular: its condition number is {condition:.1e}")
    q = np.linalg.solve(W, -b)
    return Shift(q, float(np.max(np.abs(form.W[[0, 1, 3]] @ q))))


class _TooManyError(Exception):
    pass


def integrate(family: Family, x: Vector, *, length: float = 1e6, evaluations: int = 2000) -> Path:
    """The path from (x, 0) to t = 1 as an ordinary differential equation in arclength, then Newton at t = 1.

    u' is the unit tangent, on the side on which the determinant of [[H_x, H_t], [u']] is positive: at the
    start dt has the sign of det H_x.
    """
    from scipy.integrate import solve_ivp

    count = 0
    last: Vector = np.append(np.zeros(len(x)), 1.0)

    def tangent(_: float, u: Vector) -> Vector:
        nonlocal count, last
        count += 1
        if count > evaluations:
            raise _TooManyError
        by_x, by_t = family(u[:-1], float(u[-1]))[1:]
        bordered = np.vstack([np.column_stack([by_x, by_t]), last])
        found = solve(bordered, np.append(np.zeros(len(x)), 1.0))
        if found is None:
            raise np.linalg.LinAlgError
        last = found[1] * found[0] / np.linalg.norm(found[0])
        return last

    start = np.append(x, 0.0)
    if solve(family(x, 0.0)[1], x) is None:
        return Path("singular start", "H_x is singular at the start, t = 0", x, 0.0)

    def arrived(_: float, u: Vector) -> float:
        return float(u[-1]) - 1

    arrived.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    try:
        run: Any = solve_ivp(tangent, (0.0, length), start, rtol=1e-6, atol=1e-9, events=arrived)
    except _TooManyError:
        return Path(
            "max steps", f"{evaluations} evaluations did not lead to t = 1", x, 0.0, evaluations=count
        )
    except np.linalg.LinAlgError:
        return Path("step failed", "the bordered system is singular", x, 0.0, evaluations=count)
    points, lengths = [], np.diff(run.t, prepend=0.0)
    for u, ds in zip(run.y.T, lengths, strict=True):
        count = 0
        by_s = tangent(0.0, u)
        points.append(Point(u[:-1], float(u[-1]), by_s[:-1], float(by_s[-1]), 1, float(ds)))
    end = run.y[:, -1]
    path = Path("left", f"a length of {length:g} led to t = {end[-1]:.6g}", end[:-1], float(end[-1]), points)
    path.evaluations = int(run.nfev)
    if run.status == 1:
        corrected, _, converged = newton(lambda x: family(x, 1.0)[:2], end[:-1])
        if converged:
            path.status, path.reason, path.x, path.t = "ok", "arrived at t = 1", corrected, 1.0
        else:
            path.status, path.reason = "step failed", "Newton did not converge at t = 1"
    elif run.status < 0:
        path.status, path.reason = "step failed", str(run.message)
    return path
