"""The modules of torch without a memory, as layers of diagrams, and their tensors of given weights.

Convolutions and poolings of torch have the channels before the axes of time and space. Our signals
have them last, so what comes after them is told where torch has them: `layout`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from blocksim import library, nn
from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, user_line
from blocksim.interop.weights import Part, Weights
from blocksim.library import Mask, Reshape, Transpose
from blocksim.nn.step_layers import layer_of

Array = np.ndarray[Any, np.dtype[Any]]
Tensors = dict[str, Array]
"""Arrays by the names of a module's state_dict."""

# -- where torch has the channels of a signal ----------------------------------------------------------
ANY, LAST, SEQUENCE, TIME, SPACE, ONE = "any", "last", "sequence", "time", "space", "one"
CHANNELS = {
    ANY: "its channels anywhere",
    LAST: "its channels last",
    SEQUENCE: "its channels last, after the axis of time",
    TIME: "its channels before the axis of time",
    SPACE: "its channels before the axes of space",
    ONE: "its channels before an axis of one element",
}


def unsupported(module: Any, expected: str, got: object) -> ParameterError:
    return ParameterError(
        f"to_diagram, {type(module).__name__}", expected, f"{got}",
        "Convert the parts that have a diagram and compose them with nn.sequential, or export the module "
        "to ONNX and use interop.onnx.", user_line(),
    )  # fmt: skip


def array_of(module: Any, name: str) -> Array:
    """The tensor of a module, in float64."""
    tensor = getattr(module, name)
    if not tensor.is_floating_point() or tensor.is_meta:
        raise unsupported(module, f"real numbers as {name}", f"dtype {tensor.dtype} on {tensor.device}")
    return tensor.detach().cpu().double().numpy().copy()


def _plain(key: str, names: dict[str, str]) -> Callable[[Weights, str], Tensors]:
    """The way back where tensors are arrays of the diagram as they stand."""
    return lambda weights, prefix: {key + name: weights[prefix + place] for name, place in names.items()}


def _require(module: Any, **values: Any) -> None:
    for name, value in values.items():
        got = getattr(module, name, value)
        if got != value:
            raise unsupported(module, f"{name}={value!r}", f"{name}={got!r}")


def _linear(module: Any, key: str, name: str, layout: str) -> Part:
    W = array_of(module, "weight")
    names = {"weight": "W/K"}
    if module.bias is not None:
        names["bias"] = "b/value"
    b = np.zeros(len(W)) if module.bias is None else array_of(module, "bias")
    return Part(nn.dense(W, b, name=name), _plain(key, names))


def _embedding(module: Any, key: str, name: str, layout: str) -> Part:
    _require(module, max_norm=None)
    return Part(nn.embedding(array_of(module, "weight"), name=name), _plain(key, {"weight": "E/value"}))


def _convolution(module: Any, key: str, name: str, layout: str) -> Part:
    _require(module, padding_mode="zeros")
    W, one = array_of(module, "weight"), type(module).__name__ == "Conv1d"
    names = {"weight": "convolution/W"} | ({} if module.bias is None else {"bias": "convolution/b"})
    padding = {"valid": 0}.get(module.padding, module.padding)
    pick = _only if one else _both
    diagram = (nn.conv1d if one else nn.conv2d)(
        W, None if module.bias is None else array_of(module, "bias"),
        stride=pick(module.stride), padding=pick(padding), dilation=pick(module.dilation),
        groups=module.groups, name=name,
    )  # fmt: skip
    return Part(diagram, _plain(key, names), sequence=one, shape=(module.in_channels,) if one else None)


def _only(value: Any) -> Any:
    """torch's sizes along one axis: a number, or a tuple of it."""
    return value[0] if isinstance(value, tuple) else value


def _both(value: Any) -> Any:
    return value


def _pooling(module: Any, key: str, name: str, layout: str) -> Part:
    kind = type(module).__name__
    _require(module, dilation=1, return_indices=False, divisor_override=None)
    one, average = kind.endswith("1d"), kind.startswith("Avg")
    pick = _only if one else _both
    options: dict[str, Any] = {"ceil": module.ceil_mode, "name": name}
    if average:
        options["count_padding"] = module.count_include_pad
    word = f"{'average' if average else 'max'}_pool{kind[-2:]}"
    sizes = pick(module.kernel_size), pick(module.stride), pick(module.padding)
    return Part(getattr(nn, word)(*sizes, **options), sequence=one)


def _global_pooling(module: Any, key: str, name: str, layout: str) -> Part:
    if _only(module.output_size) != 1:
        raise unsupported(module, "output_size=1", f"output_size={module.output_size!r}")
    average = type(module).__name__.startswith("AdaptiveAvg")
    layer = nn.global_average_pool1d if average else nn.global_max_pool1d
    return Part(layer(name=name), sequence=True)


def _batch_norm(module: Any, key: str, name: str, layout: str) -> Part:
    _require(module, track_running_stats=True)
    n, affine = module.num_features, {"weight": "affine/gain", "bias": "affine/bias"}
    names = {own: place for own, place in affine.items() if getattr(module, own, None) is not None}
    held = {own: array_of(module, own) for own in names}
    diagram = nn.batch_norm(
        held.get("weight", np.ones(n)), held.get("bias", np.zeros(n)), array_of(module, "running_mean"),
        array_of(module, "running_var"), module.eps, name=name,
    )  # fmt: skip
    plain = _plain(key, names)

    def store(weights: Weights, prefix: str) -> Tensors:
        moments = {
            f"{key}running_mean": -weights[f"{prefix}center/bias"],
            f"{key}running_var": weights[f"{prefix}divide/gain"] ** -2.0 - module.eps,
        }
        return plain(weights, prefix) | moments

    return Part(diagram, store, shape=(n,) if type(module).__name__ == "BatchNorm1d" else None)


def _layer_norm(module: Any, key: str, name: str, layout: str) -> Part:
    if len(module.normalized_shape) != 1:
        raise unsupported(module, "one axis to normalize", f"normalized_shape={module.normalized_shape}")
    affine = {"weight": "affine/gain", "bias": "affine/bias"}
    names = {own: place for own, place in affine.items() if getattr(module, own, None) is not None}
    held = {own: array_of(module, own) for own in names}
    (n,) = module.normalized_shape
    diagram = nn.layer_norm(
        held.get("weight", np.ones(n)), held.get("bias", np.zeros(n)), module.eps, name=name
    )
    return Part(diagram, _plain(key, names), shape=(n,))


def _flatten(module: Any, key: str, name: str, layout: str) -> Part:
    _require(module, start_dim=1, end_dim=-1)
    if layout == SEQUENCE:
        return Part(nn.flatten(name=name), sequence=True)
    if layout == SPACE:
        first, vector = Transpose((2, 0, 1)), Reshape((-1,))
        return Part(layer_of(name, channels_first=first, vector=vector))
    if layout == TIME:
        d = Diagram(name)
        kept = d.add("mask", Mask(), d.input("x"), d.input("length", shape=(), dtype=int))
        first = d.add("channels_first", Transpose((1, 0)), kept)
        d.output("y", d.add("vector", Reshape((-1,)), first))
        return Part(d, sequence=True)
    return Part(nn.flatten("step", name=name))


def _dropout(module: Any, key: str, name: str, layout: str) -> Part:
    return Part(nn.dropout(0.0, name=name))


def _softmax(module: Any, key: str, name: str, layout: str) -> Part:
    axes = {SEQUENCE: (-1, 2), TIME: (1,), SPACE: (1,)}.get(layout, (-1, 1))
    if module.dim not in axes:
        raise unsupported(module, f"dim={axes[0]}, the features", f"dim={module.dim}")
    return Part(nn.softmax(name=name))


def _elementwise(make: Callable[[Any], Block]) -> Any:
    return lambda module, key, name, layout: Part(nn.activation(make(module), name=name))


def _softplus(module: Any) -> Block:
    _require(module, beta=1)
    return library.Softplus()


ELEMENTWISE = {
    "ReLU": lambda module: library.ReLU(),
    "Tanh": lambda module: library.Tanh(),
    "Sigmoid": lambda module: library.Sigmoid(),
    "Softsign": lambda module: library.Softsign(),
    "Softplus": _softplus,
    "Hardsigmoid": lambda module: library.HardSigmoid(1 / 6, 0.5),
    "LeakyReLU": lambda module: library.LeakyReLU(module.negative_slope),
    "ELU": lambda module: library.ELU(module.alpha),
}
FEATURES, FRAMES, IMAGES = (ANY, LAST, SEQUENCE), (ANY, TIME), (ANY, SPACE)
ALL = (ANY, LAST, SEQUENCE, TIME, SPACE, ONE)
LAYERS: dict[str, tuple[Callable[[Any, str, str, str], Part], tuple[str, ...], str | None]] = {
    # how it is made, the layouts that it reads, the layout that it leaves (None: the same)
    "Linear": (_linear, FEATURES, None),
    "LayerNorm": (_layer_norm, FEATURES, None),
    "Embedding": (_embedding, (ANY,), SEQUENCE),
    "Conv1d": (_convolution, FRAMES, TIME),
    "Conv2d": (_convolution, IMAGES, SPACE),
    "MaxPool1d": (_pooling, FRAMES, TIME),
    "AvgPool1d": (_pooling, FRAMES, TIME),
    "MaxPool2d": (_pooling, IMAGES, SPACE),
    "AvgPool2d": (_pooling, IMAGES, SPACE),
    "AdaptiveMaxPool1d": (_global_pooling, FRAMES, ONE),
    "AdaptiveAvgPool1d": (_global_pooling, FRAMES, ONE),
    "BatchNorm1d": (_batch_norm, (ANY, LAST, TIME), None),
    "BatchNorm2d": (_batch_norm, IMAGES, SPACE),
    "Flatten": (_flatten, ALL, LAST),
    "Softmax": (_softmax, ALL, None),
    "Identity": (_dropout, ALL, None),
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"), (_dropout, ALL, None)),
    **{kind: (_elementwise(make), ALL, None) for kind, make in ELEMENTWISE.items()},
}
