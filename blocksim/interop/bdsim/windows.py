"""The laws of blocks that look along axes: over a signal that ends where its elements do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _each(value: Any, count: int) -> Any:
    return (value,) * count if isinstance(value, int) else value


def _windows(b: Any, u: Any, size: Any, stride: Any, dilation: Any, ceil: bool, fill: float) -> Any:
    """(*spatial', m, *size): what is of the padding is zero, or `fill`; what is beyond it NaN."""
    n = u.ndim - 1
    size, stride, dilation = _each(size, n), _each(stride, n), _each(dilation, n)
    pads = [(p, p) if isinstance(p, int) else p for p in _each(b.padding, n)] if b.padding != "same" else []
    slack = []
    for i in range(n):
        reach, length = (size[i] - 1) * dilation[i] + 1, u.shape[i]
        if b.padding == "same":
            missing = max(0, (int(np.ceil(length / stride[i])) - 1) * stride[i] + reach - length)
            pads.append((missing // 2, missing - missing // 2))
        over = (length + sum(pads[i]) - reach) % stride[i]
        more = stride[i] - over if ceil and over else 0
        begins = length + sum(pads[i]) + more - reach
        slack.append((0, more if begins < length + pads[i][0] else 0))
    u = np.pad(u, [*pads, (0, 0)], constant_values=fill)
    u = np.pad(u, [*slack, (0, 0)], constant_values=np.nan)
    reaches = [(s - 1) * d + 1 for s, d in zip(size, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(u, reaches, tuple(range(n)))
    steps = tuple(slice(None, None, s) for s in stride)
    return seen[(*steps, slice(None), *(slice(None, None, d) for d in dilation))]


def _over(b: Any, u: Any, law: Callable[[Any], Any], of_no_length: Any) -> Any:
    """The law over the elements that there are, behind it zeros to the size that all would give."""
    if not b.length:
        return law(u[0])
    whole = np.zeros_like(law(u[0]))
    y = law(u[0][: u[1]]) if u[1] >= of_no_length else whole[:0]
    whole[: len(y)] = y
    return whole, np.asarray(len(y), u[1].dtype)


def _least(b: Any, size: Any) -> int:
    """The fewest elements along the first axis that a window fits on."""
    if b.padding == "same":
        return 1
    pads = b.padding if isinstance(b.padding, int) else b.padding[0]
    return max(1, size - int(np.sum(np.broadcast_to(pads, 2))))


def convolution(b: Any, *u: Any) -> Any:
    kernel = b.W.shape[2:]

    def law(x: Any) -> Any:
        parts = np.split(_windows(b, x, kernel, b.stride, b.dilation, False, 0.0), b.groups, axis=len(kernel))
        axes = tuple(range(-len(kernel) - 1, 0))
        weights = np.split(b.W, b.groups)
        y = [np.tensordot(p, w, (axes, axes)) for p, w in zip(parts, weights, strict=True)]
        return np.concatenate(y, axis=-1) + b.b

    reach = (kernel[0] - 1) * _each(b.dilation, len(kernel))[0] + 1
    return _over(b, u, law, _least(b, reach))


def pooling(b: Any, *u: Any) -> Any:
    largest = b.function == "max"

    def law(x: Any) -> Any:
        n = x.ndim - 1
        size, stride = _each(b.size, n), b.size if b.stride is None else b.stride
        fill = 0.0 if b.count_padding and not largest else np.nan
        axes = tuple(range(-n, 0))
        windows = _windows(b, x, size, stride, 1, b.ceil, fill)
        return np.nanmax(windows, axis=axes) if largest else np.nanmean(windows, axis=axes)

    return _over(b, u, law, _least(b, _each(b.size, 1)[0]))


def global_pooling(b: Any, u: Any, length: Any) -> Any:
    if length == 0:
        return np.zeros_like(u[0])
    return np.amax(u[:length], axis=0) if b.function == "max" else np.mean(u[:length], axis=0)


def standardize(b: Any, u: Any) -> Any:
    return (u - np.mean(u, axis=-1, keepdims=True)) / np.sqrt(np.var(u, axis=-1, keepdims=True) + b.epsilon)
