"""Operating points: the state and the inputs at which a diagram is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blocksim.analysis.system import System
from blocksim.arguments import STEP, as_signal, as_step_size, check_mapping, read_states
from blocksim.block import Array
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, InputError, describe, did_you_mean, user_line
from blocksim.plan import Plan, compile
from blocksim.result import Result

Parameters = Mapping[str, Mapping[str, Any]]


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
    dt: float = 1.0,
) -> OperatingPoint:
    """The point that `at` names: see `linearize`. What it does not give is initial, or zero for an input.

    Raises InputError for names, shapes or values that do not fit, and for a Result that has not recorded
    what is needed; AnalysisError for an equilibrium that was not found.
    """
    plan = compile(diagram)
    replaced = plan.replace({p: dict(f) for p, f in (params or {}).items()})
    if isinstance(at, Result):
        given = _row(plan, at, step, run)
    elif hasattr(at, "state") and hasattr(at, "status"):
        if at.state is None:
            raise AnalysisError("at", "an equilibrium that was found", f"status {at.status!r}", at.reason)
        given = {**at.state, **(getattr(at, "inputs", None) or {})}
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
    states, number = read_states(
        plan, {n: v for n, v in given.items() if n not in plan.inputs}, None, plan.initial(replaced)
    )
    zeros = {name: np.zeros(form.shape, form.dtype) for name, form in plan.inputs.items()}
    state = dict(zip(plan.initial_state, states, strict=True))
    return OperatingPoint(plan, state, zeros, replaced.values, as_step_size(dt), number).with_inputs(given)


def _row(plan: Plan, result: Result, step: int, run: int) -> dict[str, Any]:
    """States and inputs as a run recorded them at a step."""
    rows, runs = len(result.time), result._batch
    for name, value, size in (("step", step, rows), ("run", run, runs or 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not -size <= value < size:
            raise InputError(name, f"an integer below {size}", describe(value), "", user_line())
    recorded = {plan.names[n]: a for n, a in result.signals.items() if n in plan.names}
    found: dict[str, Any] = {STEP: range(rows)[step]}
    for name in [*plan.initial_state, *plan.inputs]:
        seen = plan.names.get(name) if name in plan.inputs or _shows(plan, name) else None
        array = recorded.get(-1 if seen is None else seen)
        if array is None:
            hides = f"Run only the {found[STEP]} steps before, and give the final_state of the Result."
            raise InputError(
                "at", f"a Result with {name!r} recorded",
                "one without" if seen else "one that cannot show it: the block's output is not its state",
                f"Run again with record=[{name!r}]." if seen else hides, user_line(),
            )  # fmt: skip
        found[name] = array[step] if runs is None else array[run, step]
    return found


def _shows(plan: Plan, path: str) -> bool:
    """Whether a block's output is its state."""
    block, probe = plan.blocks[path], plan.initial_state[path]
    reads = block.contract.methods.get("output")
    return reads is not None and tuple(reads) == ("x",) and getattr(block, "output")(probe) is probe  # noqa: B009
