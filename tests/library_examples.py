"""One example or more of every block of the library: name -> (block, {input port: rows}).

A name begins with that of the block's class. The rows are arrays (STEPS, *shape), in float64 unless
the port takes integers or booleans.
"""

import numpy as np

import blocksim as bs
from blocksim import library as lib

STEPS, DT = 12, 0.25


def _rows(*shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, (STEPS, *shape))


SCALAR, OTHER = _rows(), _rows(seed=1)
VECTOR, VECTOR2, VECTOR3 = _rows(3), _rows(3, seed=1), _rows(3, seed=2)
MATRIX, MATRIX2 = _rows(2, 3), _rows(2, 3, seed=1)
CUBE = _rows(2, 3, 2)
POSITIVE = _rows(3, seed=3, low=0.5, high=2.0)
UNIT = _rows(3, seed=4, low=-0.9, high=0.9)
KERNEL = _rows(3, 2)[:4]
LENGTHS = np.arange(STEPS) % 8
WHOLE, WHOLE2 = np.trunc(VECTOR), np.trunc(VECTOR2)

EXAMPLES = {
    # math
    "Gain": (lib.Gain(2.5), {"u": CUBE}),
    "Gain of a vector": (lib.Gain([1.0, -2.0, 0.5]), {"u": VECTOR}),
    "Gain of a matrix": (lib.Gain(MATRIX[0]), {"u": VECTOR}),
    "Bias": (lib.Bias(0.5), {"u": MATRIX}),
    "Bias of a vector": (lib.Bias([1.0, -2.0, 0.5]), {"u": VECTOR}),
    "Complement": (lib.Complement(), {"u": MATRIX}),
    "Sum": (lib.Sum(), {"u1": MATRIX, "u2": MATRIX2}),
    "Sum -+-": (lib.Sum("-+-"), {"u1": VECTOR, "u2": VECTOR2, "u3": VECTOR3}),
    "Product": (lib.Product(), {"u1": MATRIX, "u2": MATRIX2}),
    "Product /*": (lib.Product("/*"), {"u1": POSITIVE, "u2": VECTOR}),
    "Abs": (lib.Abs(), {"u": CUBE}),
    "Sign": (lib.Sign(), {"u": WHOLE}),
    "Sqrt": (lib.Sqrt(), {"u": POSITIVE}),
    **{
        f"MathFunction {name}": (lib.MathFunction(name), {"u": data})
        for data, names in (
            (POSITIVE, ("exp", "log", "log10", "square", "reciprocal", "sin", "cos", "sinh", "cosh")),
            (UNIT, ("tan", "asin", "acos", "atan")),
            (VECTOR, ("floor", "ceil", "fix")),
        )
        for name in names
    },
    **{
        f"MathFunction {name}": (lib.MathFunction(name), {"u1": data, "u2": VECTOR2})
        for name, data in {
            "pow": POSITIVE, "mod": VECTOR, "rem": VECTOR, "hypot": VECTOR, "atan2": VECTOR,
        }.items()
    },
    "MinMax": (lib.MinMax(), {"u1": VECTOR, "u2": VECTOR2, "u3": VECTOR3}),
    "MinMax max": (lib.MinMax("max"), {"u1": MATRIX, "u2": MATRIX2}),
    "Dot": (lib.Dot(), {"u1": MATRIX, "u2": MATRIX2}),
    # activations
    "Sigmoid": (lib.Sigmoid(), {"u": CUBE}),
    "Tanh": (lib.Tanh(), {"u": CUBE}),
    "ScaledTanh": (lib.ScaledTanh(1.7159, 2 / 3), {"u": CUBE}),
    "Affine": (lib.Affine(1.5, -0.5), {"u": CUBE}),
    "Affine of vectors": (lib.Affine([1.0, -2.0, 0.5], [0.1, 0.2, 0.3]), {"u": VECTOR}),
    "HardSigmoid": (lib.HardSigmoid(0.5, 0.4), {"u": CUBE}),
    "Softsign": (lib.Softsign(), {"u": CUBE}),
    "ReLU": (lib.ReLU(), {"u": CUBE}),
    "LeakyReLU": (lib.LeakyReLU(), {"u": CUBE}),
    "LeakyReLU of a vector": (lib.LeakyReLU([0.1, 0.2, 0.3]), {"u": VECTOR}),
    "ThresholdedReLU": (lib.ThresholdedReLU(0.5), {"u": CUBE}),
    "ELU": (lib.ELU(1.5), {"u": CUBE}),
    "Softplus": (lib.Softplus(), {"u": CUBE}),
    "Softmax": (lib.Softmax(), {"u": CUBE}),
    # convolution
    "Convolution": (lib.Convolution(KERNEL, padding=1, b=OTHER[:4]), {"u": _rows(6, 3)}),
    "Convolution of two axes": (
        lib.Convolution(_rows(2, 2, 3)[:4], (2, 1), "same", (1, 2), 2), {"u": _rows(5, 6, 4)},
    ),
    "Convolution of a length": (
        lib.Convolution(KERNEL, 2, "same", length=True), {"u": _rows(7, 3), "length": LENGTHS},
    ),
    "Pooling": (lib.Pooling("max", 2), {"u": _rows(7, 3)}),
    "Pooling of two axes": (lib.Pooling("average", (2, 3), 2, 1, ceil=True), {"u": _rows(5, 6, 2)}),
    "Pooling of a length": (
        lib.Pooling("max", 3, 2, ((1, 2),), length=True), {"u": _rows(7, 3), "length": LENGTHS},
    ),
    "Pooling average of a length": (
        lib.Pooling("average", 3, 2, "same", True, length=True), {"u": _rows(7, 3), "length": LENGTHS},
    ),
    # sequences
    "Mask": (lib.Mask(), {"u": _rows(7, 3), "length": LENGTHS}),
    "Mask of integers": (lib.Mask(), {"u": np.trunc(_rows(7)).astype(int), "length": LENGTHS}),
    "Last": (lib.Last(), {"u": _rows(7, 3), "length": LENGTHS}),
    "GlobalPooling max": (lib.GlobalPooling("max"), {"u": _rows(7, 3), "length": LENGTHS}),
    "GlobalPooling average": (lib.GlobalPooling("average"), {"u": _rows(7, 3), "length": LENGTHS}),
    "ChannelAffine": (lib.ChannelAffine([1.0, -2.0, 0.5], 0.5), {"u": MATRIX}),
    "Standardize": (lib.Standardize(0.1), {"u": MATRIX}),
    # nonlinear
    "Saturation": (lib.Saturation(-0.5, 1.0), {"u": CUBE}),
    "Saturation of a vector": (lib.Saturation([-0.5, -1.0, 0.0], 1.0), {"u": VECTOR}),
    "DeadZone": (lib.DeadZone(-0.5, 1.0), {"u": CUBE}),
    "Quantizer": (lib.Quantizer(0.3), {"u": CUBE}),
    "Lookup1D": (lib.Lookup1D([-1.0, 0.5, 1.0], [2.0, -1.0, 0.25]), {"u": CUBE}),
    "Lookup1D linear": (lib.Lookup1D([-1.0, 0.5, 1.0], [2.0, -1.0, 0.25], "linear"), {"u": SCALAR}),
    # discrete
    "UnitDelay": (lib.UnitDelay(MATRIX[0]), {"u": MATRIX2}),
    "UnitDelay of integers": (lib.UnitDelay(np.array([1, 2, 3])), {"u": WHOLE.astype(int)}),
    "Delay": (lib.Delay(MATRIX[0], 3), {"u": MATRIX2}),
    "Delay of booleans": (lib.Delay(np.True_, 2), {"u": SCALAR > 0}),
    "DiscreteIntegrator": (lib.DiscreteIntegrator(MATRIX[0], 2.0), {"u": MATRIX2}),
    "DiscreteIntegrator backward": (lib.DiscreteIntegrator(0.5, 2.0, method="backward"), {"u": SCALAR}),
    "DiscreteIntegrator trapezoidal": (
        lib.DiscreteIntegrator(VECTOR[0], [1.0, 2.0, 3.0], "trapezoidal"), {"u": VECTOR2},
    ),
    "DiscreteTransferFcn": (lib.DiscreteTransferFcn([1.0, 0.5], [2.0, -0.6, 0.4, 0.1]), {"u": SCALAR}),
    "DiscreteTransferFcn direct": (
        lib.DiscreteTransferFcn([1.0, 0.5, 0.25], [2.0, -0.6, 0.4], [0.1, 0.2]), {"u": SCALAR},
    ),
    "DiscreteStateSpace": (
        lib.DiscreteStateSpace([[0.5, 0.1], [-0.2, 0.3]], MATRIX[1], [[1.0, 2.0]], initial=[1.0, -1.0]),
        {"u": VECTOR},
    ),
    "DiscreteStateSpace direct": (
        lib.DiscreteStateSpace([[0.5]], [[1.0]], [[2.0], [3.0]], [[0.1], [0.2]]), {"u": _rows(1)},
    ),
    "DiscreteFIR": (lib.DiscreteFIR([0.5, 0.25, -1.0], MATRIX[0]), {"u": MATRIX2}),
    "DiscreteFIR of one coefficient": (lib.DiscreteFIR([0.5]), {"u": SCALAR}),
    # routing
    "Mux": (lib.Mux(), {"u1": SCALAR, "u2": VECTOR, "u3": OTHER}),
    "Demux": (lib.Demux([1, 2]), {"u": VECTOR}),
    "Demux of one": (lib.Demux([3]), {"u": VECTOR}),
    "Selector": (lib.Selector([1, 0, -1, 1]), {"u": MATRIX}),
    "Selector of one": (lib.Selector(1), {"u": VECTOR}),
    "Concatenate": (lib.Concatenate(), {"u1": VECTOR, "u2": _rows(2)}),
    "Concatenate -1": (lib.Concatenate(-1), {"u1": MATRIX, "u2": _rows(2, 1)}),
    "Reshape": (lib.Reshape((3, -1)), {"u": CUBE}),
    "Switch": (lib.Switch(0.5), {"u1": VECTOR, "control": SCALAR, "u3": VECTOR2}),
    "Switch >": (lib.Switch([0.0, 0.5, 1.0], ">"), {"u1": VECTOR, "control": WHOLE, "u3": VECTOR2}),
    "Switch ~=": (lib.Switch(criterion="~="), {"u1": VECTOR, "control": VECTOR3 > 0, "u3": VECTOR2}),
    # logic
    **{
        f"RelationalOperator {op}": (lib.RelationalOperator(op), {"u1": WHOLE, "u2": WHOLE2})
        for op in ("==", "~=", "<", "<=", ">", ">=")
    },
    **{
        f"LogicalOperator {op}": (
            lib.LogicalOperator(op), {"u1": WHOLE, "u2": WHOLE2, "u3": VECTOR3 > 0},
        )
        for op in ("AND", "OR", "NAND", "NOR", "XOR")
    },
    "LogicalOperator NOT": (lib.LogicalOperator("NOT"), {"u": WHOLE}),
    # sources
    "Constant": (lib.Constant(MATRIX[0]), {}),
    "Constant of integers": (lib.Constant(np.arange(3)), {}),
    "Clock": (lib.Clock(), {}),
    "Step": (lib.Step(1.0, -1.0, [2.0, 3.0]), {}),
    "Ramp": (lib.Ramp([2.0, 3.0], 0.6, 5.0), {}),
    "Sine": (lib.Sine([1.0, 2.0], 3.0, 0.3, 0.5), {}),
    "Pulse": (lib.Pulse([3.0, 4.0], 1.0, 0.5, 0.5), {}),
    "FromArray": (lib.FromArray(MATRIX[:5]), {}),
    "FromArray repeat": (lib.FromArray(np.arange(5), "repeat"), {}),
    "FromArray zero": (lib.FromArray(SCALAR[:5], "zero"), {}),
    "FromWorkspace": (lib.FromWorkspace([0.2, 0.8, 2.0], MATRIX[:3]), {}),
    "FromWorkspace held": (lib.FromWorkspace([0.25, 0.8, 2.0], SCALAR[:3], interpolate=False), {}),
    "RandomNumber": (lib.RandomNumber(7, 1.0, [1.0, 2.0, 3.0], 3), {}),
    "UniformRandomNumber": (lib.UniformRandomNumber(7, -1.0, 2.0, (2, 3)), {}),
    # tensor
    "Transpose": (lib.Transpose((2, 0, 1)), {"u": CUBE}),
    "Transpose reversed": (lib.Transpose(), {"u": MATRIX}),
    "Expand": (lib.Expand((4, 2, 3)), {"u": _rows(2, 1)}),
    "Expand of a scalar": (lib.Expand((2,)), {"u": SCALAR}),
    "MatrixMultiply": (lib.MatrixMultiply(), {"u1": MATRIX, "u2": _rows(3, 4, seed=1)}),
    "MatrixMultiply of vectors": (lib.MatrixMultiply(), {"u1": VECTOR, "u2": VECTOR2}),
    "MatrixMultiply of batches": (lib.MatrixMultiply(), {"u1": CUBE, "u2": _rows(2, 2, 3, seed=1)}),
    "Gather": (lib.Gather(1), {"u": CUBE, "indices": WHOLE.astype(int)[:, :2]}),
    "Gather of integers": (lib.Gather(), {"u": WHOLE.astype(int), "indices": np.arange(STEPS) % 3}),
    "Slice": (lib.Slice([0, 1], [2, 3], [1, 2]), {"u": CUBE}),
    "Slice backward": (lib.Slice([None, -1], [None, None], [1, -1]), {"u": MATRIX}),
    **{f"Reduce {name}": (lib.Reduce(name, [0, 2]), {"u": CUBE}) for name in ("sum", "mean", "prod", "max")},
    "Reduce min": (lib.Reduce("min", keepdims=True), {"u": MATRIX}),
    "Reduce of integers": (lib.Reduce("sum", [0]), {"u": WHOLE.astype(int)}),
    "Cast float": (lib.Cast("float"), {"u": WHOLE.astype(int)}),
    "Cast int": (lib.Cast("int"), {"u": VECTOR}),
    "Cast bool": (lib.Cast("bool"), {"u": WHOLE}),
    # function
    "Function": (lib.Function(lambda xp, a, b: xp.sin(a) * b), {"a": VECTOR, "b": VECTOR2}),
    "Function of two outputs": (
        lib.Function(lambda a: (a + 1.0, a.sum()), ["more", "total"]), {"a": MATRIX},
    ),
}  # fmt: skip

STATEFUL = [name for name, (block, _) in EXAMPLES.items() if hasattr(block, "init")]


def diagram_of(block, inputs):
    """The block alone, as `block`, with an input for each of its ports and its outputs by their names."""
    d = bs.Diagram(type(block).__name__)
    sources = {}
    for port, rows in inputs.items():
        dtype = None if rows.dtype.kind == "f" else rows.dtype
        sources[port] = d.input(port, rows.shape[1:], dtype)
    node = d.add("block", block, **sources)
    for port in node.outputs:
        d.output(port, node[port])
    return d


def run_alone(block, inputs, *, dt=DT, **options):
    """The rows of the block's outputs, by port, and the result of the run."""
    steps = options.pop("steps", None if inputs else STEPS)
    result = bs.simulate(diagram_of(block, inputs), inputs, steps=steps, dt=dt, **options)
    return {port: result[port] for port in block.outputs}, result
