"""Layers of sequences, frames and words against torch, and what padding may not change."""

import jax
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_diagrams import random_lstm

import blocksim as bs
from blocksim import nn
from blocksim.errors import NonFiniteError, ParameterError, SignalError

SEEDS = st.integers(0, 2**32 - 1)
quick = settings(max_examples=25, deadline=None)


def run(layers, x, length=None, engine="numpy", **options):
    """The outputs of layers for one sequence (T, *shape), of which `length` steps are there."""
    row = layers if isinstance(layers, list) else [layers]
    d = nn.sequential(row, steps=len(x), shape=x.shape[1:])
    result = bs.simulate(
        d, {"x": x[None], "length": [len(x) if length is None else length]}, engine=engine, **options
    )
    return {name: result[name][0] for name in d.outputs}


def alone(layer, x):
    """The output of a layer with one input, of each row of x."""
    return bs.simulate(nn.sequential([layer], shape=x.shape[1:]), {"x": x})["y"]


# -- against torch ---------------------------------------------------------------------------------


@quick
@given(SEEDS, st.integers(1, 3), st.integers(1, 2), st.sampled_from([0, 1, (2, 1), "causal", "same"]))
def test_conv1d(seed, stride, dilation, padding):
    rng = np.random.default_rng(seed)
    x, W, b = rng.normal(size=(11, 3)), rng.normal(size=(4, 3, 3)), rng.normal(size=4)
    stride = 1 if padding == "same" else stride
    y = run(nn.conv1d(W, b, stride=stride, padding=padding, dilation=dilation), x)["y"]
    pads = {"causal": (2 * dilation, 0), "same": (dilation, dilation)}.get(padding, padding)
    pads = (pads, pads) if isinstance(pads, int) else pads
    u = F.pad(torch.tensor(x.T[None]), pads)
    expected = F.conv1d(u, torch.tensor(W), torch.tensor(b), stride, dilation=dilation)[0].T
    np.testing.assert_allclose(y, expected, atol=1e-12)


@quick
@given(SEEDS, st.integers(1, 4), st.integers(1, 4), st.booleans(), st.booleans())
def test_pooling_over_time(seed, size, stride, ceil, count):
    x = np.random.default_rng(seed).normal(size=(9, 2))
    u, pad = torch.tensor(x.T[None]), size // 2
    y = run(nn.max_pool1d(size, stride, pad, ceil=ceil), x)["y"]
    np.testing.assert_allclose(y, F.max_pool1d(u, size, stride, pad, ceil_mode=ceil)[0].T, atol=1e-12)
    y = run(nn.average_pool1d(size, stride, pad, count_padding=count, ceil=ceil), x)["y"]
    np.testing.assert_allclose(y, F.avg_pool1d(u, size, stride, pad, ceil, count)[0].T, atol=1e-12)


def test_layers_of_frames():
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(3, 8, 9, 2)), rng.normal(size=(4, 2, 3, 2)), rng.normal(size=4)
    u = torch.tensor(np.moveaxis(x, -1, 1))
    cases = {
        F.conv2d(u, torch.tensor(W), torch.tensor(b), (2, 1), (1, 0)): nn.conv2d(
            W, b, stride=(2, 1), padding=(1, 0)
        ),
        F.max_pool2d(u, 2): nn.max_pool2d(2),
        F.max_pool2d(u, 3, (2, 1), 1, ceil_mode=True): nn.max_pool2d(3, (2, 1), 1, ceil=True),
        F.avg_pool2d(u, (2, 3), 1, (1, 0)): nn.average_pool2d((2, 3), 1, (1, 0), count_padding=True),
    }
    for expected, layer in cases.items():
        np.testing.assert_allclose(alone(layer, x), np.moveaxis(expected.numpy(), 1, -1), atol=1e-12)
    np.testing.assert_array_equal(alone(nn.flatten("step"), x), x.reshape(3, -1))


@pytest.mark.parametrize("shape", [(5,), (4, 6, 5)])
def test_normalizations(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, *shape))
    scale, offset, mean = rng.normal(size=(3, 5))
    variance = rng.uniform(0.1, 2.0, 5)
    u, tensors = torch.tensor(np.moveaxis(x, -1, 1)), map(torch.tensor, (mean, variance, scale, offset))
    expected = np.moveaxis(F.batch_norm(u, *tensors, eps=1e-3).numpy(), 1, -1)
    y = alone(nn.batch_norm(scale, offset, mean, variance, 1e-3), x)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    expected = F.layer_norm(torch.tensor(x), (5,), torch.tensor(scale), torch.tensor(offset), 1e-3)
    np.testing.assert_allclose(alone(nn.layer_norm(scale, offset, 1e-3), x), expected, atol=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_embedding(engine):
    E = np.random.default_rng(0).normal(size=(6, 3))
    words = np.array([0, 5, 2, 2])
    y = bs.simulate(nn.embedding(E), {"x": words}, engine=engine)["y"]
    np.testing.assert_array_equal(y, F.embedding(torch.tensor(words), torch.tensor(E)))
    d = nn.sequential([nn.embedding(E), nn.last()], steps=4)
    assert (bs.simulate(d, {"x": words[None], "length": [2]}, engine=engine)["y"] == E[5]).all()
    with pytest.raises(NonFiniteError, match=r"row.*: expected a finite signal at step 1"):
        bs.simulate(nn.embedding(E), {"x": [1, 6]}, engine=engine)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.relu(), F.relu),
        (nn.leaky_relu(0.2), lambda u: F.leaky_relu(u, 0.2)),
        (nn.elu(1.5), lambda u: F.elu(u, 1.5)),
        (nn.tanh(), torch.tanh),
        (nn.sigmoid(), torch.sigmoid),
        (nn.softmax(), lambda u: F.softmax(u, -1)),
        (nn.activation(bs.library.Softplus()), F.softplus),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_activations(layer, expected):
    x = np.random.default_rng(0).normal(size=(4, 3, 5))
    np.testing.assert_allclose(alone(layer, x), expected(torch.tensor(x)), atol=1e-12)


# -- dropout ---------------------------------------------------------------------------------------


def test_dropout_drops_in_training_alone():
    x = np.random.default_rng(0).normal(size=(400, 10))
    np.testing.assert_array_equal(alone(nn.dropout(0.3), x), x)
    y = bs.simulate(nn.dropout(0.3, 10, seed=1, training=True), {"x": x})["y"]
    kept = y != 0
    assert abs(kept.mean() - 0.7) < 0.03
    np.testing.assert_allclose(y[kept], x[kept] / 0.7)
    again = bs.simulate(nn.dropout(0.3, 10, seed=1, training=True), {"x": x}, engine="jax")["y"]
    np.testing.assert_allclose(y, again, atol=1e-12)
    other = bs.simulate(nn.dropout(0.3, 10, seed=2, training=True), {"x": x})["y"]
    assert ((other != 0) != kept).mean() > 0.3
    assert (bs.simulate(nn.dropout(0.0, (), training=True), {"x": x[:, 0]})["y"] == x[:, 0]).all()


# -- normalization of inputs -----------------------------------------------------------------------


@quick
@given(SEEDS, st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans())
def test_normalize_is_fitted_on_ragged_data(seed, lengths, frames):
    assume(any(lengths))
    rng = np.random.default_rng(seed)
    shape = (2, 3, 4) if frames else (4,)
    data = [rng.normal(5.0, 3.0, (n, *shape)) for n in lengths]
    rows = np.concatenate(data).reshape(-1, 4)
    std = np.where(rows.std(0) > 0, rows.std(0), 1.0)
    x = rng.normal(size=(3, *shape))
    y = alone(nn.normalize(iter(data)), x)
    np.testing.assert_allclose(y, (x - rows.mean(0)) / std, rtol=1e-9, atol=1e-9)
    y = alone(nn.normalize(data, method="zerocenter"), x)
    np.testing.assert_allclose(y, x - rows.mean(0), atol=1e-12)
    y = alone(nn.normalize(data, mean=[0.0] * 4), x)
    np.testing.assert_allclose(y, x / std, rtol=1e-9)


def test_a_constant_channel_is_only_centered():
    data = [np.full((3, 1), 0.1), np.full((7, 1), 0.1)]
    y = alone(nn.normalize(data), np.array([[0.1], [1.1]]))
    np.testing.assert_allclose(y, [[0.0], [1.0]], atol=1e-12)


# -- padding ---------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
LAYERS = {
    "conv1d": lambda: nn.conv1d(RNG.normal(size=(3, 3, 3)), RNG.normal(size=3)),
    "conv1d padded": lambda: nn.conv1d(RNG.normal(size=(3, 3, 3)), RNG.normal(size=3), padding=(2, 1)),
    "conv1d causal": lambda: nn.conv1d(RNG.normal(size=(3, 3, 4)), padding="causal", dilation=2),
    "conv1d same": lambda: nn.conv1d(RNG.normal(size=(3, 3, 4)), RNG.normal(size=3), padding="same"),
    "conv1d strides": lambda: nn.conv1d(RNG.normal(size=(3, 3, 4)), RNG.normal(size=3), stride=2),
    "conv1d same, strides": lambda: nn.conv1d(RNG.normal(size=(3, 3, 5)), stride=3, padding="same"),
    "max_pool1d": lambda: nn.max_pool1d(2, padding=1),
    "max_pool1d same": lambda: nn.max_pool1d(4, 3, "same"),
    "max_pool1d ceil": lambda: nn.max_pool1d(3, 2, ceil=True),
    "average_pool1d": lambda: nn.average_pool1d(3, 2, 1, count_padding=True, ceil=True),
    "average_pool1d same": lambda: nn.average_pool1d(3, 2, "same"),
    "dense": lambda: nn.dense(RNG.normal(size=(3, 3)), RNG.normal(size=3)),
    "sigmoid": nn.sigmoid,
    "softmax": nn.softmax,
    "batch_norm": lambda: nn.batch_norm(*RNG.uniform(0.5, 1.0, size=(4, 3))),
    "layer_norm": lambda: nn.layer_norm(*RNG.normal(size=(2, 3))),
    "dropout": lambda: nn.dropout(0.5, 3, seed=4, training=True),
    "lstm": lambda: nn.lstm(**random_lstm(RNG, 3, 3)),
    "bidirectional": lambda: nn.bidirectional(
        nn.lstm(**random_lstm(RNG, 3, 2)), nn.rnn(RNG.normal(size=(1, 3)), [[0.5]], [0.1])
    ),
}
ENDS = {
    "last": nn.last,
    "global_max_pool1d": nn.global_max_pool1d,
    "global_average_pool1d": nn.global_average_pool1d,
    "bidirectional last": lambda: nn.bidirectional(
        nn.lstm(**random_lstm(RNG, 3, 2)), nn.rnn(RNG.normal(size=(1, 3)), [[0.5]], [0.1]), output="last"
    ),
}


def renamed(layer, name):
    layer.name = name
    return layer


@st.composite
def ragged(draw):
    """A sequence of three channels, its length, and the same with more behind it."""
    rng = np.random.default_rng(draw(SEEDS))
    x = rng.normal(size=(draw(st.integers(1, 14)), 3))
    more = draw(st.integers(0, 9))
    return x, len(x), np.concatenate([x, rng.normal(size=(more, 3))])


def both(layers, data, **options):
    """The outputs without and with what is behind; None where no window fits on the sequence."""
    x, length, padded = data
    try:
        expected = run(layers, x, **options)
    except SignalError:
        return None, run(layers, padded, length, **options)
    return expected, run(layers, padded, length, **options)


@pytest.mark.parametrize("name", LAYERS)
@quick
@given(data=ragged())
def test_padding_changes_nothing(name, data):
    try:
        expected, found = both(LAYERS[name](), data)
    except SignalError:
        return  # no window fits even on the padded one
    n = 0 if expected is None else int(expected["length"])
    key = next(iter(found))
    assert found["length"] == n
    assert not found[key][n:].any()
    if expected is not None:
        assert len(expected[key]) == n
        np.testing.assert_array_equal(found[key][:n], expected[key])


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("end", ENDS)
def test_padding_changes_no_value(end, engine):
    for seed in range(8 if engine == "numpy" else 2):
        rng = np.random.default_rng(seed)
        length, more = rng.integers(1, 20), rng.integers(1, 20)
        for channels in (1, 3) if "lstm" not in end and "bi" not in end else (3,):
            x = rng.normal(size=(length + more, channels))
            layer = ENDS[end]()
            expected, found = run(layer, x[:length], engine=engine), run(layer, x, length, engine=engine)
            assert "length" not in found
            compare = np.testing.assert_array_equal if engine == "numpy" else np.testing.assert_allclose
            compare(found["y"], expected["y"])


def test_flatten_has_zeros_from_the_length_on():
    x = np.random.default_rng(0).normal(size=(5, 2))
    y = run(nn.flatten(), x, 3)["y"]
    np.testing.assert_array_equal(y, np.concatenate([x[:3].ravel(), np.zeros(4)]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=4), st.sampled_from(sorted(ENDS)), ragged()
)
def test_padding_changes_nothing_of_networks(names, end, data):
    layers = [renamed(LAYERS[name](), f"{i} {name}") for i, name in enumerate(names)]
    try:
        expected, found = both([*layers, ENDS[end]()], data)
    except SignalError:
        return
    if expected is not None:
        np.testing.assert_array_equal(found["y"], expected["y"])


@pytest.mark.parametrize("end", sorted(ENDS))
def test_the_compiled_engine_agrees(end):
    data = np.random.default_rng(3).normal(size=(1, 15, 3))
    names = ["conv1d same, strides", "max_pool1d", "layer_norm", "lstm", "dropout", "average_pool1d same"]
    layers = [renamed(LAYERS[name](), f"{i} {name}") for i, name in enumerate(names)]
    d = nn.sequential([*layers, ENDS[end]()], steps=15, shape=3)
    results = [bs.simulate(d, {"x": data, "length": [11]}, engine=e)["y"] for e in ("numpy", "jax")]
    np.testing.assert_allclose(*results, rtol=0, atol=1e-12)


# -- errors ----------------------------------------------------------------------------------------

BAD = [
    (lambda: nn.conv1d([[1.0]]), "conv1d 'conv1d', W", "(any, any, any)", "shape (1, 1)"),
    (lambda: nn.conv1d(np.ones((2, 3, 4)), [1.0]), "conv1d 'conv1d', b", "(2,)", "(1,)"),
    (lambda: nn.conv1d(np.ones((2, 3, 4)), padding="full"), "Convolution, padding", '"same"', "'full'"),
    (lambda: nn.conv2d(np.ones((2, 3, 4))), "conv2d 'conv2d', W", "(any, any, any, any)", "(2, 3, 4)"),
    (lambda: nn.max_pool1d(0), "Pooling, size", "at least 1", "0"),
    (lambda: nn.embedding([1.0]), "embedding 'embedding', E", "(any, any)", "(1,)"),
    (lambda: nn.dropout(1.0), "dropout 'dropout', rate", "from 0 to below 1", "1.0"),
    (lambda: nn.dropout(0.5, training=True), "dropout 'dropout', shape", "the shape of x", "None"),
    (lambda: nn.activation(bs.library.Tanh), "activation 'activation'", "a block with one input", "Tanh()"),
    (lambda: nn.activation(bs.library.Constant(1.0)), "activation", "a block with one input", "Constant"),
    (lambda: nn.flatten("frame"), "flatten 'flatten', of", "'sequence' or 'step'", "'frame'"),
    (lambda: nn.batch_norm([1.0], [0.0], [0.0], [-1.0]), "batch_norm", "variance", "positive", "-0.99999"),
    (lambda: nn.batch_norm([1.0], [0.0] * 2, [0.0], [1.0]), "batch_norm", "offset", "(1,)", "(2,)"),
    (lambda: nn.layer_norm([1.0], [0.0] * 2), "layer_norm", "offset", "(1,)", "(2,)"),
    (lambda: nn.normalize(method="max"), "normalize", "method", "'zscore' or 'zerocenter'", "'max'"),
    (lambda: nn.normalize(mean=[1.0]), "normalize", "std", "a number for each channel, or data", "None"),
    (lambda: nn.normalize(mean=[1.0], std=[0.0]), "normalize", "std", "positive", "got 0"),
    (lambda: nn.normalize([]), "normalize", "data", "a step at least", "none"),
]


@pytest.mark.parametrize(("make", "fragments"), [(m, f) for m, *f in BAD])
def test_bad_parameters(make, fragments):
    with pytest.raises(ParameterError) as caught:
        make()
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message
    assert "test_sequence_layers.py:" in message


def test_a_sequence_that_does_not_fit_a_layer():
    with pytest.raises(SignalError, match=r"conv1d/convolution, input u.*\(any, 3\).*\(5, 2\)"):
        nn.sequential([nn.conv1d(np.ones((2, 3, 4)))], steps=5, shape=2)
    with pytest.raises(SignalError, match="at least 4 elements along axis 0"):
        nn.sequential([nn.conv1d(np.ones((2, 3, 4)))], steps=3, shape=3)


def test_layers_are_drawn(tmp_path):
    layers = [nn.conv1d(np.ones((4, 3, 3))), nn.relu(), nn.dropout(0.2), nn.max_pool1d(2), nn.last()]
    bs.draw(nn.sequential(layers, steps=9, shape=3), tmp_path / "network.svg")


@pytest.mark.parametrize("end", ["global_max_pool1d", "global_average_pool1d", "last"])
def test_gradients_against_torch(end):
    """Through convolution, normalization, pooling and the end of a padded sequence."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(12, 3)), rng.normal(size=(4, 3, 3)), rng.normal(size=4)
    scale, offset, length = rng.normal(size=4), rng.normal(size=4), 9
    layers = [nn.conv1d(W, b), nn.layer_norm(scale, offset), nn.relu(), nn.max_pool1d(2), ENDS[end]()]
    d = nn.sequential(layers, steps=12, shape=3)
    with jax.enable_x64(True):
        f = bs.function(d)

        def loss(params):
            return (f(params, {"x": x[None], "length": np.array([length])})[0]["y"] ** 2).sum()

        found = jax.grad(loss)(d.parameters())
    tensors = [torch.tensor(a, requires_grad=True) for a in (W, b, scale, offset)]
    u = F.conv1d(torch.tensor(x[:length].T[None]), *tensors[:2])
    u = F.relu(F.layer_norm(u.swapaxes(1, 2), (4,), *tensors[2:])).swapaxes(1, 2)
    u = F.max_pool1d(u, 2)
    y = {"last": u[..., -1], "global_max_pool1d": u.amax(-1), "global_average_pool1d": u.mean(-1)}[end]
    (y**2).sum().backward()
    block, norm = found["conv1d/convolution"], found["layer_norm"]
    grads = block["W"], block["b"], norm["affine/gain"], norm["affine/bias"]
    for ours, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad, atol=1e-10)
