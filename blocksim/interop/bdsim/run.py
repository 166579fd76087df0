"""Builds a plan's diagram in bdsim, wire by wire, lets bdsim order and run it, and reads the result."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from typing import Any, NoReturn

import bdsim
import numpy as np
from bdsim.components import clocklist

from blocksim.block import Block, Signal
from blocksim.engines import Job, Outcome, one_by_one
from blocksim.engines.numpy import Watch
from blocksim.errors import BlockError, BlocksimError
from blocksim.interop.bdsim.blocks import Form, Map, Probe, State, Time
from blocksim.interop.bdsim.laws import LAWS, Law
from blocksim.interop.bdsim.native import NATIVE, Native
from blocksim.node import Node
from blocksim.plan import Plan

STATE = "@state"
"""The name of a state's port, which no port of the diagram can have."""


@one_by_one
def run(job: Job) -> Outcome:
    """Run a plan in bdsim. Raises NonFiniteError, and BlockError where a block fails."""
    model = _Model(job)
    try:
        return model.run()
    finally:
        clocklist.remove(model.clock)  # a global list of bdsim's, which would keep the diagram


def mapping(plan: Plan) -> dict[str, str]:
    """How each block runs in bdsim, by path: "native: GAIN", "bridge" or "own code".

    A bridge is the same arithmetic written a second time. With "own code", a block of the user's, and
    "native: FUNCTION" it is the user's own that runs, so that only its place in the order is verified.

    >>> import blocksim as bs
    >>> from blocksim.interop.bdsim import mapping
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("squash", bs.library.Tanh(), d.add("twice", bs.library.Gain(2.0), d.input("u"))))
    >>> mapping(bs.compile(d))
    {'twice': 'native: GAIN', 'squash': 'bridge'}
    """
    signals = _signals(plan)
    kinds = {path: _choose(plan.flat.nodes[path], b, signals, 1.0) for path, b in plan.blocks.items()}
    return {
        path: f"native: {kind.name}" if isinstance(kind, Native) else "bridge" if kind else "own code"
        for path, kind in kinds.items()
    }


Signals = dict[tuple[str, str], Signal]


def _signals(plan: Plan) -> Signals:
    """The signals by path and output port."""
    return {port: plan.slot_signals[slot] for slot, port in plan.ports.items()}


def _choose(node: Node, block: Block, signals: Signals, dt: float) -> Native | Law | None:
    """bdsim's own block where it means the same, else a law; None for a class that has neither."""
    u = [signals[node.wires[port].node.name, node.wires[port].name] for port in node.inputs]
    y = [signals[node.name, port] for port in block.outputs]
    native, law = NATIVE.get(type(block)), LAWS.get(type(block))
    if any(s.dtype.kind in "iu" for s in u) and any(s.dtype == np.float32 for s in y):
        native = None  # NumPy, inside of bdsim, makes float64 of integers and float32
    return (native(block, u, y, dt) if native else None) or (law(block, dt) if law else None)


@cache
def _simulator() -> Any:
    """bdsim, told to read no command line, draw no figure and print no report."""
    return bdsim.BDSim(
        sysargs=False, banner=False, toolboxes=False, graphics=False, animation=False,
        progress=False, hold=False, quiet=True,
    )  # fmt: skip


class _Model:
    """A plan's diagram in bdsim: blocks in the order in which the user added them, and their wires."""

    def __init__(self, job: Job) -> None:
        self.job, self.plan = job, job.plan
        self.watch = Watch(self.plan, job.check_finite)
        self.time = Time(job, self.watch)
        self.signals = _signals(self.plan)
        self.names: list[str] = []
        """The paths by number: bdsim changes names that hold $ or ^, so its blocks get numbers."""
        self.sources: dict[tuple[str, str], Any] = {}
        """The output in bdsim of each path and port."""
        self.ends: list[tuple[tuple[str, str], Any]] = []
        """The inputs in bdsim, each with the path and port that it reads."""
        self.states: dict[str, tuple[Any, Form]] = {}
        """The block in bdsim that holds the state of a path."""
        self.bd = _simulator().blockdiagram()
        self.bd._handle_block_runtime_error = self._fail  # bdsim's own prints what it knows
        self.clock = self.bd.clock(1.0)

    def run(self) -> Outcome:
        with np.errstate(all="ignore"):
            self._build()
            self._compile()
            _simulator().run(self.bd, T=self.job.steps, checkfinite=False)
        self.probe.inspect()
        return Outcome(self.probe.rows, self._held_states())

    # -- building ------------------------------------------------------------------------------

    def _build(self) -> None:
        job, plan = self.job, self.plan
        initial = dict(zip(plan.initial_state, job.states, strict=True))
        for name, array in zip(plan.flat.inputs, job.inputs, strict=True):
            block = self._map(name, lambda t, array=array: array[self.time.row], 0, 1)
            self.sources[name, "y"] = block[0]
        for path, node in plan.flat.nodes.items():
            block = plan.blocks[path]
            if path in job.params:
                block = block.with_parameters(job.params[path])
            kind = _choose(node, block, self.signals, job.dt)
            if isinstance(kind, Native):
                self._add_native(path, block, kind, initial.get(path))
            else:
                self._add_law(path, block, kind or self._own_code(path, block), initial.get(path))
        watched = [slot for op in plan.operations for slot in op.writes] if job.check_finite else []
        slots = list(dict.fromkeys(watched + job.record))
        self.probe = Probe(job, self.time, slots, bd=self.bd, name="probe")
        self.probe.states = self._held_states
        for i, slot in enumerate(slots):
            self.ends.append((plan.ports[slot], self.probe[i]))
        self.bd.connect(self.bd.TIME(name="time"), self.probe[len(slots)])
        for port, end in self.ends:
            self.bd.connect(self.sources[port], end)

    def _add_native(self, path: str, block: Block, kind: Native, initial: Any) -> None:
        options, form = dict(kind.arguments), Form(path, initial)
        stateful = path in self.plan.initial_state
        if stateful:
            options |= {"clock": self.clock, "x0": form.pack(initial)}
        made = getattr(self.bd, kind.name)(**options, name=self._name(path))
        if stateful:
            self.states[path] = made, form
        self._attach(path, made, self.plan.flat.nodes[path].inputs, block.outputs)

    def _add_law(self, path: str, block: Block, law: Law, initial: Any) -> None:
        """A block for the output, and one for the state, whose value is then the output's first input.

        So an input that only the next state reads does not delay the output, as in the diagram.
        """
        ports = self.plan.flat.nodes[path].inputs
        through = [port for port in ports if block.feedthrough(port)]
        if law.update is not None:
            form = Form(path, initial)
            state = State(
                law.update, self.time, form, initial,
                clock=self.clock, nin=len(ports), bd=self.bd, name=self._name(path),
            )  # fmt: skip
            self.states[path] = state, form
            self._attach(path, state, ports, [STATE])
            through = [STATE, *through]
        if block.outputs:
            output = self._as_arrays(path, law.output)
            made = self._map(path, output, len(through), len(block.outputs))
            self._attach(path, made, through, block.outputs)

    def _map(self, path: str, f: Callable[..., Any], nin: int, nout: int) -> Map:
        return Map(f, self.time, nin, nout, bd=self.bd, name=self._name(path))

    def _name(self, path: str) -> str:
        self.names.append(path)
        return str(len(self.names) - 1)

    def _attach(self, path: str, made: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Note what the ports of a block in bdsim are called in the diagram, for the wires."""
        wires = self.plan.flat.nodes[path].wires
        for i, port in enumerate(inputs):
            origin = (path, STATE) if port is STATE else (wires[port].node.name, wires[port].name)
            self.ends.append((origin, made[i]))
        for i, port in enumerate(outputs):
            self.sources[path, port] = made[i]

    def _own_code(self, path: str, block: Block) -> Law:
        """The law that calls a user's own methods; what they return is verified at each call."""
        plan, job, contract = self.plan, self.job, block.contract
        ports = plan.flat.nodes[path].inputs
        operations = {op.method: op for op in plan.operations + plan.updates if op.path == path}

        def law(method: str, ports: Sequence[str]) -> Callable[..., Any]:
            op, call = operations[method], getattr(block, method)
            if method == "output":
                call = self._as_arrays(path, call)
            if job.check_finite:
                call = self.watch.guard(op, call)
            variadic = [port for port in ports if port not in (*contract.inputs, STATE)]

            def run(t: float, *values: Any) -> Any:
                signals = dict(zip(ports, values, strict=True))
                given = signals | {"xp": np, "t": t, "dt": job.dt, "x": signals.get(STATE)}
                taken: list[Any] = []
                for name in contract.methods[method]:
                    taken += [signals[p] for p in variadic] if name.startswith("*") else [given[name]]
                return call(*taken)

            return run

        through = [port for port in ports if block.feedthrough(port)]
        if "update" not in operations:
            return Law(law("output", through))
        output = law("output", [STATE, *through]) if "output" in operations else lambda t: ()
        return Law(output, law("update", [STATE, *ports]))

    def _as_arrays(self, path: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The output of a block that returns Python numbers, as numbers of the run's types."""
        if path not in self.plan.scalars:
            return call
        dtypes = [self.signals[path, port].dtype for port in self.plan.blocks[path].outputs]

        def cast(*args: Any) -> Any:
            y = call(*args)
            values = y if len(dtypes) > 1 else (y,)
            arrays = tuple(np.asarray(v, d) for v, d in zip(values, dtypes, strict=True))
            return arrays if len(dtypes) > 1 else arrays[0]

        return cast

    # -- running -------------------------------------------------------------------------------

    def _compile(self) -> None:
        """Let bdsim verify the wires and find the order. It prints what it has to say."""
        text = io.StringIO()
        try:
            with redirect_stdout(text), _recursion(10 * len(self.bd.blocklist)):
                self.bd.compile()
        except BlocksimError:
            raise
        except Exception as error:
            said = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue())
            errors = [line.strip() for line in said.splitlines() if "error" in line.lower()]
            raise BlocksimError(
                "engine 'bdsim'", "bdsim to compile the diagram", "; ".join([*errors, str(error)]),
                "Run it on another engine; its blocks are numbered in bdsim, the first is 0.",
            ) from error  # fmt: skip

    def _fail(self, error: Any) -> NoReturn:
        """Raise what a block raised inside bdsim, with the block's path."""
        self.probe.inspect()
        cause = error.cause
        if isinstance(cause, BlocksimError) or error.block is self.probe:
            raise cause
        if cause.__suppress_context__ and cause.__context__:  # FUNCTION replaces a user's TypeError
            cause = cause.__context__
        path = self.names[int(error.block.name)]
        block = self.plan.blocks[path]
        raise BlockError(
            path, f"{block!r} to accept its inputs at step {self.watch.step}",
            f"{type(cause).__name__}: {cause}".rstrip("."), "", self.plan.line(path),
        ) from cause  # fmt: skip

    def _held_states(self) -> list[Any]:
        """The states that bdsim holds, in the plan's order."""
        held = self.bd.state_map(None, self.probe.simstate)
        ordered = [self.states[path] for path in self.plan.initial_state]
        return [form.unpack(held[block]) for block, form in ordered]


@contextmanager
def _recursion(depth: int) -> Iterator[None]:
    """Room for bdsim's search for loops, which calls itself once for each block of a chain."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
