"""Operators of networks: products of matrices, reductions, softmax, normalization, convolution, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

import blocksim.library as lib
from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.interop.onnx.call import Call, Tensor, operator
from blocksim.scan import Scan

# -- products of matrices --------------------------------------------------------------------------


@operator("Gemm")
def gemm(call: Call) -> Tensor:
    """y = alpha A B + beta C, A and B possibly transposed."""
    a, b = (
        call.transpose(call[i], (1, 0)) if call.attribute(name) else call[i]
        for i, name in enumerate(("transA", "transB"))
    )
    y = _scaled(call, call.apply(lib.MatrixMultiply(), a, b), call.attribute("alpha"))
    c = call.get(2)
    if c is None:
        return y
    return call.apply(lib.Sum(), y, call.expand(_scaled(call, c, call.attribute("beta")), y.shape))


def _scaled(call: Call, u: Tensor, factor: float) -> Tensor:
    return u if factor == 1 else call.apply(lib.Gain(factor), u)


@operator("MatMul")
def matmul(call: Call) -> Tensor:
    a, b = call[0], call[1]
    if len(a.shape) > 2 == len(b.shape):  # one product for the whole batch
        rows = call.reshape(a, (int(np.prod(a.shape[:-1])), a.shape[-1]))
        y = call.apply(lib.MatrixMultiply(), rows, b)
        return call.reshape(y, (*a.shape[:-1], b.shape[-1]))
    if len(a.shape) > 1 and len(b.shape) > 1:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (call.expand(t, (*batch, *t.shape[-2:])) for t in (a, b))
    return call.apply(lib.MatrixMultiply(), a, b)


# -- reductions ------------------------------------------------------------------------------------

REDUCE = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceProd": "prod",
}
BEFORE: dict[str, list[Block]] = {
    "ReduceL1": [lib.Abs()],
    "ReduceL2": [lib.MathFunction("square")],
    "ReduceSumSquare": [lib.MathFunction("square")],
    "ReduceLogSum": [],
}
AFTER: dict[str, list[Block]] = {"ReduceL2": [lib.Sqrt()], "ReduceLogSum": [lib.MathFunction("log")]}


@operator(*REDUCE, *BEFORE, "ReduceLogSumExp", known=(1,))
def reduce(call: Call) -> Tensor:
    u, name, rank = call[0], call.node.op_type, len(call[0].shape)
    since = 13 if name == "ReduceSum" else 18
    axes = call.attribute("axes") if call.version < since else call.integers(1)
    if not axes and call.attribute("noop_with_empty_axes", 0):
        axes = []
    else:
        axes = sorted(call.axis(a, rank) for a in axes) if axes else list(range(rank))
    keep = bool(call.attribute("keepdims"))
    if name == "ReduceLogSumExp":
        y = _log_sum_exp(call, u, axes)
        return y if keep else call.reshape(y, (n for i, n in enumerate(u.shape) if i not in axes))
    for before in BEFORE.get(name, []):
        u = call.apply(before, u)
    if axes:
        u = call.apply(lib.Reduce(REDUCE.get(name, "sum"), axes, keep), u)
    for after in AFTER.get(name, []):
        u = call.apply(after, u)
    return u


def _log_sum_exp(call: Call, u: Tensor, axes: list[int]) -> Tensor:
    """log(sum(exp(u))) without overflow, with the axes kept."""
    top = call.apply(lib.Reduce("max", axes, True), u)
    e = call.apply(lib.MathFunction("exp"), call.elementwise(lib.Sum("+-"), u, top))
    return call.apply(
        lib.Sum(), top, call.apply(lib.MathFunction("log"), call.apply(lib.Reduce("sum", axes, True), e))
    )


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Tensor:
    function = "mean" if call.node.op_type == "GlobalAveragePool" else "max"
    return call.apply(lib.Reduce(function, range(2, len(call[0].shape)), True), call[0])


# -- softmax and normalization ---------------------------------------------------------------------


@operator("Softmax", "LogSoftmax")
def softmax(call: Call) -> Tensor:
    """Over one axis; until version 13 over all from this one on."""
    u, given = call[0], call[0].shape
    axis = call.axis(call.attribute("axis"), len(given)) if given else 0
    if call.version < 13:
        u, axis = call.reshape(u, (int(np.prod(given[:axis])), int(np.prod(given[axis:])))), 1
    if call.node.op_type == "LogSoftmax":
        y = call.elementwise(lib.Sum("+-"), u, _log_sum_exp(call, u, [axis]))
    else:
        order = list(range(len(u.shape)))
        order[axis], order[-1] = order[-1], order[axis]
        y = call.transpose(call.apply(lib.Softmax(), call.transpose(u, order)), order)
    return call.reshape(y, given)


def _normalized(call: Call, u: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """(u - mean) / sqrt(variance + epsilon), and the factor."""
    shifted = call.apply(lib.Bias(call.attribute("epsilon")), variance)
    factor = call.apply(lib.MathFunction("reciprocal"), call.apply(lib.Sqrt(), shifted))
    return call.elementwise(lib.Product(), call.elementwise(lib.Sum("+-"), u, mean), factor), factor


def _moments(call: Call, u: Tensor, axes: list[int]) -> tuple[Tensor, Tensor]:
    mean = call.apply(lib.Reduce("mean", axes, True), u)
    deviation = call.elementwise(lib.Sum("+-"), u, mean)
    return mean, call.apply(lib.Reduce("mean", axes, True), call.apply(lib.MathFunction("square"), deviation))


def _affine(call: Call, u: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    u = u if scale is None else call.elementwise(lib.Product(), u, scale)
    return u if bias is None else call.elementwise(lib.Sum(), u, bias)


def _per_channel(call: Call, tensor: Tensor, rank: int) -> Tensor:
    """(C,) as (C, 1, 1 ...), to be widened over the axes behind that of the channels."""
    return call.reshape(tensor, (*tensor.shape, *(1,) * (rank - 2)))


@operator("BatchNormalization")
def batch_normalization(call: Call) -> Tensor:
    if call.attribute("training_mode", 0) or call.wants(1):
        call.fail("inference", "training_mode", "Export the model for inference.")
    u = call[0]
    scale, bias, mean, variance = (_per_channel(call, call[i], len(u.shape)) for i in range(1, 5))
    return _affine(call, _normalized(call, u, mean, variance)[0], scale, bias)


@operator("InstanceNormalization")
def instance_normalization(call: Call) -> Tensor:
    u, rank = call[0], len(call[0].shape)
    scale, bias = (_per_channel(call, call[i], rank) for i in (1, 2))
    return _affine(call, _normalized(call, u, *_moments(call, u, list(range(2, rank))))[0], scale, bias)


@operator("LayerNormalization")
def layer_normalization(call: Call) -> list[Tensor]:
    u, rank = call[0], len(call[0].shape)
    axes = list(range(call.axis(call.attribute("axis"), rank), rank))
    mean, variance = _moments(call, u, axes)
    normal, factor = _normalized(call, u, mean, variance)
    return [_affine(call, normal, call[1], call.get(2)), mean, factor]


# -- convolution and pooling -----------------------------------------------------------------------


def _spatial(call: Call, size: list[int]) -> dict[str, Any]:
    """The stride and the padding, along each spatial axis, of a window of this size."""
    u = call[0].shape[2:]
    if len(size) != len(u):
        call.fail(f"a window of {len(u)} axes, for the input {call[0].shape}", f"{size}")
    strides = call.attribute("strides") or [1] * len(u)
    dilations = call.attribute("dilations") or [1] * len(u)
    pads = call.attribute("pads") or [0] * (2 * len(u))
    how = call.attribute("auto_pad")
    if how == "VALID":
        pads = [0] * (2 * len(u))
    elif how in ("SAME_UPPER", "SAME_LOWER"):
        parts = zip(u, size, strides, dilations, strict=True)
        totals = [max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n) for n, k, s, d in parts]
        less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
        pads = less + more if how == "SAME_UPPER" else more + less
    padding = tuple(zip(pads[: len(u)], pads[len(u) :], strict=True))
    return {"stride": tuple(strides), "padding": padding, "dilation": tuple(dilations)}


def _mapped(call: Call, block: Block, bias: Tensor | None = None) -> Tensor:
    """The block, of channels last, for each element of a batch of channels first."""
    u = call.cast(call[0], "f")
    axes = len(u.shape) - 2
    each = Diagram("image")
    x = each.input("x", u.shape[1:])
    y = each.add("y", block, each.add("channels_last", lib.Transpose((*range(1, axes + 1), 0)), x))
    each.output("channels_first", each.add("channels_first", lib.Transpose((axes, *range(axes))), y))
    y = call.apply(Scan(each), u, name=type(block).__name__.lower())
    return y if bias is None else call.elementwise(lib.Sum(), y, _per_channel(call, bias, len(u.shape)))


@operator("Conv", known=(1,))
def convolution(call: Call) -> Tensor:
    weights = call.values(1)
    assert weights is not None
    bias, size = call.get(2), list(weights.shape[2:])
    own: dict[str, Any] = {} if bias is None or bias.value is None else {"b": bias.value}
    block = lib.Convolution(weights, **_spatial(call, size), groups=call.attribute("group"), **own)
    return _mapped(call, block, None if own else bias)


@operator("MaxPool", "AveragePool")
def pool(call: Call) -> Tensor:
    size = call.attribute("kernel_shape")
    options = _spatial(call, size)
    if any(d != 1 for d in options.pop("dilation")):
        call.fail("a dense window", f"dilations {call.attribute('dilations')}", "It is not supported.")
    if call.wants(1):
        call.fail("no output Indices", "one", "The positions of the maxima are not supported.")
    largest = call.node.op_type == "MaxPool"
    block = lib.Pooling(
        "max" if largest else "average", tuple(size), **options,
        count_padding=not largest and bool(call.attribute("count_include_pad")),
        ceil=bool(call.attribute("ceil_mode", 0)),
    )  # fmt: skip
    return call.cast(_mapped(call, block), call[0].kind)
