"""Engines by name. An engine is a module with `run(job) -> Outcome`, imported at its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from blocksim.errors import InputError, did_you_mean, user_line
from blocksim.plan import Plan
from blocksim.plan.tree import tree_map

ENGINES = {
    "numpy": "blocksim.engines.numpy",
    "jax": "blocksim.engines.jax",
    "bdsim": "blocksim.interop.bdsim",
}


@dataclass(frozen=True)
class Job:
    """A run of a plan, or a batch of them, all of it verified: what `simulate` asks of an engine."""

    plan: Plan
    dt: float
    first_step: int
    steps: int
    inputs: list[Any]
    """One array (steps, *shape) for each input of the plan, in order; (batch, steps, *shape) in a batch."""
    states: list[Any]
    """In a batch each array has a leading axis of runs."""
    params: dict[str, dict[str, Any]]
    batch: int | None
    batched: dict[str, frozenset[str]]
    """The names of the parameters, by path, that have a leading axis of runs."""
    record: list[int]
    """The slots to record."""
    keep_last: bool
    check_finite: bool
    tick: Callable[[int], None] | None
    """Called now and then with the number of steps done since the last call."""
    real: int = 1
    """The runs that are the user's, where an engine has filled up a batch."""

    def single(self, b: int) -> Job:
        """One run of a batch."""
        params = {
            path: {name: a[b] if name in self.batched.get(path, ()) else a for name, a in fields.items()}
            for path, fields in self.params.items()
        }
        states = [tree_map(lambda leaf: leaf[b], state) for state in self.states]
        inputs = [array[b] for array in self.inputs]
        return replace(self, inputs=inputs, states=states, params=params, batch=None, batched={})

    @property
    def rows(self) -> int:
        """How many rows of each recorded signal to keep."""
        return 1 if self.keep_last else self.steps


@dataclass(frozen=True)
class Outcome:
    """What an engine returns: an array (rows, *shape) for each recorded slot, and the states after."""

    rows: list[Any]
    states: list[Any]


def one_by_one(run: Callable[[Job], Outcome]) -> Callable[[Job], Outcome]:
    """An engine that does the runs of a batch one after the other."""

    def run_all(job: Job) -> Outcome:
        if job.batch is None:
            return run(job)
        first, *others = [run(job.single(b)) for b in range(job.batch)]
        rows = [np.stack(same) for same in zip(first.rows, *(o.rows for o in others), strict=True)]
        return Outcome(
            rows, tree_map(lambda *leaf: np.stack(leaf), first.states, *(o.states for o in others))
        )

    return run_all


def find_engine(name: str) -> Callable[[Job], Outcome]:
    """The `run` of the engine of that name. Raises InputError for an unknown one."""
    if name not in ENGINES:
        raise InputError(
            "engine", "the name of an engine", repr(name), did_you_mean(name, ENGINES), user_line()
        )
    return import_module(ENGINES[name]).run
