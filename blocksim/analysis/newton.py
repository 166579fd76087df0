"""Newton's method, and the solution of linear equations with the sign of their determinant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]


def newton(
    function: Callable[[Vector], tuple[Vector, Vector]],
    x: ArrayLike,
    *,
    iterations: int = 20,
    tolerance: float = 1e-13,
    contraction: float = 0.5,
) -> tuple[Vector, int, bool]:
    """F(x) = 0 by Newton's method, each correction at most `contraction` times the one before.

    `function(x)` gives F (n,) and F' (n, n). Returns the last x, the iterations, and whether the last
    correction was below tolerance*(1 + |x|), or as small as rounding lets it become.

    >>> import numpy as np
    >>> x, iterations, converged = newton(lambda x: (x**2 - 2, np.diag(2 * x)), [1.5])
    >>> x.item(), converged
    (1.414213562373095, True)
    """
    x, before = np.array(x, float), np.inf
    for k in range(1, iterations + 1):
        solved = solve(*function(x)[::-1])
        if solved is None:
            return x, k, False
        size, scale = float(np.max(np.abs(solved[0]), initial=0.0)), 1 + float(np.max(np.abs(x), initial=0.0))
        if size > contraction * before:
            return x, k, before <= 1e-9 * scale
        x, before = x - solved[0], size
        if size <= tolerance * scale:
            return x, k, True
    return x, iterations, False


def solve(A: Vector, b: Vector) -> tuple[Vector, int] | None:
    """A^-1 b, of b (n,) or (n, k), and sign det A; None for a matrix that is singular or not finite."""
    from scipy.linalg import lapack

    dgetrf, dgetrs = getattr(lapack, "dgetrf"), getattr(lapack, "dgetrs")  # noqa: B009
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        return None
    lu, pivots, failed = dgetrf(A.T)  # in the order of LAPACK's arrays
    if failed:
        return None
    z, _ = dgetrs(lu, pivots, b, trans=1)
    if not np.isfinite(z).all():
        return None
    swaps = np.count_nonzero(pivots != np.arange(len(pivots)))
    negative = np.count_nonzero(np.diagonal(lu) < 0)
    return z, -1 if (swaps + negative) % 2 else 1
