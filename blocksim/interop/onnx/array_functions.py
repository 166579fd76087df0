"""NumPy's functions of numbers as ONNX nodes.

Those that ONNX has no node for are written in NumPy, of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import pi, prod
from typing import Any

import numpy as np

from blocksim.interop.onnx.symbols import Graph, Inexpressible, Symbol, writes
from blocksim.library._interpolate import interpolate

_COMPUTED = {np.dtype(t) for t in ("float32", "float64", "int32", "int64")}
"""The types that the nodes of arithmetic take in every runtime; others are computed as int64."""


def sample(value: Any) -> Any:
    """What stands for the value in NumPy: the sample of a symbol, anything else as it is."""
    if isinstance(value, (list, tuple)):
        return type(value)(sample(v) for v in value)
    return value.sample if isinstance(value, Symbol) else value


def graph_of(values: Sequence[Any]) -> Graph:
    """The graph of the symbols among the values."""
    return next(v.graph for v in values if isinstance(v, Symbol))


def computed(dtype: Any) -> np.dtype[Any]:
    """The type in which a node of arithmetic computes what has this type."""
    return np.dtype(dtype) if np.dtype(dtype) in _COMPUTED else np.dtype(np.int64)


# -- elementwise: one node each ---------------------------------------------------------------------

_ARITHMETIC = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.true_divide: "Div", np.power: "Pow",
    np.maximum: "Max", np.minimum: "Min", np.matmul: "MatMul", np.absolute: "Abs", np.negative: "Neg",
    np.sign: "Sign", np.exp: "Exp", np.log: "Log", np.sqrt: "Sqrt", np.sin: "Sin", np.cos: "Cos",
    np.tanh: "Tanh", np.floor: "Floor", np.ceil: "Ceil", np.rint: "Round", np.reciprocal: "Reciprocal",
    np.less: "Less", np.less_equal: "LessOrEqual", np.greater: "Greater", np.positive: "Identity",
    np.greater_equal: "GreaterOrEqual", np.equal: "Equal", np.isnan: "IsNaN", np.isinf: "IsInf",
    np.fmod: "Mod",
}  # fmt: skip
_LOGIC = {
    np.logical_and: "And", np.logical_or: "Or", np.logical_xor: "Xor", np.logical_not: "Not",
}  # fmt: skip
_BITS = {
    np.bitwise_and: "And", np.bitwise_or: "Or", np.bitwise_xor: "Xor", np.invert: "Not",
}  # fmt: skip


def _kind(value: Any) -> Any:
    """The type of an operand, for NumPy's rules of promotion."""
    found = sample(value)
    return type(found) if type(found) in (int, float) else np.asarray(found).dtype


def node(ufunc: Any, op: str, *u: Any, bits: bool = False, **attributes: Any) -> Symbol:
    """One node for a ufunc, its operands in the type in which NumPy computes it."""
    graph, samples = graph_of(u), [sample(v) for v in u]
    with np.errstate(all="ignore"):
        result = ufunc(*samples)
    dtypes = ufunc.resolve_dtypes((*map(_kind, u), *[None] * ufunc.nout))[: len(u)]
    if op in ("Floor", "Ceil") and dtypes[0].kind != "f":
        op = "Identity"
    taken = dtypes if bits else [computed(d) for d in dtypes]
    inside = result.astype(computed(result.dtype)) if result.dtype != bool and not bits else result
    y = graph.emit(op, [graph.cast(v, d) for v, d in zip(u, taken, strict=True)], inside, **attributes)
    y = graph.cast(y, result.dtype)
    if all(type(s) in (bool, int, float) for s in samples) and result.dtype != bool:
        return Symbol(graph, y.name, result.item(), y.depth)  # of Python numbers: one again
    return y


for _ufunc, _op in _ARITHMETIC.items():
    writes(_ufunc)(partial(node, _ufunc, _op, **({"fmod": 1} if _op == "Mod" else {})))


def _logical(ufunc: Any, op: str, *u: Any) -> Symbol:
    graph = graph_of(u)
    return graph.emit(op, [graph.cast(v, bool) for v in u], ufunc(*map(sample, u)))


def _bitwise(ufunc: Any, op: str, *u: Any) -> Symbol:
    booleans = all(_kind(v) == np.dtype(bool) for v in u)
    return node(ufunc, op if booleans else f"Bitwise{op}", *u, bits=True)


for _ufunc, _op in _LOGIC.items():
    writes(_ufunc)(partial(_logical, _ufunc, _op))
for _ufunc, _op in _BITS.items():
    writes(_ufunc)(partial(_bitwise, _ufunc, _op))


@writes(np.left_shift)
def _left_shift(u: Any, bits: Any) -> Any:
    return _shift(np.left_shift, "LEFT", u, bits)


@writes(np.right_shift)
def _right_shift(u: Any, bits: Any) -> Any:
    return _shift(np.right_shift, "RIGHT", u, bits)


def _shift(ufunc: Any, direction: str, u: Any, bits: Any) -> Any:
    if ufunc(sample(u), sample(bits)).dtype.kind != "u":
        raise Inexpressible(f"the function {ufunc.__name__} of signed integers", "Multiply by powers of 2.")
    return node(ufunc, "BitShift", u, bits, bits=True, direction=direction)


# -- elementwise: of others -------------------------------------------------------------------------


@writes(np.not_equal)
def _not_equal(a: Any, b: Any) -> Any:
    return np.logical_not(np.equal(a, b))


@writes(np.isfinite)
def _isfinite(u: Any) -> Any:
    return np.logical_not(np.logical_or(np.isnan(u), np.isinf(u)))


@writes(np.square)
def _square(u: Any) -> Any:
    return u * u


@writes(np.log10)
def _log10(u: Any) -> Any:
    return np.log(u) * (1 / np.log(10.0)).item()


@writes(np.log2)
def _log2(u: Any) -> Any:
    return np.log(u) * (1 / np.log(2.0)).item()


@writes(np.exp2)
def _exp2(u: Any) -> Any:
    return np.power(2.0, u)


@writes(np.expm1)
def _expm1(u: Any) -> Any:
    return np.tanh(u / 2) * (np.exp(u) + 1)  # without cancellation at 0


@writes(np.log1p)
def _log1p(u: Any) -> Any:
    near = 1 + u  # the logarithm at the rounded sum, its rounding undone
    return np.where(near == 1, u, np.log(near) * (u / np.where(near == 1, 1, near - 1)))


@writes(np.logaddexp)
def _logaddexp(a: Any, b: Any) -> Any:
    return np.maximum(a, b) + np.log1p(np.exp(-np.abs(np.subtract(a, b))))


@writes(np.hypot)
def _hypot(a: Any, b: Any) -> Any:
    return np.sqrt(np.square(a) + np.square(b))


@writes(np.trunc)
def _trunc(u: Any) -> Any:
    return np.sign(u) * np.floor(np.abs(u))


@writes(np.cbrt)
def _cbrt(u: Any) -> Any:
    return np.sign(u) * np.power(np.abs(u), 1 / 3)


@writes(np.remainder)
def _mod(a: Any, b: Any) -> Any:
    rest = np.fmod(a, b)  # which has the sign of a
    other = np.logical_and(rest != 0, np.less(rest, 0) != np.less(b, 0))
    return np.where(other, rest + b, rest)


@writes(np.floor_divide)
def _floor_divide(a: Any, b: Any) -> Any:
    whole = np.subtract(a, np.remainder(a, b))
    if whole.dtype.kind == "f":
        return np.rint(whole / b)
    return node(np.floor_divide, "Div", whole, b)


@writes(np.fmax)
def _fmax(a: Any, b: Any) -> Any:
    return np.maximum(a, b)


@writes(np.fmin)
def _fmin(a: Any, b: Any) -> Any:
    return np.minimum(a, b)


# Runtimes have tangents, arcs and hyperbolas in float32 alone: in float64 they are made of others.


def _in_single(ufunc: Any, op: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A node in float32, the decorated function in float64."""

    def choose(double: Callable[..., Any]) -> Callable[..., Any]:
        def writer(u: Any) -> Any:
            if ufunc(sample(u)).dtype == np.float32:
                return node(ufunc, op, u)
            return double(graph_of([u]).cast(u, np.float64))

        return writes(ufunc)(writer)

    return choose


@_in_single(np.tan, "Tan")
def _tan(u: Any) -> Any:
    return np.sin(u) / np.cos(u)


@_in_single(np.sinh, "Sinh")
def _sinh(u: Any) -> Any:
    e = np.expm1(u)
    return (e + e / (e + 1)) / 2


@_in_single(np.cosh, "Cosh")
def _cosh(u: Any) -> Any:
    return (np.exp(u) + np.exp(-u)) / 2


@_in_single(np.arcsinh, "Asinh")
def _arcsinh(u: Any) -> Any:
    size = np.abs(u)
    return np.sign(u) * np.log1p(size + size * size / (1 + np.sqrt(size * size + 1)))


@_in_single(np.arccosh, "Acosh")
def _arccosh(u: Any) -> Any:
    return np.log(u + np.sqrt((u - 1) * (u + 1)))


@_in_single(np.arctanh, "Atanh")
def _arctanh(u: Any) -> Any:
    return np.log1p(2 * u / (1 - u)) / 2


@_in_single(np.arctan, "Atan")
def _arctan(u: Any) -> Any:
    return np.arctan2(u, np.ones_like(u))


@_in_single(np.arcsin, "Asin")
def _arcsin(u: Any) -> Any:
    return np.arctan2(u, np.sqrt((1 - u) * (1 + u)))


@_in_single(np.arccos, "Acos")
def _arccos(u: Any) -> Any:
    return np.arctan2(np.sqrt((1 - u) * (1 + u)), u)


@writes(np.arctan2)
def _arctan2(y: Any, x: Any) -> Any:
    graph, dtype = graph_of([y, x]), np.arctan2(sample(y), sample(x)).dtype
    y, x = graph.cast(y, dtype), graph.cast(x, dtype)
    size = np.maximum(np.abs(y), np.abs(x))
    origin = size == 0
    y, x = y / np.where(origin, 1, size), np.where(origin, 1, x / np.where(origin, 1, size))
    if dtype == np.float32:
        return _angle(y, x)
    # the angle in float32, and one step of Newton's method, whose error is the third power of float32's
    angle = _angle(y.astype(np.float32), x.astype(np.float32)).astype(dtype)
    sin, cos = np.sin(angle), np.cos(angle)
    return angle + (y * cos - x * sin) / (x * cos + y * sin)


def _angle(y: Any, x: Any) -> Any:
    turn = np.where(x < 0, np.where(y < 0, -pi, pi), 0.0).astype(np.float32)
    return np.where(x == 0, np.sign(y) * (pi / 2), np.arctan(y / np.where(x == 0, 1, x)) + turn)


# -- choices, products, reductions --------------------------------------------------------------------


@writes(np.where)
def _where(condition: Any, a: Any, b: Any) -> Any:
    graph = graph_of([condition, a, b])
    result = np.where(sample(condition), sample(a), sample(b))
    inside = computed(result.dtype)
    taken = [graph.cast(condition, bool), graph.cast(a, inside), graph.cast(b, inside)]
    return graph.cast(graph.emit("Where", taken, result.astype(inside)), result.dtype)


@writes(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = min if a_min is None else a_min, max if a_max is None else a_max
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@writes(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    return np.rint(a * 10**decimals) / 10**decimals if decimals else np.rint(a)


@writes(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    n, m = np.ndim(a), np.ndim(b)
    first, second = (range(n - axes, n), range(axes)) if isinstance(axes, int) else axes
    first, second = (
        [i % size for i in ([given] if isinstance(given, int) else given)]
        for given, size in ((first, n), (second, m))
    )
    left, right = ([i for i in range(k) if i not in f] for k, f in ((n, first), (m, second)))
    kept = [np.shape(a)[i] for i in left] + [np.shape(b)[i] for i in right]
    count = prod(np.shape(a)[i] for i in first)
    a = np.reshape(np.transpose(a, [*left, *first]), (prod(kept[: len(left)]), count))
    b = np.reshape(np.transpose(b, [*second, *right]), (count, prod(kept[len(left) :])))
    return np.reshape(np.matmul(a, b), kept)


@writes(np.dot)
def _dot(a: Any, b: Any) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(b) < 3 else np.tensordot(a, b, (-1, -2))


@writes(np.inner)
def _inner(a: Any, b: Any) -> Any:
    return np.tensordot(a, b, (-1, -1)) if np.ndim(a) and np.ndim(b) else np.multiply(a, b)


@writes(np.outer)
def _outer(a: Any, b: Any) -> Any:
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


@writes(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    return np.matmul(np.reshape(a, (-1,)), np.reshape(b, (-1,)))


@writes(np.einsum)
def _einsum(equation: str, *u: Any, **options: Any) -> Any:
    graph, result = graph_of(u), np.einsum(equation, *map(sample, u))
    if "->" not in equation:
        letters = [c for c in sorted(set(equation)) if c.isalpha() and equation.count(c) == 1]
        equation += "->" + ("..." if "..." in equation else "") + "".join(letters)
    inside = computed(result.dtype)
    y = graph.emit("Einsum", [graph.cast(v, inside) for v in u], result.astype(inside), equation=equation)
    return graph.cast(y, result.dtype)


def _reduce(
    function: Any, op: str, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False
) -> Any:
    result = function(sample(a), axis=axis, keepdims=keepdims)
    dtype = dtype or result.dtype
    axes = range(a.ndim) if axis is None else [axis] if isinstance(axis, (int, np.integer)) else axis
    taken = a.graph.cast(a, computed(dtype))
    if len(axes):
        where = a.graph.constant([i % a.ndim for i in axes], np.int64)
        taken = a.graph.emit(op, [taken, where], result.astype(taken.dtype), keepdims=int(keepdims))
    return a.graph.cast(taken, dtype)


for _op, *_functions in (
    ("ReduceSum", np.sum), ("ReduceMean", np.mean), ("ReduceProd", np.prod),
    ("ReduceMax", np.max, np.amax, np.any), ("ReduceMin", np.min, np.amin, np.all),
):  # fmt: skip
    for _function in _functions:
        writes(_function)(partial(_reduce, _function, _op))


@writes(np.var)
def _var(a: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    away = np.square(a - np.mean(a, axis=axis, keepdims=True))
    total = np.sum(away, axis=axis, keepdims=keepdims)
    return total * (1 / (away.size // max(total.size, 1) - ddof))


@writes(np.std)
def _std(a: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    return np.sqrt(np.var(a, axis=axis, ddof=ddof, keepdims=keepdims))


def _arg(function: Any, op: str, a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    taken = a.graph.cast(a, computed(a.dtype))
    result = np.asarray(function(sample(a), axis=axis, keepdims=keepdims), np.int64)
    return a.graph.emit(op, [taken], result, axis=axis, keepdims=int(keepdims))


writes(np.argmax)(partial(_arg, np.argmax, "ArgMax"))
writes(np.argmin)(partial(_arg, np.argmin, "ArgMin"))


@writes(np.cumsum)
def _cumsum(a: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    result = np.cumsum(sample(a), axis)
    taken = [a.graph.cast(a, computed(result.dtype)), a.graph.constant(axis, np.int64)]
    return a.graph.cast(a.graph.emit("CumSum", taken, result.astype(taken[0].dtype)), result.dtype)


@writes(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    before = np.less if side == "left" else np.less_equal
    return np.sum(before(a, np.expand_dims(v, -1)), axis=-1)


@writes(np.interp)
def _interp(x: Any, xp: Any, fp: Any) -> Any:
    graph = graph_of([x, xp, fp])
    points, values = (v if isinstance(v, Symbol) else graph.constant(v) for v in (xp, fp))
    return interpolate(np, np.clip(x, points[0], points[-1]), points, values)
