"""The library's blocks a second time, in plain NumPy, as laws that the bridges run.

A law is `output(t, *u)` or, of a state, `output(t, x, *u)` and `update(t, x, *u)`; the output's `u` are
the ports with direct feedthrough, the update's are all. A law shares with blocksim's block its
parameters, its ports and the form of its state, and no code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from blocksim import library
from blocksim.block import Block
from blocksim.interop.bdsim import windows
from blocksim.library import discrete


class Law(NamedTuple):
    """A block's equations; without an update it has no state."""

    output: Callable[..., Any]
    update: Callable[..., Any] | None = None


Rule = Callable[[Any, float], Law]
"""(block, dt) -> law. The block is read for its parameters alone."""


def _of_inputs(f: Callable[..., Any]) -> Rule:
    """The rule of y = f(block, *u)."""
    return lambda b, dt: Law(lambda t, *u: f(b, *u))


def _of_time(f: Callable[..., Any]) -> Rule:
    """The rule of y = f(block, t, step), `step` in seconds."""
    return lambda b, dt: Law(lambda t: f(b, t, dt))


# -- functions of the inputs -----------------------------------------------------------------------


def _product(b: Any, *u: Any) -> Any:
    y = u[0]
    if b.operators.startswith("/"):
        y = 1 / y
    for k in range(1, len(u)):
        y = np.divide(y, u[k]) if b.operators[k : k + 1] == "/" else np.multiply(y, u[k])
    return y


def _mod(u1: Any, u2: Any) -> Any:
    r = np.fmod(u1, u2)
    return np.where((r != 0) & ((r < 0) != (u2 < 0)), r + u2, r)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "square": lambda u: u * u,
    "reciprocal": lambda u: 1 / u,
    "pow": lambda u1, u2: u1**u2,
    "mod": _mod,
    "rem": np.fmod,
    "hypot": np.hypot,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "floor": np.floor,
    "ceil": np.ceil,
    "fix": np.fix,
}

_RELATIONS: dict[str, Callable[..., Any]] = {
    "==": np.equal,
    "~=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}

_GATES: dict[str, Callable[..., Any]] = {
    "AND": lambda u: np.all(u, axis=0),
    "OR": lambda u: np.any(u, axis=0),
    "NAND": lambda u: np.logical_not(np.all(u, axis=0)),
    "NOR": lambda u: np.logical_not(np.any(u, axis=0)),
    "XOR": lambda u: np.count_nonzero(u, axis=0) % 2 == 1,
    "NOT": lambda u: np.logical_not(u[0]),
}


def _limit(u: Any, lower: Any, upper: Any) -> Any:
    return np.minimum(np.maximum(u, lower), upper)


def _softmax(b: Any, u: Any) -> Any:
    e = np.exp(u - np.amax(u, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _line(p: Any, v: Any, u: Any) -> Any:
    """The values v at u, linear between the points p and beyond them."""
    k = _limit(np.searchsorted(p, u, side="right") - 1, 0, len(p) - 2)
    return v[k] + (u - p[k]) * (v[k + 1] - v[k]) / (p[k + 1] - p[k])


def _lookup(b: Any, u: Any) -> Any:
    p = b.breakpoints
    return _line(p, b.values, _limit(u, p[0], p[-1]) if b.extrapolation == "clip" else u)


def _demux(b: Any, u: Any) -> Any:
    parts = np.split(u, np.cumsum(b.sizes)[:-1])
    return parts if len(parts) > 1 else parts[0]


def _switch(b: Any, u1: Any, control: Any, u3: Any) -> Any:
    threshold = 0 if b.criterion == "~=" else b.threshold
    return np.where(_RELATIONS[b.criterion](control, threshold), u1, u3)


def _cast(b: Any, u: Any) -> Any:
    if b.to == "bool":
        return np.not_equal(u, 0)
    return (
        np.trunc(u).astype(int) if b.to == "int" else np.asarray(u, u.dtype if u.dtype.kind == "f" else float)
    )


def _gather(b: Any, u: Any, indices: Any) -> Any:
    before, after = u.shape[: b.axis], u.shape[b.axis + 1 :]
    y = [part[i] for part in u.reshape(-1, u.shape[b.axis], *after) for i in np.ravel(indices)]
    return np.reshape(y, (*before, *np.shape(indices), *after))


def _reduce(b: Any, u: Any) -> Any:
    fold = {"sum": np.add, "mean": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
    axes = tuple(range(u.ndim)) if b.axes is None else b.axes
    y = fold[b.function].reduce(u, axis=axes, keepdims=b.keepdims)
    return y * y.size / u.size if b.function == "mean" else y


def _slice(b: Any, u: Any) -> Any:
    for axis, cut in enumerate(zip(b.starts, b.stops, b.steps or [None] * len(b.starts), strict=True)):
        u = np.take(u, range(u.shape[axis])[slice(*cut)], axis=axis)
    return u


# -- functions of the time -------------------------------------------------------------------------


def _edge(t: float, dt: float) -> float:
    """An instant, a millionth of a step late: so much rounding may put an edge after its instant."""
    return t + dt / 1e6


def _pulse(b: Any, t: float, dt: float) -> Any:
    periods = (_edge(t, dt) - b.delay) / b.period
    return b.amplitude * float(periods >= 0 and periods % 1 < b.width)


def _from_workspace(b: Any, t: float, dt: float) -> Any:
    if b.interpolate:
        return _line(b.time, b.values, _limit(t, b.time[0], b.time[-1]))
    return b.values[max(0, np.count_nonzero(b.time <= _edge(t, dt)) - 1)]


# -- states ----------------------------------------------------------------------------------------


def _delay(b: Any, dt: float) -> Law:
    return Law(lambda t, x: x[0], lambda t, x, u: np.append(x[1:], [u], axis=0))


def _integrator(b: Any, dt: float) -> Law:
    part = {"forward": 0.0, "backward": 1.0, "trapezoidal": 0.5}[b.method]
    return Law(
        lambda t, x, *u: x + b.gain * (part * dt) * u[0] if u else x,
        lambda t, x, u: x + b.gain * dt * u,
    )


def _transfer_function(b: Any, dt: float) -> Law:
    a, order = b.denominator, len(b.denominator) - 1
    c = np.zeros(order + 1, a.dtype)
    c[order + 1 - len(b.numerator) :] = b.numerator

    def newest(x: Any, u: Any) -> Any:
        return (u - np.dot(a[1:], x)) / a[0]

    def output(t: float, x: Any, *u: Any) -> Any:
        y = np.dot(c[1:], x)
        return y + c[0] * newest(x, u[0]) if u else y

    return Law(output, lambda t, x, u: np.append(newest(x, u), x[:-1]))


def _state_space(b: Any, dt: float) -> Law:
    return Law(
        lambda t, x, *u: np.dot(b.C, x) + np.dot(b.D, u[0]) if u else np.dot(b.C, x),
        lambda t, x, u: np.dot(b.A, x) + np.dot(b.B, u),
    )


def _fir(b: Any, dt: float) -> Law:
    c = b.coefficients
    return Law(
        lambda t, x, u: sum((c[i + 1] * x[i] for i in range(len(x))), c[0] * u),
        lambda t, x, u: np.append([u], x, axis=0)[: len(x)],
    )


def _from_array(b: Any, dt: float) -> Law:
    rows = len(b.values)

    def output(t: float, x: Any) -> Any:
        y = b.values[min(int(x), rows - 1)]
        return y * False if b.after == "zero" and x >= rows else y

    def update(t: float, x: Any) -> Any:
        k = int(x) + 1
        return np.int32(k % rows if b.after == "repeat" else min(k, rows))

    return Law(output, update)


# -- random numbers --------------------------------------------------------------------------------


def threefry(key: tuple[int, int], a: int, b: int) -> tuple[int, int]:
    """Threefry-2x32 with 20 rounds, on Python integers: two words encrypted with a key of two."""
    words = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = (a + words[0]) % 2**32, (b + words[1]) % 2**32
    for i in range(20):
        bits = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
        a = (a + b) % 2**32
        b = (b * 2**bits % 2**32 + b // 2 ** (32 - bits)) ^ a
        if i % 4 == 3:
            k = i // 4 + 1
            a = (a + words[k % 3]) % 2**32
            b = (b + words[(k + 1) % 3] + k) % 2**32
    return a, b


def _uniform(seed: int, step: Any, count: int, dtype: Any) -> Any:
    """Of the first word 24 bits, and in float64 29 of the second behind them."""
    pairs = [threefry((seed % 2**32, seed // 2**32), i, int(step)) for i in range(count)]
    if dtype == np.float64:
        return np.array([((a >> 8) * 2**29 + (b >> 3)) / 2**53 for a, b in pairs], dtype)
    return np.array([(a >> 8) / 2**24 for a, _ in pairs], dtype)


def _random(b: Any, numbers: Callable[[Any, int], Any], offset: Any, scale: Any) -> Law:
    """y = offset + scale * numbers(step, count), in the block's shape."""
    count = int(np.prod(b.shape, dtype=int))
    return Law(
        lambda t, x: offset + scale * np.reshape(numbers(x, count), b.shape),
        lambda t, x: np.uint32((int(x) + 1) % 2**32),
    )


def _uniform_number(b: Any, dt: float) -> Law:
    return _random(b, lambda x, n: _uniform(b.seed, x, n, b.low.dtype), b.low, b.high - b.low)


def _normal_number(b: Any, dt: float) -> Law:
    def normal(x: Any, n: int) -> Any:
        u, v = np.split(_uniform(b.seed, x, 2 * n, b.std.dtype), 2)
        return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)

    return _random(b, normal, b.mean, b.std)


LAWS: dict[type[Block], Rule] = {
    # math
    library.Abs: _of_inputs(lambda b, u: np.abs(u)),
    library.Bias: _of_inputs(lambda b, u: u + b.b),
    library.Complement: _of_inputs(lambda b, u: np.negative(u) + 1),
    library.Dot: _of_inputs(lambda b, u1, u2: np.dot(np.ravel(u1), np.ravel(u2))),
    library.Gain: _of_inputs(lambda b, u: np.multiply(b.K, u)),
    library.MathFunction: _of_inputs(lambda b, *u: _FUNCTIONS[b.function](*u)),
    library.MinMax: _of_inputs(lambda b, *u: reduce(getattr(np, f"{b.function}imum"), u)),
    library.Product: _of_inputs(_product),
    library.Sign: _of_inputs(lambda b, u: np.sign(u)),
    library.Sqrt: _of_inputs(lambda b, u: np.sqrt(u)),
    # activations
    library.Affine: _of_inputs(lambda b, u: np.multiply(b.alpha, u) + b.beta),
    library.ELU: _of_inputs(lambda b, u: np.where(u < 0, b.alpha * np.expm1(u), u)),
    library.HardSigmoid: _of_inputs(lambda b, u: _limit(b.slope * u + b.offset, 0, 1)),
    library.LeakyReLU: _of_inputs(lambda b, u: np.where(u < 0, b.slope * u, u)),
    library.ReLU: _of_inputs(lambda b, u: np.where(u < 0, 0, u)),
    library.ScaledTanh: _of_inputs(lambda b, u: np.tanh(u * b.beta) * b.alpha),
    library.Sigmoid: _of_inputs(lambda b, u: 1 / (1 + np.exp(-u))),
    library.Softmax: _of_inputs(_softmax),
    library.Softplus: _of_inputs(lambda b, u: np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))),
    library.Softsign: _of_inputs(lambda b, u: u / (1 + np.abs(u))),
    library.Tanh: _of_inputs(lambda b, u: np.tanh(u)),
    library.ThresholdedReLU: _of_inputs(lambda b, u: u * (u > b.alpha)),
    # nonlinear
    library.DeadZone: _of_inputs(lambda b, u: u - _limit(u, b.start, b.end)),
    library.Lookup1D: _of_inputs(_lookup),
    library.Quantizer: _of_inputs(lambda b, u: np.round(u / b.interval) * b.interval),
    library.Saturation: _of_inputs(lambda b, u: _limit(u, b.lower, b.upper)),
    # routing and logic
    library.Concatenate: _of_inputs(lambda b, *u: np.concatenate(u, axis=b.axis)),
    library.Demux: _of_inputs(_demux),
    library.LogicalOperator: _of_inputs(lambda b, *u: _GATES[b.operator](np.array(u) != 0)),
    library.Mux: _of_inputs(lambda b, *u: np.hstack(u)),
    library.RelationalOperator: _of_inputs(lambda b, u1, u2: _RELATIONS[b.operator](u1, u2)),
    library.Reshape: _of_inputs(lambda b, u: np.reshape(u, b.shape)),
    library.Selector: _of_inputs(lambda b, u: np.take(u, b.indices, axis=0)),
    library.Switch: _of_inputs(_switch),
    # tensors
    library.Cast: _of_inputs(_cast),
    library.Expand: _of_inputs(lambda b, u: np.full(b.shape, u)),
    library.Gather: _of_inputs(_gather),
    library.MatrixMultiply: _of_inputs(lambda b, u1, u2: np.matmul(u1, u2)),
    library.Reduce: _of_inputs(_reduce),
    library.Slice: _of_inputs(_slice),
    library.Transpose: _of_inputs(lambda b, u: np.moveaxis(u, b.axes or range(u.ndim)[::-1], range(u.ndim))),
    # convolution
    library.Convolution: _of_inputs(windows.convolution),
    library.Pooling: _of_inputs(windows.pooling),
    # sequences
    library.ChannelAffine: _of_inputs(lambda b, u: np.add(np.multiply(u, b.gain), b.bias)),
    library.GlobalPooling: _of_inputs(windows.global_pooling),
    library.Last: _of_inputs(lambda b, u, length: u[length - 1] if length else 0 * u[0]),
    library.Mask: _of_inputs(lambda b, u, length: np.concatenate([u[:length], 0 * u[length:]])),
    library.Standardize: _of_inputs(windows.standardize),
    # sources
    library.Clock: _of_time(lambda b, t, dt: t),
    library.FromWorkspace: _of_time(_from_workspace),
    library.Pulse: _of_time(_pulse),
    library.Ramp: _of_time(lambda b, t, dt: b.initial + b.slope * np.where(t < b.start, 0, t - b.start)),
    library.Sine: _of_time(lambda b, t, dt: b.bias + b.amplitude * np.sin(b.phase + b.frequency * t)),
    library.Step: _of_time(lambda b, t, dt: np.where(b.time <= _edge(t, dt), b.after, b.before)),
    # states
    library.Delay: _delay,
    library.DiscreteFIR: _fir,
    library.DiscreteIntegrator: _integrator,
    discrete._DirectIntegrator: _integrator,
    library.DiscreteStateSpace: _state_space,
    discrete._DirectStateSpace: _state_space,
    library.DiscreteTransferFcn: _transfer_function,
    discrete._DirectTransferFcn: _transfer_function,
    library.FromArray: _from_array,
    library.RandomNumber: _normal_number,
    library.UniformRandomNumber: _uniform_number,
    library.UnitDelay: lambda b, dt: Law(lambda t, x: x, lambda t, x, u: u),
}
"""By class: the rule that gives the law. A block that is native whatever its signals has none."""
