"""NumPy's functions that move elements, and those of shapes and types, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from blocksim.interop.onnx.array_functions import graph_of, sample
from blocksim.interop.onnx.symbols import Inexpressible, Symbol, writes


@writes("getitem")
def _getitem(u: Symbol, key: Any) -> Any:
    keys = key if isinstance(key, tuple) else (key,)
    given = [i for i, k in enumerate(keys) if isinstance(k, Symbol)]
    if given:
        position = given[0]
        others = [k for i, k in enumerate(keys) if i != position]
        if keys[position].dtype.kind not in "iu" or any(
            not isinstance(k, slice) or k != slice(None) for k in others
        ):
            raise Inexpressible(f"an index {key}", "Index by one signal of integers; choose with xp.where.")
        return np.take(u, keys[position], axis=position)
    found = np.asarray(u.sample)[key]
    if all(k is None or k is Ellipsis or isinstance(k, (int, np.integer, slice)) for k in keys):
        return np.reshape(_slice(u, keys), found.shape)
    if len(keys) == 1 and found.dtype == u.dtype and np.asarray(key).dtype.kind in "iu":
        return np.take(u, key, axis=0)
    return move(lambda a: a[key], u)


def _slice(u: Symbol, keys: tuple[Any, ...]) -> Symbol:
    """The slices alone, each axis kept."""
    keys = tuple(k for k in keys if k is not None)
    gap = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    fill = [slice(None)] * (u.ndim - len(keys) + (Ellipsis in keys))
    starts, stops, axes, steps = [], [], [], []
    for axis, k in enumerate([*keys[:gap], *fill, *keys[gap + 1 :]]):
        k = k if isinstance(k, slice) else slice(k, k + 1 or None)
        start, stop, step = k.indices(u.shape[axis])
        if (start, stop, step) != (0, u.shape[axis], 1):
            starts.append(start)
            stops.append(stop if stop >= 0 else -(2**62))
            axes.append(axis)
            steps.append(step)
    if not axes:
        return u
    index = [slice(None)] * u.ndim
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        index[axis] = slice(start, stop if stop >= 0 else None, step)
    bounds = [u.graph.constant(v, np.int64) for v in (starts, stops, axes, steps)]
    return u.graph.emit("Slice", [u, *bounds], np.asarray(u.sample)[tuple(index)])


def move(function: Callable[[Any], Any], u: Any) -> Any:
    """Any function that moves elements: it says of numbers, counted, where each comes from."""
    places = function(np.arange(u.size).reshape(u.shape))
    if isinstance(places, (list, tuple)):
        return type(places)(_gather(u, p) for p in places)
    return _gather(u, places)


def _gather(u: Any, places: Any) -> Symbol:
    if places.size == u.size and np.all(places.ravel() == np.arange(u.size)):
        return np.reshape(u, places.shape)  # pyright: ignore
    return np.take(np.reshape(u, (-1,)), places, axis=0)  # pyright: ignore


def _moved(function: Any, u: Any, *args: Any, **options: Any) -> Any:
    return move(lambda a: function(a, *args, **options), u)


for _function in (
    np.ravel, np.expand_dims, np.squeeze, np.flip, np.fliplr, np.flipud, np.roll, np.rot90, np.repeat,
    np.tile, np.diagonal, np.split, np.array_split, np.hsplit, np.vsplit, np.atleast_1d, np.atleast_2d,
    np.delete, np.lib.stride_tricks.sliding_window_view,
):  # fmt: skip
    writes(_function)(partial(_moved, _function))


def _permuted(function: Any, u: Any, *args: Any, **options: Any) -> Any:
    # the axes of an array without elements, told apart by their lengths
    probe = np.broadcast_to(np.int8(0), range(2, 2 + u.ndim))
    order = [size - 2 for size in function(probe, *args, **options).shape]
    if order == sorted(order):
        return u
    return u.graph.emit("Transpose", [u], np.transpose(np.asarray(u.sample), order), perm=order)


for _function in (np.transpose, np.swapaxes, np.moveaxis, np.matrix_transpose):
    writes(_function)(partial(_permuted, _function))


@writes(np.reshape)
def _reshape(a: Any, shape: Any, **options: Any) -> Any:
    found = np.reshape(a.sample, shape)
    if found.shape == a.shape and not a.weak:
        return a
    return a.graph.emit("Reshape", [a, a.graph.constant(found.shape, np.int64)], found)


@writes(np.broadcast_to)
def _broadcast_to(a: Any, shape: Any, **options: Any) -> Any:
    found = np.broadcast_to(a.sample, shape)
    if found.shape == a.shape:
        return a
    return a.graph.emit("Expand", [a, a.graph.constant(found.shape, np.int64)], found)


@writes(np.take)
def _take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise", **options: Any) -> Any:
    graph = graph_of([a, indices])
    a = a if isinstance(a, Symbol) else graph.constant(a)
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0  # pyright: ignore
    if mode == "clip":
        indices = np.clip(indices, 0, a.shape[axis] - 1)
    elif mode == "wrap":
        indices = np.remainder(indices, a.shape[axis])
    index = graph.cast(indices, np.int64)
    found = np.take(a.sample, np.zeros_like(index.sample), axis)
    return graph.emit("Gather", [a, index], found, axis=axis)


@writes(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    graph = graph_of([arr, indices])
    a, index = arr if isinstance(arr, Symbol) else graph.constant(arr), graph.cast(indices, np.int64)
    found = np.take_along_axis(np.asarray(a.sample), np.zeros_like(index.sample), axis)
    return graph.emit("GatherElements", [a, index], found, axis=axis)


@writes(np.concatenate)
def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    graph = graph_of(arrays)
    if axis is None:
        arrays, axis = [np.reshape(a, (-1,)) for a in arrays], 0
    found = np.concatenate(sample(list(arrays)), axis)
    return graph.emit("Concat", [graph.cast(a, found.dtype) for a in arrays], found, axis=axis)


@writes(np.stack)
def _stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@writes(np.hstack)
def _hstack(arrays: Sequence[Any]) -> Any:
    arrays = [np.atleast_1d(a) for a in arrays]
    return np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@writes(np.vstack)
def _vstack(arrays: Sequence[Any]) -> Any:
    return np.concatenate([np.atleast_2d(a) for a in arrays])


@writes(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        return move(lambda a: np.pad(a, pad_width, mode), array)  # pyright: ignore
    if np.ndim(constant_values):
        raise Inexpressible("the function pad with several values", "Pad with one number.")
    count = array.size  # the place of what is padded with, behind all elements
    places = np.pad(np.arange(count).reshape(array.shape), pad_width, constant_values=count)
    value = np.reshape(array.graph.cast(constant_values, array.dtype), (1,))
    return np.take(np.concatenate([np.reshape(array, (-1,)), value]), places, axis=0)


@writes(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return np.where(np.tri(*m.shape[-2:], k=k, dtype=bool), m, np.zeros((), m.dtype))


@writes(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return np.where(np.tri(*m.shape[-2:], k=k - 1, dtype=bool), np.zeros((), m.dtype), m)


# -- forms, known before the model runs -----------------------------------------------------------------


def _known(function: Any, *args: Any, **options: Any) -> Any:
    return function(*map(sample, args), **options)


for _function in (
    np.shape, np.ndim, np.size, np.result_type, np.zeros_like, np.ones_like, np.empty_like, np.iscomplexobj,
    np.isrealobj, np.can_cast, np.common_type, np.broadcast_shapes,
):  # fmt: skip
    writes(_function)(partial(_known, _function))


@writes(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    graph = graph_of([a, fill_value])
    return np.broadcast_to(graph.cast(fill_value, dtype or sample(a).dtype), np.shape(a))


def as_array(value: Any, dtype: Any = None) -> Any:
    """np.asarray, of symbols too."""
    if isinstance(value, (list, tuple)) and any(isinstance(v, Symbol) for v in value):
        value = np.stack(value)  # pyright: ignore
    if isinstance(value, Symbol):
        return value.graph.cast(value, dtype or value.dtype)
    return np.asarray(value, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """np.full, of symbols too."""
    if isinstance(fill_value, Symbol):
        return np.broadcast_to(as_array(fill_value, dtype), shape)
    return np.full(shape, fill_value, dtype)


class Namespace:
    """NumPy, as `xp`: the functions that NumPy does not dispatch take symbols too."""

    asarray = staticmethod(as_array)
    array = staticmethod(as_array)
    full = staticmethod(full)

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return Type(found) if isinstance(found, type) and issubclass(found, np.generic) else found


class Type:
    """A type of NumPy's, such as xp.int64: it converts, and says the dtype."""

    def __init__(self, kind: type[np.generic]) -> None:
        self.kind, self.dtype = kind, np.dtype(kind)

    def __call__(self, value: Any = 0) -> Any:
        return as_array(value, self.dtype) if isinstance(value, Symbol) else self.kind(value)
