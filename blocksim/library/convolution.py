"""Windows that slide over a signal: convolution and pooling, channels last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from operator import add
from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch
from blocksim.library._check import floats, is_integer, one_of, require

__all__ = ["Convolution", "Pooling"]

Sizes = int | Sequence[int]
"""A number for all axes, or one for each."""
Padding = str | int | Sequence[int | Sequence[int]]
"""What is put around a signal: "same", or how much before and after it along each axis."""


@dataclass(frozen=True)
class _Axis:
    """The windows along one axis. Of `n` elements there may be numbers known only at run time."""

    size: int
    stride: int
    dilation: int
    padding: tuple[int, int] | None
    """None: as much as ceil(n / stride) windows need, half of it before."""
    ceil: bool = False

    @property
    def reach(self) -> int:
        return (self.size - 1) * self.dilation + 1

    def count(self, xp: Any, n: Any) -> Any:
        """The number of windows over n elements; none over no elements."""
        if self.padding is None:
            return (n + self.stride - 1) // self.stride
        before, after = self.padding
        room = n + before + after - self.reach
        found = (room + (self.stride - 1 if self.ceil else 0)) // self.stride + 1
        if self.ceil:  # a window begins before the padding at the end
            found = xp.minimum(found, (n + before + self.stride - 1) // self.stride)
        return xp.where(n > 0, xp.maximum(found, 0), 0)

    def before(self, xp: Any, n: Any) -> Any:
        """How far the first window begins before the first element."""
        if self.padding is not None:
            return self.padding[0]
        missing = (self.count(xp, n) - 1) * self.stride + self.reach - n
        return xp.maximum(missing, 0) // 2

    @property
    def moves(self) -> bool:
        """Whether the number of elements decides where the windows begin."""
        return self.padding is None and self.stride > 1


class _Layout:
    """The windows over a signal with some spatial axes and channels, of which `length` may be elements.

    With a length, what comes after so many elements along the first axis is not there: windows lie as
    they would over a signal that ends there, and what they give beyond the new length is zero.
    """

    def __init__(self, xp: Any, axes: list[_Axis], shape: tuple[int, ...], length: Any) -> None:
        self.xp, self.axes, self.shape, self.length = xp, axes, shape, length
        self.counts = [int(axis.count(np, n)) for axis, n in zip(axes, shape, strict=False)]
        self.valid: list[Any] = [*shape[: len(axes)]]
        if length is not None:
            self.valid[0] = xp.minimum(length, shape[0])

    def windows(self, u: Any, fill: float) -> Iterator[Any]:
        """The elements of all windows at one place of the window after the other, each (*counts, m)."""
        xp, first = self.xp, self.axes[0]
        if self.length is not None:
            u = xp.where(self._until(self.valid[0], self.shape[0], u.ndim), u, fill)
        moves = first.moves and self.length is not None
        pads = []
        for i, (axis, n, count) in enumerate(zip(self.axes, self.shape, self.counts, strict=False)):
            most = (axis.reach - 1) // 2 if moves and i == 0 else 0
            before = most or int(axis.before(np, n))
            pads.append((before, max(0, (count - 1) * axis.stride + axis.reach + most - before - n)))
        if any(map(any, pads)):
            u = xp.pad(u, (*pads, (0, 0)), constant_values=fill)
        if moves:
            rows = xp.arange((self.counts[0] - 1) * first.stride + first.reach)
            u = xp.take(u, rows + pads[0][0] - first.before(xp, self.valid[0]), axis=0, mode="clip")
        for place in product(*(range(axis.size) for axis in self.axes)):
            starts = [k * axis.dilation for k, axis in zip(place, self.axes, strict=True)]
            yield u[
                tuple(
                    slice(start, start + (count - 1) * axis.stride + 1, axis.stride)
                    for start, axis, count in zip(starts, self.axes, self.counts, strict=True)
                )
            ]

    def elements(self, i: int, padded: bool) -> Any:
        """How many elements each window has along axis i, with those of the padding or without."""
        xp, axis, n = self.xp, self.axes[i], self.valid[i]
        before = axis.before(xp, n)
        start = xp.arange(self.counts[i]) * axis.stride - before
        after = axis.reach if axis.padding is None else axis.padding[1]
        low, high = (-before, n + after) if padded else (0, n)
        inside = xp.minimum(start + axis.size, high) - xp.maximum(start, low)
        shape = (1,) * i + (self.counts[i],) + (1,) * (len(self.shape) - i - 1)
        return xp.reshape(xp.maximum(inside, 1), shape)

    def finish(self, y: Any, ndim: int) -> Any:
        """The output: with a length, the zeros beyond the new one, and that."""
        if self.length is None:
            return y
        length = self.axes[0].count(self.xp, self.valid[0])
        return self.xp.where(self._until(length, self.counts[0], ndim), y, 0.0), length

    def _until(self, length: Any, n: int, ndim: int) -> Any:
        return self.xp.reshape(self.xp.arange(n) < length, (n,) + (1,) * (ndim - 1))


@block
class Convolution(Block):
    """y[i] = b + sum over k of W[:, :, k] u[stride i + dilation k - before], windows of all channels.

    u (*spatial, m), W (n, m / groups, *kernel) as in PyTorch and ONNX, b (n,) or 0; y (*spatial', n). stride,
    dilation: one number, or one for each axis. padding, with zeros: a number, one or a pair (before, after)
    for each axis, or "same": spatial' = ceil(spatial / stride), half of it before. groups: so many parts of
    the channels that do not mix. With `length` there is a second input, how many elements of the first axis
    there are, and a second output, how many come of them; y beyond is zero.

    >>> import blocksim as bs, numpy as np
    >>> difference = bs.library.Convolution([[[-1.0, 1.0]]], padding=((1, 0),))
    >>> difference.output(np, np.array([[1.0], [4.0], [9.0]])).ravel()
    array([1., 3., 5.])
    """

    W: Array = param()
    stride: Sizes = 1
    padding: Padding = 0
    dilation: Sizes = 1
    groups: int = 1
    b: Array = param(default=0.0)
    length: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        shape: Any = self.W.shape
        require(len(shape) > 2 and 0 not in shape, self, "W", "an array (n, m, *kernel)")
        ok = is_integer(self.groups, 1) and shape[0] % int(self.groups) == 0
        require(ok, self, "groups", f"a divisor of the {shape[0]} output channels")
        require(self.b.shape in ((), shape[:1]), self, "b", f"0, or a number for each of {shape[0]} channels")
        _windowed(self, "stride", "dilation", axes=len(shape) - 2)

    def arity(self) -> tuple[str, ...]:
        return ("u", "length") if self.length else ("u",)

    def axes(self, shape: tuple[int, ...]) -> list[_Axis]:
        size = self.W.shape[2:]
        return _axes(size, self.stride, self.dilation, self.padding, len(size))

    def output(self, xp: Any, *u: Any) -> Any:
        x, *length = u
        n, kernel, groups = self.W.shape[0], prod(self.W.shape[2:]), int(self.groups)
        layout = _Layout(xp, self.axes(x.shape), x.shape, length[0] if length else None)
        windows = xp.stack(list(layout.windows(x, 0.0)), axis=-1)
        # one product for each element of the first axis, so that none depends on how many there are
        first, rest, inner = layout.counts[0], prod(layout.counts[1:]), x.shape[-1] // groups * kernel
        rows = xp.swapaxes(xp.reshape(windows, (first, rest, groups, inner)), 1, 2)
        matrix = xp.swapaxes(xp.reshape(self.W, (groups, n // groups, inner)), 1, 2)
        y = xp.reshape(xp.swapaxes(xp.matmul(rows, matrix), 1, 2), (*layout.counts, n)) + self.b
        return layout.finish(y, x.ndim)

    def check(self, *u: Signal) -> None:
        kernel, channels = self.W.shape[2:], self.W.shape[1] * self.groups
        shape = u[0].shape
        if len(shape) != len(kernel) + 1 or shape[-1] != channels:
            form = ", ".join(["any"] * len(kernel) + [str(channels)])
            advice = "Axes of space come first, channels last."
            raise Mismatch(f"a signal ({form}) for W {self.W.shape}", str(u[0]), advice, "u")
        _check_windows(self, *u)


@block
class Pooling(Block):
    """y = the largest element of each window, or its average, for each channel.

    u (*spatial, m), y (*spatial', m). size, and stride (the size, if not given): one number, or one for each
    axis. padding: a number, one or a pair (before, after) for each axis, or "same", as of a Convolution; it
    is less than the size, and nothing of it is taken, unless count_padding lets averages count zeros there.
    ceil: the last window may reach beyond the end. `length` as of a Convolution.

    >>> import blocksim as bs, numpy as np
    >>> u = np.array([[1.0], [5.0], [2.0], [4.0], [3.0]])
    >>> bs.library.Pooling("max", 2).output(np, u).ravel()
    array([5., 4.])
    >>> bs.library.Pooling("average", 3, padding=1, ceil=True).output(np, u).ravel()
    array([3., 3.])
    """

    function: str
    size: Sizes
    stride: Sizes | None = None
    padding: Padding = 0
    count_padding: bool = False
    ceil: bool = False
    length: bool = False

    def __post_init__(self) -> None:
        one_of(self, "function", ["max", "average"])
        _windowed(self, "size", *(["stride"] if self.stride is not None else []))
        if self.padding != "same":
            axes = max(len(v) if isinstance(v, tuple) else 1 for v in (self.size, self.padding))
            ok = all(max(axis.padding or ()) < axis.size for axis in self.axes((1,) * (axes + 1)))
            require(ok, self, "padding", f"less than the size, {self.size}")

    def arity(self) -> tuple[str, ...]:
        return ("u", "length") if self.length else ("u",)

    def axes(self, shape: tuple[int, ...]) -> list[_Axis]:
        stride = self.size if self.stride is None else self.stride
        return _axes(self.size, stride, 1, self.padding, len(shape) - 1, self.ceil)

    def output(self, xp: Any, *u: Any) -> Any:
        x, *length = u
        layout = _Layout(xp, self.axes(x.shape), x.shape, length[0] if length else None)
        if self.function == "max":  # the lowest number, since an infinite one would be reported
            y = reduce(xp.maximum, layout.windows(x, float(np.finfo(x.dtype).min)))
        else:
            elements = [layout.elements(i, self.count_padding) for i in range(len(layout.axes))]
            number = reduce(lambda a, b: a * b, elements)
            y = reduce(add, layout.windows(x, 0.0)) / xp.asarray(number, x.dtype.name)
        return layout.finish(y, x.ndim)

    def check(self, *u: Signal) -> None:
        given = {len(v) for v in (self.size, self.stride, self.padding) if isinstance(v, tuple)}
        ndim = len(u[0].shape)
        if ndim < 2 or given - {ndim - 1}:
            form = f"{next(iter(given))} axes" if given else "at least one axis"
            raise Mismatch(f"a signal with {form}, and channels", str(u[0]), "", "u")
        _check_windows(self, *u)


def _windowed(block: Any, *fields: str, axes: int | None = None) -> None:
    """Verify the fields that say how windows lie, and make tuples of those that differ by axis."""
    form = "an integer" + (f", or {axes} of them" if axes else ", or one for each axis")

    def fits(value: Any) -> bool:
        return isinstance(value, (tuple, list)) and len(value) in ({axes} if axes else range(1, 9))

    for field in fields:
        value = getattr(block, field)
        ok = is_integer(value, 1) or (fits(value) and all(is_integer(v, 1) for v in value))
        require(ok, block, field, f"{form}, of at least 1")
        made = int(value) if is_integer(value, 1) else tuple(map(int, value))
        object.__setattr__(block, field, made)
    value: Any = block.padding
    if is_integer(value, 0):
        object.__setattr__(block, "padding", int(value))
    elif not (isinstance(value, str) and value == "same"):
        pairs: Any = [(v, v) if is_integer(v, 0) else v for v in value] if fits(value) else [None]
        ok = all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs)
        ok = ok and all(is_integer(n, 0) for pair in pairs for n in pair)
        require(ok, block, "padding", f'"same", {form}, or a pair (before, after) for each')
        object.__setattr__(block, "padding", tuple((int(a), int(b)) for a, b in pairs))
    require(isinstance(block.length, bool), block, "length", "True or False")
    object.__setattr__(block, "outputs", ("y", "length") if block.length else ("y",))


def _axes(size: Any, stride: Any, dilation: Any, padding: Any, count: int, ceil: bool = False) -> list[_Axis]:
    def each(value: Any) -> Any:
        return (value,) * count if isinstance(value, int) else value

    pads = (None,) * count if padding == "same" else each(padding)
    rows = zip(each(size), each(stride), each(dilation), pads, strict=True)
    return [_Axis(s, t, d, (p, p) if isinstance(p, int) else p, ceil) for s, t, d, p in rows]


def _check_windows(block: Any, u: Signal, length: Signal | None = None) -> None:
    floats(u=u)
    for i, (axis, n) in enumerate(zip(block.axes(u.shape), u.shape, strict=False)):
        if int(axis.count(np, n)) < 1:
            expected = (
                f"at least {axis.reach - sum(axis.padding or ())} elements along axis {i}, for a window"
            )
            raise Mismatch(expected, str(u), "Make the window smaller or the padding larger.", "u")
    if length is not None and (length.shape or length.dtype.kind not in "iu"):
        raise Mismatch("an integer, the number of elements", str(length), "", "length")
