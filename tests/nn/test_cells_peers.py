"""The cells against PyTorch and onnxruntime, with random weights."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx_recurrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cells import diagram, random_cell

import blocksim as bs

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 20), st.integers(0, 2**32 - 1))
TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is an extra")


def draw(kind, sizes, **options):
    m, n, T, seed = sizes
    rng = np.random.default_rng(seed)
    arguments = random_cell(kind, rng, m, n, **options)
    arguments["R"] = rng.normal(size=arguments["R"].shape)  # all that is tested here is bounded
    return arguments, rng.normal(size=(T, m)), rng


# -- PyTorch ---------------------------------------------------------------------------------------


def torch_cell(name, arguments, biases, **options):
    """The module with the weights; its second bias is the one of the recurrent signals."""
    import torch

    W, R = arguments["W"], arguments["R"]
    n = W.shape[0] // {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    module = getattr(torch.nn, name)(W.shape[1], n, dtype=torch.float64, **options)
    values = [W, R, *biases, *([arguments["projection"]] if "projection" in arguments else [])]
    with torch.no_grad():
        for old, new in zip(module.parameters(), values, strict=True):
            assert old.shape == new.shape
            old.copy_(torch.from_numpy(new))
    return module


def torch_run(module, x, *states):
    import torch

    start = tuple(torch.from_numpy(state)[None] for state in states)
    with torch.no_grad():
        y, last = module(torch.from_numpy(x), start if len(start) > 1 else start[0])
    return y.numpy(), last[1][0].numpy() if len(start) > 1 else None


@TORCH
@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 3))
def test_lstm_is_that_of_torch(sizes, p):
    projection = min(p, sizes[1] - 1) or None  # torch: fewer than units
    a, x, rng = draw("lstm", sizes, projection=projection)
    part = rng.normal(size=a["b"].shape)
    module = torch_cell("LSTM", a, [a["b"] - part, part], proj_size=projection or 0)
    h, c = torch_run(module, x, a["h0"], a["c0"])
    run = bs.simulate(diagram("lstm", a), {"x": x})
    np.testing.assert_allclose(run["h"], h, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run["c"][-1], c, rtol=0, atol=1e-12 * max(1, np.abs(c).max()))


@TORCH
@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_gru_is_that_of_torch(sizes):
    a, x, rng = draw("gru", sizes, reset="recurrent bias")
    n, part = sizes[1], rng.normal(size=a["b"].shape)
    part[2 * n :] = 0
    recurrent = part + np.concatenate([np.zeros(2 * n), a["b_r"]])
    h, _ = torch_run(torch_cell("GRU", a, [a["b"] - part, recurrent]), x, a["h0"])
    run = bs.simulate(diagram("gru", a), {"x": x})
    np.testing.assert_allclose(run["h"], h, rtol=0, atol=1e-12)


@TORCH
@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from(["tanh", "relu"]))
def test_rnn_is_that_of_torch(sizes, activation):
    a, x, rng = draw("rnn", sizes, activation=activation)
    part = rng.normal(size=a["b"].shape)
    h, _ = torch_run(torch_cell("RNN", a, [a["b"] - part, part], nonlinearity=activation), x, a["h0"])
    run, scale = bs.simulate(diagram("rnn", a), {"x": x}), max(1, np.abs(h).max())
    np.testing.assert_allclose(run["h"] / scale, h / scale, rtol=0, atol=1e-12)


# -- onnxruntime -----------------------------------------------------------------------------------


def against_onnxruntime(kind, x, a, expected):
    run = bs.simulate(diagram(kind, a), {"x": x}, dtype=np.float32)
    h, *c = expected
    np.testing.assert_allclose(run["h"], h, rtol=0, atol=1e-5 * max(1, np.abs(h).max()))
    for last in c:
        np.testing.assert_allclose(run["c"][-1], last, rtol=0, atol=1e-5 * max(1, np.abs(last).max()))


@settings(max_examples=30, deadline=None)
@given(SIZES, st.booleans(), st.sampled_from([None, 0.3, 1.0]))
def test_lstm_is_that_of_onnxruntime(sizes, peephole, clip):
    a, x, _ = draw("lstm", sizes, peephole=peephole, clip=clip)
    weights = {k: v for k, v in a.items() if k != "clip"}
    limit = {} if clip is None else {"clip": clip}
    against_onnxruntime("lstm", x, a, onnx_recurrent.run("LSTM", x, **weights, **limit))


@settings(max_examples=30, deadline=None)
@given(SIZES, st.booleans(), st.sampled_from([None, 0.3, 1.0]))
def test_the_coupled_lstm_is_that_of_onnxruntime_with_the_gate_mirrored(sizes, peephole, clip):
    """onnxruntime makes f = 1 - i, and 1 - sigmoid(v) = sigmoid(-v): i of the one is f of the other."""
    a, x, _ = draw("lstm", sizes, coupled=True, peephole=peephole, clip=clip)
    n = sizes[1]
    weights = {k: v for k, v in a.items() if k not in ("coupled", "clip")}
    for name in weights.keys() & {"W", "R", "b", "peephole"}:
        rows = weights[name]
        unread = np.full_like(rows[:n], 9.0)
        weights[name] = np.concatenate([-rows[:n], unread, rows[n:]])
    limit = {} if clip is None else {"clip": clip}
    against_onnxruntime("lstm", x, a, onnx_recurrent.run("LSTM", x, **weights, input_forget=1, **limit))


@settings(max_examples=30, deadline=None)
@given(SIZES, st.sampled_from(["before", "after", "recurrent bias"]), st.sampled_from([None, 0.3, 1.0]))
def test_gru_is_that_of_onnxruntime(sizes, reset, clip):
    a, x, _ = draw("gru", sizes, reset=reset, clip=clip)
    weights = {k: v for k, v in a.items() if k not in ("reset", "clip")}
    limit = {} if clip is None else {"clip": clip}
    expected = onnx_recurrent.run("GRU", x, **weights, linear_before_reset=int(reset != "before"), **limit)
    against_onnxruntime("gru", x, a, expected)


@pytest.mark.parametrize(
    ("name", "block", "parameters"),
    [
        ("Affine", bs.library.Affine(0.7, 0.3), (0.7, 0.3)),
        ("ScaledTanh", bs.library.ScaledTanh(0.7, 1.3), (0.7, 1.3)),
        ("ThresholdedRelu", bs.library.ThresholdedReLU(0.4), (0.4,)),
        ("HardSigmoid", bs.library.HardSigmoid(0.3, 0.4), (0.3, 0.4)),
        ("HardSigmoid", bs.library.HardSigmoid(), ()),
        ("LeakyRelu", bs.library.LeakyReLU(0.2), (0.2,)),
        ("LeakyRelu", bs.library.LeakyReLU(), ()),
        ("Elu", bs.library.ELU(0.8), (0.8,)),
        ("Elu", bs.library.ELU(), ()),
        ("Relu", bs.library.ReLU(), ()),
        ("Softsign", bs.library.Softsign(), ()),
        ("Softplus", bs.library.Softplus(), ()),
        ("Sigmoid", bs.library.Sigmoid(), ()),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_activations_are_those_of_onnxruntime(name, block, parameters):
    rng = np.random.default_rng(0)
    a = random_cell("rnn", rng, 3, 5)
    x = rng.normal(size=(12, 3))
    attributes = dict(zip(("activation_alpha", "activation_beta"), ([v] for v in parameters), strict=False))
    (h,) = onnx_recurrent.run("RNN", x, **a, activations=[name], **attributes)
    run = bs.simulate(bs.nn.rnn(**a, activation=block), {"x": x}, dtype=np.float32)
    np.testing.assert_allclose(run["h"], h, rtol=0, atol=1e-5)
