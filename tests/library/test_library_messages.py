"""Bad fields and bad signals: each message says where, what was expected, what came, what to do."""

import numpy as np
import pytest
from library_examples import diagram_of

import blocksim as bs
from blocksim import library as lib
from blocksim.errors import DiagramError, ParameterError, SignalError

INT, BOOL = np.int64, np.bool_
CUBE = np.ones((3, 3, 4))

FIELDS = [
    (lambda: lib.Gain("abc"), "Gain, parameter K", "real number", "'abc'"),
    (lambda: lib.Sum("+x"), "Sum, signs", "a text of + and -", "'+x'"),
    (lambda: lib.Product("+"), "Product, operators", "a text of * and /", "'+'"),
    (lambda: lib.MathFunction("gamma"), "MathFunction, function", "'exp' or 'log'", "'gamma'"),
    (lambda: lib.MinMax("median"), "MinMax, function", "'min' or 'max'", "'median'"),
    (lambda: lib.Saturation(2.0, 1.0), "Saturation, lower", "at most upper = 1.0", "got 2.0"),
    (
        lambda: lib.Saturation([0.0] * 2, [1.0] * 3),
        "lower and upper",
        "one shape",
        "(2,), (3,)",
        "one for each",
    ),
    (lambda: lib.DeadZone(2.0, 1.0), "DeadZone, start", "at most end = 1.0", "got 2.0"),
    (lambda: lib.Quantizer(0.0), "Quantizer, interval", "a positive number", "got 0.0"),
    (lambda: lib.Lookup1D([0.0], [0.0]), "Lookup1D, breakpoints", "at least two strictly increasing", "(1,)"),
    (lambda: lib.Lookup1D([0.0, 0.0], [0.0, 1.0]), "Lookup1D, breakpoints", "strictly increasing", "(2,)"),
    (lambda: lib.Lookup1D([0.0, 1.0], [0.0]), "Lookup1D, values", "each of the breakpoints, (2,)", "(1,)"),
    (
        lambda: lib.Lookup1D([0.0, 1.0], [0.0, 1.0], "no"),
        "Lookup1D, extrapolation",
        "'clip' or 'linear'",
        "'no'",
    ),
    (lambda: lib.Delay(0.0, 0), "Delay, n", "an integer of at least 1", "int 0", "use a wire"),
    (lambda: lib.Delay(0.0, 1.5), "Delay, n", "an integer of at least 1", "float 1.5"),
    (lambda: lib.Delay(0.0, True), "Delay, n", "an integer of at least 1", "bool True"),
    (
        lambda: lib.DiscreteIntegrator(0.0, method="euler"),
        "DiscreteIntegrator, method",
        "'forward'",
        "'euler'",
    ),
    (lambda: lib.DiscreteIntegrator(0.0, [1.0, 2.0]), "gain", "a scalar or the shape of initial, ()", "(2,)"),
    (
        lambda: lib.DiscreteTransferFcn([1.0], [2.0]),
        "DiscreteTransferFcn, denominator",
        "two coefficients",
        "Gain",
    ),
    (lambda: lib.DiscreteTransferFcn([1.0], [0.0, 1.0]), "denominator", "the first not zero", "(2,)"),
    (lambda: lib.DiscreteTransferFcn([], [1.0, 1.0]), "numerator", "a vector of coefficients", "(0,)"),
    (
        lambda: lib.DiscreteTransferFcn([1.0, 2.0, 3.0], [1.0, 1.0]),
        "numerator",
        "at most 2",
        "(3,)",
        "degree",
    ),
    (lambda: lib.DiscreteTransferFcn([1.0], [1.0, 1.0], [1.0, 2.0]), "initial", "a state (1,)", "(2,)"),
    (lambda: lib.DiscreteStateSpace([[1.0, 2.0]], [[1.0]], [[1.0]]), "A", "a square matrix", "(1, 2)"),
    (lambda: lib.DiscreteStateSpace(1.0, [[1.0]], [[1.0]]), "A", "a square matrix", "got 1.0"),
    (lambda: lib.DiscreteStateSpace([[1.0]], [1.0], [[1.0]]), "B", "a matrix (1, m)", "(1,)"),
    (lambda: lib.DiscreteStateSpace([[1.0]], [[1.0]], [[1.0, 1.0]]), "C", "a matrix (p, 1)", "(1, 2)"),
    (
        lambda: lib.DiscreteStateSpace([[1.0]], [[1.0]], [[1.0]], [[1.0, 2.0]]),
        "D",
        "a matrix (1, 1)",
        "(1, 2)",
    ),
    (lambda: lib.DiscreteStateSpace([[1.0]], [[1.0]], [[1.0]], 1.0), "D", "a matrix (1, 1)", "got 1.0"),
    (
        lambda: lib.DiscreteStateSpace([[1.0]], [[1.0]], [[1.0]], initial=[1.0, 2.0]),
        "initial",
        "(1,)",
        "(2,)",
    ),
    (lambda: lib.DiscreteFIR([]), "DiscreteFIR, coefficients", "a vector of coefficients", "(0,)"),
    (lambda: lib.DiscreteFIR(2.0), "DiscreteFIR, coefficients", "a vector of coefficients", "got 2.0"),
    (lambda: lib.Demux([]), "Demux, sizes", "at least one output", "got tuple ()"),
    (lambda: lib.Demux([2, 0]), "Demux, sizes", "integers of at least 1", "[2, 0]"),
    (lambda: lib.Demux("12"), "Demux, sizes", "integers of at least 1", "'12'"),
    (lambda: lib.Selector([0.5]), "Selector, indices", "integers", "[0.5]"),
    (lambda: lib.Selector([True, False]), "Selector, indices", "integers", "[True, False]"),
    (lambda: lib.Selector([]), "Selector, indices", "at least one index", "()"),
    (lambda: lib.Concatenate("rows"), "Concatenate, axis", "an integer", "'rows'"),
    (lambda: lib.Reshape((-1, -1)), "Reshape, shape", "at most one -1", "(-1, -1)"),
    (lambda: lib.Reshape((2, -3)), "Reshape, shape", "integers of at least -1", "(2, -3)"),
    (lambda: lib.Switch(criterion="<"), "Switch, criterion", "'>=' or '>' or '~='", "'<'"),
    (lambda: lib.RelationalOperator("!="), "RelationalOperator, operator", "'=='", "'!='"),
    (lambda: lib.LogicalOperator("and"), "LogicalOperator, operator", "'AND'", "'and'"),
    (lambda: lib.Convolution([[1.0]]), "Convolution, W", "an array (n, m, *kernel)", "shape (1, 1)"),
    (lambda: lib.Convolution(CUBE, groups=2), "Convolution, groups", "a divisor of the 3", "int 2"),
    (lambda: lib.Convolution(CUBE, 0), "Convolution, stride", "an integer, or 1 of them, of at least 1", "0"),
    (lambda: lib.Convolution(CUBE, (1, 2)), "Convolution, stride", "1 of them", "tuple (1, 2)"),
    (lambda: lib.Convolution(CUBE, padding="valid"), "Convolution, padding", '"same", an integer', "'valid'"),
    (lambda: lib.Convolution(CUBE, padding=(1, 2)), "Convolution, padding", "1 of them, or a pair", "(1, 2)"),
    (lambda: lib.Convolution(CUBE, b=[1.0]), "Convolution, b", "0, or a number for each of 3", "(1,)"),
    (lambda: lib.Convolution(CUBE, length=3), "Convolution, length", "True or False", "int 3"),
    (lambda: lib.Pooling("median", 2), "Pooling, function", "'max' or 'average'", "'median'"),
    (lambda: lib.Pooling("max", 0), "Pooling, size", "or one for each axis, of at least 1", "int 0"),
    (lambda: lib.Pooling("max", 2, 0), "Pooling, stride", "of at least 1", "int 0"),
    (lambda: lib.Pooling("max", 2, padding=2), "Pooling, padding", "less than the size, 2", "int 2"),
    (lambda: lib.GlobalPooling("min"), "GlobalPooling, function", "'max' or 'average'", "'min'"),
    (lambda: lib.ChannelAffine([[1.0]]), "ChannelAffine, gain", "a number, or a vector", "(1, 1)"),
    (lambda: lib.ChannelAffine([1.0], [1.0, 2.0]), "gain and bias", "one shape", "(1,), (2,)"),
    (lambda: lib.Standardize(-1.0), "Standardize, epsilon", "a number of at least 0", "float -1.0"),
    (lambda: lib.Step([1.0, 2.0], [1.0, 2.0, 3.0]), "Step, time and before", "one shape", "(2,), (3,)"),
    (lambda: lib.Ramp([1.0, 2.0], [1.0, 2.0, 3.0]), "Ramp, slope and start", "one shape", "(2,), (3,)"),
    (
        lambda: lib.Sine([1.0, 2.0], [1.0, 2.0, 3.0]),
        "Sine, amplitude and frequency",
        "one shape",
        "(2,), (3,)",
    ),
    (lambda: lib.Pulse(period=0.0), "Pulse, period", "a positive number of seconds", "got float 0.0"),
    (lambda: lib.Pulse(width=50), "Pulse, width", "a fraction", "from 0 to 1", "50"),
    (lambda: lib.Pulse(delay="1"), "Pulse, delay", "a finite number", "'1'"),
    (lambda: lib.FromArray(1.0), "FromArray, values", "a row for each step", "got 1.0"),
    (lambda: lib.FromArray([]), "FromArray, values", "a row for each step", "(0,)"),
    (lambda: lib.FromArray([1.0], "stop"), "FromArray, after", "'hold' or 'repeat' or 'zero'", "'stop'"),
    (lambda: lib.FromWorkspace([1.0, 0.0], [1.0, 2.0]), "FromWorkspace, time", "strictly increasing", "(2,)"),
    (lambda: lib.FromWorkspace([0.0, 1.0], [1.0]), "FromWorkspace, values", "each of the 2 times", "(1,)"),
    (lambda: lib.FromWorkspace([0.0, 1.0], [1.0, 2.0], "no"), "interpolate", "True or False", "'no'"),
    (lambda: lib.RandomNumber(-1), "RandomNumber, seed", "0 to 2**64 - 1", "int -1"),
    (lambda: lib.UniformRandomNumber(2**64), "seed", "0 to 2**64 - 1", "18446744073709551616"),
    (lambda: lib.RandomNumber(0.5), "RandomNumber, seed", "an integer", "float 0.5"),
    (lambda: lib.RandomNumber(std=-1.0), "RandomNumber, std", "at least 0", "got -1.0"),
    (lambda: lib.RandomNumber(mean=[1.0, 2.0]), "RandomNumber, mean", "arrays of shape ()", "(2,)"),
    (lambda: lib.RandomNumber(shape=(2, -1)), "RandomNumber, shape", "integers of at least 0", "(2, -1)"),
    (lambda: lib.UniformRandomNumber(low=2.0), "UniformRandomNumber, low", "at most high = 1.0", "got 2.0"),
    (lambda: lib.Function(3), "Function, f", "a function with named parameters", "int 3"),
    (lambda: lib.Function(lambda *u: u), "Function, f", "named parameters", "without *args"),
    (lambda: lib.Function(lambda u: u, []), "Function, outputs", "at least one", "list []"),
    (lambda: lib.Function(lambda u: u, ["a", "a"]), "Function, outputs", "different names", "['a', 'a']"),
    (lambda: lib.Function(lambda u: u, ["a/b"]), "Function, outputs", "different names", "['a/b']"),
]


@pytest.mark.parametrize(("make", "fragments"), [(m, f) for m, *f in FIELDS])
def test_bad_field(make, fragments):
    with pytest.raises(ParameterError) as caught:
        make()
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message
    assert "test_library_messages.py:" in message


WIDE = [[0.0] * 3]
SIGNALS = [
    (
        lib.Gain(WIDE),
        {"u": (2,)},
        "block, input u",
        "a signal (3,) for K (1, 3)",
        "(2,) float64 from u",
        "column",
    ),
    (
        lib.Gain([1.0, 2.0]),
        {"u": (3,)},
        "block, input u",
        "a signal (2,) or a scalar",
        "(3,)",
        "one for each",
    ),
    (
        lib.Gain(np.ones((2, 2, 2))),
        {"u": (2,)},
        "block, input u",
        "a signal (2, 2, 2)",
        "(2,)",
        "one for each",
    ),
    (lib.Bias([1.0, 2.0]), {"u": (3,)}, "block, input u", "shape (2,), that of b", "(3,)", "one for each"),
    (lib.Bias([1.0, 2.0]), {"u": ()}, "block, input u", "shape (2,), that of b", "()", "one for each"),
    (
        lib.Sum(),
        {"u1": (2,), "u2": ()},
        "inputs of one shape",
        "(2,), ()",
        "u2 () float64 from u2",
        "broadcast",
    ),
    (
        lib.Sum(),
        {"u1": ((), BOOL), "u2": ((), BOOL)},
        "input u1",
        "numbers",
        "() bool from u1",
        "LogicalOperator",
    ),
    (lib.Product(), {"u1": (2,), "u2": (3,)}, "inputs of one shape", "(2,), (3,)", "broadcast"),
    (
        lib.Product("*/"),
        {"u1": (), "u2": ((), INT)},
        "input u2",
        "floats",
        "() int64 from u2",
        "where it begins",
    ),
    (lib.Abs(), {"u": ((), BOOL)}, "block, input u", "numbers", "() bool from u", "Switch"),
    (lib.Sign(), {"u": ((), BOOL)}, "block, input u", "numbers", "() bool from u", "Switch"),
    (lib.MathFunction("pow"), {"u1": (2,), "u2": ()}, "inputs of one shape", "(2,), ()", "broadcast"),
    (
        lib.MathFunction("atan2"),
        {"u1": (), "u2": ((), INT)},
        "input u2",
        "floats",
        "() int64",
        "where it begins",
    ),
    (lib.MinMax(), {"u1": (2,), "u2": ()}, "inputs of one shape", "(2,), ()", "broadcast"),
    (
        lib.MinMax(),
        {"u1": (), "u2": ((), INT)},
        "inputs of one dtype",
        "float64, int64",
        "Nothing is converted",
    ),
    (lib.Dot(), {"u1": (2,), "u2": (3,)}, "inputs of one shape", "(2,), (3,)", "broadcast"),
    *[
        (block, {"u": ((2,), INT)}, "block, input u", "floats", "(2,) int64 from u", "where it begins")
        for block in (
            lib.Sqrt(),
            lib.MathFunction("exp"),
            lib.Sigmoid(),
            lib.Tanh(),
            lib.HardSigmoid(),
            lib.Softsign(),
            lib.ReLU(),
            lib.LeakyReLU(),
            lib.ELU(),
            lib.Softplus(),
            lib.Softmax(),
            lib.Saturation(),
            lib.DeadZone(),
            lib.Quantizer(),
            lib.Lookup1D([0.0, 1.0], [0.0, 1.0]),
        )
    ],
    *[
        (
            block,
            {"u": (3,)},
            "block, input u",
            "a signal of shape (2,)",
            "(3,) float64 from u",
            "one for each",
        )
        for block in (
            lib.HardSigmoid([1.0, 2.0]),
            lib.LeakyReLU([1.0, 2.0]),
            lib.ELU([1.0, 2.0]),
            lib.Saturation([0.0, 0.0]),
            lib.DeadZone([0.0, 0.0]),
            lib.Quantizer([1.0, 2.0]),
        )
    ],
    (lib.Convolution(CUBE), {"u": (5,)}, "block, input u", "a signal (any, 3)", "(5,)", "channels last"),
    (lib.Convolution(CUBE), {"u": (5, 2)}, "block, input u", "(any, 3) for W (3, 3, 4)", "(5, 2)"),
    (
        lib.Convolution(CUBE),
        {"u": (3, 3)},
        "input u",
        "at least 4 elements along axis 0",
        "(3, 3)",
        "padding",
    ),
    (lib.Convolution(CUBE), {"u": ((5, 3), INT)}, "input u", "floats", "(5, 3) int64"),
    (
        lib.Convolution(CUBE, length=True),
        {"u": (5, 3), "length": ()},
        "input length",
        "an integer",
        "float64",
    ),
    (lib.Pooling("max", (2, 2)), {"u": (5, 3)}, "input u", "a signal with 2 axes, and channels", "(5, 3)"),
    (lib.Pooling("max", 4), {"u": (3, 3)}, "input u", "at least 4 elements along axis 0", "(3, 3)"),
    (lib.Mask(), {"u": (), "length": ((), INT)}, "input u", "a sequence of at least one element", "()"),
    (lib.Mask(), {"u": (3,), "length": ()}, "input length", "an integer, the number of", "() float64"),
    (lib.GlobalPooling("max"), {"u": ((3,), INT), "length": ((), INT)}, "input u", "floats", "(3,) int64"),
    (lib.ChannelAffine([1.0, 2.0]), {"u": (2, 3)}, "input u", "2 channels, those of gain", "(2, 3)"),
    (lib.Standardize(), {"u": ()}, "input u", "elements along its last axis", "() float64"),
    (lib.Softmax(), {"u": ()}, "block, input u", "elements along its last axis", "() float64 from u"),
    (lib.UnitDelay([0.0, 0.0]), {"u": (3,)}, "block, next state", "(2,) float64", "(3,) float64 (u from u)"),
    (lib.Delay([0.0, 0.0], 2), {"u": (3,)}, "input u", "(2,) float64, as initial fixes it", "(3,)", "agree"),
    (lib.Delay(0.0, 2), {"u": ((), INT)}, "input u", "() float64, as initial fixes it", "() int64", "agree"),
    (lib.DiscreteIntegrator(0.0), {"u": (3,)}, "input u", "() float64, as initial fixes it", "(3,)", "agree"),
    (lib.DiscreteIntegrator(0.0, method="backward"), {"u": (3,)}, "input u", "() float64", "(3,)", "agree"),
    (lib.DiscreteTransferFcn([1.0], [1.0, 0.0]), {"u": (3,)}, "input u", "as numerator fixes it", "(3,)"),
    (lib.DiscreteStateSpace([[0.0]], WIDE, [[1.0]]), {"u": (2,)}, "input u", "(3,)", "as B fixes it", "(2,)"),
    (lib.DiscreteFIR([1.0, 2.0]), {"u": (2,)}, "input u", "() float64, as initial fixes it", "(2,)", "agree"),
    (lib.Mux(), {"u1": (), "u2": (2, 2)}, "block, input u2", "a scalar or a vector", "(2, 2)", "Concatenate"),
    (lib.Mux(), {"u1": (), "u2": ((), BOOL)}, "inputs of one dtype", "float64, bool", "Nothing is converted"),
    (lib.Demux([1, 2]), {"u": (4,)}, "block, input u", "a signal (3,) for sizes (1, 2)", "(4,)", "sum up"),
    (
        lib.Demux([1, 2]),
        {"u": (3, 1)},
        "block, input u",
        "a signal (3,) for sizes (1, 2)",
        "(3, 1)",
        "sum up",
    ),
    (lib.Selector([0, 3]), {"u": (3,)}, "block, input u", "at least 4 elements", "(3,)", "count from 0"),
    (lib.Selector(-4), {"u": (3,)}, "block, input u", "at least 4 elements", "(3,)", "count from 0"),
    (lib.Selector(0), {"u": ()}, "block, input u", "at least 1 elements", "() float64 from u"),
    (lib.Concatenate(), {"u1": (2,), "u2": ()}, "input u2", "a signal with an axis 0", "()", "Mux"),
    (
        lib.Concatenate(1),
        {"u1": (2, 2), "u2": (3, 2)},
        "input u2",
        "fits u1 (2, 2)",
        "all axes but 1",
        "(3, 2)",
    ),
    (
        lib.Concatenate(-2),
        {"u1": (2, 2), "u2": (2, 3)},
        "input u2",
        "fits u1 (2, 2)",
        "all axes but -2",
        "(2, 3)",
    ),
    (
        lib.Concatenate(),
        {"u1": (2,), "u2": ((2,), INT)},
        "inputs of one dtype",
        "float64, int64",
        "converted",
    ),
    (lib.Reshape((2, 2)), {"u": (3,)}, "block, input u", "take the shape (2, 2)", "(3,)", "has 3 elements"),
    (lib.Reshape((2, -1)), {"u": (3,)}, "block, input u", "take the shape (2, -1)", "(3,)", "has 3 elements"),
    (
        lib.Switch(),
        {"u1": (2,), "control": (), "u3": (3,)},
        "input u3",
        "(2,) float64 of u1",
        "(3,)",
        "one shape",
    ),
    (
        lib.Switch(),
        {"u1": (), "control": (), "u3": ((), INT)},
        "input u3",
        "() float64 of u1",
        "() int64",
        "dtype",
    ),
    (
        lib.Switch(),
        {"u1": (2,), "control": (3,), "u3": (2,)},
        "input control",
        "a scalar or the shape (2,)",
        "(3,)",
    ),
    (
        lib.Switch([1.0, 2.0]),
        {"u1": (3,), "control": (), "u3": (3,)},
        "input control",
        "(2,) of threshold",
        "()",
    ),
    (lib.Switch(), {"u1": (), "control": ((), BOOL), "u3": ()}, "input control", "a number", "bool", '"~="'),
    (lib.RelationalOperator("<"), {"u1": (2,), "u2": ()}, "inputs of one shape", "(2,), ()", "broadcast"),
    (lib.LogicalOperator("AND"), {"u1": (2,), "u2": ()}, "inputs of one shape", "(2,), ()", "broadcast"),
]


@pytest.mark.parametrize(("block", "signals", "fragments"), [(b, s, f) for b, s, *f in SIGNALS])
def test_bad_signal(block, signals, fragments):
    rows = {}
    for port, signal in signals.items():
        shape, dtype = signal if len(signal) == 2 and isinstance(signal[0], tuple) else (signal, np.float64)
        rows[port] = np.ones((1, *shape), dtype)
    with pytest.raises(SignalError) as caught:
        bs.compile(diagram_of(block, rows))
    message = str(caught.value)
    assert message.startswith("block")
    for fragment in [*fragments, "library_examples.py:"]:
        assert fragment in message


def test_too_many_wires():
    for block in (
        lib.LogicalOperator("NOT"),
        lib.MathFunction("exp"),
        lib.Switch(),
        lib.Function(lambda u: u),
    ):
        d = bs.Diagram()
        u = d.input("u")
        with pytest.raises(DiagramError, match="takes no more inputs"):
            d.add("block", block, *[u] * 4)


def test_a_missing_wire():
    d = bs.Diagram()
    d.add("block", lib.MathFunction("hypot"), d.input("u"))
    with pytest.raises(DiagramError, match=r"block, input u2 .*expected a wire, got none"):
        bs.compile(d)
