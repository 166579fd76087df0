"""The NumPy engine: one call a block, step by step, everything visible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np

from blocksim.block import Signal
from blocksim.engines import Job, Outcome, one_by_one
from blocksim.errors import BlockError, NonFiniteError, describe
from blocksim.plan import Operation, Plan
from blocksim.plan.tree import as_number, leaves, tree_map

TICK = 1000


@one_by_one
def run(job: Job) -> Outcome:
    """Step a plan. Raises NonFiniteError, and BlockError where a user's block breaks its word."""
    outcome = _loop(job, inspect_all=False)
    if job.check_finite and not _finite(outcome.rows + outcome.states):
        outcome = _loop(job, inspect_all=True)
    return outcome


@one_by_one
def locate(job: Job) -> Outcome:
    """Step a plan and look at every value. Raises NonFiniteError for the first that is not finite."""
    return _loop(replace(job, check_finite=True), inspect_all=True)


def _loop(job: Job, inspect_all: bool) -> Outcome:
    plan, states, slots = job.plan, job.states, []
    rows = [_empty(plan, slot, job.rows) for slot in job.record]
    sinks = [] if job.keep_last else list(zip(rows, job.record, strict=True))
    inputs: Iterator[Any] = zip(*job.inputs, strict=True) if job.inputs else repeat(())
    watch = Watch(plan, job.check_finite, job.first_step)
    with watch.errors():
        step = plan.bind(np, job.dt, job.params, watch.guard)
        suspects = watch.suspects
        for start in range(0, job.steps, TICK):
            stop = min(start + TICK, job.steps)
            for row, values in zip(range(start, stop), inputs):  # noqa: B905  (inputs go on)
                watch.step = k = job.first_step + row
                states, slots = step(k * job.dt, states, values)
                if suspects or inspect_all:
                    watch.inspect(slots, states)
                for array, slot in sinks:
                    array[row] = slots[slot]
            if job.tick is not None:
                job.tick(stop - start)
    if job.keep_last:
        for array, slot in zip(rows, job.record, strict=True):
            array[0] = slots[slot]
    return Outcome(rows, states)


def _empty(plan: Plan, slot: int, rows: int) -> Any:
    signal = plan.slot_signals[slot]
    return np.empty((rows, *signal.shape), signal.dtype)


def _finite(trees: list[Any]) -> bool:
    return all(np.isfinite(leaf).all() for leaf in leaves(trees))


class Watch:
    """Finds non-finite values at no cost to a healthy run.

    The processor's own floating-point flags, which NumPy reads after every call, say at which steps
    to look; the values that a user's code returns are verified at each call.
    """

    def __init__(self, plan: Plan, active: bool, step: int = 0) -> None:
        self.plan, self.active, self.step = plan, active, step
        self.suspects: list[bool] = [True] if active else []

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Within it, overflow, division by zero and invalid operations mark the step as suspect."""
        react: Any = "call" if self.active else "ignore"
        with np.errstate(over=react, divide=react, invalid=react, under="ignore", call=self._flag):
            yield

    def _flag(self, kind: str, flag: int) -> None:
        self.suspects.append(True)

    def inspect(self, slots: list[Any], states: list[Any]) -> None:
        """Raise NonFiniteError for the first block, in the plan's order, with a value that is not finite."""
        self.suspects.clear()
        for op in self.plan.operations:
            for slot in op.writes:
                self._check(op.path, slots[slot], "in its output")
        for op, state in zip(self.plan.updates, states, strict=True):
            self._check(op.path, state, "in its next state")

    def _check(self, path: str, tree: Any, where: str) -> None:
        for value in leaves(tree):
            bad = ~np.isfinite(value)
            if bad.any():
                index = f" at index {np.argwhere(bad)[0].tolist()}" if np.ndim(value) else ""
                got = f"{np.asarray(value)[bad][0]}{index} {where}"
                raise NonFiniteError(path, self.step, got, self.plan.line(path))

    def guard(self, op: Operation, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call of a user's block with its result verified: form, shape, dtype, finite values."""
        block = self.plan.blocks[op.path]
        if not block.guarded:
            return call
        if op.method == "update":
            what, initial = "its next state", self.plan.initial_state[op.path]
            expected = tree_map(lambda leaf: Signal(leaf.shape, leaf.dtype), initial)
        else:
            what, expected = "its output", [self.plan.slot_signals[slot] for slot in op.writes]
        single = op.method == "output" and len(op.writes) == 1

        def verified(*args: Any) -> Any:
            try:
                value = call(*map(_read_only, args))
            except Exception as error:
                raise BlockError(
                    op.path, f"{block!r} to accept its inputs at step {self.step}",
                    f"{type(error).__name__}: {error}".rstrip("."), "", self.plan.line(op.path),
                ) from error  # fmt: skip
            try:
                value = tree_map(_same, expected, [value] if single else value)
                value = value[0] if single else value
            except (_Changed, TypeError, ValueError, KeyError) as change:
                raise BlockError(
                    op.path, f"{what} to keep the shape and dtype that it had at compile",
                    f"{change} at step {self.step}", "A signal's shape cannot depend on its value.",
                    self.plan.line(op.path),
                ) from None  # fmt: skip
            if self.active and not _finite(leaves(value)):
                given = [leaf for arg in args for leaf in leaves(arg)]
                if _finite([leaf for leaf in given if isinstance(leaf, (np.ndarray, np.generic))]):
                    self._check(op.path, value, f"in {what}")
                self.suspects.append(True)  # another block's fault, found when the step is done
            return value

        return verified


class _Changed(Exception):
    """A value whose shape or dtype is not the expected one."""


def _read_only(value: Any) -> Any:
    """The same for code that is not to change what it was given."""

    def view(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        found = leaf.view()
        found.flags.writeable = False
        return found

    return tree_map(view, value)


def _same(expected: Signal, value: Any) -> Any:
    """The value, a Python number as an array, if it has the expected form."""
    if type(value) in (bool, int, float) and expected.shape == ():
        value = as_number(value, expected.dtype)
    if (getattr(value, "shape", None), getattr(value, "dtype", None)) != (expected.shape, expected.dtype):
        raise _Changed(f"{describe(value)} instead of {expected}")
    return value
