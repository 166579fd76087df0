"""Arrays with several axes: blocks that permute, widen, gather, cut, reduce and multiply them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blocksim.block import Block, Signal, block
from blocksim.errors import Mismatch
from blocksim.library._check import as_integers, is_integer, numbers, one_of, require, same_dtype

__all__ = ["Cast", "Expand", "Gather", "MatrixMultiply", "Reduce", "Slice", "Transpose"]


@block
class Transpose(Block):
    """y = u with its axes in another order: axis i of y is axis axes[i] of u; without axes, reversed.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Transpose((1, 2, 0)).output(np, np.zeros((2, 3, 4))).shape
    (3, 4, 2)
    """

    transparent = True

    axes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.axes is not None:
            as_integers(self, "axes", 0)
            ok = sorted(self.axes) == list(range(len(self.axes)))
            require(ok, self, "axes", "each of the axes 0, 1, ... once")

    def output(self, xp: Any, u: Any) -> Any:
        return xp.transpose(u, self.axes)

    def check(self, u: Signal) -> None:
        if self.axes is not None and len(self.axes) != len(u.shape):
            raise Mismatch(f"a signal with {len(self.axes)} axes, for axes {self.axes}", str(u), "", "u")


@block
class Expand(Block):
    """y = u repeated to a shape: axes of size 1, and those that are missing in front, are widened.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Expand((2, 3)).output(np, np.array([[1.0], [2.0]]))
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """

    transparent = True

    shape: Sequence[int]

    def __post_init__(self) -> None:
        as_integers(self, "shape", 0)

    def output(self, xp: Any, u: Any) -> Any:
        return xp.broadcast_to(u, self.shape)

    def check(self, u: Signal) -> None:
        shape, lead = tuple(self.shape), len(self.shape) - len(u.shape)
        if lead < 0 or any(m not in (1, n) for m, n in zip(u.shape, shape[lead:], strict=True)):
            advice = "Only axes of size 1 can be widened."
            raise Mismatch(f"a signal that can be widened to {shape}", str(u), advice, "u")


@block
class MatrixMultiply(Block):
    """y = u1 @ u2: the product of matrices in the last two axes; those before are a batch, the same in both.

    A vector is a row as u1 and a column as u2.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.MatrixMultiply().output(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]))
    array([11.])
    """

    def output(self, u1: Any, u2: Any) -> Any:
        return u1 @ u2

    def check(self, u1: Signal, u2: Signal) -> None:
        numbers(u1=u1, u2=u2)
        same_dtype((u1, u2))
        for port, signal in {"u1": u1, "u2": u2}.items():
            if not signal.shape:
                raise Mismatch("a vector, a matrix or a batch of matrices", str(signal), "", port)
        if u1.shape[-1] != u2.shape[-2:][0]:
            raise Mismatch(f"a signal with rows for the {u1.shape[-1]} columns of u1", str(u2), "", "u2")
        if len(u1.shape) > 1 < len(u2.shape) and u1.shape[:-2] != u2.shape[:-2]:
            advice = "Widen one with an Expand: nothing is broadcast."
            raise Mismatch(f"a batch {u1.shape[:-2]} of matrices, as u1", str(u2), advice, "u2")


@block
class Gather(Block):
    """y = u[..., indices, ...]: the slices of u along an axis at integer indices, which take its place.

    indices of any shape; negative ones count from the end. One out of range gives NaN, and of an u
    that is not of floats the slice at the nearer end.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Gather().output(np, np.array([5.0, 6.0, 7.0]), np.array([[0, -1]]))
    array([[5., 7.]])
    """

    axis: int = 0

    def __post_init__(self) -> None:
        require(is_integer(self.axis, 0), self, "axis", "an integer of at least 0")

    def output(self, xp: Any, u: Any, indices: Any) -> Any:
        n = u.shape[self.axis]
        y = xp.take(u, xp.where(indices < 0, indices + n, indices), axis=self.axis, mode="clip")
        if u.dtype.kind != "f":
            return y
        inside = (indices >= -n) & (indices < n)
        inside = xp.reshape(inside, (*indices.shape, *(1,) * (u.ndim - self.axis - 1)))
        return xp.where(inside, y, float("nan"))  # no y there: gradients stay finite

    def check(self, u: Signal, indices: Signal) -> None:
        if len(u.shape) <= self.axis or not u.shape[self.axis]:
            raise Mismatch(f"a signal with elements along its axis {self.axis}", str(u), "", "u")
        if indices.dtype.kind not in "iu":
            raise Mismatch("integers", str(indices), "Make integers of it with a Cast.", "indices")


@block
class Slice(Block):
    """y = u[start:stop:step, ...], for the first axes as many as are given, as Python slices.

    starts, stops and steps: an integer, or None for the end, for each of these axes.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Slice([0, None], [1, None], [None, -1]).output(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 1.]])
    """

    starts: Sequence[int | None]
    stops: Sequence[int | None]
    steps: Sequence[int | None] | None = None

    def __post_init__(self) -> None:
        for name in ("starts", "stops", *(["steps"] if self.steps is not None else [])):
            given: Any = getattr(self, name)
            ok = isinstance(given, (tuple, list)) and all(v is None or is_integer(v, -(2**62)) for v in given)
            require(ok, self, name, "an integer or None for each axis")
            require(len(given) == len(self.starts), self, name, f"as many as starts, {len(self.starts)}")
            object.__setattr__(self, name, tuple(None if v is None else int(v) for v in given))
        require(0 not in (self.steps or ()), self, "steps", "steps other than 0")

    def output(self, u: Any) -> Any:
        steps = self.steps or (None,) * len(self.starts)
        return u[tuple(map(slice, self.starts, self.stops, steps))]

    def check(self, u: Signal) -> None:
        if len(u.shape) < len(self.starts):
            raise Mismatch(f"a signal with at least {len(self.starts)} axes", str(u), "", "u")


@block
class Reduce(Block):
    """y = the sum of u over axes; or its mean, prod, max or min. Without axes, over all of them.

    With keepdims, the axes stay, with size 1.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Reduce("max", [0]).output(np, np.array([[1.0, 5.0], [4.0, 2.0]]))
    array([4., 5.])
    """

    function: str = "sum"
    axes: Sequence[int] | None = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        one_of(self, "function", ["sum", "mean", "prod", "max", "min"])
        if self.axes is not None:
            as_integers(self, "axes", 0)
            require(len(set(self.axes)) == len(self.axes), self, "axes", "each axis once")
        require(isinstance(self.keepdims, (bool, np.bool_)), self, "keepdims", "True or False")

    def output(self, xp: Any, u: Any) -> Any:
        return getattr(xp, self.function)(u, axis=self.axes, keepdims=bool(self.keepdims))

    def check(self, u: Signal) -> None:
        numbers(u=u)
        if max(self.axes or (), default=-1) >= len(u.shape):
            raise Mismatch(f"a signal with the axes {self.axes}", str(u), "", "u")
        over = u.shape if self.axes is None else [u.shape[i] for i in self.axes]
        if self.function in ("mean", "max", "min") and 0 in over:
            raise Mismatch(f"elements to take the {self.function} of", str(u), "", "u")


@block
class Cast(Block):
    """y = u as numbers of another kind: "float" (the run's), "int" (towards zero) or "bool" (not zero).

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Cast("int").output(np, np.array([-1.7, 2.9]))
    array([-1,  2])
    """

    elementwise = True

    to: str

    def __post_init__(self) -> None:
        one_of(self, "to", ["float", "int", "bool"])

    def output(self, xp: Any, u: Any) -> Any:
        if self.to == "bool":
            return u != 0
        if self.to == "int":
            return xp.int64(u)
        return u if u.dtype.kind == "f" else u * 1.0
