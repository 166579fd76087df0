"""The program of a run: a plan's operations, split into what runs once, for all steps, and step by step.

Passes rewrite it for speed; each leaves the values of all kept signals and states as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from blocksim.block import Block, Signal
from blocksim.plan.code import DT, XP
from blocksim.plan.plan import Operation, Plan

Blocks = Mapping[str, Block]


@dataclass(frozen=True)
class Rewritten:
    """An operation that a pass made; `reads`, `writes`, `paths` and `call` are as those of `Operation`."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    paths: tuple[str, ...] = ()
    """The blocks whose parameters it takes."""
    method = "output"

    def call(self, blocks: Blocks, *values: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Read(Rewritten):
    """The parameter `name` of a block; with `size`, as a vector with an element for each of a signal."""

    name: str = ""
    size: int | None = None

    def call(self, blocks: Blocks, *values: Any) -> Any:
        array = getattr(blocks[self.paths[0]], self.name)
        (xp,) = values
        return array if self.size is None else xp.broadcast_to(xp.reshape(array, -1), (self.size,))

    def __str__(self) -> str:
        return f"{self.paths[0]}.{self.name}"


@dataclass(frozen=True)
class Join(Rewritten):
    """Signals as one vector, or with `rows` matrices as one, transposed: (n1, m), (n2, m) to (m, n1 + n2)."""

    rows: bool = False

    def call(self, blocks: Blocks, *values: Any) -> Any:
        xp, *u = values
        return xp.concatenate(u).T if self.rows else xp.concatenate([xp.reshape(v, -1) for v in u])

    def __str__(self) -> str:
        return "join"


@dataclass(frozen=True)
class Slice(Rewritten):
    """The elements of a vector from `start` on, in a shape."""

    start: int = 0
    shape: tuple[int, ...] = ()

    def call(self, blocks: Blocks, *values: Any) -> Any:
        xp, u = values
        return xp.reshape(u[self.start : self.start + prod(self.shape)], self.shape)

    def __str__(self) -> str:
        return f"[{self.start}:{self.start + prod(self.shape)}]"


@dataclass(frozen=True)
class MatrixProduct(Rewritten):
    """y = u @ K, K being the transposed matrices of several gains side by side."""

    names: tuple[str, ...] = ()

    def call(self, blocks: Blocks, *values: Any) -> Any:
        u, K = values
        return u @ K

    def __str__(self) -> str:
        return f"product of {', '.join(self.names)}"


@dataclass(frozen=True)
class Elementwise(Rewritten):
    """One call for equal elementwise blocks: their joined parameters `fields`, then their joined inputs."""

    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def call(self, blocks: Blocks, *values: Any) -> Any:
        count = len(self.fields)
        block = blocks[self.paths[0]].with_parameters(dict(zip(self.fields, values[:count], strict=True)))
        output: Callable[..., Any] = getattr(block, "output")  # noqa: B009  (a block may have none)
        return output(*values[count:])

    def __str__(self) -> str:
        return f"one call for {', '.join(self.names)}"


AnyOperation = Operation | Rewritten


@dataclass
class Stage:
    """Operations in order, for all steps at once or, in a loop, step by step.

    An update writes the slot of its state. In a loop all updates come after all else, whatever the
    order; outside of one they shift: the state is that of the step before.
    """

    loop: bool
    operations: list[AnyOperation]

    @property
    def updates(self) -> list[AnyOperation]:
        return [op for op in self.operations if op.method == "update"]


@dataclass
class Program:
    """What a run does: `once`, on parameters alone, then the stages, in order."""

    plan: Plan
    keep: frozenset[int]
    """The slots whose values the run must give."""
    once: list[AnyOperation] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    watch: frozenset[int] = frozenset()
    """Slots that nobody reads, whose values are to be looked at all the same."""
    signals: dict[int, Signal] = field(default_factory=dict)
    """The form of each slot that holds one array."""

    @classmethod
    def of(cls, plan: Plan, keep: Iterable[int], check: bool = False) -> Program:
        """The program that does at each step all that the plan says; with `check`, nothing is dead."""
        stage = Stage(True, [*plan.operations, *plan.updates])
        read = {slot for op in stage.operations for slot in op.reads}
        unread = {slot for op in plan.operations for slot in op.writes} - read if check else set[int]()
        return cls(plan, frozenset(keep), [], [stage], frozenset(unread), dict(plan.slot_signals))

    def new_slot(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        """A slot that holds an array of this form."""
        slot = max(self.plan.slot_count, 1 + max(self.signals, default=0))
        self.signals[slot] = Signal(shape, dtype)
        return slot

    def constants(self) -> set[int]:
        """The slots that are the same at all steps."""
        return {XP, DT, *(slot for op in self.once for slot in op.writes)}

    def operations(self) -> list[AnyOperation]:
        """All of them, in order."""
        return [*self.once, *(op for stage in self.stages for op in stage.operations)]

    def __str__(self) -> str:
        """The operations stage by stage, a line each: what is written, by what, from what."""
        names = {slot: name for name, slot in reversed(self.plan.names.items())}
        names |= {slot: f"{path}'s state" for slot, path in _states(self.plan).items()}
        names |= {0: "xp", 1: "t", 2: "dt"}

        def line(op: AnyOperation) -> str:
            if isinstance(op, Operation):
                block = self.plan.blocks[op.path]
                what = f"{type(block).__name__}" + (" update" if op.method == "update" else "")
            else:
                what = str(op)
            left = ", ".join(names.get(slot, f"#{slot}") for slot in op.writes)
            reads = ", ".join(names.get(slot, f"#{slot}") for slot in op.reads if slot != XP)
            return f"  {left or '-'} = {what}({reads})"

        titles = [("once", self.once)]
        titles += [("step by step" if s.loop else "for all steps at once", s.operations) for s in self.stages]
        return "\n".join("\n".join([f"{title}:", *map(line, ops)]) for title, ops in titles if ops)


def _states(plan: Plan) -> dict[int, str]:
    return {op.writes[0]: op.path for op in plan.updates}
