"""`to_onnx`: a diagram as an ONNX model, whose one Scan steps the compiled plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from blocksim.arguments import STEP, as_step_size
from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import BlockError, BlocksimError, DiagramError, FileError, user_line
from blocksim.library import ReLU, Sigmoid, Softmax, Softplus, Softsign
from blocksim.plan import Operation, Plan, compile
from blocksim.plan.code import DT, FIRST, XP, T
from blocksim.plan.tree import leaves, tree_map
from blocksim.scan import Scan

try:
    from onnx import ModelProto, ValueInfoProto, checker, helper, numpy_helper, save

    from blocksim.interop.onnx.movement import Namespace
    from blocksim.interop.onnx.symbols import Graph, Inexpressible, Symbol, info, rename
except ModuleNotFoundError as error:
    if error.name != "onnx":
        raise
    raise BlocksimError(
        "blocksim.interop.onnx", "onnx to be installed", "no such package", "pip install 'blocksim[onnx]'"
    ) from None

if TYPE_CHECKING:
    from os import PathLike

OPSET, IR = 18, 9
"""The versions of ONNX that are written: those that runtimes of 2023 and later read."""

_NODES = {Sigmoid: "Sigmoid", Softmax: "Softmax", Softplus: "Softplus", Softsign: "Softsign", ReLU: "Relu"}
"""The blocks that ONNX has as a node; all others are traced."""


def to_onnx(
    diagram: Diagram,
    path: str | PathLike[str] | None = None,
    *,
    dt: float = 1.0,
    dtype: DTypeLike = "float32",
    batch: bool = False,
    scan: bool = True,
) -> ModelProto:
    """A model that computes what `simulate(diagram, dt=dt, dtype=dtype)` does, written to `path` if given.

    Inputs: those of the diagram, (T, *shape), T being open, or (B, T, *shape) with `batch`; without any
    the number `steps`. Then, with a default, the state to start from: `<path>/initial` for each block with
    one, (*shape) or with `batch` (1 or B, *shape), a number behind it for each array of a state of several,
    and `@step/initial`, the number of the first step, if the diagram reads the time. Outputs: those of the
    diagram (`<name>/output` where an input has this name), then the final states by path (`<path>/final`
    where it is taken). The metadata `outputs` and `states` list these names. With scan=False the model does
    one step: no sequences, no Scan.

    All is traced: a user's blocks too, if they use operators and functions of `xp` alone. Parameters
    are initializers named `<path>/<field>`, signals are named by their paths. In float64 onnxruntime keeps
    its precision at `graph_optimization_level` ORT_ENABLE_BASIC; beyond, it rounds factors to float32.
    Raises the errors of `compile`, BlockError for a block that ONNX cannot express, DiagramError for a
    diagram without any output and state, FileError for a path that cannot be written.

    >>> import blocksim as bs, numpy as np
    >>> from blocksim.interop.onnx import to_onnx
    >>> model = to_onnx(bs.nn.lstm(np.ones((8, 3)), np.ones((8, 2)), np.zeros(8)))
    >>> [node.op_type for node in model.graph.node]
    ['Scan']
    >>> [value.name for value in model.graph.output]
    ['h', 'c', 'cell_state', 'hidden_state']
    """
    plan, dt = compile(diagram, dtype), as_step_size(dt)
    if not plan.outputs and not plan.initial_state:
        raise DiagramError(
            f"to_onnx of {diagram.name!r}", "an output or a state", "none", "Name an output.", user_line()
        )
    model = _Model(plan, dt, batch, scan).write()
    if path is not None:
        try:
            save(model, str(Path(path)))
        except OSError as error:
            raise FileError(
                str(path), "a file that can be written", str(error.strerror or error),
                "Look at the folder and its permissions.", user_line(),
            ) from error  # fmt: skip
    return model


class _Model:
    """The model around the steps: its inputs, the Scan over the steps, its outputs."""

    def __init__(self, plan: Plan, dt: float, batch: bool, scan: bool) -> None:
        self.plan, self.scan = plan, scan
        self.runs = ("B",) if batch and plan.inputs else ()
        self.lead = (*self.runs, "T") if scan else self.runs
        """The open axes of the diagram's inputs and outputs."""
        self.paths = list(_arrays(plan))
        """The states by path, with a number for each array where a state has several."""
        self.timed = _timed(plan)
        taken = {*plan.inputs, "steps"}

        def free(name: str, addition: str) -> str:
            while name in taken:
                name += addition
            taken.add(name)
            return name

        self.outputs = {name: free(name, "/output") for name in plan.outputs}
        self.states = {
            path: (free(f"{path}/initial", "/initial"), free(path, "/final"))
            for path in [*self.paths, *[STEP] * self.timed]
        }
        """The names of the initial and of the final value of each state."""
        self.graph = Graph(taken)
        self.graph.where = plan.flat.name
        self.step = _Step(self.graph, plan, dt)
        self.inputs: list[ValueInfoProto] = []

    def write(self) -> ModelProto:
        graph, plan = self.graph, self.plan
        sequences, states, k = self._given()
        if self.runs:
            count, free = len(states), [self._for_each_run(s, sequences[0]) for s in states]
            _, results = graph.scan(
                lambda _, u: ([], self._over_steps(u[count:], u[:count], k)),
                [], [*free, *sequences], [*self.paths, *plan.inputs],
            )  # fmt: skip
        else:
            results = self._over_steps(sequences, states, k)
        if k is not None:
            results = [*results, self._next_step(k, sequences)]
        names = [*self.outputs.values(), *(last for _, last in self.states.values())]
        ends = [graph.output(name, value) for name, value in zip(names, results, strict=True)]
        return self._assemble([info(end) for end in ends])

    def _given(self) -> tuple[list[Symbol], list[Symbol], Symbol | None]:
        """The sequences, the initial states, and the number of the first step if it matters."""
        graph, plan = self.graph, self.plan

        def take(name: str, sample: Any, lead: tuple[str, ...] = (), default: bool = False) -> Symbol:
            taken = Symbol(graph, name, np.asarray(sample)[(None,) * len(lead)], lead=lead)
            self.inputs.append(info(taken))
            if default:
                graph.initializers[name] = taken.sample
            return taken

        sequences = [take(name, np.ones(s.shape, s.dtype), self.lead) for name, s in plan.inputs.items()]
        if self.scan and not sequences:
            bounds = [graph.constant(0), take("steps", 1), graph.constant(1)]
            sequences = [graph.emit("Range", bounds, np.zeros(1, np.int64))]
            sequences[0].lead = self.lead
        lead = ("runs",) * len(self.runs)
        states = [take(self.states[path][0], array, lead, True) for path, array in _arrays(plan).items()]
        return sequences, states, take(self.states[STEP][0], 0, (), True) if self.timed else None

    def _for_each_run(self, state: Symbol, sequence: Symbol) -> Symbol:
        """A state given for all runs of a batch, or for each, for each."""
        shape = self.graph.emit("Shape", [sequence], np.ones(1, np.int64), end=1)
        rest = self.graph.constant([1] * (state.ndim - 1), np.int64)
        target = self.graph.emit("Concat", [shape, rest], np.ones(state.ndim, np.int64), axis=0)
        found = self.graph.emit("Expand", [state, target], state.sample)
        found.lead = self.runs
        return found

    def _over_steps(self, sequences: list[Symbol], states: list[Symbol], k: Symbol | None) -> list[Symbol]:
        """The outputs of all steps, and the states after the last."""
        if self.scan:
            after, rows = self.step.scan(sequences, states, k)
        else:
            after, rows = self.step(sequences, states, k)
        return [*rows, *after]

    def _next_step(self, k: Symbol, sequences: list[Symbol]) -> Symbol:
        """The number of the step after the last."""
        if not self.scan:
            return k + 1
        axis = len(self.runs)
        count = self.graph.emit("Shape", sequences[:1], np.ones(1, np.int64), start=axis, end=axis + 1)
        return k + np.reshape(count, ())  # pyright: ignore

    def _assemble(self, outputs: list[ValueInfoProto]) -> ModelProto:
        graph = self.graph
        stored = [numpy_helper.from_array(np.asarray(a), name) for name, a in graph.initializers.items()]
        made = helper.make_graph(graph.scopes[0], self.plan.flat.name, self.inputs, outputs, stored)
        rename(made, graph.aliases)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(made, opset_imports=[opset], ir_version=IR, producer_name="blocksim")
        states = {path: {"initial": first, "final": last} for path, (first, last) in self.states.items()}
        notes = {"outputs": json.dumps(self.outputs), "states": json.dumps(states), "dt": repr(self.step.dt)}
        helper.set_model_props(model, notes)
        checker.check_model(model, full_check=True)
        return model


def _timed(plan: Plan) -> bool:
    """Whether a block of the plan reads the time."""
    return any(T in op.reads for op in [*plan.operations, *plan.updates])


def _arrays(plan: Plan) -> dict[str, Any]:
    """The arrays of the initial states, by path; with a number where a state has several."""
    found: dict[str, Any] = {}
    for path, state in plan.initial_state.items():
        arrays = leaves(state)
        alone = not isinstance(state, (tuple, list, dict))
        found |= {path: state} if alone else {f"{path}/{i}": a for i, a in enumerate(arrays)}
    return found


class _Step:
    """A step of a plan as nodes, by its blocks' methods run on symbols.

    `replaced` are parameters, by path and field; those of others are stored in the model.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        dt: float,
        prefix: str = "",
        replaced: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.graph, self.plan, self.dt, self.prefix = graph, plan, dt, prefix
        self.blocks: dict[str, Block] = {}
        for path, block in plan.blocks.items():
            given = (replaced or {}).get(path, {})
            arrays = {f: a for f, a in block.parameters().items() if f not in given}
            stored = {f: graph.parameter(f"{prefix}{path}/{f}", a) for f, a in arrays.items()}
            self.blocks[path] = block.with_parameters({**given, **stored})

    def __call__(
        self, inputs: Sequence[Symbol], states: Sequence[Symbol], k: Symbol | None
    ) -> tuple[list[Symbol], list[Symbol]]:
        """(next states, outputs) of one step; the states' arrays are in the order of `_arrays`."""
        plan, given = self.plan, iter(states)
        slots: dict[int, Any] = {XP: Namespace(), DT: self.dt}
        if k is not None:
            seconds = self.graph.cast(k, np.float64) * np.float64(self.dt)
            slots[T] = Symbol(self.graph, seconds.name, 0.0, seconds.depth)
        slots |= {FIRST + i: u for i, u in enumerate(inputs[: len(plan.inputs)])}
        for path, state in plan.initial_state.items():
            slots[self._state_slot(path)] = tree_map(lambda _: next(given), state)
        for op in plan.operations:
            value = self._trace(op, slots)
            for slot, one in zip(op.writes, value if len(op.writes) > 1 else [value], strict=True):
                slots[slot] = self._signal(op, one, plan.slot_signals[slot].dtype)
                path, port = plan.ports[slot]
                several = len(op.writes) > 1
                self.graph.call(f"{self.prefix}{path}" + f"/{port}" * several, slots[slot])
        after: list[Symbol] = []
        for op in plan.updates:
            tree_map(
                lambda old, new, op=op: after.append(self._signal(op, new, old.dtype)),
                plan.initial_state[op.path], self._trace(op, slots),
            )  # fmt: skip
        return after, [slots[slot] for slot in plan.outputs.values()]

    def scan(
        self,
        sequences: list[Symbol],
        states: list[Symbol],
        k: Symbol | None,
        length: Symbol | None = None,
        reverse: bool = False,
    ) -> tuple[list[Symbol], list[Symbol]]:
        """(states after the last step, outputs) over the leading axis of the inputs, by a Scan."""
        graph, count = self.graph, len(self.plan.inputs)
        counted = [] if k is None else [k]
        if length is not None:
            sequences = [*sequences, graph.constant(np.arange(sequences[0].shape[0]))]

        def body(old: list[Symbol], row: list[Symbol]) -> tuple[list[Symbol], list[Symbol]]:
            now = old[-1] if counted else None
            after, y = self(row[:count], old[: len(states)], now)
            after = [*after, *([now + 1] if now is not None else [])]
            if length is None:
                return after, y
            on: Any = row[-1] < length
            kept = [np.where(on, new, was) for new, was in zip(after, old, strict=True)]
            return kept, [np.where(on, v, np.zeros((), v.dtype)) for v in y]  # pyright: ignore

        names = [*_arrays(self.plan), *[STEP] * len(counted), *(self.plan.inputs or ["step"])]
        names = [f"{self.prefix}{n}" for n in [*names, *["position"] * (length is not None)]]
        after, rows = graph.scan(body, [*states, *counted], sequences, names, reverse)
        return after[: len(states)], rows

    def _state_slot(self, path: str) -> int:
        return next(op.writes[0] for op in self.plan.updates if op.path == path)

    def _signal(self, op: Operation, value: Any, dtype: np.dtype[Any]) -> Symbol:
        """A value as one of the form that it has at compile."""
        self.graph.where = f"{self.prefix}{op.path}"
        return self.graph.cast(value, dtype)

    def _trace(self, op: Operation, slots: Mapping[int, Any]) -> Any:
        """What the operation gives on symbols."""
        block, path = self.blocks[op.path], f"{self.prefix}{op.path}"
        self.graph.where = path
        values = [slots[slot] for slot in op.reads]
        try:
            if isinstance(block, Scan):
                return self._inner(path, block, values)
            if type(block) in _NODES:
                return self.graph.emit(_NODES[type(block)], values[-1:], values[-1].sample)
            with np.errstate(all="ignore"):
                return getattr(block, op.method)(*values)
        except BlocksimError:
            raise
        except Inexpressible as found:
            what, advice, cause = found.what, found.advice, None
        except Exception as error:
            what, advice, cause = f"{type(error).__name__}: {error}".rstrip("."), "", error
        raise BlockError(
            path, f"{self.plan.blocks[op.path]!r} to be what ONNX can express", f"{what}, in {op.method}()",
            advice or "Write it with operators and other functions of xp, or put other blocks in its place.",
            self.plan.line(op.path),
        ) from cause  # fmt: skip

    def _inner(self, path: str, block: Scan, values: list[Any]) -> Any:
        """A Scan inside of a step, which is one."""
        dt, *u = values
        ports = dict(zip(block.arity(), u, strict=True))
        sequences = [ports[name] for name in block.diagram.inputs]
        plan = block.plan(*sequences)
        step = _Step(self.graph, plan, dt, f"{path}/", block.replaced())
        start = {
            p: self.graph.cast(ports.get(p, s), plan.initial_state[p].dtype)
            for p, s in block.start(plan).items()
        }
        k = self.graph.constant(0, np.int64) if _timed(plan) else None
        length = ports["length"] if block.length else None
        after, rows = step.scan(sequences, list(start.values()), k, length, block.reverse)
        final = dict(zip(start, after, strict=True))
        results = [*rows, *(final[p] for p in block.states)]
        return results if len(block.outputs) > 1 else results[0]
