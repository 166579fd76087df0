"""The LSTM diagram against references that share no code with it."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx_recurrent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_diagrams import random_lstm

import blocksim as bs

sizes = given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 20), st.integers(0, 2**32 - 1))


@settings(max_examples=60, deadline=None)
@sizes
def test_diagram_against_reference(m, n, T, seed):
    rng = np.random.default_rng(seed)
    weights, x = random_lstm(rng, m, n), rng.normal(size=(T, m))
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        cast = {name: w.astype(dtype) for name, w in weights.items()}
        run = bs.simulate(bs.nn.lstm(**cast), {"x": x}, dtype=dtype)
        h, c = bs.nn.reference.lstm(x.astype(dtype), **cast)
        assert h.dtype == run["h"].dtype == dtype
        np.testing.assert_allclose(run["h"], h, rtol=0, atol=tolerance)
        np.testing.assert_allclose(run["c"], c, rtol=0, atol=tolerance * max(1, np.abs(c).max()))


@settings(max_examples=20, deadline=None)
@sizes
def test_against_onnxruntime(m, n, T, seed):
    rng = np.random.default_rng(seed)
    weights = {name: w.astype(np.float32) for name, w in random_lstm(rng, m, n).items()}
    x = rng.normal(size=(T, m)).astype(np.float32)
    run = bs.simulate(bs.nn.lstm(**weights), {"x": x}, dtype=np.float32)

    h, c = onnx_recurrent.run("LSTM", x, **weights)
    np.testing.assert_allclose(run["h"], h, rtol=0, atol=1e-5)
    np.testing.assert_allclose(run["c"][-1], c, rtol=0, atol=1e-5 * max(1, np.abs(c).max()))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is an extra")
@pytest.mark.parametrize("layers", [1, 2])
def test_against_torch(layers):
    import torch

    rng = np.random.default_rng(layers)
    m, n, T = 3, 5, 12
    module = torch.nn.LSTM(m, n, num_layers=layers, dtype=torch.float64)
    cells = []
    for k in range(layers):
        w = random_lstm(rng, m if k == 0 else n, n)
        with torch.no_grad():
            getattr(module, f"weight_ih_l{k}").copy_(torch.from_numpy(w["W"]))
            getattr(module, f"weight_hh_l{k}").copy_(torch.from_numpy(w["R"]))
            getattr(module, f"bias_ih_l{k}").copy_(torch.from_numpy(w["b"] / 4))
            getattr(module, f"bias_hh_l{k}").copy_(torch.from_numpy(3 * w["b"] / 4))
        cells.append(w)
    x = rng.normal(size=(T, m))
    start = tuple(torch.from_numpy(np.stack([w[k] for w in cells])[:, None]) for k in ("h0", "c0"))
    y, (_, c) = module(torch.from_numpy(x)[:, None], start)
    net = bs.nn.sequential(
        [bs.nn.lstm(w["W"], w["R"], w["b"], w["h0"], w["c0"], name=f"l{k}") for k, w in enumerate(cells)]
    )
    run = bs.simulate(net, {"x": x}, record="l0/c")
    np.testing.assert_allclose(run["h"], y.detach().numpy()[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run["l0/c"][-1], c.detach().numpy()[0, 0], rtol=0, atol=1e-12)


def test_the_reference_takes_batches():
    rng = np.random.default_rng(0)
    w, x = random_lstm(rng, 2, 3), rng.normal(size=(4, 5, 7, 2))
    h, c = bs.nn.reference.lstm(x, **w)
    one, two = bs.nn.reference.lstm(x[1, 2], **w)
    np.testing.assert_allclose(h[1, 2], one, rtol=0, atol=1e-15)
    np.testing.assert_allclose(c[1, 2], two, rtol=0, atol=1e-14)


def test_dense_and_sequential():
    rng = np.random.default_rng(0)
    w, V, d = random_lstm(rng, 2, 3), rng.normal(size=(2, 3)), rng.normal(size=2)
    net = bs.nn.sequential([bs.nn.lstm(**w), bs.nn.dense(V, d, bs.library.Tanh())])
    x = rng.normal(size=(6, 2))
    h, _ = bs.nn.reference.lstm(x, **w)
    expected = np.tanh(bs.nn.reference.dense(h, V, d))
    np.testing.assert_allclose(bs.simulate(net, {"x": x})["y"], expected, rtol=0, atol=1e-12)


def test_the_same_layer_object_twice_needs_two_names():
    layer = bs.nn.dense(np.eye(2), np.zeros(2))
    with pytest.raises(bs.errors.DiagramError, match=r"dense .*duplicate"):
        bs.nn.sequential([layer, layer])
