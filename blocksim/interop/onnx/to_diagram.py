"""From a graph of ONNX to a diagram: node by node, each an operator's block or subsystem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim import library as lib
from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.errors import BlocksimError, FileError, InputError, Mismatch, describe, did_you_mean, user_line
from blocksim.interop.onnx import read
from blocksim.interop.onnx.call import Call, Tensor, clean, known, unique
from blocksim.interop.onnx.operators import OPERATORS
from blocksim.node import Port


def to_diagram(
    model: Any,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, ArrayLike] | None = None,
) -> Diagram:
    """The diagram of an ONNX model: a file's path, its bytes or an onnx.ModelProto.

    A signal is a whole tensor with all its axes, a step one evaluation. Inputs and outputs have the
    graph's names, with "." for "/". Each operator is a block, or a subsystem named by its node; known
    tensors are Constants in it. shapes: by input, of those that have dynamic axes; values: of inputs
    that fix the form of the diagram (as a target of Reshape), or are to be constants. Numbers have the
    run's float type, int64 or bool, whatever their width in the model.

    Raises FileError for a model that is damaged or has an operator that is not supported, InputError
    for shapes that do not fit.

    >>> import blocksim as bs
    >>> from onnx import TensorProto, helper
    >>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in "xy")
    >>> graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"], name="squash")], "g", [x], [y])
    >>> bs.interop.onnx.to_diagram(helper.make_model(graph), {"x": (3,)}).nodes
    {'squash': <squash: Tanh()>}
    """
    proto, place = read.load(model)
    return convert(proto, place, shapes or {}, values or {}).diagram


@dataclass
class Converted:
    """A diagram, and the names that the graph's inputs and outputs have in it."""

    diagram: Diagram
    inputs: dict[str, str]
    outputs: list[str]


def convert(
    proto: Any, place: str, shapes: Mapping[str, Sequence[int]], values: Mapping[str, ArrayLike]
) -> Converted:
    """The diagram of a verified model."""
    graph = proto.graph
    made = Converted(Diagram(clean(graph.name)), {}, [])
    if graph.sparse_initializer:
        raise FileError(place, "dense initializers", "sparse ones", "Make them dense.", user_line())
    tensors = {t.name: known(read.array(t, place)) for t in graph.initializer}
    _add_inputs(graph, place, shapes, values, tensors, made)
    reserved = {clean(o.name) for o in graph.output}
    for i, node in enumerate(graph.node):
        operator = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if operator is None:
            raise read.unsupported(node, i, place)
        name = unique(
            clean(node.name or node.op_type), {*made.diagram.nodes, *made.diagram.inputs, *reserved}
        )
        inputs = [tensors[n] if n else None for n in node.input]
        call = Call(node, name, place, read.version(proto), inputs)
        for k in operator.known:
            call.values(k)
        found = _convert_node(call, operator.convert)
        for output, tensor in zip(node.output, _place(call, found, made.diagram), strict=False):
            if output and tensor is not None:
                tensors[output] = tensor
    for value in graph.output:
        where = f"{place}, output {value.name!r}"
        read.kind(value.type.tensor_type.elem_type, where)
        if value.name not in tensors:
            raise FileError(where, "a node that gives it", "none", "", user_line())
        made.outputs.append(_add_output(made.diagram, value.name, tensors[value.name]))
    return made


# -- inputs and outputs ----------------------------------------------------------------------------


def graph_inputs(graph: Any) -> list[Any]:
    """The inputs that need data: those without an initializer."""
    own = {t.name for t in graph.initializer}
    return [value for value in graph.input if value.name not in own]


def _add_inputs(
    graph: Any, place: str, shapes: Mapping[str, Any], values: Mapping[str, Any],
    tensors: dict[str, Tensor], made: Converted,
) -> None:  # fmt: skip
    names = [value.name for value in graph.input]
    for what, given in {"shapes": shapes, "values": values}.items():
        for name in given:
            if name not in names:
                raise InputError(
                    f"{what}[{name!r}]", "an input of the model", "none of that name",
                    did_you_mean(name, names), user_line(),
                )  # fmt: skip
    sizes: dict[str, tuple[str, int]] = {}
    for value in graph.input:
        where = f"{place}, input {value.name!r}"
        if not value.type.HasField("tensor_type"):
            raise FileError(where, "a tensor", value.type.WhichOneof("value") or "no type", "", user_line())
        dtype = read.kind(value.type.tensor_type.elem_type, where)
        if value.name in values:
            array = np.asarray(values[value.name])
            check_kind(value.name, array, dtype)
            _shape(value, where, array.shape, sizes)
            tensors[value.name] = known(array.astype(dtype))
        elif value.name not in tensors:
            shape = _shape(value, where, shapes.get(value.name), sizes)
            name = unique(clean(value.name), made.diagram.inputs)
            node = made.diagram.input(name, shape, None if dtype.kind == "f" else dtype)
            tensors[value.name] = Tensor(Signal(shape, dtype), None, node["y"])
            made.inputs[value.name] = name


def check_kind(name: str, array: Any, dtype: np.dtype[Any]) -> None:
    """Raise InputError for an array whose numbers an input of this dtype does not take."""
    kinds = {"f": "fiub", "i": "iu", "b": "b"}[dtype.kind]
    if array.dtype.kind not in kinds:
        what = {"f": "real numbers", "i": "integers", "b": "booleans"}[dtype.kind]
        raise InputError(f"input {name!r}", f"an array of {what}", describe(array), "", user_line())


def _shape(value: Any, where: str, given: Any, sizes: dict[str, tuple[str, int]]) -> tuple[int, ...]:
    """The shape of an input: as declared, its dynamic axes as given. `sizes` are those of named axes."""
    declared: list[int | str | None] | None = None
    if value.type.tensor_type.HasField("shape"):
        declared = [
            d.dim_value if d.HasField("dim_value") else d.dim_param or None
            for d in value.type.tensor_type.shape.dim
        ]
    form = f"({', '.join('?' if d is None else str(d) for d in declared)})" if declared is not None else "any"
    if given is None:
        if declared is None or not all(isinstance(d, int) for d in declared):
            raise InputError(
                where, f"the sizes of its dynamic axes, of shape {form}", "none",
                f"Give shapes={{{value.name!r}: (...)}}.", user_line(),
            )  # fmt: skip
        given = declared
    try:
        shape = tuple(int(n) for n in given)
    except (TypeError, ValueError):
        shape = (-1,)
    fits = all(n >= 0 for n in shape) and (declared is None or len(declared) == len(shape))
    for d, n in zip(declared or [], shape, strict=False):
        fits = fits and (not isinstance(d, int) or d == n)
    if not fits:
        raise InputError(where, f"the shape {form}", f"{given}", "", user_line())
    for d, n in zip(declared or [], shape, strict=False):
        if isinstance(d, str) and sizes.setdefault(d, (value.name, n))[1] != n:
            other, size = sizes[d]
            raise InputError(
                where, f"{size} along the axis {d!r}, as input {other!r} has it", f"{n}", "", user_line()
            )
    return shape


def _add_output(diagram: Diagram, name: str, tensor: Tensor) -> str:
    taken = {*diagram.inputs, *diagram.nodes, *diagram.outputs}
    port = tensor.port
    if port is None:
        constant = unique(f"{clean(name)}.value", taken)
        port = diagram.add(constant, lib.Constant(tensor.value))["y"]
    found = unique(clean(name), taken)
    diagram.output(found, port)
    return found


# -- nodes -----------------------------------------------------------------------------------------


def _convert_node(call: Call, convert: Any) -> list[Tensor | None]:
    """The operator's outputs; what blocks say of their fields and signals becomes an error of the node."""
    found = None
    try:
        found = convert(call)
    except FileError:
        raise
    except (Mismatch, BlocksimError) as bad:
        call.fail(bad.expected, bad.got, bad.advice)
    except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError, MemoryError) as error:
        shapes = ", ".join("none" if t is None else str(t.signal) for t in call.inputs)
        call.fail("inputs that fit the operator", f"{shapes} ({error})".replace("\n", " "))
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _place(call: Call, found: list[Tensor | None], diagram: Diagram) -> list[Tensor | None]:
    """The operator's outputs as tensors of the graph: its one block is put there, else its subsystem."""
    inner = call.diagram
    if not inner.nodes:
        return found
    node = None
    (only, *more) = inner.nodes.values()
    if not more and isinstance(only.block, Block):
        sources = {p: call.outer[origin.node.name] for p, origin in only.wires.items()}
        node = diagram.add(call.name, only.block, **sources)
    names: dict[Port, str] = {}
    for i, tensor in enumerate(found):
        port = tensor.port if tensor is not None else None
        if port is not None and port.node.diagram is inner and port not in names:
            formal = clean(call.schema.outputs[min(i, len(call.schema.outputs) - 1)].name)
            names[port] = port.name if node else unique(formal, {*inner.inputs, *inner.nodes, *inner.outputs})
            if node is None:
                inner.output(names[port], port)
    placed = node or diagram.add(call.name, inner, *(call.outer[name] for name in inner.inputs))

    def outside(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.port not in names:
            return tensor
        return Tensor(tensor.signal, None, placed[names[tensor.port]])

    return [outside(tensor) for tensor in found]
