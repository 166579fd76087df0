"""The plan: one step of a diagram as a list of calls on numbered slots. It is the whole semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.errors import Line
from blocksim.node import Port
from blocksim.plan.check import Replaced, check_replacements
from blocksim.plan.code import DT, FIRST, XP, Code, Step, T
from blocksim.plan.infer import Inferred
from blocksim.plan.tree import as_number, tree_map


@dataclass(frozen=True)
class Operation:
    """One call of a step: `method` of the block at `path` on the values of the slots `reads`."""

    path: str
    method: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    """The slots of the outputs; of an update, the slot of the state."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The blocks whose parameters it takes."""
        return (self.path,)

    def call(self, blocks: Mapping[str, Block], *values: Any) -> Any:
        """Do it with these blocks on the values of `reads`."""
        return getattr(blocks[self.path], self.method)(*values)


Wrap = Callable[[Operation, Callable[..., Any]], Callable[..., Any]]


class Plan:
    """A compiled diagram. `step` is pure: outputs from states and inputs, then all states at once."""

    def __init__(self, flat: Diagram, order: list[str], inferred: Inferred, dtype: np.dtype[Any]) -> None:
        self.flat, self.dtype = flat, dtype
        self.blocks: dict[str, Block] = inferred.blocks
        self.initial_state: Mapping[str, Any] = MappingProxyType(inferred.states)
        self.scalars = inferred.scalars

        slots = {(name, "y"): FIRST + i for i, name in enumerate(flat.inputs)}
        first_state = FIRST + len(slots)
        state_slots = {path: first_state + i for i, path in enumerate(self.initial_state)}
        size = first_state + len(state_slots)
        for path in order:
            for port in self.blocks[path].outputs:
                slots[path, port] = size
                size += 1
        self.slot_count = size
        self._slots = slots

        self.operations: list[Operation] = []
        self.updates: list[Operation] = []
        for path in order:
            for method, made in (("output", self.operations), ("update", self.updates)):
                if method in self.blocks[path].contract.methods:
                    reads = self._reads(path, method, state_slots.get(path, -1))
                    ports = tuple(slots[path, p] for p in self.blocks[path].outputs)
                    writes = ports if method == "output" else (state_slots[path],)
                    made.append(Operation(path, method, reads, writes))
        self.updates.sort(key=lambda op: op.writes)

        self.names: dict[str, int] = {}
        """The slot of every signal that can be recorded, by path; `node/port` for further outputs."""
        for (path, port), slot in slots.items():
            ports = self.blocks[path].outputs if path in self.blocks else ("y",)
            if port == ports[0]:
                self.names[path] = slot
            if len(ports) > 1:
                self.names[f"{path}/{port}"] = slot
        for path, wall in flat.walls.items():
            self.names.setdefault(path, self._slot(wall.port))
            self.names.setdefault(path.rpartition("/")[0], self._slot(wall.port))
        for name, port in flat.outputs.items():
            self.names[name] = self._slot(port)

        by_slot = {slots[key]: signal for key, signal in inferred.signals.items()}
        self.signals: dict[str, Signal] = {name: by_slot[slot] for name, slot in self.names.items()}
        """Shape and dtype of every signal, by path."""
        self.slot_signals = by_slot
        self.ports = {slot: port for port, slot in slots.items()}
        """Path and output port of every slot that holds a signal."""

    def _reads(self, path: str, method: str, state_slot: int) -> tuple[int, ...]:
        node, contract = self.flat.nodes[path], self.blocks[path].contract
        reserved = {"xp": XP, "t": T, "dt": DT, "x": state_slot}
        reads: list[int] = []
        for name in contract.methods[method]:
            if name.startswith("*"):
                extra = [p for p in node.inputs if p not in contract.inputs]
                reads += [self._slot(node.wires[p]) for p in extra]
            else:
                reads.append(reserved[name] if name in reserved else self._slot(node.wires[name]))
        return tuple(reads)

    def _slot(self, port: Port) -> int:
        return self._slots[port.node.name, port.name]

    @cached_property
    def outputs(self) -> dict[str, int]:
        """The slot of each output of the diagram, in order."""
        return {name: self._slot(port) for name, port in self.flat.outputs.items()}

    @cached_property
    def inputs(self) -> dict[str, Signal]:
        """The shape and dtype of each input of the diagram, in order."""
        return {name: self.slot_signals[self._slots[name, "y"]] for name in self.flat.inputs}

    def line(self, path: str) -> Line | None:
        """The user's source line that added the block at a path."""
        return self.flat.nodes[path].line

    def bind(
        self,
        xp: ModuleType,
        dt: float,
        params: dict[str, dict[str, Any]] | None = None,
        wrap: Wrap | None = None,
    ) -> Step:
        """One step as a function on lists, with array namespace, step and parameters fixed.

        `params` replaces parameters by path and field, unchecked. `wrap` may replace each call.
        Calls that depend on neither time, state nor inputs are made here, once.
        """
        params = params or {}
        blocks = {
            path: block.with_parameters(params[path]) if path in params else block
            for path, block in self.blocks.items()
        }

        def call_of(op: Operation) -> Callable[..., Any]:
            call = getattr(blocks[op.path], op.method)
            if op.path in self.scalars and op.method == "output":
                call = self._as_arrays(xp, op, call)
            return wrap(op, call) if wrap else call

        slots: list[Any] = [None] * self.slot_count
        slots[XP], slots[DT] = xp, dt
        code = self.code
        for op in code.fixed:
            value = call_of(op)(*(slots[i] for i in op.reads))
            for slot, one in zip(op.writes, value if len(op.writes) > 1 else [value], strict=True):
                slots[slot] = one
        arrays = [getattr(blocks[path], field) for path, field in code.parameters]
        return code.make(slots, [call_of(op) for op in code.called], arrays, xp)

    @cached_property
    def code(self) -> Code:
        """The step as Python code; `code.text` is made to be read."""
        return Code(self)

    def step(
        self,
        xp: ModuleType,
        t: float,
        state: dict[str, Any],
        inputs: dict[str, Any],
        params: dict[str, dict[str, Any]] | None = None,
        dt: float = 1.0,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """(state, signals at t) by path, the state being that of the next step.

        >>> import blocksim as bs, numpy as np
        >>> d = bs.Diagram()
        >>> d.output("y", d.add("z", bs.library.UnitDelay(5.0), d.input("u")))
        >>> bs.compile(d).step(np, 0.0, {"z": 5.0}, {"u": 7.0})
        ({'z': 7.0}, {'u': 7.0, 'z': 5.0, 'y': 5.0})
        """
        run = self.bind(xp, dt, params)
        states, slots = run(t, [state[p] for p in self.initial_state], [inputs[n] for n in self.flat.inputs])
        signals = {name: slots[slot] for name, slot in self.names.items()}
        return dict(zip(self.initial_state, states, strict=True)), signals

    def replace(
        self, params: dict[str, dict[str, Any]], runs: int | None = None, sweep: bool = False
    ) -> Replaced:
        """Verify and cast parameters given for one run; with `sweep`, for a batch of runs. See `bind`."""
        return check_replacements(self.flat, params, self.dtype, runs, sweep)

    def initial(self, replaced: Replaced) -> dict[str, Any]:
        """The initial states by path with these parameters, with an axis of runs where these have one."""
        states = dict(self.initial_state)

        def state(path: str, values: dict[str, Any]) -> Any:
            made = getattr(self.blocks[path].with_parameters(values), "init")()  # noqa: B009
            return tree_map(lambda old, new: np.asarray(new, old.dtype), self.initial_state[path], made)

        for path in states.keys() & replaced.values.keys():
            values, swept = replaced.values[path], replaced.batched.get(path)
            if swept:
                each = [
                    state(path, {name: a[b] if name in swept else a for name, a in values.items()})
                    for b in range(replaced.runs or 0)
                ]
                states[path] = tree_map(lambda *leaf: np.stack(leaf), *each)
            else:
                states[path] = state(path, values)
        return states

    def _as_arrays(self, xp: ModuleType, op: Operation, call: Callable[..., Any]) -> Callable[..., Any]:
        dtypes = [self.slot_signals[slot].dtype for slot in op.writes]

        def one(value: Any, dtype: np.dtype[Any]) -> Any:
            return xp.asarray(value, dtype) if hasattr(value, "dtype") else as_number(value, dtype)

        def cast(*args: Any) -> Any:
            value = call(*args)
            if len(dtypes) == 1:
                return one(value, dtypes[0])
            return tuple(one(v, d) for v, d in zip(value, dtypes, strict=True))

        return cast
