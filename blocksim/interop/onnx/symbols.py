"""Symbols that write ONNX nodes when NumPy's functions are called on them.

They take part in NumPy's own dispatch, so that a block's methods run on them as they are. Each carries
a sample, an array on which NumPy computes the same: shapes, dtypes and promotion are NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from onnx import GraphProto, NodeProto, ValueInfoProto, helper

from blocksim.block import Array

WRITERS: dict[Any, Callable[..., Any]] = {}
"""What writes each function of NumPy, its arguments being those of the function."""

_METHODS = {
    "all", "any", "argmax", "argmin", "clip", "cumsum", "diagonal", "dot", "max", "mean", "min", "prod",
    "ravel", "repeat", "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
}  # fmt: skip
"""The methods of arrays that are functions of the same name."""


class Inexpressible(Exception):
    """Something that ONNX has no nodes for: what it is, and what to do instead."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.what, self.advice = what, advice


def writes(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what writes functions of NumPy."""

    def register(writer: Callable[..., Any]) -> Callable[..., Any]:
        WRITERS.update(dict.fromkeys(functions, writer))
        return writer

    return register


class Graph:
    """The nodes written so far: those of the model, and of each Scan's body that is open, inside."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.scopes: list[list[NodeProto]] = [[]]
        self.initializers: dict[str, Array] = {}
        self.where = ""
        """The path of the block whose nodes are being written."""
        self.aliases: dict[str, str] = {}
        """Better names of values that nodes compute, given once all is written."""
        self._made: set[str] = set()
        self._taken = set(reserved)
        self._constants: dict[Any, Symbol] = {}
        self._casts: dict[tuple[str, np.dtype[Any]], Symbol] = {}

    def unique(self, name: str) -> str:
        """The name, with a number if it is taken; no two values have one name, in bodies either."""
        found, count = name, 1
        while found in self._taken:
            found, count = f"{name}_{count}", count + 1
        self._taken.add(found)
        return found

    def emit(self, op: str, inputs: Sequence[Symbol], sample: Any, **attributes: Any) -> Symbol:
        """A node, in the outermost graph that has its inputs: what is the same at all steps is done once."""
        depth = max(s.depth for s in inputs)
        name = self.unique(f"{self.where}:{op}")
        self._made.add(name)
        self.scopes[depth].append(helper.make_node(op, self.use(inputs), [name], name=name, **attributes))
        return Symbol(self, name, sample, depth)

    def copy(self, value: Symbol, name: str) -> Symbol:
        """A value of its own in the graph that is being written, under this name."""
        self.scopes[-1].append(helper.make_node("Identity", self.use([value]), [name], name=name))
        return Symbol(self, name, np.asarray(value.sample), len(self.scopes) - 1, lead=value.lead)

    def use(self, symbols: Iterable[Symbol]) -> list[str]:
        """Their names, to be read by a node: constants are stored once they are read."""
        for s in symbols:
            if s.constant is not None:
                self.initializers.setdefault(s.name, s.constant)
        return [s.name for s in symbols]

    def parameter(self, name: str, array: Array) -> Symbol:
        """An array that the model stores under this name."""
        return Symbol(self, self.unique(name), array, constant=array)

    def constant(self, value: Any, dtype: Any = None) -> Symbol:
        """A value that the model stores, equal ones once."""
        array = np.asarray(value, dtype)
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._constants:
            name = str(array) if not array.ndim else f"{self.where}:constant"
            self._constants[key] = self.parameter(name, array)
        return self._constants[key]

    def argument(self, name: str, sample: Any, lead: tuple[str, ...] = ()) -> Symbol:
        """An input of the graph that is being written."""
        return Symbol(self, self.unique(name), sample, len(self.scopes) - 1, lead=lead)

    def cast(self, value: Any, dtype: Any) -> Symbol:
        """The value in a dtype."""
        dtype = np.dtype(dtype)
        if not isinstance(value, Symbol):
            return self.constant(value, dtype)
        sample = np.asarray(value.sample, dtype)
        if value.dtype == dtype:
            return Symbol(self, value.name, sample, value.depth, value.constant)
        key = value.name, dtype
        if key not in self._casts:
            self._casts[key] = self.emit("Cast", [value], sample, to=helper.np_dtype_to_tensor_dtype(dtype))
        return self._casts[key]

    def call(self, name: str, value: Symbol) -> None:
        """Give a value that a node computes the name of a signal, if it has none yet."""
        if value.name in self._made - self.aliases.keys():
            self.aliases[value.name] = self.unique(name + "[k]" * value.depth)

    def output(self, name: str, value: Symbol) -> Symbol:
        """The value as an output of the model, which has its name: the node that computes it, or a copy."""
        if value.name in self._made:
            self._made.remove(value.name)
            self.aliases[value.name] = name
            return Symbol(self, name, np.asarray(value.sample), lead=value.lead)
        return self.copy(value, name)

    def scan(
        self,
        body: Callable[[list[Symbol], list[Symbol]], tuple[list[Symbol], list[Symbol]]],
        states: Sequence[Symbol],
        sequences: Sequence[Symbol],
        names: Sequence[str],
        reverse: bool = False,
    ) -> tuple[list[Symbol], list[Symbol]]:
        """(states after the last step, rows): one Scan node. body(states, row) -> (next states, row of y).

        `names` are those of the states, then of the sequences.
        """
        path, count, depth = self.where, len(states), len(self.scopes) - 1
        self.scopes.append([])
        forms = [(s.sample, s.lead) for s in states] + [(s.sample[0], s.lead[1:]) for s in sequences]
        taken = [self.argument(f"{n}[k]", *form) for n, form in zip(names, forms, strict=True)]
        after, row = body(taken[:count], taken[count:])
        # a body's output is of its own: not an input, not an outer value, not another output
        ends = [f"{n}[k+1]" for n in names[:count]] + [f"{path}:row"] * len(row)
        made = [self.copy(s, self.unique(n)) for s, n in zip([*after, *row], ends, strict=True)]
        nodes = self.scopes.pop()
        graph = helper.make_graph(nodes, f"step of {path}", list(map(info, taken)), list(map(info, made)))
        found = [self.unique(f"{path}:Scan") for _ in made]
        self._made.update(found)
        node = helper.make_node(
            "Scan", self.use([*states, *sequences]), found, name=path, body=graph,
            num_scan_inputs=len(sequences), scan_input_directions=[int(reverse)] * len(sequences),
            scan_output_directions=[int(reverse)] * len(row),
        )  # fmt: skip
        self.scopes[-1].append(node)
        self.where, length, lead = path, sequences[0].shape[0], sequences[0].lead[:1]
        forms = [(s.sample, s.lead) for s in states]
        forms += [(np.broadcast_to(s.sample, (length, *s.shape)), lead + s.lead) for s in row]
        results = [Symbol(self, name, s, depth, lead=n) for name, (s, n) in zip(found, forms, strict=True)]
        return results[:count], results[count:]


def info(value: Symbol) -> ValueInfoProto:
    """The type of a value as ONNX writes it."""
    kind, shape = helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
    return helper.make_tensor_value_info(value.name, kind, (*value.lead, *shape[len(value.lead) :]))


def rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Give the values of a graph, and of the bodies in it, other names."""
    for value in [*graph.input, *graph.output]:
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename(attribute.g, names)


class Symbol(NDArrayOperatorsMixin):
    """Stands for an array of a known shape and dtype: NumPy's functions of it write nodes.

    With a Python number as its sample it is one, as time is: NumPy gives it the float type it meets.
    """

    __slots__ = ("constant", "depth", "graph", "lead", "name", "sample")

    def __init__(
        self,
        graph: Graph,
        name: str,
        sample: Any,
        depth: int = 0,
        constant: Array | None = None,
        lead: tuple[str, ...] = (),
    ) -> None:
        self.graph, self.name, self.sample, self.depth, self.constant = graph, name, sample, depth, constant
        self.lead = lead
        """The names of its first axes whose lengths are open; the sample has one element along them."""

    @property
    def weak(self) -> bool:
        """Whether it is a Python number."""
        return type(self.sample) in (int, float)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.sample)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.sample).dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.size(self.sample))

    @property
    def T(self) -> Symbol:
        return np.transpose(self)  # pyright: ignore

    def astype(self, dtype: Any, **options: Any) -> Symbol:
        return self.graph.cast(self, dtype)

    def reshape(self, *shape: Any, **options: Any) -> Symbol:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)  # pyright: ignore

    def transpose(self, *axes: Any) -> Symbol:
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)  # pyright: ignore

    def flatten(self) -> Symbol:
        return np.ravel(self)  # pyright: ignore

    def copy(self) -> Symbol:
        return self

    def __len__(self) -> int:
        return len(self.sample)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return WRITERS["getitem"](self, key)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return partial(getattr(np, name), self)
        if name.startswith("__"):
            raise AttributeError(name)
        raise Inexpressible(f"the attribute .{name} of a signal")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if options.get("out", [None])[0] is inputs[0]:  # u += v, which is u = u + v of values
            del options["out"]
        if method != "__call__" or ufunc not in WRITERS or options:
            keywords = f" with {', '.join(options)}" if options and ufunc in WRITERS else ""
            raise Inexpressible(f"the function {name}{keywords}")
        return WRITERS[ufunc](*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in WRITERS:
            module = function.__module__.removeprefix("numpy").removeprefix(".")
            raise Inexpressible("the function " + f"{module}.{function.__name__}".removeprefix("."))
        try:
            return WRITERS[function](*args, **kwargs)
        except TypeError as error:
            raise Inexpressible(f"the function {function.__name__} with such arguments ({error})") from error

    def _refuse(self, *args: Any, **options: Any) -> Any:
        advice = "Choose with xp.where, convert with xp.asarray(u, dtype), index with xp.take."
        raise Inexpressible("the value of a signal, which is not known before the model runs", advice)

    __bool__ = __float__ = __int__ = __index__ = __array__ = _refuse

    def __setitem__(self, key: Any, value: Any) -> None:
        raise Inexpressible("an assignment to elements of a signal", "Use xp.where or xp.concatenate.")

    def __repr__(self) -> str:
        return f"Symbol({self.name}, {self.shape}, {self.dtype})"
