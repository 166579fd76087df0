"""Sources: signals that depend on time, on a table or on nothing."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from blocksim.block import Array, Block, block, param
from blocksim.library._check import one_of, one_shape, require
from blocksim.library._interpolate import interpolate, require_increasing

__all__ = ["Clock", "Constant", "FromArray", "FromWorkspace", "Pulse", "Ramp", "Sine", "Step"]

EDGE = 1e-6
"""An edge within this part of a step after an instant is at the instant: k * dt is rounded."""


@block
class Constant(Block):
    """y = value, of any shape; an integer or boolean array keeps its dtype."""

    value: Array = param(keep_dtype=True)

    def output(self) -> Any:
        return self.value


@block
class Clock(Block):
    """y = t, the time in seconds."""

    def output(self, t: Any) -> Any:
        return t


@block
class Step(Block):
    """y = before for t < time, after from then on. time in seconds; all scalars or of one shape.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("step", bs.library.Step(time=0.2, after=5.0)))
    >>> bs.simulate(d, steps=4, dt=0.1)["y"]
    array([0., 0., 5., 5.])
    """

    time: Array = param(default=1.0)
    before: Array = param(default=0.0)
    after: Array = param(default=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)

    def output(self, xp: Any, t: Any, dt: Any) -> Any:
        return xp.where(t + EDGE * dt < self.time, self.before, self.after)


@block
class Ramp(Block):
    """y = initial for t < start, initial + slope (t - start) from then on.

    start in seconds, slope per second; all scalars or of one shape.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("ramp", bs.library.Ramp(slope=2.0, start=1.0, initial=5.0)))
    >>> bs.simulate(d, steps=4)["y"]
    array([5., 5., 7., 9.])
    """

    slope: Array = param(default=1.0)
    start: Array = param(default=0.0)
    initial: Array = param(default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)

    def output(self, xp: Any, t: Any) -> Any:
        return self.initial + self.slope * xp.maximum(t - self.start, 0)


@block
class Sine(Block):
    """y = amplitude sin(frequency t + phase) + bias. frequency in rad/s, phase in rad.

    All are scalars or of one shape.

    >>> import blocksim as bs, numpy as np
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("wave", bs.library.Sine(amplitude=3.0, frequency=np.pi)))
    >>> bs.simulate(d, steps=4, dt=0.5)["y"].round(9)
    array([ 0.,  3.,  0., -3.])
    """

    amplitude: Array = param(default=1.0)
    frequency: Array = param(default=1.0)
    phase: Array = param(default=0.0)
    bias: Array = param(default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_shape(self)

    def output(self, xp: Any, t: Any) -> Any:
        return self.amplitude * xp.sin(self.frequency * t + self.phase) + self.bias


@block
class Pulse(Block):
    """y = amplitude for the first part `width` of each period, from the delay on; else 0.

    period and delay in seconds, width a fraction of the period, 0 to 1; amplitude of any shape.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("pulse", bs.library.Pulse(period=0.3, width=1 / 3)))
    >>> bs.simulate(d, steps=7, dt=0.1)["y"]
    array([1., 0., 0., 1., 0., 0., 1.])
    """

    amplitude: Array = param(default=1.0)
    # numbers and not parameters, so that edges stay where they are in a float32 run
    period: float = 2.0
    width: float = 0.5
    delay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("period", "width", "delay"):
            value = getattr(self, field)
            ok = isinstance(value, (int, float, np.number)) and isfinite(value)
            require(ok, self, field, "a finite number")
            object.__setattr__(self, field, float(value))
        require(self.period > 0, self, "period", "a positive number of seconds")
        require(0 <= self.width <= 1, self, "width", "a fraction of the period, from 0 to 1")

    def output(self, xp: Any, t: Any, dt: Any) -> Any:
        periods = (t + EDGE * dt - self.delay) / self.period
        on = (periods >= 0) & (periods - xp.floor(periods) < self.width)
        return xp.where(on, self.amplitude, 0.0)


@block
class FromArray(Block):
    """y[k] = values[k]; after the last row, "hold" it, "repeat" from the first, or give "zero".

    values (n, *shape); an integer or boolean array keeps its dtype. The state counts the rows.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("table", bs.library.FromArray([1.0, 2.0, 3.0], after="repeat")))
    >>> bs.simulate(d, steps=5)["y"]
    array([1., 2., 3., 1., 2.])
    """

    values: Array = param(keep_dtype=True)
    after: str = "hold"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.values.ndim and len(self.values), self, "values", "an array with a row for each step")
        one_of(self, "after", ["hold", "repeat", "zero"])

    def init(self) -> Any:
        return np.int32(0)

    def output(self, xp: Any, x: Any) -> Any:
        rows = self.values.shape[0]
        y = self.values[xp.minimum(x, rows - 1)]
        return xp.where(x < rows, y, xp.zeros_like(y)) if self.after == "zero" else y

    def update(self, xp: Any, x: Any) -> Any:
        rows = self.values.shape[0]
        return (x + 1) % rows if self.after == "repeat" else xp.minimum(x + 1, rows)


@block
class FromWorkspace(Block):
    """y(t) = values at t, interpolated linearly in time; before and after the table, its ends.

    time (n,), strictly increasing, in seconds; values (n, *shape). With interpolate=False each value
    is held until the next.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("table", bs.library.FromWorkspace([0.0, 2.0], [0.0, 10.0])))
    >>> bs.simulate(d, steps=4)["y"]
    array([ 0.,  5., 10., 10.])
    """

    time: Array = param()
    values: Array = param()
    interpolate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_increasing(self, "time")
        n = len(self.time)
        ok = self.values.ndim and len(self.values) == n
        require(ok, self, "values", f"an array with a row for each of the {n} times")
        require(isinstance(self.interpolate, (bool, np.bool_)), self, "interpolate", "True or False")

    def output(self, xp: Any, t: Any, dt: Any) -> Any:
        first, last = self.time[0], self.time[-1]
        if self.interpolate:
            return interpolate(xp, xp.minimum(xp.maximum(t, first), last), self.time, self.values)
        now = xp.maximum(t + EDGE * dt, first)
        return self.values[xp.searchsorted(self.time, now, side="right") - 1]
