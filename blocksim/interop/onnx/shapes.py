"""Operators that make, shape, cut and join tensors."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from blocksim import library as lib
from blocksim.interop.onnx.call import Call, Tensor, known, operator
from blocksim.interop.onnx.read import array


@operator("Identity", "Dropout")
def identity(call: Call) -> list[Tensor]:
    """Dropout of a trained model; its mask keeps all."""
    training = call.get(2)
    if training is not None and (training.value is None or training.value.any()):
        call.fail("inference", "training_mode", "Export the model for inference.")
    return [call[0], *([known(np.ones(call[0].shape, bool))] if call.wants(1) else [])]


# -- values that are known -------------------------------------------------------------------------


@operator("Constant")
def constant(call: Call) -> Tensor:
    ((name, value),) = call.attributes.items()
    if name == "value":
        return known(array(value, f"{call.place}, node {call.name!r}"))
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        call.fail("a tensor, floats or integers", name)
    return known(np.asarray(value, float if "float" in name else np.int64))


@operator("ConstantOfShape", known=(0,))
def constant_of_shape(call: Call) -> Tensor:
    value = call.attributes.get("value")
    fill = np.zeros(1) if value is None else array(value, call.place)
    return known(np.full(call.integers(0) or (), fill.item()))


@operator("Shape")
def shape(call: Call) -> Tensor:
    return known(np.array(call[0].shape[slice(call.attribute("start"), call.attribute("end"))], np.int64))


@operator("Size")
def size(call: Call) -> Tensor:
    return known(np.int64(prod(call[0].shape)))


@operator("Range", known=(0, 1, 2))
def arange(call: Call) -> Tensor:
    return known(np.arange(*(np.ravel(call.values(i))[0] for i in range(3))))  # pyright: ignore[reportArgumentType,reportCallIssue]


# -- shape -----------------------------------------------------------------------------------------


@operator("Reshape", known=(1,))
def reshape(call: Call) -> Tensor:
    given, target = call[0].shape, call.integers(1) or []
    if not call.attribute("allowzero", 0):
        target = [given[i] if n == 0 else n for i, n in enumerate(target)]
    if -1 in target:
        rest = prod(n for n in target if n != -1)
        target[target.index(-1)] = prod(given) // rest if rest else -1
    if prod(target) != prod(given) or min(target, default=0) < 0:
        call.fail(f"a shape for the {prod(given)} elements of {given}", f"{tuple(call.integers(1) or [])}")
    return call.reshape(call[0], target)


@operator("Flatten")
def flatten(call: Call) -> Tensor:
    given, axis = call[0].shape, call.attribute("axis")
    axis = axis + len(given) if axis < 0 else axis
    return call.reshape(call[0], (prod(given[:axis]), prod(given[axis:])))


def _axes(call: Call, rank: int) -> list[int] | None:
    """The axes, an attribute until version 13, an input since then."""
    given = call.attribute("axes") if call.version < 13 else call.integers(1)
    return None if given is None else [call.axis(a, rank) for a in given]


@operator("Squeeze", known=(1,))
def squeeze(call: Call) -> Tensor:
    given = call[0].shape
    axes = _axes(call, len(given))
    axes = [i for i, n in enumerate(given) if n == 1] if axes is None else axes
    if any(given[i] != 1 for i in axes):
        call.fail(f"axes of size 1 at {axes}", f"the shape {given}")
    return call.reshape(call[0], (n for i, n in enumerate(given) if i not in axes))


@operator("Unsqueeze", known=(1,))
def unsqueeze(call: Call) -> Tensor:
    given = call.attribute("axes") if call.version < 13 else call.integers(1)
    rank = len(call[0].shape) + len(given or [])
    axes = {call.axis(a, rank) for a in given or []}
    sizes = iter(call[0].shape)
    return call.reshape(call[0], [1 if i in axes else next(sizes) for i in range(rank)])


@operator("Transpose")
def transpose(call: Call) -> Tensor:
    return call.transpose(call[0], call.attribute("perm") or range(len(call[0].shape))[::-1])


@operator("Expand", known=(1,))
def expand(call: Call) -> Tensor:
    return call.expand(call[0], np.broadcast_shapes(call[0].shape, tuple(call.integers(1) or [])))


# -- parts -----------------------------------------------------------------------------------------


@operator("Concat")
def concat(call: Call) -> Tensor:
    tensors = [call[i] for i in range(len(call.inputs))]
    axis = call.axis(call.attribute("axis"), len(tensors[0].shape))
    return call.apply(lib.Concatenate(axis), *tensors) if len(tensors) > 1 else tensors[0]


def _cut(call: Call, u: Tensor, parts: dict[int, Any]) -> Tensor:
    """The slices of a tensor by axis, each a slice object that `indices` has made definite."""
    cuts = [parts.get(i, slice(None)) for i in range(max(parts, default=-1) + 1)]
    # a stop before the first element, -1, would count from the end
    stops = [None if s.stop is not None and s.stop < 0 else s.stop for s in cuts]
    return call.apply(lib.Slice([s.start for s in cuts], stops, [s.step for s in cuts]), u)


@operator("Slice", known=(1, 2, 3, 4))
def cut(call: Call) -> Tensor:
    u, rank = call[0], len(call[0].shape)
    if call.version < 10:
        starts, ends, axes, steps = (
            call.attribute("starts"),
            call.attribute("ends"),
            call.attribute("axes"),
            None,
        )
    else:
        starts, ends, axes, steps = (call.integers(i) for i in range(1, 5))
    starts, ends = starts or [], ends or []
    axes = [call.axis(a, rank) for a in axes] if axes is not None else range(len(starts))
    steps = steps or [1] * len(starts)
    parts = {}
    for axis, *given in zip(axes, starts, ends, steps, strict=True):
        start, end, step = slice(*given).indices(u.shape[axis])
        # a start before the first element is that element, also of a slice that goes backwards
        parts[axis] = slice(max(start, 0), end, step)
    return _cut(call, u, parts)


@operator("Split", known=(1,))
def split(call: Call) -> list[Tensor]:
    u, count = call[0], len(call.node.output)
    axis = call.axis(call.attribute("axis"), len(u.shape))
    sizes = call.attribute("split") if call.version < 13 else call.integers(1)
    if sizes is None:
        size = -(-u.shape[axis] // count)  # the last one may be smaller
        sizes = [min(size, max(0, u.shape[axis] - i * size)) for i in range(count)]
    if sum(sizes) != u.shape[axis] or len(sizes) != count:
        call.fail(f"{count} sizes that sum up to {u.shape[axis]}", f"{sizes}")
    ends = np.cumsum(sizes).tolist()
    return [_cut(call, u, {axis: slice(end - n, end, 1)}) for n, end in zip(sizes, ends, strict=True)]


@operator("Gather")
def gather(call: Call) -> Tensor:
    u, indices = call[0], call[1]
    axis = call.axis(call.attribute("axis"), len(u.shape))
    n = u.shape[axis]
    if indices.value is not None and ((indices.value < -n) | (indices.value >= n)).any():
        call.fail(f"indices from {-n} to {n - 1}, for axis {axis} of {u.shape}", f"{indices.value.tolist()}")
    return call.apply(lib.Gather(axis), u, indices)


@operator("Tile", known=(1,))
def tile(call: Call) -> Tensor:
    u = call[0]
    for axis, times in enumerate(call.integers(1) or []):
        if times != 1:
            parts = [u] * times
            u = call.apply(lib.Concatenate(axis), *parts) if times else _cut(call, u, {axis: slice(0, 0, 1)})
    return u


@operator("Pad", known=(1, 2, 3))
def pad(call: Call) -> Tensor:
    """With a constant; a negative number of elements is cut off."""
    u, rank = call[0], len(call[0].shape)
    if call.attribute("mode") != "constant":
        call.fail('mode="constant"', repr(call.attribute("mode")), "Other ways to pad are not supported.")
    if call.version < 11:
        pads, fill, axes = call.attribute("pads"), call.attribute("value"), None
    else:
        pads, fill, axes = call.integers(1), call.values(2), call.integers(3)
    pads = pads or []
    fill = 0 if fill is None else np.ravel(fill)[0]
    axes = [call.axis(a, rank) for a in axes] if axes is not None else range(rank)
    for axis, before, after in zip(axes, pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True):
        if min(before, after) < 0:
            part = slice(max(0, -before), u.shape[axis] - max(0, -after), 1)
            u = _cut(call, u, {axis: part})
        parts = [
            known(np.full((*u.shape[:axis], n, *u.shape[axis + 1 :]), fill, u.signal.dtype))
            if n > 0
            else None
            for n in (before, after)
        ]
        joined = [t for t in (parts[0], u, parts[1]) if t is not None]
        u = call.apply(lib.Concatenate(axis), *joined) if len(joined) > 1 else u
    return u
