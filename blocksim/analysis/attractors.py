"""`bifurcation_diagram`: the attractors of a diagram over a parameter, by simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.analysis.knob import Parameter, as_range, make_knob
from blocksim.analysis.system import Parameters, System
from blocksim.arguments import STEP
from blocksim.diagram import Diagram
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.simulate import simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from blocksim.analysis.continuation import Branch

BEYOND = 1e6
"""Runs whose states leave this are shown as diverged: no attractor."""


@dataclass(frozen=True)
class BifurcationDiagram:
    """What simulation settles on at each of many values of a parameter.

    values (m,): the parameter. signals: by name, (m, keep, *shape), the last steps of each run, NaN where
    the run diverged.
    """

    parameter: str
    values: NDArray[np.float64]
    signals: dict[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """The rows (m, keep) of `h` or of one element, `h[2]`."""
        known = self._elements()
        if name not in known:
            raise InputError(
                f"diagram[{name!r}]", "the name of a recorded number", "none of that name",
                did_you_mean(name, known), user_line(),
            )  # fmt: skip
        return known[name]

    @property
    def names(self) -> list[str]:
        """The numbers that were recorded."""
        return list(self._elements())

    def _elements(self) -> dict[str, NDArray[np.float64]]:
        return {
            name + (f"[{', '.join(map(str, index))}]" if index else ""): signal[(..., *index)]
            for name, signal in self.signals.items()
            for index in np.ndindex(signal.shape[2:])
        }

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        name: str | None = None,
        *,
        branches: Sequence[Branch] = (),
        theme: str = "light",
    ) -> Figure:
        """Draw the attractors of one signal over the parameter, with branches; see `Branch.plot`."""
        from blocksim.analysis.bifurcation_plots import plot_branches

        return plot_branches(branches, path, attractors=self, name=name, theme=theme)


def bifurcation_diagram(
    diagram: Diagram,
    parameter: Parameter,
    range: Sequence[float] = (0.0, 1.0),
    *,
    points: int = 400,
    settle: int = 1000,
    keep: int = 100,
    record: str | Sequence[str] | None = None,
    initial_state: Mapping[str, Any] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    params: Parameters | None = None,
    dt: float = 1.0,
    engine: str = "jax",
) -> BifurcationDiagram:
    """The attractors over a parameter, by simulation: `keep` steps after `settle` steps at each value.

    All `points` values, evenly over the range, run as one batch from the same initial state. parameter
    and inputs: those of `continuation`. record: signals by path, beside the outputs; all runs are kept,
    so few signals make it light. Raises InputError and the errors of `simulate`.

    >>> import blocksim as bs
    >>> from blocksim.analysis.attractors import bifurcation_diagram
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("a", bs.library.Gain(0.5), z), z)
    >>> d.output("y", z)
    >>> found = bifurcation_diagram(d, "a/K", (-1.0, 0.5), points=2, settle=100, keep=2)
    >>> found["y"].round(6) + 0.0
    array([[ 1., -1.], [ 0.,  0.]])
    """
    ends = as_range(range)
    for what, number in (("points", points), ("settle", settle), ("keep", keep)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise InputError(what, "an integer of at least 1", describe(number), "", user_line())
    system = System(diagram, inputs, params=params, dt=dt)
    knob = make_knob(system, parameter, ends)
    values = np.linspace(*ends, points)
    varied, u = knob.values(values)
    swept = {
        path: {field: np.broadcast_to(array, (points, *array.shape)) for field, array in fields.items()}
        for path, fields in system.params.items()
    }
    for path, fields in varied.items():
        swept[path] = {**swept.get(path, {}), **fields}
    constant = [system.unpack_inputs(row) for row in u]

    def run(steps: int, state: Mapping[str, Any] | None, last: bool) -> Any:
        held = {
            name: np.repeat(np.array([row[name] for row in constant])[:, None], steps, axis=1)
            for name in system.plan.inputs
        }
        return simulate(
            diagram, held or None, steps=None if held else steps, params=swept, initial_state=state, dt=dt,
            engine=engine, record=record, keep="last" if last else "all", check_finite=False,
        )  # fmt: skip

    with np.errstate(all="ignore"):
        settled = run(settle, initial_state, True).final_state
        diverged = np.zeros(points, bool)
        for path, state in settled.items():
            if path != STEP:
                rows = np.asarray(state).reshape(points, -1)
                diverged |= ~np.all(np.abs(rows) < BEYOND, axis=1)
                state[diverged] = 0.0
        result = run(keep, settled, False)
    signals = {name: np.array(signal, float) for name, signal in result.signals.items()}
    for signal in signals.values():
        signal[diverged] = np.nan
    return BifurcationDiagram(knob.name, values, signals)
