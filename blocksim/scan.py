"""`Scan`: a block that runs a diagram over the leading axis of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from blocksim.block import Array, Block, Signal, block
from blocksim.diagram import Diagram
from blocksim.errors import Mismatch, ParameterError, describe, did_you_mean, user_line
from blocksim.plan import Plan, compile
from blocksim.plan.tree import tree_map

__all__ = ["Scan"]


@block
class Scan(Block):
    """y[k], x[k+1] = diagram(u[k], x[k]) for k = 0 ... T-1, within one step: a signal is a sequence.

    Inputs, in order: those of the diagram, each (T, *shape); with `length`, a port of this name, an
    integer: the steps from it on leave the states as they are and give zeros; for each path of `initial`,
    a block with a state, a port of this name: the state to start from. Outputs: those of the diagram,
    each (T, *shape), then the final state of each block that has one, by path. With `reverse` it goes
    from the last step (of `length`) to the first. Times inside count from 0 in the order of the steps.
    Its parameters are those of the diagram, as `path/field`. Without states it maps over the axis.
    Simulink's For Iterator Subsystem, ONNX's Scan. Raises ParameterError for a diagram without inputs
    or outputs, for unknown paths, and for states in several arrays.

    >>> import blocksim as bs, numpy as np
    >>> inner = bs.Diagram()
    >>> inner.output("y", inner.add("total", bs.library.Sum(), inner.input("u")))
    >>> inner.connect(inner.add("past", bs.library.UnitDelay(0.0), inner["total"]), inner["total"])
    >>> d = bs.Diagram()
    >>> sums = d.add("sums", bs.Scan(inner), d.input("u", shape=3))
    >>> d.output("y", sums)
    >>> d.output("all", sums["past"])
    >>> result = bs.simulate(d, {"u": [[1.0, 2.0, 3.0]]})
    >>> result["y"], result["all"]
    (array([[1., 3., 6.]]), array([6.]))
    """

    guarded = True  # what it does in a step is a loop, not to be written out
    states: ClassVar[Any] = ()
    """The paths of the blocks with a state."""
    names: ClassVar[Any] = {}
    """Path and field of each parameter."""

    diagram: Diagram
    reverse: bool = False
    length: bool = False
    initial: Sequence[str] = ()

    def __post_init__(self) -> None:
        d = self.diagram
        if not isinstance(d, Diagram) or not d.inputs or not d.outputs:
            raise ParameterError(
                "Scan, diagram", "a diagram with an input and an output", describe(d), "", user_line()
            )
        states = [
            path
            for path, node in d.walk()
            if isinstance(node.block, Block) and "update" in node.block.contract.methods
        ]
        if isinstance(self.initial, str):
            object.__setattr__(self, "initial", (self.initial,))
        for path in self.initial:
            if path not in states:
                raise ParameterError(
                    "Scan, initial", f"paths of blocks of {d.name!r} with a state", repr(path),
                    did_you_mean(str(path), states), user_line(),
                )  # fmt: skip
        taken = [*d.inputs, *d.outputs, "length"]
        for path in states:
            if path in taken:
                raise ParameterError(
                    f"Scan of {d.name!r}", "other names for inputs and outputs than for states",
                    f"{path!r} twice", "Rename the output.", user_line(),
                )  # fmt: skip
        object.__setattr__(self, "outputs", (*d.outputs, *states))
        object.__setattr__(self, "states", tuple(states))
        names = {f"{path}/{f}": (path, f) for path, arrays in d.parameters().items() for f in arrays}
        object.__setattr__(self, "names", names)
        for path, values in self.replaced().items():  # their blocks judge them
            inner = d[path].block
            assert isinstance(inner, Block)
            inner.with_parameters(values).__post_init__()

    def arity(self) -> tuple[str, ...]:
        return (*self.diagram.inputs, *(["length"] if self.length else []), *self.initial)

    def parameters(self) -> dict[str, Array]:
        own = self.diagram.parameters()
        return {name: vars(self).get(name, own[path][f]) for name, (path, f) in self.names.items()}

    def replaced(self) -> dict[str, dict[str, Any]]:
        """The parameters that this block has in the place of the diagram's, by path."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.names.keys() & vars(self).keys():
            path, field = self.names[name]
            found.setdefault(path, {})[field] = vars(self)[name]
        return found

    def plan(self, *u: Any) -> Plan:
        """The diagram compiled for inputs of these shapes and dtypes."""
        signals = {
            name: Signal(tuple(v.shape[1:]), np.dtype(v.dtype))
            for name, v in zip(self.diagram.inputs, u, strict=False)
        }
        floats = [s.dtype for s in signals.values() if s.dtype.kind == "f"]
        floats += [a.dtype for a in self.parameters().values() if a.dtype.kind == "f"]
        return compile(self.diagram, floats[0] if floats else None, signals)

    def check(self, *u: Signal) -> None:
        ports = dict(zip(self.arity(), u, strict=True))
        lengths = {}
        for name, inport in self.diagram.inputs.items():
            signal, declared = ports[name], getattr(inport.block, "shape", None)
            if not signal.shape or declared not in (None, signal.shape[1:]):
                form = ", ".join(["T", *map(str, declared or ())])
                raise Mismatch(f"a sequence ({form}{',' * (not declared)})", str(signal), "", name)
            lengths[name] = signal.shape[0]
        if len(set(lengths.values())) > 1:
            raise Mismatch("sequences of the same length", str(lengths), "", next(iter(lengths)))
        if self.length and (ports["length"].shape or ports["length"].dtype.kind not in "iu"):
            raise Mismatch("an integer, the number of steps", str(ports["length"]), "", "length")
        plan = self.plan(*u)
        for path in self.initial:
            state = plan.initial_state[path]
            if ports[path].shape != getattr(state, "shape", None):
                raise Mismatch(f"the state {np.shape(state)} of {path}", str(ports[path]), "", path)

    def output(self, dt: float, *u: Any) -> Any:
        ports = dict(zip(self.arity(), u, strict=True))
        sequences = [ports[name] for name in self.diagram.inputs]
        plan, total = self.plan(*sequences), len(sequences[0])
        steps = self.steps(total, ports["length"] if self.length else total)
        signals = [plan.slot_signals[slot] for slot in plan.outputs.values()]
        rows = [np.zeros((total, *signal.shape), signal.dtype) for signal in signals]
        states = [ports.get(path, state) for path, state in self.start(plan).items()]
        step = plan.bind(np, dt, self.replaced())
        for k, row in enumerate(steps):
            states, slots = step(k * dt, states, [a[row] for a in sequences])
            for array, slot in zip(rows, plan.outputs.values(), strict=True):
                array[row] = slots[slot]
        final = dict(zip(plan.initial_state, states, strict=True))
        return (*rows, *(final[path] for path in self.states)) if len(self.outputs) > 1 else rows[0]

    def steps(self, total: int, length: Any) -> range:
        """The rows of a sequence in the order in which they are taken. Raises ValueError for no length."""
        count = int(length)
        if not 0 <= count <= total:
            raise ValueError(f"length {count} where the sequence has {total} steps")
        return range(count)[::-1] if self.reverse else range(count)

    def start(self, plan: Plan) -> dict[str, Any]:
        """The states to start from where no port gives them, by path."""
        replaced = self.replaced()
        found = {}
        for path, form in plan.initial_state.items():
            init = getattr(plan.blocks[path].with_parameters(replaced.get(path, {})), "init")  # noqa: B009
            found[path] = tree_map(lambda old, new: new.astype(old.dtype), form, init())
        return found
