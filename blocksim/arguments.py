"""What a caller gives a run, verified against the plan and cast: inputs, states, names to record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import Array, Signal, as_array
from blocksim.errors import DiagramError, InputError, describe, did_you_mean, user_line
from blocksim.plan import Plan
from blocksim.plan.tree import keeps_values, tree_map

STEP = "@step"
"""The key of a state under which the number of the next step stands."""


def as_step_size(dt: float) -> float:
    if isinstance(dt, (int, float, np.number)) and np.isfinite(dt) and dt > 0:
        return float(dt)
    raise InputError("dt", "a positive number of seconds", describe(dt), line=user_line())


def as_count(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """An integer from `low` to `high`. Raises InputError."""
    if _is_integer(value) and low <= value and (high is None or value <= high):
        return int(value)
    form = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    raise InputError(name, form, describe(value), line=user_line())


def as_index(name: str, value: Any, size: int) -> int:
    """The place of an index into `size` things, of which -1 is the last. Raises InputError."""
    if _is_integer(value) and -size <= value < size:
        return range(size)[value]
    raise InputError(name, f"an integer below {size}", describe(value), line=user_line())


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_mapping(what: str, value: object) -> None:
    """Raise InputError unless the value is a dictionary."""
    if not isinstance(value, Mapping):
        raise InputError(what, "a dictionary by name", describe(value), "Write {'name': value}.", user_line())


def check_names(plan: Plan, inputs: Mapping[str, Any]) -> None:
    check_mapping("inputs", inputs)
    for name in inputs:
        if name not in plan.inputs:
            raise InputError(
                f"input {name!r}", f"an input of diagram {plan.flat.name!r}", "none of that name",
                did_you_mean(name, plan.inputs), user_line(),
            )  # fmt: skip
    for name, signal in plan.inputs.items():
        if name not in inputs:
            raise InputError(
                f"input {name!r}", f"values, each of shape {signal.shape}", "nothing",
                "Every input of the diagram needs its data.", plan.flat.inputs[name].line,
            )  # fmt: skip


def as_signal(name: str, value: ArrayLike, signal: Signal, lead: tuple[str, ...]) -> Array:
    """An input's data as an array of the signal's dtype and shape, behind the axes named in `lead`."""
    array = as_array(value)
    form = (
        f"({', '.join([*lead, *map(str, signal.shape)])}{',' if len(lead) + len(signal.shape) == 1 else ''})"
    )
    kinds = {"f": "biuf", "i": "biu", "u": "biu", "b": "b"}[signal.dtype.kind]
    if array.dtype.kind not in kinds or not keeps_values(array, signal.dtype):
        raise InputError(
            f"input {name!r}", f"an array {form} of dtype {signal.dtype}", describe(value),
            "Give real numbers that this dtype holds, all rows of one length.", user_line(),
        )  # fmt: skip
    tail = array.shape[array.ndim - len(signal.shape) :] if array.ndim >= len(signal.shape) else None
    if tail != signal.shape or array.ndim != len(lead) + len(signal.shape):
        raise InputError(
            f"input {name!r}", f"an array {form}", describe(value),
            "Time is the first axis, after that of a batch." if lead else "", user_line(),
        )  # fmt: skip
    with np.errstate(over="ignore"):
        array = array.astype(signal.dtype)
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(
            f"input {name!r}", "finite numbers", f"{array[tuple(first)]} at index {first}",
            "Clean the data, or pad it with numbers.", user_line(),
        )  # fmt: skip
    array.flags.writeable = False
    return array


def read_inputs(
    plan: Plan, inputs: Mapping[str, ArrayLike], steps: int | None
) -> tuple[list[Array], int, int | None]:
    """The inputs' arrays in the plan's order, the number of steps, and of the runs of a batch."""
    check_names(plan, inputs)
    lead: tuple[str, ...] = ("T",)
    if inputs:
        batched = {n: np.ndim(_maybe(inputs[n])) == 2 + len(s.shape) for n, s in plan.inputs.items()}
        if any(batched.values()):
            lead = ("B", "T")
    arrays = [as_signal(n, inputs[n], s, lead) for n, s in plan.inputs.items()]
    sizes = {name: a.shape[: len(lead)] for name, a in zip(plan.inputs, arrays, strict=True)}
    if len(set(sizes.values())) > 1:
        raise InputError(
            "inputs", f"the same {' and '.join(lead)} for all",
            ", ".join(f"{name} {size}" for name, size in sizes.items()),
            "All inputs cover the same steps.", user_line(),
        )  # fmt: skip
    if arrays:
        size = next(iter(sizes.values()))
        if steps is not None and steps != size[-1]:
            raise InputError(
                "steps", f"{size[-1]}, the length of the inputs", str(steps),
                "Leave steps out, or cut the inputs.", user_line(),
            )  # fmt: skip
        steps = size[-1]
    if steps is None:
        raise InputError(
            "steps", "the number of steps, since the diagram has no inputs", "nothing",
            "Pass steps=100, say.", user_line(),
        )  # fmt: skip
    steps = as_count("steps", steps)
    batch = int(next(iter(sizes.values()))[0]) if len(lead) == 2 else None
    if batch == 0:
        raise InputError("inputs", "a batch of at least one run", "an empty one", line=user_line())
    return arrays, steps, batch


def _maybe(value: ArrayLike) -> Any:
    try:
        return np.asarray(value)
    except ValueError:
        return None


def match_names(plan: Plan, record: str | Iterable[str] | None) -> list[str]:
    """The recorded names: the outputs, then what the patterns match. A pattern must match something."""
    names = dict.fromkeys(plan.outputs)
    patterns = [] if record is None else [record]
    if isinstance(record, Iterable) and not isinstance(record, str):
        patterns = list(record)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError("record", "paths or patterns, as text", describe(record), line=user_line())
    for pattern in patterns:
        expression = (
            re.escape(str(pattern)).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        )
        matched = [name for name in plan.names if re.fullmatch(expression, name)]
        if not matched:
            raise DiagramError(
                f"record {pattern!r}", "the path of a signal, or a pattern that matches one", "no match",
                did_you_mean(pattern, plan.names), user_line(),
            )  # fmt: skip
        names.update(dict.fromkeys(matched))
    return list(names)


def read_states(
    plan: Plan, given: Mapping[str, Any], batch: int | None, initial: Mapping[str, Any]
) -> tuple[list[Any], int]:
    """The states to start from, in the plan's order, with a batch axis if there is one; and the step.

    `initial` holds those that are not given.
    """
    check_mapping("initial_state", given)
    for path in given:
        if path not in plan.initial_state and path != STEP:
            raise DiagramError(
                f"initial_state[{path!r}]", "the path of a block with a state", "none of that name",
                did_you_mean(path, plan.initial_state), user_line(),
            )  # fmt: skip

    def state(path: str, form: Any) -> Any:
        where, line = f"initial_state[{path!r}]", plan.line(path)

        def leaf(old: Any, new: Any) -> Array:
            array = as_array(new)
            shapes = [old.shape] if batch is None else [old.shape, (batch, *old.shape)]
            if array.shape not in shapes or not keeps_values(array, old.dtype):
                form = " or ".join(map(str, shapes))
                advice = "The diagram fixes the shape and dtype."
                raise InputError(where, f"{old.dtype} of shape {form}", describe(new), advice, line)
            if not np.isfinite(array).all():
                raise InputError(where, "finite numbers", "inf or NaN", line=line)
            lead = () if batch is None else (batch,)
            return np.broadcast_to(array.astype(old.dtype), lead + old.shape)

        try:
            return tree_map(leaf, form, given.get(path, initial[path]))
        except InputError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(where, "the form of the block's init()", str(error), line=line) from error

    states = [state(path, form) for path, form in plan.initial_state.items()]
    step = given.get(STEP, 0)
    if np.ndim(step) or not float(step).is_integer() or step < 0:
        raise InputError(
            f"initial_state[{STEP!r}]", "the number of a step, 0 or more", describe(step), line=user_line()
        )
    return states, int(step)
