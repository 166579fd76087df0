"""The operators around recurrent layers: ONNX's own node tests, and onnxruntime on the same inputs."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import feeds_of, model, node_tests, ort

from blocksim.errors import BlocksimError
from blocksim.interop.onnx import run, to_diagram
from blocksim.interop.onnx.operators import OPERATORS

MODULES = [
    "abs", "acos", "add", "and_", "asin", "atan", "averagepool", "batch_normalization", "ceil", "celu",
    "clip", "concat", "constant", "constantofshape", "conv", "cos", "cosh", "div", "dropout", "elu",
    "equal", "exp", "expand", "flatten", "floor", "gather", "gelu", "gemm", "globalaveragepool",
    "globalmaxpool", "greater", "greater_or_equal", "hardsigmoid", "hardswish", "identity",
    "instance_normalization", "layernormalization", "leakyrelu", "less", "less_or_equal", "log",
    "logsoftmax", "matmul", "max", "maxpool", "mean", "min", "mish", "mod", "mul", "neg", "not_", "or_",
    "pad", "pow", "prelu", "rangeop", "reciprocal", "reduce_log_sum", "reduce_log_sum_exp", "reducel1",
    "reducel2", "reducemax", "reducemean", "reducemin", "reduceprod", "reducesum", "reducesumsquare",
    "relu", "reshape", "round", "selu", "shape", "sigmoid", "sign", "sin", "sinh", "size", "slice",
    "softmax", "softplus", "softsign", "split", "sqrt", "squeeze", "sub", "sum", "swish", "tan", "tanh",
    "thresholdedrelu", "tile", "transpose", "unsqueeze", "where", "xor",
]  # fmt: skip

REFUSED = re.compile(
    "training|gelu_default|with_argmax|(max|average)pool_[23]d_dilations|(edge|reflect|wrap)_pad|bool_inputs|string"
    "|empty_set_bool|reduce_(max|min|log_sum_exp|log_sum)_empty_set|float_edge_cases|identity_(opt|sequence)"
    "|not_[234]d"
)
"""Cases of what is not supported, or of inputs that are not finite: an error says so."""


def cases():
    found = {case.name: case for module in MODULES for case in node_tests(module)}
    known = lambda case: all(node.op_type in OPERATORS for node in case.model.graph.node)  # noqa: E731
    plain = lambda case: all(  # noqa: E731
        getattr(v, "dtype", np.dtype("V")).kind in "biuf"
        for feeds, _ in feeds_of(case)
        for v in feeds.values()
    )
    return [case for case in found.values() if known(case) and (plain(case) or REFUSED.search(case.name))]


CASES = cases()
SUPPORTED = [case for case in CASES if not REFUSED.search(case.name)]


def assert_close(found, expected, rtol, atol):
    assert len(found) == len(expected)
    for y, z in zip(found, expected, strict=True):
        z = np.asarray(z)
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        np.testing.assert_allclose(y.astype(float), z.astype(float), rtol=rtol, atol=atol)


def test_there_are_many_cases():
    assert len(SUPPORTED) > 400
    assert {node.op_type for case in SUPPORTED for node in case.model.graph.node} >= OPERATORS.keys() - {
        "LSTM", "GRU", "RNN", "Not", "Cast", "CastLike",
    }  # fmt: skip


@pytest.mark.parametrize("case", SUPPORTED, ids=lambda case: case.name)
def test_cases_of_onnx(case):
    for feeds, expected in feeds_of(case):
        found = run(case.model, feeds, check_finite=False)
        # some expected values are written with few digits
        assert_close(found, expected, max(case.rtol, 1e-3), 1e-6)
        try:
            theirs = ort(case.model, feeds)
        except Exception:  # onnxruntime has not every type, nor the newest version of every operator
            continue
        narrow = any(y.dtype == np.float16 for y in theirs)
        assert_close(found, theirs, 2e-3 if narrow else 1e-5, 1e-6)


@pytest.mark.parametrize(
    "case", [case for case in CASES if REFUSED.search(case.name)], ids=lambda case: case.name
)
def test_what_is_not_supported_is_an_error(case):
    with pytest.raises(BlocksimError):
        run(case.model, feeds_of(case)[0][0])


PICKED = [case for i, case in enumerate(SUPPORTED) if i % 16 == 0]


@pytest.mark.parametrize("case", PICKED, ids=lambda case: case.name)
def test_cases_of_onnx_on_jax(case):
    for feeds, expected in feeds_of(case):
        found = run(case.model, feeds, engine="jax", check_finite=False)
        assert_close(found, expected, max(case.rtol, 1e-3), 1e-6)


# -- options that the cases leave out --------------------------------------------------------------


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(operator, inputs, *, opset=17, outputs=1, kind=TensorProto.FLOAT, initializers=(), **attributes):
    """One node of these inputs is that of onnxruntime."""
    names = [f"y{i}" for i in range(outputs)]
    made = model(
        [helper.make_node(operator, list(inputs), names, name="node", **attributes)],
        {name: a for name, a in inputs.items() if name not in initializers},
        dict.fromkeys(names, kind),
        {name: inputs[name] for name in initializers},
        opset,
    )
    feeds = {name: a for name, a in inputs.items() if name not in initializers}
    assert_close(run(made, feeds), ort(made, feeds), 1e-5, 1e-6)
    return made


WINDOWS = [
    {}, {"strides": [2, 1], "pads": [1, 0, 2, 1]}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID", "strides": [1, 2]},
]  # fmt: skip


@pytest.mark.parametrize("options", [*WINDOWS, {"dilations": [2, 1], "pads": [2, 1, 2, 1]}])
@pytest.mark.parametrize("group", [1, 2])
def test_convolution(options, group):
    inputs = {"x": rows(2, 4, 7, 6), "w": rows(6, 4 // group, 3, 2, seed=1), "b": rows(6, seed=2)}
    for initializers in (["w", "b"], ["w"]):
        check("Conv", inputs, initializers=initializers, group=group, **options)


@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("options", WINDOWS)
def test_pooling(options, ceil):
    inputs = {"x": rows(2, 3, 7, 6)}
    check("MaxPool", inputs, kernel_shape=[3, 2], ceil_mode=ceil, **options)
    check("AveragePool", inputs, kernel_shape=[3, 2], ceil_mode=ceil, opset=19, **options)
    if not ceil:
        check("AveragePool", inputs, kernel_shape=[3, 2], count_include_pad=1, **options)


@pytest.mark.parametrize("size", [3, 4])
def test_convolution_and_pooling_in_one_and_three_axes(size):
    check("Conv", {"x": rows(2, 3, 9), "w": rows(4, 3, size, seed=1)}, initializers=["w"], pads=[2, 1])
    check("MaxPool", {"x": rows(2, 3, 9)}, kernel_shape=[size])
    check("Conv", {"x": rows(1, 2, 6, 5, 6), "w": rows(3, 2, size, 2, 2, seed=1)}, initializers=["w"])


@pytest.mark.parametrize("a", [0, 1])
@pytest.mark.parametrize("b", [0, 1])
@pytest.mark.parametrize("bias", [(), (4,), (3, 1), (3, 4)])
def test_gemm(a, b, bias):
    inputs = {"a": rows(*((2, 3) if a else (3, 2))), "b": rows(*((4, 2) if b else (2, 4)), seed=1)}
    for initializers in ([], ["b"], ["b", "c"]):
        given = inputs | {"c": rows(*bias, seed=2)}
        check("Gemm", given, transA=a, transB=b, alpha=0.5, beta=-2.0, initializers=initializers)


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 5, 3), (3, 4)), ((3,), (3, 4)), ((2, 1, 5, 3), (4, 3, 2)), ((2, 5, 3), (3,)), ((3,), (3,))],
)
def test_matmul(a, b):
    check("MatMul", {"a": rows(*a), "b": rows(*b, seed=1)})


@pytest.mark.parametrize("opset", [9, 12, 13, 17])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_by_versions(opset, axis):
    for operator in ("Softmax", "LogSoftmax"):
        if opset > 9 or axis >= 0:
            check(operator, {"x": 20 * rows(2, 3, 4)}, axis=axis, opset=opset)


def test_old_versions_have_attributes_for_inputs():
    check("Squeeze", {"x": rows(2, 1, 3, 1)}, axes=[1], opset=11)
    check("Unsqueeze", {"x": rows(2, 3)}, axes=[0, 3], opset=11)
    check("Slice", {"x": rows(4, 5)}, starts=[1, -3], ends=[9, -1], axes=[0, 1], opset=9)
    check("Split", {"x": rows(4, 5)}, split=[1, 3], outputs=2, opset=11)
    check("Clip", {"x": rows(4, 5)}, min=-0.5, max=0.25, opset=10)
    check("Clip", {"x": rows(4, 5)}, max=0.25, opset=10)
    check("ReduceSum", {"x": rows(2, 3, 4)}, axes=[0, -1], keepdims=0, opset=11)
    check("ReduceMean", {"x": rows(2, 3, 4)}, axes=[1], opset=13)
    check("Pad", {"x": rows(2, 3)}, pads=[0, 1, 2, 3], value=1.5, opset=10)
    check("Dropout", {"x": rows(2, 3)}, ratio=0.5, opset=11)
    check(
        "BatchNormalization",
        {"x": rows(2, 3, 4), **{n: 1 + rows(3, seed=i) ** 2 for i, n in enumerate("sbmv")}},
        opset=9,
    )


@pytest.mark.parametrize("divisor", [3, -3])
def test_integers_divide_towards_zero(divisor):
    numbers = np.arange(-7, 8)
    made = check("Div", {"a": numbers, "b": np.full_like(numbers, divisor)}, kind=TensorProto.INT64)
    assert run(made, [numbers, np.full_like(numbers, divisor)])[0].tolist() == [
        int(n / divisor) for n in numbers
    ]


@pytest.mark.parametrize("to", [TensorProto.FLOAT, TensorProto.INT32, TensorProto.BOOL, TensorProto.DOUBLE])
@pytest.mark.parametrize("x", [rows(6), np.array([-2, 0, 7]), np.array([True, False])], ids=["f", "i", "b"])
def test_cast(x, to):
    check("Cast", {"x": x}, to=to, kind=to)


def test_not():
    check("Not", {"x": np.array([True, False])}, kind=TensorProto.BOOL)


def test_cast_like():
    check("CastLike", {"x": 3 * rows(6), "like": np.array([1])}, kind=TensorProto.INT64)
    check("CastLike", {"x": np.arange(6), "like": rows(1)})


@pytest.mark.parametrize("indices", [np.array(1), np.array([0, -1, 2]), np.array([[1, 1], [0, 2]])])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather(indices, axis):
    for initializers in ([], ["i"]):
        check("Gather", {"x": rows(3, 4, 3), "i": indices}, axis=axis, initializers=initializers)


def test_known_values_are_computed_when_the_diagram_is_made():
    """x reshaped to (x's last size, -1), as exporters write it: Shape, Gather, Concat, Reshape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "last"], ["size"]),
        helper.make_node("Unsqueeze", ["size", "zero"], ["sizes"]),
        helper.make_node("Concat", ["sizes", "rest"], ["target"], axis=0),
        helper.make_node("Mul", ["target", "one"], ["same"]),
        helper.make_node("Reshape", ["x", "same"], ["y"], name="reshape"),
    ]
    known = {"last": np.array(-1), "zero": np.array([0]), "rest": np.array([-1]), "one": np.array([1])}
    made = model(nodes, {"x": rows(2, 3, 4)}, {"y": TensorProto.FLOAT}, known)
    assert list(to_diagram(made).nodes) == ["reshape"]
    (y,) = run(made, [rows(2, 3, 4)])
    np.testing.assert_array_equal(y, rows(2, 3, 4).reshape(4, -1))


def test_weights_stay_as_small_as_they_are():
    """A bias that is widened over a batch is a parameter of its own size."""
    made = model(
        [helper.make_node("Add", ["x", "b"], ["y"], name="add")], {"x": rows(5, 3)}, {"y": TensorProto.FLOAT},
        {"b": rows(3)},
    )  # fmt: skip
    (arrays,) = to_diagram(made).parameters().values()
    assert arrays["value"].shape == (3,)


def test_functions_of_the_model_are_written_out():
    body = [helper.make_node("Mul", ["a", "a"], ["b"]), helper.make_node("Exp", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "Bell", ["a"], ["c"], body, opsets[:1])
    made = model(
        [helper.make_node("Bell", ["x"], ["y"], domain="own")], {"x": rows(3)}, {"y": TensorProto.FLOAT}
    )
    del made.opset_import[:]
    made.opset_import.extend(opsets)
    made.functions.append(function)
    np.testing.assert_allclose(run(made, [rows(3)])[0], np.exp(rows(3) ** 2), rtol=1e-6)


def test_constants_without_inputs():
    value = onnx.numpy_helper.from_array(np.array([1.5, 2.5], np.float32))
    made = model([helper.make_node("Constant", [], ["y"], value=value)], {}, {"y": TensorProto.FLOAT})
    assert run(made, {})[0].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("start", [-20, -5, 2, 20])
@pytest.mark.parametrize("end", [-20, -3, 0, 20, -(2**62)])
@pytest.mark.parametrize("step", [1, -1, -3])
def test_slice_beyond_both_ends(start, end, step):
    arrays = {key: np.array([n]) for key, n in {"s": start, "e": end, "a": 0, "t": step}.items()}
    feed = {"x": np.random.default_rng(0).normal(size=(5, 3)).astype("f4")}
    node = onnx.helper.make_node("Slice", ["x", *arrays], ["y"])
    proto = model([node], feed, {"y": TensorProto.FLOAT}, arrays)
    np.testing.assert_array_equal(run(proto, feed)[0], ort(proto, feed)[0])


def test_tile_no_times():
    node = onnx.helper.make_node("Tile", ["x", "r"], ["y"])
    feed = {"x": np.ones((2, 3), "f4")}
    proto = model([node], feed, {"y": TensorProto.FLOAT}, {"r": np.array([2, 0])})
    assert run(proto, feed)[0].shape == (4, 0)
