"""Layers of Keras, on its JAX backend, as diagrams, and weights back into layers."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

import blocksim as bs
from blocksim.interop import keras as bridge

os.environ.setdefault("KERAS_BACKEND", "jax")
jax = pytest.importorskip("jax")
keras = pytest.importorskip("keras")
L = keras.layers
pytestmark = pytest.mark.filterwarnings(  # of Keras's own get_weights
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
T, m, n = 7, 3, 4
TOLERANCE = {"float64": 1e-12, "float32": 1e-6}


@pytest.fixture(params=TOLERANCE)
def dtype(request):
    """Keras in this precision; of tanh, means and quotients it makes float32 at most."""

    def become(precision):
        keras.config.set_floatx(precision)
        keras.config.set_dtype_policy(precision)

    before = keras.config.floatx()
    become(request.param)
    with jax.enable_x64(request.param == "float64"):
        yield request.param
    become(before)


def filled(layer, shape=(None, None, m), seed=0):
    """The layer with random weights, variances among them positive."""
    if not layer.built:
        layer.build(shape)
    rng = np.random.default_rng(seed)
    values = [
        rng.uniform(0.5, 1.5, w.shape) if "variance" in w.path else rng.normal(size=w.shape) / 2
        for w in layer.weights
    ]
    layer.set_weights([v.astype(w.dtype) for v, w in zip(values, layer.weights, strict=True)])
    return layer


def cleared(layer):
    layer.set_weights([np.ones(w.shape, w.dtype) for w in layer.weights])


def outputs(layer, x):
    """What a layer gives for one sequence."""
    return np.asarray(layer(np.asarray(x)[None], training=False))[0]


def signal(dtype, seed=1):
    return np.random.default_rng(seed).normal(size=(T, m)).astype(dtype)


CELLS = {
    "LSTM": L.LSTM,
    "GRU": L.GRU,
    "GRU before": lambda *args, **options: L.GRU(*args, reset_after=False, **options),
    "SimpleRNN": L.SimpleRNN,
}
CHOICES = [  # activation, use_bias, recurrent_activation
    ("tanh", True, "sigmoid"), ("tanh", False, "hard_sigmoid"), ("relu", True, "hard_sigmoid"),
    ("softsign", True, "hard_sigmoid"), ("softsign", False, "sigmoid"), ("hard_sigmoid", True, "sigmoid"),
    ("sigmoid", False, "hard_sigmoid"),
]  # fmt: skip
OPTIONS = [
    (kind, {"activation": f, "use_bias": bias} | ({} if kind == "SimpleRNN" else {"recurrent_activation": g}))
    for kind in CELLS
    for f, bias, g in CHOICES
]
COMPILED = [f"{kind}-softsign-True{gate}" for kind in CELLS for gate in ("", "-hard_sigmoid")]


def named(case):
    return "-".join(map(str, [case[0], *case[1].values()])) if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", OPTIONS, ids=named)
def test_recurrent_layers(case, dtype):
    kind, options = case
    rough = options["activation"] == "tanh"  # which Keras computes in float32
    if rough and kind == "SimpleRNN":  # which cannot be a loop of float64 then
        dtype, options = "float32", options | {"dtype": "float32"}
    tolerance = TOLERANCE["float32" if rough else dtype]
    make = lambda: filled(CELLS[kind](n, return_sequences=True, **options))  # noqa: E731
    layer, other, x = make(), make(), signal(dtype)
    y = outputs(layer, x)
    assert y.dtype == dtype
    d = bridge.to_diagram(layer)
    assert next(iter(d.outputs)) == "h"
    for engine in ("numpy", "jax") if named(case) in COMPILED else ("numpy",):
        run = bs.simulate(d, {"x": x}, dtype=dtype, engine=engine)
        np.testing.assert_allclose(run["h"], y, rtol=0, atol=tolerance)
    for source in (d, d.parameters()):
        cleared(other)
        assert bridge.to_layer(source, other) is other
        np.testing.assert_allclose(outputs(other, x), y, rtol=0, atol=tolerance)


@pytest.mark.parametrize("whole", [True, False], ids=["sequence", "last"])
@pytest.mark.parametrize("kind", CELLS)
def test_both_ways(kind, whole, dtype):
    options = {"return_sequences": whole, "activation": "softsign"}
    make = lambda: filled(L.Bidirectional(CELLS[kind](n, **options)))  # noqa: E731
    layer, other, x = make(), make(), signal(dtype)
    d = bridge.to_diagram(layer, steps=T)
    for length in (T, 4):
        y = outputs(layer, x[:length])
        run = bs.simulate(d, {"x": x[None], "length": [length]}, dtype=dtype)["y"][0]
        np.testing.assert_allclose(run[:length] if whole else run, y, rtol=0, atol=TOLERANCE[dtype])
    cleared(other)
    bridge.to_layer(d, other)
    np.testing.assert_allclose(outputs(other, x), outputs(layer, x), rtol=0, atol=TOLERANCE[dtype])


def test_a_gru_without_recurrent_bias_fits_a_layer_with_one():
    rng = np.random.default_rng(0)
    d = bs.nn.gru(rng.normal(size=(3 * n, m)), rng.normal(size=(3 * n, n)), rng.normal(size=3 * n))
    layer, x = filled(L.GRU(n, return_sequences=True)), signal("float32")
    y = bs.simulate(d, {"x": x}, dtype=np.float32)["h"]
    np.testing.assert_allclose(outputs(bridge.to_layer(d, layer), x), y, rtol=0, atol=1e-6)


def test_weights_are_those_of_get_weights():
    layer = filled(L.LSTM(n))
    made = bridge.to_weights(bridge.to_diagram(layer), layer)
    for ours, theirs in zip(made, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# -- other layers ----------------------------------------------------------------------------------

SEQUENCES = {
    "dense": lambda: [L.Dense(5, "elu")],
    "no bias": lambda: [L.Dense(5, use_bias=False)],
    "mlp": lambda: [
        L.Dense(5, "relu"), L.Dropout(0.5), L.BatchNormalization(), L.LayerNormalization(),
        L.Dense(4, "leaky_relu"), L.Activation("softplus"), L.ReLU(), L.Softmax(),
    ],
    "conv": lambda: [L.Conv1D(5, 3)],
    "same": lambda: [L.Conv1D(5, 4, strides=2, padding="same", activation="softsign", use_bias=False)],
    "causal": lambda: [L.Conv1D(6, 2, dilation_rate=2, padding="causal", groups=3)],
    "cnn": lambda: [
        L.Conv1D(5, 2, activation="relu"), L.BatchNormalization(scale=False), L.MaxPooling1D(2),
        L.AveragePooling1D(2, strides=1, padding="same"), L.Flatten(), L.Dense(2),
    ],
    "global": lambda: [L.Conv1D(5, 2), L.GlobalMaxPooling1D(), L.Dense(2)],
    "average": lambda: [L.GlobalAveragePooling1D()],
    "rnn": lambda: [
        L.LSTM(4, activation="softsign", return_sequences=True), L.Bidirectional(L.GRU(3, activation="relu")),
        L.Dense(2, "softmax"),
    ],
    "last": lambda: [L.GRU(4, activation="softsign"), L.Flatten(), L.Dense(2)],
}  # fmt: skip


@pytest.mark.parametrize("case", SEQUENCES)
def test_sequential(case, dtype):
    rough = case in ("mlp", "cnn", "average")  # in which Keras computes in float32
    tolerance = TOLERANCE["float32" if rough else dtype]
    make = lambda: filled(keras.Sequential([keras.Input((T, m)), *SEQUENCES[case]()]))  # noqa: E731
    model, other, x = make(), make(), signal(dtype)
    y = outputs(model, x)
    d = bridge.to_diagram(model, steps=T, shape=m)
    for engine in ("numpy", "jax") if dtype == "float32" else ("numpy",):
        run = bs.simulate(d, {"x": x[None], "length": [T]}, dtype=dtype, engine=engine)["y"][0]
        np.testing.assert_allclose(run, y, rtol=0, atol=tolerance)
    cleared(other)
    bridge.to_layer(d, other)
    np.testing.assert_allclose(outputs(other, x), y, rtol=0, atol=tolerance)


def test_one_step_at_a_time():
    layers = [L.LSTM(4, return_sequences=True), L.GRU(3), L.Dense(2, "softmax")]
    model, x = filled(keras.Sequential([keras.Input((None, m)), *layers])), signal("float32")
    d = bridge.to_diagram(model)
    y = bs.simulate(d, {"x": x}, dtype=np.float32)["y"]
    for k in (0, 3, T - 1):
        np.testing.assert_allclose(y[k], outputs(model, x[: k + 1]), rtol=0, atol=1e-6)


def test_words(dtype):
    model = filled(keras.Sequential([keras.Input((T,), dtype="int32"), L.Embedding(11, m), L.Dense(2)]))
    x = np.random.default_rng(0).integers(0, 11, T)
    y = outputs(model, x)
    np.testing.assert_allclose(
        bs.simulate(bridge.to_diagram(model), {"x": x}, dtype=dtype)["y"], y, rtol=0, atol=TOLERANCE[dtype]
    )
    d = bridge.to_diagram(model, steps=T)
    run = bs.simulate(d, {"x": x[None], "length": [T]}, dtype=dtype)["y"][0]
    np.testing.assert_allclose(run, y, rtol=0, atol=TOLERANCE[dtype])
    for ours, theirs in zip(bridge.to_weights(d, model), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_images():
    dtype = "float32"  # Keras computes means in it
    layers = [
        L.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"), L.BatchNormalization(),
        L.MaxPooling2D(2), L.AveragePooling2D(2, strides=1), L.Flatten(), L.Dense(3),
    ]  # fmt: skip
    model = filled(keras.Sequential([keras.Input((8, 8, 3)), *layers]))
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype(dtype)
    d = bridge.to_diagram(model, shape=(8, 8, 3))
    run = bs.simulate(d, {"x": x}, dtype=dtype)["y"]
    np.testing.assert_allclose(run, model(x, training=False), rtol=0, atol=TOLERANCE[dtype])


# -- bad input -------------------------------------------------------------------------------------


def built(layer, shape=(None, None, m)):
    layer.build(shape)
    return layer


class Own(L.Layer):
    pass


class Changed(L.LSTM):
    pass


def cell(**options):
    return bs.nn.lstm(np.ones((4 * n, m)), np.ones((4 * n, n)), np.ones(4 * n), **options)


def gru(**options):
    return bs.nn.gru(np.ones((3 * n, m)), np.ones((3 * n, n)), np.ones(3 * n), **options)


def swish(x):
    return x


def lstm(**options):
    return built(L.LSTM(n, **options))


def diagram(make, **options):
    return lambda: bridge.to_diagram(make(), **options)


def to(source, layer):
    return lambda: bridge.to_layer(source(), layer())


BAD = {
    "own layer": (diagram(Own), r"to_diagram, Own .*one of .*LSTM.*got .*test_keras\.Own"),
    "subclass": (diagram(lambda: Changed(n)), r"Changed .*got .*test_keras\.Changed"),
    "no layer": (diagram(lambda: 3), "to_diagram, int"),
    "empty": (diagram(keras.Sequential), "a layer at least"),
    "not built": (diagram(lambda: L.LSTM(n)), r"LSTM 'lstm.*its weights, .*not built.*layer\.build"),
    "no steps": (diagram(lambda: built(L.Bidirectional(L.LSTM(n)))), r"length of a sequence.*steps=T"),
    "merge": (
        diagram(lambda: built(L.Bidirectional(L.LSTM(n), merge_mode="sum")), steps=T),
        "merge_mode='concat', got 'sum'",
    ),
    "backwards": (diagram(lambda: lstm(go_backwards=True)), "go_backwards=False, got True"),
    "activation": (diagram(lambda: lstm(activation="selu")), "an activation out of .* selu"),
    "own activation": (diagram(lambda: built(L.Dense(2, activation=swish))), "activation .* swish"),
    "axis": (
        diagram(lambda: built(L.LayerNormalization(axis=1), (None, 5, m))),
        "axis=-1, the features, got axis",
    ),
    "first": (
        diagram(lambda: built(L.MaxPooling1D(2, data_format="channels_first")), steps=T),
        "data_format='channels_last'",
    ),
    "sizes": (to(cell, lambda: built(L.LSTM(n + 1))), r"i/W/K .*shape \(5, 3\), got .*shape \(4, 3\)"),
    "kind": (to(cell, lambda: built(L.GRU(n))), "for keras.layers.GRU"),
    "reset": (to(gru, lambda: built(L.GRU(n, reset_after=False))), "for keras.layers.GRU"),
    "gates": (
        to(cell, lambda: lstm(recurrent_activation="hard_sigmoid")),
        r"i/activation for .*LSTM .*expected HardSigmoid\(.*, got Sigmoid",
    ),
    "slope": (
        to(
            lambda: cell(gate_activation=bs.library.HardSigmoid()),
            lambda: lstm(recurrent_activation="hard_sigmoid"),
        ),
        "i/activation/slope.*expected 0.166667",
    ),
    "bias": (to(cell, lambda: lstm(use_bias=False)), "i/b/value .*no place"),
    "start": (to(lambda: cell(c0=np.ones(n)), lstm), "cell_state/initial .*initial state"),
    "tree": (to(dict, lstm), "an array for 'i/W/K', got none"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(bs.BlocksimError, match=message) as caught:
        act()
    assert "test_keras.py:" in str(caught.value)


def test_nothing_is_loaded_by_half():
    layer = filled(L.LSTM(n))
    before = layer.get_weights()
    with pytest.raises(bs.BlocksimError, match="o/R/K"):
        bridge.to_layer(cell(), layer, params={"o/R": {"K": np.ones((n, n + 1))}})
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before, strict=True))


def test_without_keras(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(bs.BlocksimError, match=r"keras to be installed.*pip install 'blocksim\[keras\]'"):
        bridge.to_diagram(None)
