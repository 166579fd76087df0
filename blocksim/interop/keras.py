"""Weights from Keras and back: a layer as a diagram, a diagram's weights in a layer.

Keras's arrays have the inputs first, ours the units first. A layer with return_sequences=False gives,
as a diagram of one step, its output so far at each step; with `steps`, the last one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim import library, nn
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, user_line
from blocksim.interop._keras_layers import (
    HOLDERS,
    LAYERS,
    Array,
    Arrays,
    activation_of,
    array_of,
    numpy_of,
    unsupported,
)
from blocksim.interop.weights import Parameters, Part, Weights, compose, framework, stored


def to_diagram(
    layer: Any,
    *,
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
    name: str | None = None,
) -> Diagram:
    """The diagram of a built Keras layer, with its weights.

    LSTM, GRU (both resets), SimpleRNN, Bidirectional (merge_mode "concat"), Dense, Embedding,
    convolutions, poolings, normalizations, activations, and Sequential of such. A recurrent layer
    becomes a diagram of one step, with the input x (m,) and the output h first. With `steps` T it is
    one of whole sequences, with the inputs x (T, *shape) and `length`: needed where a layer is
    Bidirectional or looks along time, as Conv1D. `shape` is that of a step, for layers that take any:
    (height, width, channels) for Conv2D. Weights are read as float64.

    Raises ParameterError for a layer that has no diagram, with its name, and for one that is not built.

    >>> import blocksim as bs
    >>> import keras                                                     # doctest: +SKIP
    >>> layer = keras.layers.LSTM(5)                                     # doctest: +SKIP
    >>> layer.build((None, None, 3))                                     # doctest: +SKIP
    >>> bs.interop.keras.to_diagram(layer).outputs                       # doctest: +SKIP
    {'h': h, 'c': c}
    """
    parts = list(_Reader(sequence=steps is not None).parts(layer))
    return compose(parts, _title(layer), steps=steps, shape=shape, name=name)


def to_weights(
    source: Diagram | Parameters,
    layer: Any,
    *,
    params: Parameters | None = None,
    path: str = "",
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
) -> list[Array]:
    """The weights of a diagram as a layer has them, in the order of `layer.get_weights()`.

    source: a diagram of the structure of `to_diagram(layer)`, whose values `params` (trained ones)
    may replace; or a tree of parameters `{path: {field: array}}` with the names that it has, given the
    same `steps` and `shape`. path: the part of the source that is meant, if not all. A GRU that resets
    after has two biases: the first gets the sum, where it does not matter.

    Raises ParameterError where structure or shapes differ, and for what the layer has no place for,
    such as an initial state.
    """
    arrays = stored(
        source, lambda b_r, whole: list(_Reader(b_r, whole).parts(layer)), _title(layer),
        params=params, path=path, steps=steps, shape=shape,
    )  # fmt: skip
    return [arrays[v.path].astype(numpy_of(v).dtype) for v in layer.weights]


def to_layer(
    source: Diagram | Parameters,
    layer: Any,
    *,
    params: Parameters | None = None,
    path: str = "",
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
) -> Any:
    """Put the weights of a diagram into a layer that computes the same, and return the layer.

    Takes and raises what `to_weights` does; after an error the layer is as before.
    """
    layer.set_weights(to_weights(source, layer, params=params, path=path, steps=steps, shape=shape))
    return layer


def _title(layer: Any) -> str:
    return f"keras.layers.{type(layer).__name__}"


# -- layers ----------------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Goes through the layers of a layer, in the order in which the signal does."""

    recurrent_bias: bool = True
    """Whether a GRU that resets after has a bias there; it is zero where there is none."""
    sequence: bool = False
    """Whether the signal is a whole sequence."""

    def parts(self, layer: Any, label: str = "") -> Iterator[Part]:
        """label: the name of the layer in a Sequential."""
        keras = framework("keras", "keras")
        kind = type(layer).__name__
        known = {*CELLS, *LAYERS, "Bidirectional"}
        if type(layer) is keras.Sequential:
            for child in layer.layers:
                yield from self.parts(child, f"{label}_{child.name}" if label else child.name)
            return
        if kind not in known or type(layer) is not getattr(keras.layers, kind, None):
            raise unsupported(
                layer, f"one of {', '.join(sorted(known))}, or Sequential of such",
                f"{type(layer).__module__}.{type(layer).__qualname__}",
            )  # fmt: skip
        if not layer.built and kind in {*CELLS, *HOLDERS, "Bidirectional"}:
            raise ParameterError(
                f"{_title(layer)} {layer.name!r}", "a layer that has its weights", "one not built",
                "Call layer.build((None, None, m)) first, or the layer with data.", user_line(),
            )  # fmt: skip
        if kind == "Bidirectional":
            yield _bidirectional(layer, label or "bidirectional", self.recurrent_bias)
            self.sequence &= layer.return_sequences
        elif kind in CELLS:
            yield _recurrent(layer, label or CELLS[kind], self.recurrent_bias)
            if self.sequence and not layer.return_sequences:
                yield Part(nn.last(name=f"{label or CELLS[kind]}_last"), sequence=True)
                self.sequence = False
        else:
            yield from LAYERS[kind](layer, label or kind.lower(), self.sequence)
            self.sequence &= not kind.startswith("Global") and kind != "Flatten"


# -- recurrent layers ------------------------------------------------------------------------------

CELLS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}


def _recurrent(layer: Any, label: str, recurrent_bias: bool) -> Part:
    make, store = _cell(layer, recurrent_bias)
    return Part(make(label), store)


def _cell(
    layer: Any, recurrent_bias: bool, backward: bool = False
) -> tuple[Callable[[str], Diagram], Callable[[Weights, str], Arrays]]:
    """The diagram of a layer by its name, and the way back."""
    kind, cell = CELLS[type(layer).__name__], layer.cell
    options: dict[str, Any] = {"activation": activation_of(layer, layer.activation) or library.Affine()}
    if kind != "rnn":
        options["gate_activation"] = activation_of(layer, layer.recurrent_activation) or library.Affine()
    if kind == "gru":
        options["reset"] = "after" if layer.reset_after else "before"
    if layer.go_backwards != backward:
        raise unsupported(layer, f"go_backwards={backward}", f"{layer.go_backwards}")
    held = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if layer.use_bias else [])]
    order = _reset_first if kind == "gru" else np.asarray
    W, R, *bias = (order(array_of(variable)).T for variable in held)
    b = bias[0] if bias else np.zeros(len(W))
    two, new = b.ndim == 2, len(b) // 3 * 2  # of a GRU that resets after; the first row of its candidate
    if two:
        if recurrent_bias:
            options["b_r"] = b[new:, 1]
            b[:new, 0] += b[:new, 1]
            b = b[:, 0]
        else:
            b = b.sum(axis=1)

    def store(weights: Weights, prefix: str) -> Arrays:
        w = weights.cell(kind, prefix, bias=layer.use_bias)
        arrays = [w["W"], w["R"], *([w["b"]] if layer.use_bias else [])]
        if two:
            recurrent = np.zeros_like(w["b"])
            if "b_r" in w:
                recurrent[new:] = w["b_r"]
            arrays[2] = np.stack([w["b"], recurrent], axis=1)
        return {v.path: order(array.T) for v, array in zip(held, arrays, strict=True)}

    return lambda name: getattr(nn, kind)(W, R, b, **options, name=name), store


def _reset_first(array: Array) -> Array:
    """Columns [r; z; n] of [z; r; n], and back."""
    n = array.shape[-1] // 3
    return array.reshape(*array.shape[:-1], 3, n)[..., [1, 0, 2], :].reshape(array.shape)


def _bidirectional(layer: Any, label: str, recurrent_bias: bool) -> Part:
    if layer.merge_mode != "concat":
        raise unsupported(layer, "merge_mode='concat'", repr(layer.merge_mode))
    pair = {"forward": layer.forward_layer, "backward": layer.backward_layer}
    for one in pair.values():
        if type(one).__name__ not in CELLS:
            raise unsupported(layer, f"one of {', '.join(CELLS)} in it", type(one).__name__)
    cells = {name: _cell(one, recurrent_bias, name == "backward") for name, one in pair.items()}

    def store(weights: Weights, prefix: str) -> Arrays:
        return {
            path: array
            for name, (_, back) in cells.items()
            for path, array in back(weights, f"{prefix}{name}/").items()
        }

    output = "sequence" if layer.return_sequences else "last"
    both = (make(name) for name, (make, _) in cells.items())
    diagram = nn.bidirectional(*both, output=output, name=label)
    return Part(diagram, store, sequence=True, shape=(layer.forward_layer.cell.kernel.shape[0],))
