"""The blocks given to bdsim where it has none of its own: a map, a state, and the probe at the end.

A scalar signal is a NumPy scalar on bdsim's wires, since its blocks treat every array as a matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bdsim.components import FunctionBlock, SampledBlock, SinkBlock

from blocksim.engines import Job
from blocksim.engines.numpy import Watch
from blocksim.errors import BlockError, BlocksimError, describe
from blocksim.plan.tree import leaves, tree_map

LARGEST = 2**53
"""bdsim keeps states as float64, which holds every integer up to this one."""


class Time:
    """From bdsim's ticks to steps: its clock ticks first at 1, and a period of 1 keeps ticks exact."""

    def __init__(self, job: Job, watch: Watch) -> None:
        self.job, self.watch, self.row = job, watch, 0

    def seconds(self, tick: float) -> float:
        """The time of a tick; what bdsim evaluates before the first tick is at the first step."""
        self.row = max(0, round(tick) - 1)
        self.watch.step = self.job.first_step + self.row
        return self.watch.step * self.job.dt


class Map(FunctionBlock):
    """y = f(t, *u), at each tick; several outputs come as a tuple."""

    def __init__(self, f: Callable[..., Any], time: Time, nin: int, nout: int, **options: Any) -> None:
        super().__init__(nin=nin, nout=nout, **options)
        self.f, self.time = f, time

    def output(self, t: float, u: list[Any], x: Any) -> list[Any]:
        y = self.f(self.time.seconds(t), *u)
        return [np.asarray(one)[()] for one in (y if self.nout > 1 else (y,))]


class State(SampledBlock):
    """x[k+1] = f(t, x, *u); the output is the state, in the form that the diagram gave it."""

    def __init__(self, f: Callable[..., Any], time: Time, form: Form, initial: Any, **options: Any) -> None:
        super().__init__(x0=form.pack(initial), nout=1, **options)
        self.f, self.time, self.form = f, time, form

    def output(self, t: float, u: list[Any], x: Any) -> list[Any]:
        return [self.form.unpack(x)]

    def next(self, t: float, u: list[Any], x: Any) -> Any:
        return self.form.pack(self.f(self.time.seconds(t), self.form.unpack(x), *u))


class Form:
    """A state as the diagram has it, a pytree, and as bdsim has it, a vector of float64."""

    def __init__(self, path: str, tree: Any) -> None:
        self.path, self.tree = path, tree

    def pack(self, tree: Any) -> Any:
        """The vector; never empty, since bdsim wants at least one number."""
        parts = [np.ravel(leaf) for leaf in leaves(tree)]
        for part in parts:
            if part.dtype.kind in "iu" and ((part > LARGEST) | (part < -LARGEST)).any():
                raise BlocksimError(
                    f"{self.path}, state", f"integers up to {LARGEST}, as float64 holds them",
                    "a larger one", "Run this diagram on another engine: bdsim keeps states as float64.",
                )  # fmt: skip
        return np.concatenate([*parts, np.zeros(0 if any(p.size for p in parts) else 1)], dtype=np.float64)

    def unpack(self, vector: Any) -> Any:
        """The pytree, its arrays in their own shapes and dtypes."""
        start = 0

        def leaf(like: Any) -> Any:
            nonlocal start
            start += like.size
            return vector[start - like.size : start].astype(like.dtype).reshape(like.shape)

        return tree_map(leaf, self.tree)


class Probe(SinkBlock):
    """Reads signals at each tick: verifies their form and values, and records what is asked for.

    Its last input is bdsim's time, so that it runs even where no signal is watched.
    """

    def __init__(self, job: Job, time: Time, slots: list[int], **options: Any) -> None:
        super().__init__(nin=len(slots) + 1, **options)
        self.job, self.time, self.slots = job, time, slots
        signals = [job.plan.slot_signals[slot] for slot in slots]
        self.forms = [(signal.shape, signal.dtype) for signal in signals]
        wanted = [slots.index(slot) for slot in job.record]
        self.rows = [np.empty((job.rows, *self.forms[i][0]), self.forms[i][1]) for i in wanted]
        self.sinks = list(zip(self.rows, wanted, strict=True))
        self.count, self.values = 0, []
        self.states: Callable[[], list[Any]] = list
        """Gives the states that bdsim holds now, in the plan's order."""

    def start(self, simstate: Any) -> None:
        self.simstate = simstate

    def step(self, t: float, u: list[Any]) -> None:
        """Called once a tick; bdsim also calls it before the first tick, and now and then again."""
        if round(t) != self.count + 1:
            return
        self.inspect()
        values = [np.asarray(value) for value in u[:-1]]
        for slot, value, form in zip(self.slots, values, self.forms, strict=True):
            if (value.shape, value.dtype) != form:
                path = self.job.plan.ports[slot][0]
                raise BlockError(
                    path, f"a signal of shape {form[0]} and dtype {form[1]} from bdsim",
                    f"{describe(value)} at step {self.job.first_step + self.count}", "",
                    self.job.plan.line(path),
                )  # fmt: skip
        for rows, i in self.sinks:
            rows[0 if self.job.keep_last else self.count] = values[i]
        self.count, self.values = self.count + 1, values
        if self.job.tick is not None:
            self.job.tick(1)

    def inspect(self) -> None:
        """Raise NonFiniteError if the last step gave inf or NaN, in a signal or in a next state."""
        if not (self.job.check_finite and self.count):
            return
        held = [clock.state for clock in self.simstate.clock_states.values()]
        if all(np.isfinite(value).all() for value in [*self.values, *held]):
            return
        self.time.watch.step = self.job.first_step + self.count - 1
        slots: list[Any] = [None] * self.job.plan.slot_count
        for slot, value in zip(self.slots, self.values, strict=True):
            slots[slot] = value
        self.time.watch.inspect(slots, self.states())
