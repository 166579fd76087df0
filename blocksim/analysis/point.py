"""Operating points: the state and the inputs at which a diagram is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blocksim.analysis.equilibrium import Equilibrium
from blocksim.analysis.system import Parameters, System, Vector
from blocksim.arguments import STEP, as_index, as_signal, as_step_size, check_mapping, read_states
from blocksim.block import Array
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, InputError, did_you_mean, user_line
from blocksim.plan import Plan, compile
from blocksim.result import Result


@dataclass(frozen=True)
class OperatingPoint:
    """A state by path and inputs by name, of one step of a diagram."""

    plan: Plan
    state: dict[str, Any]
    inputs: dict[str, Array]
    params: dict[str, dict[str, Any]]
    dt: float
    step: int

    def signals(self) -> dict[tuple[str, str], Any]:
        """What every output port gives at the step, by the path of its block and its name."""
        run = self.plan.bind(np, self.dt, self.params)
        _, slots = run(self.step * self.dt, [*self.state.values()], [*self.inputs.values()])
        return {port: slots[slot] for slot, port in self.plan.ports.items()}

    def system(self, diagram: Diagram, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for a diagram as it is, and for a size of step."""
        plan, made = diagram.plans.get((key, self.dt), (0, (None, None)))[1]
        if plan is not self.plan:
            made = make()
            diagram.plans[key, self.dt] = 0, (self.plan, made)
        return made

    def vectors(self, diagram: Diagram) -> tuple[System, dict[str, dict[str, Any]], Vector, Vector]:
        """The diagram's system, made once; the replaced parameters; the state and the inputs as vectors."""
        system = self.system(diagram, "system", lambda: System(diagram, dt=self.dt))
        return system, self.parameters(system), system.pack(self.state), system.inputs_as_vector(self.inputs)

    def parameters(self, system: System) -> dict[str, dict[str, Any]]:
        """The replaced parameters of those blocks that a system has."""
        return {path: fields for path, fields in self.params.items() if path in system.plan.blocks}

    def with_inputs(self, given: Mapping[str, Any]) -> OperatingPoint:
        """The point with those of these inputs that the diagram has."""
        forms = self.plan.inputs
        new = {name: as_signal(name, given[name], forms[name], ()) for name in given if name in forms}
        return replace(self, inputs=self.inputs | new)


def operating_point(
    diagram: Diagram,
    at: Any = None,
    *,
    step: int = -1,
    run: int = 0,
    params: Parameters | None = None,
    dt: float | None = None,
) -> OperatingPoint:
    """The point that `at` names: see `linearize`. What it does not give is initial, or zero for an input.

    Raises InputError for names, shapes or values that do not fit; AnalysisError for an equilibrium that
    was not found.
    """
    plan = compile(diagram)
    of_at: Parameters = {}
    seconds = 1.0
    if isinstance(at, Result):
        one = at.job if at.job.batch is None else at.job.single(as_index("run", run, at.job.batch))
        given = at.state_at(step, run)
        row = given[STEP] - one.first_step
        given |= {name: array[row] for name, array in zip(one.plan.inputs, one.inputs, strict=True)}
        of_at, seconds = one.params, at.dt
    elif isinstance(at, Equilibrium):
        if at.state is None:
            raise AnalysisError("at", "an equilibrium that was found", f"status {at.status!r}", at.reason)
        given, of_at, seconds = at.state | at.inputs, at.params, at.dt
    else:
        given = dict(at) if isinstance(at, Mapping) else {} if at is None else at
        check_mapping("at", given)
    known = [*plan.initial_state, *plan.inputs]
    for name in given:
        if name not in known and name != STEP:
            raise InputError(
                f"at[{name!r}]", "the path of a state, or an input", "none of that name",
                did_you_mean(str(name), known), user_line(),
            )  # fmt: skip
    replaced = plan.replace({p: dict(f) for p, f in (of_at if params is None else params).items()})
    states, number = read_states(
        plan, {n: v for n, v in given.items() if n not in plan.inputs}, None, plan.initial(replaced)
    )
    zeros = {name: np.zeros(form.shape, form.dtype) for name, form in plan.inputs.items()}
    state = dict(zip(plan.initial_state, states, strict=True))
    size = as_step_size(seconds if dt is None else dt)
    return OperatingPoint(plan, state, zeros, replaced.values, size, number).with_inputs(given)
