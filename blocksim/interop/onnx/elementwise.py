"""Elementwise operators: arithmetic, comparisons, logic, activations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from blocksim import library as lib
from blocksim.block import Block
from blocksim.interop.onnx.call import Call, Tensor, known, operator
from blocksim.interop.onnx.read import kind

MATH = {
    "Exp": "exp", "Log": "log", "Reciprocal": "reciprocal", "Floor": "floor", "Ceil": "ceil",
    "Sin": "sin", "Cos": "cos", "Tan": "tan", "Asin": "asin", "Acos": "acos",
    "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh",
}  # fmt: skip

UNARY: dict[str, Callable[[Call], Block]] = {
    **{name: lambda c, f=function: lib.MathFunction(f) for name, function in MATH.items()},
    "Abs": lambda c: lib.Abs(),
    "Elu": lambda c: lib.ELU(c.attribute("alpha")),
    "HardSigmoid": lambda c: lib.HardSigmoid(c.attribute("alpha"), c.attribute("beta")),
    "LeakyRelu": lambda c: lib.LeakyReLU(c.attribute("alpha")),
    "Neg": lambda c: lib.Sum("-"),
    "Not": lambda c: lib.LogicalOperator("NOT"),
    "Relu": lambda c: lib.ReLU(),
    "Round": lambda c: lib.Quantizer(1.0),  # halves to the even one
    "Sigmoid": lambda c: lib.Sigmoid(),
    "Sign": lambda c: lib.Sign(),
    "Softplus": lambda c: lib.Softplus(),
    "Softsign": lambda c: lib.Softsign(),
    "Sqrt": lambda c: lib.Sqrt(),
    "Tanh": lambda c: lib.Tanh(),
    "ThresholdedRelu": lambda c: lib.ThresholdedReLU(c.attribute("alpha")),
}

SEVERAL: dict[str, Callable[[], Block]] = {
    "Add": lib.Sum,
    "And": lambda: lib.LogicalOperator("AND"),
    "Equal": lambda: lib.RelationalOperator("=="),
    "Greater": lambda: lib.RelationalOperator(">"),
    "GreaterOrEqual": lambda: lib.RelationalOperator(">="),
    "Less": lambda: lib.RelationalOperator("<"),
    "LessOrEqual": lambda: lib.RelationalOperator("<="),
    "Max": lambda: lib.MinMax("max"),
    "Min": lambda: lib.MinMax("min"),
    "Mul": lib.Product,
    "Or": lambda: lib.LogicalOperator("OR"),
    "Sub": lambda: lib.Sum("+-"),
    "Sum": lib.Sum,
    "Xor": lambda: lib.LogicalOperator("XOR"),
}
"""Operators of tensors that are widened to one shape."""


@operator(*UNARY)
def unary(call: Call) -> Tensor:
    return call.apply(UNARY[call.node.op_type](call), call[0])


@operator(*SEVERAL)
def several(call: Call) -> Tensor:
    tensors = [call[i] for i in range(len(call.inputs))]
    if len(tensors) == 1:  # of Max, Min and Sum
        return tensors[0]
    return call.elementwise(SEVERAL[call.node.op_type](), *tensors)


@operator("Mean")
def mean(call: Call) -> Tensor:
    tensors = [call[i] for i in range(len(call.inputs))]
    return call.apply(lib.Gain(1 / len(tensors)), call.elementwise(lib.Sum(), *tensors))


# -- arithmetic that differs between integers and floats -------------------------------------------


def _as_floats(call: Call, block: Block, *tensors: Tensor) -> Tensor:
    """The block of floats, also where the tensors are integers."""
    return call.elementwise(block, *(call.cast(t, "f") for t in tensors))


@operator("Div")
def divide(call: Call) -> Tensor:
    """Of integers the quotient towards zero."""
    return call.cast(_as_floats(call, lib.Product("*/"), call[0], call[1]), call[0].kind)


@operator("Mod")
def modulo(call: Call) -> Tensor:
    function = lib.MathFunction("rem" if call.attribute("fmod") else "mod")
    return call.cast(_as_floats(call, function, call[0], call[1]), call[0].kind)


@operator("Pow")
def power(call: Call) -> Tensor:
    base, exponent = call[0], call[1]
    single = float(exponent.value.item()) if exponent.value is not None and exponent.value.size == 1 else None
    shape = np.broadcast_shapes(base.shape, exponent.shape)
    if base.kind == "f" and single in (2.0, 0.5):
        return call.apply(lib.MathFunction("square") if single == 2 else lib.Sqrt(), call.expand(base, shape))
    y = _as_floats(call, lib.MathFunction("pow"), base, exponent)
    return y if base.kind == "f" else call.cast(call.apply(lib.Quantizer(1.0), y), base.kind)


@operator("Cast", "CastLike")
def cast(call: Call) -> Tensor:
    """The width of numbers is not kept: floats have the run's type, integers 64 bits."""
    if call.node.op_type == "CastLike":
        return call.cast(call[0], call[1].kind)
    return call.cast(call[0], kind(call.attribute("to"), f"{call.place}, node {call.name!r}").kind)


@operator("Clip")
def clip(call: Call) -> Tensor:
    u = call[0]
    if call.version < 11:
        low, high = (None if v is None else known(np.float64(v)) for v in map(call.attribute, ("min", "max")))
    else:
        low, high = call.get(1), call.get(2)
    limits = [t.value for t in (low, high) if t is not None and t.value is not None]
    if len(limits) == 2 and limits[0] <= limits[1] and u.kind == "f":
        return call.apply(lib.Saturation(*limits), u)
    u = u if low is None else call.elementwise(lib.MinMax("max"), u, low)
    return u if high is None else call.elementwise(lib.MinMax("min"), u, high)


@operator("Where")
def where(call: Call) -> Tensor:
    condition, x, y = call[0], call[1], call[2]
    first, control, third = call.broadcast(x, condition, y)
    return call.apply(lib.Switch(criterion="~="), first, control, third)


# -- activations made of others --------------------------------------------------------------------


@operator("PRelu")
def prelu(call: Call) -> Tensor:
    u, slope = call[0], call[1]
    zero = known(0.0)
    below = call.elementwise(lib.Product(), call.elementwise(lib.MinMax("min"), u, zero), slope)
    return call.elementwise(lib.Sum(), call.apply(lib.ReLU(), u), below)


@operator("Selu")
def selu(call: Call) -> Tensor:
    y = call.apply(lib.ELU(call.attribute("alpha")), call[0])
    return call.apply(lib.Gain(call.attribute("gamma")), y)


@operator("Celu")
def celu(call: Call) -> Tensor:
    alpha = call.attribute("alpha")
    return call.apply(lib.Gain(alpha), call.apply(lib.ELU(), call.apply(lib.Gain(1 / alpha), call[0])))


@operator("HardSwish")
def hard_swish(call: Call) -> Tensor:
    return call.apply(lib.Product(), call[0], call.apply(lib.HardSigmoid(1 / 6, 0.5), call[0]))


@operator("Mish")
def mish(call: Call) -> Tensor:
    return call.apply(lib.Product(), call[0], call.apply(lib.Tanh(), call.apply(lib.Softplus(), call[0])))


@operator("Swish")
def swish(call: Call) -> Tensor:
    gate = call.apply(lib.Sigmoid(), call.apply(lib.Gain(call.attribute("alpha")), call[0]))
    return call.apply(lib.Product(), call[0], gate)


@operator("Gelu")
def gelu(call: Call) -> Tensor:
    """y = u/2 (1 + tanh(sqrt(2/pi) (u + 0.044715 u^3)))."""
    if call.attribute("approximate") != "tanh":
        call.fail('approximate="tanh"', "the exact form, of the error function", "Export the approximation.")
    u = call[0]
    cube = call.apply(lib.Gain(0.044715), call.apply(lib.Product(), u, u, u))
    inner = call.apply(lib.Gain(np.sqrt(2 / np.pi)), call.apply(lib.Sum(), u, cube))
    half = call.apply(lib.Gain(0.5), u)
    return call.apply(lib.Product(), half, call.apply(lib.Bias(1.0), call.apply(lib.Tanh(), inner)))
