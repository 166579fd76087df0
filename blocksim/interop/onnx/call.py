"""One operator at work: its inputs, its attributes, and the diagram that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from blocksim import library as lib
from blocksim.block import Array, Block, Signal
from blocksim.diagram import Diagram
from blocksim.errors import FileError, user_line
from blocksim.interop.onnx.read import common, require_onnx
from blocksim.node import Port


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a name of the graph stands for: values known at conversion, or a port with a signal."""

    signal: Signal
    value: Array | None = None
    port: Port | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.signal.shape

    @property
    def kind(self) -> str:
        """f, i or b."""
        return self.signal.dtype.kind


def known(value: Any) -> Tensor:
    """A tensor whose values are known."""
    array = common(value)
    return Tensor(Signal(array.shape, array.dtype), array)


class Operator(NamedTuple):
    """How an operator becomes blocks; the inputs of the numbers in `known` must be known at conversion."""

    convert: Callable[[Call], Any]
    known: tuple[int, ...] = ()


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, known: tuple[int, ...] = ()) -> Callable[[Callable[[Call], Any]], Any]:
    """The decorated function converts these operators: it takes a `Call` and gives its output tensors."""

    def keep(convert: Callable[[Call], Any]) -> Callable[[Call], Any]:
        OPERATORS.update(dict.fromkeys(names, Operator(convert, known)))
        return convert

    return keep


@dataclass
class Call:
    """A node of the graph: a small diagram of its own, in which known values are computed at once."""

    node: Any
    name: str
    place: str
    version: int
    inputs: list[Tensor | None]
    diagram: Diagram = field(init=False)
    outer: dict[str, Port] = field(default_factory=dict)
    """What the diagram's inputs read, around it."""
    ports: dict[Tensor, Port] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.diagram = Diagram(self.name)
        self.schema = require_onnx().defs.get_schema(self.node.op_type, self.version)
        self.attributes = {a.name: require_onnx().helper.get_attribute_value(a) for a in self.node.attribute}

    # -- what the node says ------------------------------------------------------------------------

    def __getitem__(self, i: int) -> Tensor:
        """An input that must be there."""
        found = self.get(i)
        return self.fail(f"its input {self.formal(i)}", "nothing") if found is None else found

    def get(self, i: int) -> Tensor | None:
        """An input that may be missing."""
        return self.inputs[i] if i < len(self.inputs) else None

    def values(self, i: int) -> Array | None:
        """An input that must be known at conversion, as an array; None where it is missing."""
        tensor = self.get(i)
        if tensor is None or tensor.value is not None:
            return None if tensor is None else tensor.value
        return self.fail(
            f"values of {self.formal(i)} ({self.node.input[i]!r}) that do not depend on the model's inputs",
            "a tensor that is computed",
            "It fixes the form of the diagram: make it an initializer, or give the input in `values`.",
        )

    def integers(self, i: int) -> list[int] | None:
        """As `values`, as a list of integers."""
        found = self.values(i)
        return None if found is None else [int(v) for v in np.ravel(found)]

    def formal(self, i: int) -> str:
        """The name of an input in the operator's definition."""
        names = [p.name for p in self.schema.inputs]
        return names[i] if i < len(names) - 1 or i == 0 or not self._variadic else f"{names[-1]}_{i}"

    @property
    def _variadic(self) -> bool:
        return len(self.node.input) > len(self.schema.inputs)

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, else that of the operator's definition, else the given one."""
        value = self.attributes.get(name)
        if value is None and name in self.schema.attributes:
            value = require_onnx().helper.get_attribute_value(self.schema.attributes[name].default_value)
        if isinstance(value, (list, tuple)):
            return [v.decode() if isinstance(v, bytes) else v for v in value] or default
        return default if value is None else value.decode() if isinstance(value, bytes) else value

    def wants(self, i: int) -> bool:
        """Whether the node names its output i."""
        return i < len(self.node.output) and bool(self.node.output[i])

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from 0."""
        if -rank <= value < rank:
            return int(value) % rank
        return self.fail(f"an axis of {rank}", f"axis {value}")

    def fail(self, expected: str, got: str, advice: str = "") -> Any:
        """Raise FileError for this node."""
        raise FileError(
            f"{self.place}, node {self.name!r} ({self.node.op_type})", expected, got, advice, user_line()
        )

    # -- blocks ------------------------------------------------------------------------------------

    def apply(
        self,
        block: Block,
        *tensors: Tensor,
        name: str | None = None,
        fold: bool = True,
        signals: Sequence[Signal] | None = None,
    ) -> Any:
        """The block's output, or a list of its outputs: computed if all inputs are known, else a signal.

        `signals` are those of the outputs, where it would take long to find them.
        """
        check: Callable[..., None] | None = getattr(block, "check", None)
        if check is not None:
            check(*(t.signal for t in tensors))
        if fold and all(t.value is not None for t in tensors):
            found = [known(y) for y in _outputs(block, [t.value for t in tensors])]
        else:
            if signals is None:
                ones = [np.ones(t.shape, t.signal.dtype) if t.value is None else t.value for t in tensors]
                signals = [known(y).signal for y in _outputs(block, ones)]
            node = self.diagram.add(
                self._unique(name or type(block).__name__), block, *map(self.port, tensors)
            )
            found = [Tensor(s, None, node[p]) for s, p in zip(signals, node.outputs, strict=True)]
        return found if len(found) > 1 else found[0]

    def port(self, tensor: Tensor) -> Port:
        """The tensor as a port of this diagram: a Constant, an input, or the port that it has here."""
        if tensor.port is not None and tensor.port.node.diagram is self.diagram:
            return tensor.port
        if tensor not in self.ports:
            own = [i for i, given in enumerate(self.inputs) if given is tensor]
            name = self._unique(clean(self.formal(own[0])) if own else "constant")
            if tensor.value is not None:
                self.ports[tensor] = self.diagram.add(name, lib.Constant(tensor.value))["y"]
            else:
                assert tensor.port is not None
                dtype = None if tensor.kind == "f" else tensor.signal.dtype
                self.ports[tensor] = self.diagram.input(name, tensor.shape, dtype)["y"]
                self.outer[name] = tensor.port
        return self.ports[tensor]

    def _unique(self, name: str) -> str:
        return unique(name, (*self.diagram.inputs, *self.diagram.nodes))

    # -- what many operators do --------------------------------------------------------------------

    def reshape(self, tensor: Tensor, shape: Iterable[int]) -> Tensor:
        shape = tuple(int(n) for n in shape)
        return tensor if shape == tensor.shape else self.apply(lib.Reshape(shape), tensor)

    def transpose(self, tensor: Tensor, axes: Iterable[int]) -> Tensor:
        axes = tuple(axes)
        return tensor if axes == tuple(range(len(axes))) else self.apply(lib.Transpose(axes), tensor)

    def expand(self, tensor: Tensor, shape: Sequence[int], fold: bool = False) -> Tensor:
        """The tensor widened; known floats stay as small as they are, in front of an Expand block."""
        if tuple(shape) == tensor.shape:
            return tensor
        return self.apply(lib.Expand(tuple(shape)), tensor, fold=fold or tensor.kind != "f")

    def broadcast(self, *tensors: Tensor) -> list[Tensor]:
        """The tensors widened to one shape."""
        shapes = [t.shape for t in tensors]
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            text = ", ".join(map(str, shapes))
            return self.fail("shapes that can be widened to one", text, "Only axes of size 1 are widened.")
        fold = all(t.value is not None for t in tensors)
        return [self.expand(t, shape, fold) for t in tensors]

    def elementwise(self, block: Block, *tensors: Tensor) -> Tensor:
        """The block of tensors that are widened to one shape."""
        return self.apply(block, *self.broadcast(*tensors))

    def cast(self, tensor: Tensor, kind: str) -> Tensor:
        """The tensor as numbers of the kind f, i or b."""
        to = {"f": "float", "i": "int", "b": "bool"}[kind]
        return tensor if tensor.kind == kind else self.apply(lib.Cast(to), tensor)


def _outputs(block: Block, values: list[Any]) -> list[Any]:
    """What the block gives for arrays."""
    given = [v for name, v in {"xp": np, "dt": 1.0}.items() if name in block.contract.methods["output"]]
    with np.errstate(all="ignore"):
        method: Callable[..., Any] = getattr(block, "output")  # noqa: B009
        y = method(*given, *values)
    return list(y) if isinstance(y, tuple) else [y]


def clean(name: str) -> str:
    """A name of ONNX as one of a node: without the characters of paths and patterns."""
    return re.sub(r"[/*?@\s]+", ".", name).strip(".") or "unnamed"


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number if it is taken."""
    names, number = set(taken), 2
    while (found := name if number == 2 else f"{name}_{number - 1}") in names:
        number += 1
    return found
