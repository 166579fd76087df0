"""A plan's step as straight-line code on local variables, because a loop over calls costs more.

Slots are the variables `s0, s1, ...`. Blocksim's own blocks are written out (see `trace`), others are
called. The text is made of slot numbers and recorded operations, never of a user's strings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from blocksim.plan.trace import Namespace, Recorder, Symbol

if TYPE_CHECKING:
    from blocksim.plan.plan import Operation, Plan

XP, T, DT = 0, 1, 2
FIRST = 3
"""Slots 0 to 2 hold xp, t and dt; then come the inputs, the states and the blocks' outputs."""

Step = Callable[[float, Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any]]]
"""(t, states, inputs) -> (next states, slots), all in the plan's order."""


class Code:
    """The step of a plan: `make(slots, calls, parameters, xp)` gives it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fixed = self._find_fixed()
        """The operations that read neither time, inputs nor states, directly or through others."""
        self.called: list[Operation] = []
        """The operations that the step calls, rather than doing what they do itself."""
        self.parameters: dict[tuple[str, str], str] = {}
        """The parameters, by path and field, that the step reads itself."""
        self.text = self._write()
        scope: dict[str, Any] = {}
        exec(compile(self.text, "<plan>", "exec"), scope)
        self.make: Callable[..., Step] = scope["make"]

    def _find_fixed(self) -> list[Operation]:
        known, fixed = {XP, DT}, []
        for op in self.plan.operations:
            if known.issuperset(op.reads):
                known.update(op.writes)
                fixed.append(op)
        return fixed

    def _write(self) -> str:
        plan, recorder, done = self.plan, Recorder(), set(self.fixed)
        inputs = range(FIRST, FIRST + len(plan.flat.inputs))
        states = range(inputs.stop, inputs.stop + len(plan.updates))
        for op in plan.operations:
            if op not in done:
                value = self._value(op, recorder)
                recorder.lines.append(f"{_slots(op.writes)} = {value}" if op.writes else value)
        after = [self._value(op, recorder) for op in plan.updates]
        fixed = [XP, DT, *(slot for op in self.fixed for slot in op.writes)]
        return "\n".join(
            [
                "def make(slots, calls, parameters, xp):",
                *(f" s{i} = slots[{i}]" for i in fixed),
                *(f" f{i} = calls[{i}]" for i in range(len(self.called))),
                *(f" p{i} = parameters[{i}]" for i in range(len(self.parameters))),
                *(f" xp_{name} = xp.{name}" for name in sorted(recorder.functions)),
                f" def step(s{T}, states, inputs):",
                *([f"  ({_slots(states)},) = states"] if states else []),
                *([f"  ({_slots(inputs)},) = inputs"] if inputs else []),
                *(f"  {line}" for line in recorder.lines),
                f"  return [{', '.join(after)}], [{_slots(range(plan.slot_count))}]",
                " return step",
            ]
        )

    def _value(self, op: Operation, recorder: Recorder) -> str:
        """The value of an operation: variables with what it computes, or its call."""
        names = self._trace(op, recorder)
        if names is not None:
            return ", ".join(names)
        self.called.append(op)
        return f"f{len(self.called) - 1}({_slots(op.reads)})"

    def _trace(self, op: Operation, recorder: Recorder) -> list[str] | None:
        plan = self.plan
        block = plan.blocks[op.path]
        if block.guarded or op.path in plan.scalars:
            return None
        symbols: dict[int, Any] = {
            XP: Namespace(recorder), T: Symbol(recorder, f"s{T}"), DT: Symbol(recorder, f"s{DT}"),
        }  # fmt: skip
        for slot in set(op.reads) - symbols.keys():
            known = plan.slot_signals.get(slot) or plan.initial_state[op.path]
            if not hasattr(known, "shape"):  # a state of several arrays
                return None
            symbols[slot] = Symbol(recorder, f"s{slot}", known.shape, known.dtype)
        arrays = block.parameters()
        names = {
            field: self.parameters.get((op.path, field), f"p{len(self.parameters) + i}")
            for i, field in enumerate(arrays)
        }
        stand_in = block.with_parameters(
            {f: Symbol(recorder, names[f], a.shape, a.dtype) for f, a in arrays.items()}
        )
        outputs = len(op.writes) if op.method == "output" else 1
        arguments = [symbols[slot] for slot in op.reads]
        traced = recorder.trace(getattr(stand_in, op.method), arguments, outputs)
        if traced is not None:
            self.parameters.update({(op.path, field): name for field, name in names.items()})
        return traced


def _slots(slots: Iterable[int]) -> str:
    return ", ".join(f"s{i}" for i in slots)
