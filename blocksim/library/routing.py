"""Routing: blocks that join, split, pick, reshape and switch signals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch
from blocksim.library._check import as_integers, by_port, is_integer, one_of, require, same_dtype

__all__ = ["Concatenate", "Demux", "Mux", "Reshape", "Selector", "Switch"]


@block
class Mux(Block):
    """y = [u1, u2, ...]: scalars and vectors of one dtype joined into one vector.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Mux().output(np, np.float64(1.0), np.array([2.0, 3.0]))
    array([1., 2., 3.])
    """

    transparent = True

    def output(self, xp: Any, *u: Any) -> Any:
        return xp.concatenate([v if v.ndim else v[None] for v in u])

    def check(self, *u: Signal) -> None:
        same_dtype(u)
        for port, signal in by_port(u).items():
            if len(signal.shape) > 1:
                raise Mismatch("a scalar or a vector", str(signal), "Join arrays with Concatenate.", port)


@block
class Demux(Block):
    """y1, y2, ... = a vector u split into vectors of the given sizes; one of size 1 has the shape (1,).

    >>> import blocksim as bs, numpy as np
    >>> split = bs.library.Demux([2, 1])
    >>> split.outputs, split.output(np.array([1.0, 2.0, 3.0]))
    (('y1', 'y2'), (array([1., 2.]), array([3.])))
    """

    sizes: Sequence[int]

    def __post_init__(self) -> None:
        as_integers(self, "sizes", 1)
        require(self.sizes, self, "sizes", "the size of at least one output")
        object.__setattr__(self, "outputs", tuple(f"y{i + 1}" for i in range(len(self.sizes))))

    def output(self, u: Any) -> Any:
        if len(self.sizes) == 1:
            return u
        ends = accumulate(self.sizes)
        return tuple(u[end - size : end] for end, size in zip(ends, self.sizes, strict=True))

    def check(self, u: Signal) -> None:
        if u.shape != (total := (sum(self.sizes),)):
            advice = "The sizes of the outputs sum up to that of the input."
            raise Mismatch(f"a signal {total} for sizes {self.sizes}", str(u), advice, "u")


@block
class Selector(Block):
    """y = u[indices] along the first axis: an element for one index, an array for several.

    Indices count from 0; negative ones count from the end.

    >>> import blocksim as bs, numpy as np
    >>> u = np.array([1.0, 2.0, 3.0])
    >>> bs.library.Selector([2, 0]).output(u), float(bs.library.Selector(-1).output(u))
    (array([3., 1.]), 3.0)
    """

    indices: int | Sequence[int] | Array

    def __post_init__(self) -> None:
        single = is_integer(self.indices, -(2**62))
        as_integers(self, "indices", -(2**62))
        require(self.indices, self, "indices", "at least one index")
        index = np.array(self.indices, np.int64)
        object.__setattr__(self, "indices", index.item() if single else index)

    def output(self, u: Any) -> Any:
        return u[self.indices]

    def check(self, u: Signal) -> None:
        low, high = int(np.min(self.indices)), int(np.max(self.indices))
        if not u.shape or not -u.shape[0] <= low <= high < u.shape[0]:
            needed = f"a signal with at least {max(high + 1, -low)} elements along its first axis"
            raise Mismatch(needed, str(u), "Indices count from 0.", "u")


@block
class Concatenate(Block):
    """y = u1, u2, ... joined along an axis; they agree in dtype and in all other axes.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Concatenate(axis=1).output(np, np.ones((2, 1)), np.zeros((2, 2)))
    array([[1., 0., 0.],
           [1., 0., 0.]])
    """

    transparent = True

    axis: int = 0

    def __post_init__(self) -> None:
        require(is_integer(self.axis, -(2**62)), self, "axis", "an integer")

    def output(self, xp: Any, *u: Any) -> Any:
        return xp.concatenate(u, self.axis)

    def check(self, *u: Signal) -> None:
        same_dtype(u)
        for port, signal in by_port(u).items():
            if not -len(signal.shape) <= self.axis < len(signal.shape):
                advice = "Reshape it first, or join scalars and vectors with a Mux."
                raise Mismatch(f"a signal with an axis {self.axis}", str(signal), advice, port)
        others = [(*s.shape[: self.axis], *s.shape[self.axis :][1:]) for s in u]
        for (port, signal), rest in zip(by_port(u).items(), others, strict=True):
            if rest != others[0]:
                expected = f"a signal that fits u1 {u[0].shape} in all axes but {self.axis}"
                raise Mismatch(expected, str(signal), "", port)


@block
class Reshape(Block):
    """y = the elements of u, last axis fastest, in another shape; one axis may be -1, what is left.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Reshape((2, -1)).output(np, np.arange(4.0))
    array([[0., 1.],
           [2., 3.]])
    """

    transparent = True

    shape: Sequence[int]

    def __post_init__(self) -> None:
        as_integers(self, "shape", -1)
        require(tuple(self.shape).count(-1) <= 1, self, "shape", "at most one -1")

    def output(self, xp: Any, u: Any) -> Any:
        return xp.reshape(u, self.shape)

    def check(self, u: Signal) -> None:
        size, known = prod(u.shape), abs(prod(self.shape))
        if size != known and not (-1 in self.shape and known and size % known == 0):
            advice = f"A signal {u.shape} has {size} elements."
            raise Mismatch(f"a signal that can take the shape {self.shape}", str(u), advice, "u")


@block
class Switch(Block):
    """y = u1 where control >= threshold, else u3; criterion ">" or "~=" compares otherwise.

    With "~=" y = u1 where control is not zero, whatever the threshold: for boolean controls. The
    control is a scalar, or decides for each element; threshold: a scalar or the control's shape.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Switch(0.5).output(np, np.ones(2), np.array([0.2, 0.9]), np.zeros(2))
    array([0., 1.])
    """

    threshold: Array = param(default=0.0)
    criterion: str = ">="

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "criterion", [">=", ">", "~="])

    def output(self, xp: Any, u1: Any, control: Any, u3: Any) -> Any:
        if self.criterion == "~=":
            on = control != 0
        else:
            on = control >= self.threshold if self.criterion == ">=" else control > self.threshold
        return xp.where(on, u1, u3)

    def check(self, u1: Signal, control: Signal, u3: Signal) -> None:
        if u1 != u3:
            raise Mismatch(f"the signal {u1} of u1", str(u3), "Both choices have one shape and dtype.", "u3")
        if control.shape not in ((), u1.shape):
            raise Mismatch(f"a scalar or the shape {u1.shape} of u1", str(control), "", "control")
        if self.threshold.shape not in ((), control.shape):
            raise Mismatch(f"the shape {self.threshold.shape} of threshold", str(control), "", "control")
        if control.dtype.kind == "b" and self.criterion != "~=":
            advice = 'For a boolean control write Switch(criterion="~=").'
            raise Mismatch("a number to compare with the threshold", str(control), advice, "control")
