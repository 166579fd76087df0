"""ONNX models for tests, onnxruntime to run them, and the recurrent operators a second time in NumPy."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module

import numpy as np
import onnx
import onnxruntime
from onnx import helper

ORDER = {
    "LSTM": ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"],
    "GRU": ["X", "W", "R", "B", "sequence_lens", "initial_h"],
    "RNN": ["X", "W", "R", "B", "sequence_lens", "initial_h"],
}
OUTPUTS = {"LSTM": ["Y", "Y_h", "Y_c"], "GRU": ["Y", "Y_h"], "RNN": ["Y", "Y_h"]}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}


def value_info(name, array):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def model(nodes, inputs, outputs, initializers=None, opset=17):
    """A model of nodes; inputs and initializers are arrays by name, outputs names with ONNX types."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [value_info(name, array) for name, array in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small(shape=("n", 3), **arrays):
    """y = relu(x W + b)."""
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["xW"], name="product"),
        helper.make_node("Add", ["xW", "b"], ["s"], name="/model/add"),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    weights = {"W": rows(3, 2), "b": rows(2, seed=1)} | arrays
    made = model(nodes, {"x": rows(4, 3)}, {"y": onnx.TensorProto.FLOAT}, weights)
    made.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape))
    return made


X = rows(4, 3, seed=2)
Y = np.maximum(X @ rows(3, 2) + rows(2, seed=1), 0)


def ort(model, feeds):
    """The outputs by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)


@cache
def node_tests(module):
    """ONNX's own cases of a module of its node tests."""
    package = import_module("onnx.backend.test.case.node")
    before = len(package._NodeTestCases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module(f"onnx.backend.test.case.node.{module}")
    return package._NodeTestCases[before:]


def feeds_of(case):
    """The inputs, by name, and the outputs of the cases of a node test."""
    names = [value.name for value in case.model.graph.input]
    return [(dict(zip(names, inputs, strict=False)), outputs) for inputs, outputs in case.data_sets]


# -- recurrent layers ------------------------------------------------------------------------------


def layer(operator, rng, *, steps=5, runs=3, inputs=2, units=4, scale=0.5, optional=(), attributes=None):
    """A model of one recurrent node with random weights, and its feeds. `optional`: the inputs it has."""
    attributes = dict(attributes or {})
    count, gates = 2 if attributes.get("direction") == "bidirectional" else 1, GATES[operator]
    shapes = {
        "X": (steps, runs, inputs), "W": (count, gates * units, inputs), "R": (count, gates * units, units),
        "B": (count, 2 * gates * units), "initial_h": (count, runs, units), "initial_c": (count, runs, units),
        "P": (count, 3 * units),
    }  # fmt: skip
    if attributes.get("layout"):
        for name in ("X", "initial_h", "initial_c"):
            shapes[name] = (shapes[name][1], shapes[name][0], *shapes[name][2:])
    arrays = {}
    for name in ORDER[operator]:
        if name == "sequence_lens" and name in optional:
            arrays[name] = rng.integers(1, steps + 1, runs).astype(np.int32)
        elif name in ("X", "W", "R") or name in optional:
            size = 1.0 if name in ("X", "initial_h", "initial_c") else scale
            arrays[name] = (size * rng.normal(size=shapes[name])).astype(np.float32)
    names = [name if name in arrays else "" for name in ORDER[operator]]
    node = helper.make_node(operator, names, OUTPUTS[operator], name="layer", hidden_size=units, **attributes)
    weights = {name: arrays[name] for name in arrays if name in "WRBP"}
    feeds = {name: array for name, array in arrays.items() if name not in weights}
    kinds = dict.fromkeys(OUTPUTS[operator], onnx.TensorProto.FLOAT)
    return model([node], feeds, kinds, weights), feeds, arrays


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


FUNCTIONS = {
    "Sigmoid": sigmoid, "Tanh": np.tanh, "Relu": lambda u: np.where(u > 0, u, 0),
    "Softsign": lambda u: u / (1 + abs(u)), "Softplus": lambda u: np.log1p(np.exp(u)),
    "Affine": lambda u, alpha=1.0, beta=0.0: alpha * u + beta,
    "Elu": lambda u, alpha=1.0: np.where(u < 0, alpha * (np.exp(u) - 1), u),
    "HardSigmoid": lambda u, alpha=0.2, beta=0.5: np.clip(alpha * u + beta, 0, 1),
    "LeakyRelu": lambda u, alpha=0.01: np.where(u < 0, alpha * u, u),
    "ScaledTanh": lambda u, alpha=1.0, beta=1.0: alpha * np.tanh(beta * u),
    "ThresholdedRelu": lambda u, alpha=1.0: np.where(u >= alpha, u, 0),
}  # fmt: skip
TAKES = {
    "Affine": 2, "HardSigmoid": 2, "ScaledTanh": 2, "Elu": 1, "LeakyRelu": 1, "ThresholdedRelu": 1,
}  # fmt: skip
"""How many of alpha and beta an activation has."""
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def activations(operator, attributes, count):
    """Functions of one argument, alpha and beta consumed in order by those that take them."""
    names = attributes.get("activations", DEFAULTS[operator] * count)
    alphas, betas = (list(attributes.get(f"activation_{k}", [])) for k in ("alpha", "beta"))
    made = []
    for name in names:
        options = {}
        if TAKES.get(name, 0) >= 1 and alphas:
            options["alpha"] = alphas.pop(0)
        if TAKES.get(name, 0) == 2 and betas:
            options["beta"] = betas.pop(0)
        made.append(lambda u, f=FUNCTIONS[name], options=options: f(u, **options))
    size = len(made) // count
    return [made[i * size : (i + 1) * size] for i in range(count)]


def transcribed(operator, arrays, attributes):
    """Y, Y_h (and Y_c) by the equations of ONNX's documentation, in float64."""
    a = {name: array.astype(float) for name, array in arrays.items()}
    batch_first = attributes.get("layout", 0)
    if batch_first:
        a |= {name: a[name].swapaxes(0, 1) for name in ("X", "initial_h", "initial_c") if name in a}
    steps, runs = a["X"].shape[:2]
    count, _, n = a["R"].shape
    lengths = a.get("sequence_lens", np.full(runs, steps)).astype(int)
    directions = {1: [attributes.get("direction", "forward")], 2: ["forward", "reverse"]}[count]
    functions = activations(operator, attributes, count)
    Y, last = np.zeros((steps, count, runs, n)), np.zeros((2, count, runs, n))
    for d in range(count):
        B = a.get("B", np.zeros((count, 2 * GATES[operator] * n)))[d]
        Wb, Rb = B[: len(B) // 2], B[len(B) // 2 :]
        P = a["P"][d] if "P" in a else np.zeros(3 * n)
        for k in range(runs):
            h = a["initial_h"][d, k] if "initial_h" in a else np.zeros(n)
            c = a["initial_c"][d, k] if "initial_c" in a else np.zeros(n)
            order = range(lengths[k]) if directions[d] == "forward" else range(lengths[k] - 1, -1, -1)
            for t in order:
                step = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[operator]
                h, c = step(a["X"][t, k] @ a["W"][d].T + Wb, h, c, a["R"][d], Rb, P, functions[d], attributes)
                Y[t, d, k] = h
            last[:, d, k] = h, c
    found = [Y, *last][: len(OUTPUTS[operator])]
    if batch_first:
        found = [found[0].transpose(2, 0, 1, 3), *(v.swapaxes(0, 1) for v in found[1:])]
    return found


def _limit(attributes):
    clip = attributes.get("clip", np.inf)
    return lambda u: np.clip(u, -clip, clip)


def _lstm(x, h, c, R, Rb, P, functions, attributes):
    f, g, out = functions
    limit = _limit(attributes)
    Pi, Po, Pf = np.split(P, 3)
    i, o, forget, cell = np.split(x + h @ R.T + Rb, 4)
    i = f(limit(i + Pi * c))
    forget = 1 - i if attributes.get("input_forget") else f(limit(forget + Pf * c))
    c = forget * c + i * g(limit(cell))
    return f(limit(o + Po * c)) * out(c), c


def _gru(x, h, c, R, Rb, P, functions, attributes):
    f, g = functions
    limit = _limit(attributes)
    (xz, xr, xh), (Rz, Rr, Rh), (bz, br, bh) = np.split(x, 3), np.split(R, 3), np.split(Rb, 3)
    z, r = f(limit(xz + h @ Rz.T + bz)), f(limit(xr + h @ Rr.T + br))
    if attributes.get("linear_before_reset"):
        new = g(limit(xh + r * (h @ Rh.T + bh)))
    else:
        new = g(limit(xh + (r * h) @ Rh.T + bh))
    return (1 - z) * new + z * h, c


def _rnn(x, h, c, R, Rb, P, functions, attributes):
    return functions[0](_limit(attributes)(x + h @ R.T + Rb)), c
