"""Sequences as signals, of which a length says how many elements there are; and their channels, last."""

from __future__ import annotations

from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch
from blocksim.library._check import floats, numbers, one_of, one_shape, require

__all__ = ["ChannelAffine", "GlobalPooling", "Last", "Mask", "Standardize"]


def _until(xp: Any, length: Any, u: Any) -> Any:
    """Whether an element of the first axis is there, in a shape that fits u."""
    return xp.reshape(xp.arange(u.shape[0]) < length, (u.shape[0],) + (1,) * (u.ndim - 1))


def _check_sequence(u: Signal, length: Signal) -> None:
    if not u.shape or not u.shape[0]:
        raise Mismatch("a sequence of at least one element", str(u), "", "u")
    if length.shape or length.dtype.kind not in "iu":
        raise Mismatch("an integer, the number of elements", str(length), "", "length")


@block
class Mask(Block):
    """y[k] = u[k] for k < length, else 0, along the first axis.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Mask().output(np, np.array([1.0, 2.0, 3.0]), 2)
    array([1., 2., 0.])
    """

    def output(self, xp: Any, u: Any, length: Any) -> Any:
        return xp.where(_until(xp, length, u), u, 0)

    def check(self, u: Signal, length: Signal) -> None:
        numbers(u=u)
        _check_sequence(u, length)


@block
class Last(Block):
    """y = u[length - 1] along the first axis; 0 if there is no element.

    >>> import blocksim as bs, numpy as np
    >>> float(bs.library.Last().output(np, np.array([1.0, 2.0, 3.0]), np.int64(2)))
    2.0
    """

    def output(self, xp: Any, u: Any, length: Any) -> Any:
        return xp.where(length > 0, xp.take(u, xp.maximum(length, 1) - 1, axis=0, mode="clip"), 0)

    def check(self, u: Signal, length: Signal) -> None:
        numbers(u=u)
        _check_sequence(u, length)


@block
class GlobalPooling(Block):
    """y = the largest of u[0], ... u[length - 1], or with function "average" their mean; 0 if there is none.

    >>> import blocksim as bs, numpy as np
    >>> u = np.array([[1.0, 5.0], [3.0, 4.0], [9.0, 9.0]])
    >>> bs.library.GlobalPooling("average").output(np, u, np.int64(2))
    array([2. , 4.5])
    """

    function: str

    def __post_init__(self) -> None:
        one_of(self, "function", ["max", "average"])

    def output(self, xp: Any, u: Any, length: Any) -> Any:
        inside = _until(xp, length, u)
        if self.function == "max":
            largest = xp.max(xp.where(inside, u, float(np.finfo(u.dtype).min)), axis=0)
            return xp.where(length > 0, largest, 0.0)
        # one after the other, so that the zeros at the end change no rounding
        total = xp.cumsum(xp.where(inside, u, 0.0), axis=0)[-1]
        return total / xp.asarray(xp.maximum(length, 1), u.dtype.name)

    def check(self, u: Signal, length: Signal) -> None:
        floats(u=u)
        _check_sequence(u, length)


@block
class ChannelAffine(Block):
    """y = gain u + bias, with a gain and a bias for each channel, along the last axis.

    u (..., n); gain, bias: (n,), or a number for all channels.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.ChannelAffine([1.0, 2.0], [0.0, 1.0]).output(np.ones((3, 2)))
    array([[1., 3.],
           [1., 3.],
           [1., 3.]])
    """

    transparent = True

    gain: Array = param(default=1.0)
    bias: Array = param(default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)
        for name, array in self.parameters().items():
            require(array.ndim < 2, self, name, "a number, or a vector of one for each channel")

    def output(self, u: Any) -> Any:
        return self.gain * u + self.bias

    def check(self, u: Signal) -> None:
        floats(u=u)
        for name, array in self.parameters().items():
            if array.ndim and array.shape != u.shape[-1:]:
                expected = f"a signal with {len(array)} channels, those of {name}, along its last axis"
                raise Mismatch(expected, str(u), "", "u")


@block
class Standardize(Block):
    """y = (u - mean(u)) / sqrt(var(u) + epsilon), both over the last axis.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Standardize(0.0).output(np, np.array([[1.0, 3.0], [2.0, 2.5]]))
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        ok = isinstance(self.epsilon, (int, float)) and 0 <= self.epsilon < np.inf
        require(ok, self, "epsilon", "a number of at least 0")

    def output(self, xp: Any, u: Any) -> Any:
        centered = u - xp.mean(u, axis=-1, keepdims=True)
        variance = xp.mean(centered * centered, axis=-1, keepdims=True)
        return centered / xp.sqrt(variance + float(self.epsilon))

    def check(self, u: Signal) -> None:
        floats(u=u)
        if not u.shape or not u.shape[-1]:
            raise Mismatch("a signal with elements along its last axis", str(u), "", "u")
