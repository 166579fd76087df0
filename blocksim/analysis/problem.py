"""What is solved for an equilibrium: a diagram's map, or the LSTM's reduction of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim.analysis.homotopy import Map
from blocksim.analysis.lstm_form import LstmForm, find_lstm
from blocksim.analysis.newton import Vector
from blocksim.analysis.system import System


@dataclass(frozen=True)
class Problem:
    """x = R(x) in as few unknowns as the structure allows, and the original map z+ = F(z) it came from.

    `lift` gives the state z of an x that solves it, `drop` the unknowns among a state. `step` is F as the
    diagram computes it, which shares nothing with R and so can judge its solutions. `form` is the LSTM's
    if the system is one, whose R maps the box [-1, 1]^n into itself.
    """

    reduced: Map
    start: Vector
    centre: Vector
    lift: Callable[[Vector], Vector]
    drop: Callable[[Vector], Vector]
    step: Callable[[Vector], Vector]
    jacobian: Callable[[Vector], Vector]
    run: Callable[[Vector, int], Vector]
    form: LstmForm | None = None


def problem(system: System) -> Problem:
    """The LSTM's reduction to its hidden state where the system is an LSTM, else the map itself."""
    lstm = find_lstm(system)
    if lstm is None:
        return _of_map(system)
    form, n = lstm.form, lstm.form.n
    places = system.pack({lstm.cell: np.arange(n), lstm.hidden: n + np.arange(n)}).astype(int)
    back = np.argsort(places)

    def run(z: Vector, steps: int) -> Vector:
        x = z[back]
        for _ in range(steps):
            x = form.step(x)
        return x[places]

    return Problem(
        reduced=form.reduced,
        start=system.x0[back][n:],
        centre=np.zeros(n),
        lift=lambda h: form.lift(h)[places],
        drop=lambda z: z[back][n:],
        step=system.step_uncompiled,
        jacobian=lambda z: form.jacobian(z[back])[np.ix_(places, places)],
        run=run,
        form=form,
    )


def _of_map(system: System) -> Problem:
    def both() -> Callable[..., Any]:
        import jax

        def after(x: Any, u: Any) -> Any:
            return system.map({}, x, u)[0]

        return lambda x, u: (after(x, u), jax.jacfwd(after)(x, u))

    def many() -> Callable[..., Any]:
        import jax

        return lambda x, u, steps: jax.lax.fori_loop(0, steps, lambda _, x: system.map({}, x, u)[0], x)

    u = system.u0

    def reduced(x: Vector) -> tuple[Vector, Vector]:
        return system.compiled("equilibrium", both)(x, u)

    return Problem(
        reduced=reduced,
        start=system.x0,
        centre=system.x0,
        lift=lambda x: x,
        drop=lambda x: x,
        step=system.step_uncompiled,
        jacobian=lambda x: reduced(x)[1],
        run=lambda x, steps: system.compiled("many steps", many)(x, u, steps),
    )
