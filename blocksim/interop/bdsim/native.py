"""The blocks of bdsim that mean the same as blocksim's, where the signals at hand let them.

bdsim takes a product of two arrays for a matrix product, drops scalars that are not float64 from a
MUX, and holds states as vectors of float64, of which a single number becomes a Python float, which
divides by zero otherwise than NumPy. Where that matters a rule gives None, and the block is bridged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blocksim import library
from blocksim.block import Block, Signal


@dataclass(frozen=True)
class Native:
    """A block of bdsim: its name there and its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


Rule = Callable[[Any, list[Signal], list[Signal], float], Native | None]
"""(block, input signals, output signals, dt) -> the native block, or None where it would differ."""


def _gain(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    if b.K.ndim in (0, 2) or not u[0].shape:
        return Native("GAIN", {"K": b.K[()], "premul": True})
    return None


def _sum(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("SUM", {"signs": b.signs or "+" * len(u)})


def _product(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return None if u[0].shape else Native("PROD", {"ops": b.operators or "*" * len(u)})


def _math_function(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("POW", {"p": 2}) if b.function == "square" else None


def _saturation(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("CLIP", {"min": b.lower[()], "max": b.upper[()]}) if u[0].shape else None


def _constant(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("CONSTANT", {"value": b.value[()]})


def _mux(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("MUX", {"nin": len(u)}) if y[0].dtype == np.float64 else None


def _selector(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    index = np.ravel(b.indices).tolist()
    return None if np.ndim(b.indices) and len(index) == 1 else Native("INDEX", {"index": index})


def _delay(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    return Native("ZOH") if _is_native_state(y[0]) else None


def _integrator(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    # bdsim multiplies by the period of its clock, which is 1
    return Native("INTEGRATOR_S", {"gain": b.gain * dt}) if _is_native_state(y[0]) else None


def _is_native_state(y: Signal) -> bool:
    return y.dtype == np.float64 and len(y.shape) == 1 and y.shape[0] > 1


def _function(b: Any, u: list[Signal], y: list[Signal], dt: float) -> Native | None:
    first = next(iter(inspect.signature(b.f).parameters.values()), None)
    given = [np] if first is not None and first.name == "xp" and first.default is first.empty else []

    def output(i: int) -> Callable[..., Any]:
        """The function that gives output i; a Python number becomes a number of the run's type."""

        def f(*values: Any) -> Any:
            result = b.f(*given, *values)
            one = (result if len(y) > 1 else (result,))[i]
            return np.asarray(one, y[i].dtype)[()] if type(one) in (bool, int, float) else one

        return f

    outputs = [output(i) for i in range(len(y))]
    return Native("FUNCTION", {"func": outputs, "nin": len(u), "nout": len(y)})


NATIVE: dict[type[Block], Rule] = {
    library.Constant: _constant,
    library.DiscreteIntegrator: _integrator,
    library.Function: _function,
    library.Gain: _gain,
    library.MathFunction: _math_function,
    library.Mux: _mux,
    library.Product: _product,
    library.Saturation: _saturation,
    library.Selector: _selector,
    library.Sum: _sum,
    library.UnitDelay: _delay,
}
