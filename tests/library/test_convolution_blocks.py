"""Convolution and pooling against scipy and torch, and over sequences that are padded."""

import jax
import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import assume, given
from hypothesis import strategies as st
from library_examples import diagram_of, run_alone

import blocksim as bs
from blocksim import library as lib

SEEDS = st.integers(0, 2**32 - 1)


def _channels_first(u):
    return torch.tensor(np.moveaxis(u, -1, 0)[None])


def _channels_last(y):
    return np.moveaxis(y[0].numpy(), 0, -1)


@given(SEEDS, st.sampled_from([(9,), (7, 8), (5, 4, 6)]))
def test_one_channel_against_scipy(seed, space):
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=[rng.integers(1, n) for n in space])
    u = rng.normal(size=space)
    y = lib.Convolution(kernel[None, None]).output(np, u[..., None])[..., 0]
    np.testing.assert_allclose(y, scipy.signal.correlate(u, kernel, "valid"), atol=1e-12)
    odd = kernel[tuple(slice(n - 1 + n % 2) for n in kernel.shape)]
    assume(odd.size)
    y = lib.Convolution(odd[None, None], padding="same").output(np, u[..., None])[..., 0]
    np.testing.assert_allclose(y, scipy.signal.correlate(u, odd, "same"), atol=1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch copies
@given(SEEDS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2), st.integers(1, 2))
def test_convolution_against_torch(seed, axes, stride, padding, dilation, groups):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(1, 4, axes)
    u = rng.normal(size=[*((kernel - 1) * dilation + rng.integers(1, 5, axes)), 2 * groups])
    W, b = rng.normal(size=(3 * groups, 2, *kernel)), rng.normal(size=3 * groups)
    y = lib.Convolution(W, stride, padding, dilation, groups, b).output(np, u)
    convolve = [F.conv1d, F.conv2d, F.conv3d][axes - 1]
    arguments = (_channels_first(u), torch.tensor(W), torch.tensor(b))
    expected = convolve(*arguments, stride, padding, dilation, groups)
    np.testing.assert_allclose(y, _channels_last(expected), atol=1e-12)
    y = lib.Convolution(W, 1, "same", dilation, groups, b).output(np, u)
    expected = convolve(*arguments, 1, "same", dilation, groups)
    np.testing.assert_allclose(y, _channels_last(expected), atol=1e-12)


@given(SEEDS, st.integers(1, 2), st.booleans(), st.booleans(), st.booleans())
def test_pooling_against_torch(seed, axes, ceil, count, largest):
    rng = np.random.default_rng(seed)
    size, stride = rng.integers(1, 4, axes), rng.integers(1, 4, axes)
    padding = [int(rng.integers(0, n // 2 + 1)) for n in size]
    u = rng.normal(size=[*(size + rng.integers(0, 6, axes)), 2])
    function = "max" if largest else "average"
    y = lib.Pooling(function, size.tolist(), stride.tolist(), padding, count, ceil).output(np, u)
    x, where = _channels_first(u), [tuple(map(int, v)) for v in (size, stride, padding)]
    if largest:
        expected = [F.max_pool1d, F.max_pool2d][axes - 1](x, *where, ceil_mode=ceil)
    else:
        expected = [F.avg_pool1d, F.avg_pool2d][axes - 1](x, *where, ceil, count)
    np.testing.assert_allclose(y, _channels_last(expected), atol=1e-12)


@st.composite
def windows(draw):
    """A block without and with a length, and whether it pads; over three channels."""
    rng = np.random.default_rng(draw(SEEDS))
    size, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    before, after = draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))
    padding = draw(st.sampled_from(["same", ((before, after),)]))
    if draw(st.booleans()):
        W, b = rng.normal(size=(2, 3, size)), rng.normal(size=2)
        return [lib.Convolution(W, stride, padding, dilation, b=b, length=v) for v in (False, True)]
    options = draw(st.sampled_from(["max", "average"])), size, stride, padding, draw(st.booleans())
    ceil = draw(st.booleans())
    return [lib.Pooling(*options, ceil, length=v) for v in (False, True)]


@given(windows(), SEEDS, st.integers(1, 12), st.integers(0, 7))
def test_what_is_beyond_the_length_changes_nothing(blocks, seed, length, more):
    rng = np.random.default_rng(seed)
    plain, ragged = blocks
    u = rng.normal(size=(length, 3))
    padded = np.concatenate([u, rng.normal(size=(more, 3))])
    try:
        expected = run_alone(plain, {"u": u[None]})[0]["y"][0]
    except bs.errors.SignalError:
        expected = np.zeros((0, 0))  # no window fits on it
    try:
        y = run_alone(ragged, {"u": padded[None], "length": np.array([length])})[0]
    except bs.errors.SignalError:
        assert not len(expected)
        return
    (n,) = y["length"]
    assert n == len(expected)
    np.testing.assert_array_equal(y["y"][0, :n], expected[:n].reshape(n, y["y"].shape[-1]))
    assert not y["y"][0, n:].any()


@given(windows(), SEEDS)
def test_an_empty_sequence_gives_one(blocks, seed):
    u = np.random.default_rng(seed).normal(size=(1, 12, 3))
    y = run_alone(blocks[1], {"u": u, "length": np.array([0])})[0]
    assert y["length"] == 0
    assert not y["y"].any()


@pytest.mark.parametrize("padding", ["same", 0])
@pytest.mark.parametrize("length", [None, 9, 12])
def test_gradients_against_torch(padding, length):
    rng = np.random.default_rng(0)
    u, W, b = rng.normal(size=(12, 3)), rng.normal(size=(4, 3, 3)), rng.normal(size=4)
    block = lib.Convolution(W, 1, padding, b=b, length=length is not None)
    given = {} if length is None else {"length": np.array([length])}
    d = diagram_of(block, {"u": u[None]} | given)

    with jax.enable_x64(True):
        run = bs.function(d)

        def loss(params, u):
            y, _ = run(params, {"u": u[None]} | given)
            return (y["y"] ** 2).sum()

        params, inputs = jax.grad(loss, argnums=(0, 1))(d.parameters(), u)
    tensors = [torch.tensor(a, requires_grad=True) for a in (u[:length].T[None], W, b)]
    (F.conv1d(*tensors, 1, padding) ** 2).sum().backward()
    np.testing.assert_allclose(inputs[:length], tensors[0].grad[0].T, atol=1e-10)
    np.testing.assert_allclose(params["block"]["W"], tensors[1].grad, atol=1e-10)
    np.testing.assert_allclose(params["block"]["b"], tensors[2].grad, atol=1e-10)
    assert length is None or not np.any(inputs[length:])


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_the_engines_agree(engine):
    rng = np.random.default_rng(0)
    u, length = rng.normal(size=(6, 9, 3)), np.arange(4, 10)
    for block in (
        lib.Convolution(rng.normal(size=(4, 3, 4)), 3, "same", length=True),
        lib.Pooling("max", 3, 2, "same", length=True),
        lib.Pooling("average", 3, 2, 1, ceil=True, length=True),
    ):
        y = run_alone(block, {"u": u, "length": length}, engine=engine)[0]
        for k in range(6):
            alone = run_alone(block, {"u": u[k : k + 1, : length[k]], "length": length[k : k + 1]})[0]
            n = alone["length"][0]
            assert y["length"][k] == n
            np.testing.assert_allclose(y["y"][k, :n], alone["y"][0], rtol=0, atol=1e-12)
