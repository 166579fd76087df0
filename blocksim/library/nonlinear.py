"""Nonlinear characteristics: saturation, dead zone, quantizer and lookup table."""

from __future__ import annotations

from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.library._check import fits, floats, one_of, one_shape, require
from blocksim.library._interpolate import interpolate, require_increasing

__all__ = ["DeadZone", "Lookup1D", "Quantizer", "Saturation"]


@block
class Saturation(Block):
    """y = min(max(u, lower), upper), elementwise. lower <= upper: scalars or the shape of u.

    For a limit on one side, use MinMax with a Constant.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Saturation(-1.0, 2.0).output(np, np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  2. ])
    """

    elementwise = True

    lower: Array = param(default=-1.0)
    upper: Array = param(default=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)
        require(np.all(self.lower <= self.upper), self, "lower", f"at most upper = {self.upper}")

    def output(self, xp: Any, u: Any) -> Any:
        return xp.minimum(xp.maximum(u, self.lower), self.upper)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class DeadZone(Block):
    """y = u - start below start, 0 inside, u - end above end, elementwise.

    start <= end: scalars or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.DeadZone(-1.0, 2.0).output(np, np.array([-3.0, 0.5, 3.0]))
    array([-2.,  0.,  1.])
    """

    elementwise = True

    start: Array = param(default=-1.0)
    end: Array = param(default=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)
        require(np.all(self.start <= self.end), self, "start", f"at most end = {self.end}")

    def output(self, xp: Any, u: Any) -> Any:
        return (xp.maximum(u, self.end) - self.end) + (xp.minimum(u, self.start) - self.start)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Quantizer(Block):
    """y = interval * round(u / interval), elementwise; halves go to the even multiple.

    interval > 0: a scalar or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Quantizer(0.5).output(np, np.array([0.7, 0.8, -1.2]))
    array([ 0.5,  1. , -1. ])
    """

    elementwise = True

    interval: Array = param(default=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.all(self.interval > 0), self, "interval", "a positive number")

    def output(self, xp: Any, u: Any) -> Any:
        return self.interval * xp.rint(u / self.interval)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Lookup1D(Block):
    """y = values at u, interpolated linearly between breakpoints, elementwise.

    breakpoints (n,), strictly increasing; values (n,). Beyond the ends y keeps the end's value, or
    goes on along the last piece with extrapolation "linear".

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Lookup1D([0.0, 1.0, 3.0], [0.0, 10.0, 0.0]).output(np, np.array([-1.0, 0.5, 2.0]))
    array([0., 5., 5.])
    """

    breakpoints: Array = param()
    values: Array = param()
    extrapolation: str = "clip"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_increasing(self, "breakpoints")
        require(
            self.values.shape == self.breakpoints.shape, self, "values",
            f"a value for each of the breakpoints, {self.breakpoints.shape}",
        )  # fmt: skip
        one_of(self, "extrapolation", ["clip", "linear"])

    def output(self, xp: Any, u: Any) -> Any:
        if self.extrapolation == "clip":
            u = xp.minimum(xp.maximum(u, self.breakpoints[0]), self.breakpoints[-1])
        return interpolate(xp, u, self.breakpoints, self.values)

    def check(self, u: Signal) -> None:
        floats(u=u)
