"""The layers of Keras without a memory, as layers of diagrams, and their arrays of given weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from blocksim import library, nn
from blocksim.block import Block
from blocksim.errors import ParameterError, user_line
from blocksim.interop.weights import Part, Weights, framework

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Array]
"""Arrays by the paths of a layer's variables."""

ACTIVATIONS: dict[str, Callable[[], Block | None]] = {
    "linear": lambda: None,
    "tanh": library.Tanh,
    "sigmoid": library.Sigmoid,
    "relu": library.ReLU,
    "hard_sigmoid": lambda: library.HardSigmoid(1 / 6, 0.5),
    "softsign": library.Softsign,
    "softplus": library.Softplus,
    "softmax": library.Softmax,
    "elu": library.ELU,
    "leaky_relu": lambda: library.LeakyReLU(0.2),
}


def unsupported(layer: Any, expected: str, got: object) -> ParameterError:
    return ParameterError(
        f"to_diagram, {type(layer).__name__} {getattr(layer, 'name', '')!r}", expected, f"{got}",
        "Convert the layers that have a diagram and compose them with nn.sequential.", user_line(),
    )  # fmt: skip


def array_of(variable: Any) -> Array:
    """A variable in float64."""
    return numpy_of(variable).astype(np.float64)


def numpy_of(variable: Any) -> Array:
    """A variable as it is; by its value, since Keras's variables are not made arrays without a warning."""
    return framework("keras", "keras").ops.convert_to_numpy(variable.value)


def activation_of(layer: Any, function: Any) -> Block | None:
    """The block of a Keras activation; None if it is linear."""
    word = getattr(function, "__name__", repr(function))
    if word not in ACTIVATIONS or framework("keras", "keras").activations.get(word) is not function:
        raise unsupported(layer, f"an activation out of {', '.join(ACTIVATIONS)}", word)
    return ACTIVATIONS[word]()


def _require(layer: Any, **values: Any) -> None:
    for name, value in values.items():
        got = getattr(layer, name, value)
        if got != value:
            raise unsupported(layer, f"{name}={value!r}", f"{name}={got!r}")


Held = dict[str, tuple[Any, Callable[[Array], Array]]]
"""By place in the diagram: a variable, and what makes its array of the diagram's."""


def _plain(held: Held) -> Callable[[Weights, str], Arrays]:
    return lambda weights, prefix: {
        variable.path: form(weights[prefix + place]) for place, (variable, form) in held.items()
    }


def _same(array: Array) -> Array:
    return array


def _dense(layer: Any, name: str, sequence: bool) -> list[Part]:
    held: Held = {"W/K": (layer.kernel, np.transpose)}
    W = array_of(layer.kernel).T
    b = np.zeros(len(W))
    if layer.use_bias:
        held["b/value"], b = (layer.bias, _same), array_of(layer.bias)
    return [Part(nn.dense(W, b, activation_of(layer, layer.activation), name=name), _plain(held))]


def _embedding(layer: Any, name: str, sequence: bool) -> list[Part]:
    E = layer.embeddings
    return [Part(nn.embedding(array_of(E), name=name), _plain({"E/value": (E, _same)}))]


def _convolution(layer: Any, name: str, sequence: bool) -> list[Part]:
    _require(layer, data_format="channels_last")
    one = type(layer).__name__ == "Conv1D"
    held: Held = {"convolution/W": (layer.kernel, lambda W: np.moveaxis(W, (0, 1), (-1, -2)))}
    if layer.use_bias:
        held["convolution/b"] = (layer.bias, _same)
    sizes: dict[str, Any] = {"stride": layer.strides, "dilation": layer.dilation_rate}
    diagram = (nn.conv1d if one else nn.conv2d)(
        np.moveaxis(array_of(layer.kernel), (-1, -2), (0, 1)),
        array_of(layer.bias) if layer.use_bias else None,
        **{key: size[0] if one else size for key, size in sizes.items()},
        padding=0 if layer.padding == "valid" else layer.padding, groups=layer.groups, name=name,
    )  # fmt: skip
    shape = (layer.kernel.shape[1] * layer.groups,) if one else None
    parts = [Part(diagram, _plain(held), sequence=one, shape=shape)]
    block = activation_of(layer, layer.activation)
    return parts + ([Part(nn.activation(block, name=f"{name}_activation"))] if block else [])


def _pooling(layer: Any, name: str, sequence: bool) -> list[Part]:
    _require(layer, data_format="channels_last")
    kind = type(layer).__name__
    one = kind.endswith("1D")
    word = f"{'max' if kind.startswith('Max') else 'average'}_pool{kind[-2:].lower()}"
    sizes = (size[0] if one else size for size in (layer.pool_size, layer.strides))
    padding = 0 if layer.padding == "valid" else layer.padding
    return [Part(getattr(nn, word)(*sizes, padding, name=name), sequence=one)]


def _global_pooling(layer: Any, name: str, sequence: bool) -> list[Part]:
    _require(layer, data_format="channels_last", keepdims=False)
    average = type(layer).__name__ == "GlobalAveragePooling1D"
    return [Part((nn.global_average_pool1d if average else nn.global_max_pool1d)(name=name), sequence=True)]


def _batch_norm(layer: Any, name: str, sequence: bool) -> list[Part]:
    mean, variance = array_of(layer.moving_mean), array_of(layer.moving_variance)
    held = _scale_and_center(layer)
    gain, bias = _gain_and_bias(held, len(mean))
    diagram = nn.batch_norm(gain, bias, mean, variance, layer.epsilon, name=name)
    held["center/bias"] = (layer.moving_mean, np.negative)
    held["divide/gain"] = (layer.moving_variance, lambda gain: gain**-2.0 - layer.epsilon)
    return [Part(diagram, _plain(held))]


def _layer_norm(layer: Any, name: str, sequence: bool) -> list[Part]:
    _require(layer, rms_scaling=False)
    held = _scale_and_center(layer)
    if not held:
        raise unsupported(layer, "scale or center, which tell the size", "neither")
    gain, bias = _gain_and_bias(held, next(iter(held.values()))[0].shape[0])
    return [Part(nn.layer_norm(gain, bias, layer.epsilon, name=name), _plain(held))]


def _scale_and_center(layer: Any) -> Held:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes != [-1]:
        raise unsupported(layer, "axis=-1, the features", f"axis={layer.axis}")
    there = {"affine/gain": layer.scale, "affine/bias": layer.center}
    names = {"affine/gain": "gamma", "affine/bias": "beta"}
    return {place: (getattr(layer, names[place]), _same) for place, has in there.items() if has}


def _gain_and_bias(held: Held, n: int) -> tuple[Array, Array]:
    gain, bias = (held.get(place, (None,))[0] for place in ("affine/gain", "affine/bias"))
    return (
        np.ones(n) if gain is None else array_of(gain),
        np.zeros(n) if bias is None else array_of(bias),
    )


def _flatten(layer: Any, name: str, sequence: bool) -> list[Part]:
    return [Part(nn.flatten("sequence" if sequence else "step", name=name), sequence=sequence)]


def _dropout(layer: Any, name: str, sequence: bool) -> list[Part]:
    return [Part(nn.dropout(0.0, name=name))]


def _elementwise(make: Callable[[Any], Block | None]) -> Callable[[Any, str, bool], list[Part]]:
    def parts(layer: Any, name: str, sequence: bool) -> list[Part]:
        block = make(layer)
        return [Part(nn.dropout(0.0, name=name) if block is None else nn.activation(block, name=name))]

    return parts


def _relu(layer: Any) -> Block:
    _require(layer, max_value=None, threshold=0)
    return library.LeakyReLU(layer.negative_slope) if layer.negative_slope else library.ReLU()


def _softmax(layer: Any) -> Block:
    _require(layer, axis=-1)
    return library.Softmax()


HOLDERS: dict[str, Callable[[Any, str, bool], list[Part]]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
}
"""Layers with weights."""
LAYERS = HOLDERS | {
    "MaxPooling1D": _pooling,
    "AveragePooling1D": _pooling,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "GlobalMaxPooling1D": _global_pooling,
    "GlobalAveragePooling1D": _global_pooling,
    "Flatten": _flatten,
    "Dropout": _dropout,
    "SpatialDropout1D": _dropout,
    "Activation": _elementwise(lambda layer: activation_of(layer, layer.activation)),
    "ReLU": _elementwise(_relu),
    "LeakyReLU": _elementwise(lambda layer: library.LeakyReLU(layer.negative_slope)),
    "ELU": _elementwise(lambda layer: library.ELU(layer.alpha)),
    "Softmax": _elementwise(_softmax),
}
