"""Many equilibria of one diagram, and what the sum of their indices says about those not found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from blocksim.analysis.equilibrium import Equilibrium, Solver, solver_of
from blocksim.analysis.system import Parameters, System
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, describe, user_line

ROUNDS = 4


@dataclass(frozen=True)
class Equilibria:
    """What `equilibria` found: the points, the smallest spectral radius first.

    - index_sum: the sum of sign det(I - dF/dx) over them.
    - missing: True if there must be more, since over all equilibria of an LSTM the indices sum to +1;
      False if nothing says so (more may exist, in pairs); None where the sum says nothing: for other
      diagrams, and where a point is singular. `reason` says it in words.
    """

    points: tuple[Equilibrium, ...]
    index_sum: int
    missing: bool | None
    reason: str
    starts: int

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Equilibrium]:
        return iter(self.points)

    def __getitem__(self, k: int) -> Equilibrium:
        return self.points[k]


def equilibria(
    diagram: Diagram | System,
    inputs: Mapping[str, ArrayLike] | None = None,
    *,
    starts: int = 32,
    spread: float = 1.0,
    start: Mapping[str, ArrayLike] | None = None,
    params: Parameters | None = None,
    seed: int = 0,
    tolerance: float = 1e-9,
    dt: float = 1.0,
) -> Equilibria:
    """The states x = F(x, u) that searches from many starts find, each once.

    From the initial state (or `start`) and from `starts` random points within `spread` of it (of 0, for
    the hidden states of an LSTM), by turns Newton's method and the fixed-point homotopy. While the
    indices prove that some are missing it goes on, to four times as many starts. Other arguments and
    errors as `equilibrium`; an empty result says in `reason` what was tried.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.lstm(np.zeros((4, 1)), [[0.0], [0.0], [3.0], [0.0]], [2.0, 2.0, 0.3, 2.0])
    >>> found = equilibria(layer)
    >>> sorted(p.state["hidden_state"].round(4).item() for p in found), found.index_sum, found.missing
    ([-0.8808, -0.1054, 0.8808], 1, False)
    """
    if not isinstance(starts, int) or isinstance(starts, bool) or starts < 1:
        raise AnalysisError("equilibria, starts", "a positive integer", describe(starts), "", user_line())
    if not (isinstance(spread, (int, float, np.number)) and 0 < spread < np.inf):
        raise AnalysisError("equilibria, spread", "a positive number", describe(spread), "", user_line())
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        solver = solver_of(diagram, inputs, params, tolerance, None, start, dt)
        points = [p for p in [solver.cascade(seed)] if p.status == "ok"]
        tried, verdict = 0, _verdict(points, solver)
        for _ in range(ROUNDS):
            for _ in range(starts):
                x = solver.centre + rng.uniform(-spread, spread, len(solver.centre))
                tried += 1
                attempt = solver.newton(x, contraction=np.inf) if tried % 2 else solver.fixed_point(a=x)
                _add(points, solver.result(attempt))
            verdict = _verdict(points, solver)
            if not verdict[1]:
                break
    points.sort(key=lambda p: p.spectral_radius)
    return Equilibria(tuple(points), verdict[0], verdict[1], verdict[2], tried)


def _add(points: list[Equilibrium], new: Equilibrium) -> None:
    """Keep a point that is not among the points, as far as their estimated errors tell them apart."""
    if new.vector is None:
        return
    for old in points:
        assert old.vector is not None
        close = 1e-6 * (1 + np.max(np.abs(old.vector))) + 10 * (old.error + new.error)
        if np.max(np.abs(old.vector - new.vector)) <= close:
            return
    points.append(new)


def _verdict(points: list[Equilibrium], solver: Solver) -> tuple[int, bool | None, str]:
    """The sum of the indices, whether some must be missing, and why."""
    indices = [p.index or 0 for p in points]
    total = sum(indices)
    if not points:
        found = "no equilibrium was found"
    else:
        found = f"{len(points)} found, their indices sum to {f'{total:+d}' if total else 0}"
    if solver.problem.form is None:
        return total, None, f"{found}; for this diagram the sum is not known"
    if 0 in indices:
        return total, None, f"{found}; one is singular, so its index is not known"
    if total == 1:
        return total, False, f"{found} as over all of an LSTM; more may exist, in pairs"
    return total, True, f"{found}, but over all of an LSTM to +1: some are missing"
