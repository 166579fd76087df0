"""Engines by name. An engine is a module with `run(job) -> Outcome`, imported at its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from blocksim.errors import InputError, did_you_mean, user_line
from blocksim.plan import Plan

ENGINES = {"numpy": "blocksim.engines.numpy", "bdsim": "blocksim.interop.bdsim"}


@dataclass(frozen=True)
class Job:
    """One run of a plan, all of it verified: what `simulate` asks of an engine."""

    plan: Plan
    dt: float
    first_step: int
    steps: int
    inputs: list[Any]
    """One array (steps, *shape) for each input of the plan, in order."""
    states: list[Any]
    params: dict[str, dict[str, Any]]
    record: list[int]
    """The slots to record."""
    keep_last: bool
    check_finite: bool
    tick: Callable[[int], None] | None
    """Called now and then with the number of steps done since the last call."""

    @property
    def rows(self) -> int:
        """How many rows of each recorded signal to keep."""
        return 1 if self.keep_last else self.steps


@dataclass(frozen=True)
class Outcome:
    """What an engine returns: an array (rows, *shape) for each recorded slot, and the states after."""

    rows: list[Any]
    states: list[Any]


def find_engine(name: str) -> Callable[[Job], Outcome]:
    """The `run` of the engine of that name. Raises InputError for an unknown one."""
    if name not in ENGINES:
        raise InputError(
            "engine", "the name of an engine", repr(name), did_you_mean(name, ENGINES), user_line()
        )
    return import_module(ENGINES[name]).run
