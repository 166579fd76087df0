"""Evaluating a model: one step of its diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from blocksim.block import Array, as_array
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.interop.onnx import read
from blocksim.interop.onnx.operators import OPERATORS
from blocksim.interop.onnx.to_diagram import check_kind, convert, graph_inputs
from blocksim.simulate import simulate


def run(
    model: Any,
    inputs: Mapping[str, ArrayLike] | Sequence[ArrayLike],
    *,
    engine: str = "numpy",
    dtype: DTypeLike | None = None,
    check_finite: bool = True,
) -> list[Array]:
    """The outputs of an ONNX model, in the graph's order and of its dtypes, for these inputs.

    model: a file's path, its bytes or an onnx.ModelProto; inputs: arrays by name, or in the graph's
    order. It is one step of `to_diagram(model)`, in float64 if `dtype` does not say float32; engine
    and check_finite are those of `simulate`.

    Raises FileError for a model that is damaged or has an operator that is not supported, InputError
    for inputs that do not fit, NonFiniteError.

    >>> import blocksim as bs, numpy as np
    >>> from onnx import TensorProto, helper
    >>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in "xy")
    >>> graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", [x], [y])
    >>> bs.interop.onnx.run(helper.make_model(graph), {"x": np.array([1.0, -2.0])})
    [array([1., 2.], dtype=float32)]
    """
    proto, place = read.load(model)
    given = _arrays(proto.graph, inputs, place)
    fixed = _fixed(proto.graph) | {t.name for t in proto.graph.initializer}
    values = {name: array for name, array in given.items() if name in fixed}
    rest = {name: array for name, array in given.items() if name not in fixed}
    made = convert(proto, place, {name: array.shape for name, array in rest.items()}, values)
    result = simulate(
        made.diagram, {made.inputs[name]: array[None] for name, array in rest.items()},
        steps=1, engine=engine, dtype=dtype, check_finite=check_finite,
    )  # fmt: skip
    types = [value.type.tensor_type.elem_type for value in proto.graph.output]
    return [_of_type(result[name][0], code) for name, code in zip(made.outputs, types, strict=True)]


def _arrays(graph: Any, inputs: Any, place: str) -> dict[str, Array]:
    """The data by name, of the right names and kinds."""
    known, needed = [v.name for v in graph.input], [v.name for v in graph_inputs(graph)]
    if not isinstance(inputs, Mapping):
        if not isinstance(inputs, (list, tuple)) or len(inputs) != len(needed):
            raise InputError(
                "inputs", f"arrays by name, or a list of {len(needed)}: {', '.join(needed)}",
                describe(inputs), "", user_line(),
            )  # fmt: skip
        inputs = dict(zip(needed, inputs, strict=True))
    for name in inputs:
        if name not in known:
            raise InputError(
                f"input {name!r}", "an input of the model", "none of that name", did_you_mean(name, known),
                user_line(),
            )  # fmt: skip
    for name in needed:
        if name not in inputs:
            raise InputError(f"input {name!r}", "an array", "nothing", "Each input needs data.", user_line())
    arrays = {name: as_array(value) for name, value in inputs.items()}
    arrays = {n: a.astype(np.float32) if a.dtype.name == "bfloat16" else a for n, a in arrays.items()}
    for value in graph.input:
        if value.name in arrays:
            dtype = read.kind(value.type.tensor_type.elem_type, f"{place}, input {value.name!r}")
            check_kind(value.name, arrays[value.name], dtype)
    return arrays


def _fixed(graph: Any) -> set[str]:
    """The names of tensors that operators want to know when the diagram is made."""
    return {
        node.input[i]
        for node in graph.node
        if node.op_type in OPERATORS
        for i in OPERATORS[node.op_type].known
        if i < len(node.input)
    }


def _of_type(array: Array, code: int) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array).astype(read.require_onnx().helper.tensor_dtype_to_np_dtype(code))
