"""Weights from PyTorch and back: a module as a diagram, a diagram's weights in a module.

Signals have the features last and no axis of a batch, so `batch_first` changes nothing; a run over a
batch is `simulate` with inputs (B, T, m). Dropout is of training alone: it has no place in a diagram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim import library, nn
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, user_line
from blocksim.interop._torch_layers import (
    ANY,
    CHANNELS,
    FEATURES,
    LAYERS,
    SEQUENCE,
    Tensors,
    array_of,
    unsupported,
)
from blocksim.interop.weights import Parameters, Part, Weights, compose, framework, stored


def to_diagram(
    module: Any,
    *,
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
    name: str | None = None,
) -> Diagram:
    """The diagram of a torch module, with its weights, as it computes in `eval` mode.

    LSTM, GRU, RNN (all options), Linear, Embedding, convolutions and poolings, normalizations,
    activations, and Sequential of such. A recurrent module becomes a diagram of one step, with the
    input x (m,) and the outputs of its last layer, h first; several layers are `l0`, `l1` ... With
    `steps` T it is one of whole sequences, with the inputs x (T, *shape) and `length`: needed where a
    layer is bidirectional or looks along time, as Conv1d. `shape` is that of a step, for layers that
    take any: (height, width, channels) for Conv2d. Weights are read as float64.

    Raises ParameterError for a module that has no diagram, with its name.

    >>> import blocksim as bs
    >>> import torch                                                        # doctest: +SKIP
    >>> bs.interop.torch.to_diagram(torch.nn.LSTM(3, 5)).outputs            # doctest: +SKIP
    {'h': h, 'c': c}
    """
    return compose(list(_Reader().parts(module)), _title(module), steps=steps, shape=shape, name=name)


def to_module(
    source: Diagram | Parameters,
    module: Any,
    *,
    params: Parameters | None = None,
    path: str = "",
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
) -> Any:
    """Put the weights of a diagram into a module that computes the same, and return the module.

    source: a diagram of the structure of `to_diagram(module)`, whose values `params` (trained ones)
    may replace; or a tree of parameters `{path: {field: array}}` with the names that it has, given the
    same `steps` and `shape`. path: the layer of the source that is meant, if not all. Where a module
    has two biases, the first gets the sum and the second zero.

    Raises ParameterError where structure or shapes differ, and for what the module has no place for,
    such as an initial state; then the module is as before.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.dense(np.eye(2), np.ones(2))
    >>> import torch                                                        # doctest: +SKIP
    >>> bs.interop.torch.to_module(layer, torch.nn.Linear(2, 2)).bias.data  # doctest: +SKIP
    tensor([1., 1.])
    """
    torch = framework("torch", "torch")
    tensors = stored(
        source, lambda b_r, whole: list(_Reader(b_r).parts(module)), _title(module),
        params=params, path=path, steps=steps, shape=shape,
    )  # fmt: skip
    held = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    shared: dict[int, Any] = {}
    for name, array in tensors.items():
        tensor = held.get(name)
        if tensor is None or not np.array_equal(array, shared.setdefault(id(tensor), array)):
            raise ParameterError(
                f"{_title(module)}, {name}", "a tensor that can take the weights",
                "none" if tensor is None else "one shared by layers with other weights", "", user_line(),
            )  # fmt: skip
    with torch.no_grad():
        for name, array in tensors.items():
            held[name].copy_(torch.from_numpy(np.array(array)))
    return module


def _title(module: Any) -> str:
    return f"torch.nn.{type(module).__name__}"


# -- modules ---------------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Goes through the layers of a module, in the order in which the signal does."""

    recurrent_bias: bool = True
    """Whether a GRU with biases has one inside the product with r; it is zero where there is none."""
    layout: str = ANY

    def parts(self, module: Any, key: str = "", label: str = "") -> Iterator[Part]:
        """key: where the tensors are in the root's state_dict; label: the name of the layer."""
        torch = framework("torch", "torch")
        kind = type(module).__name__
        if type(module) is torch.nn.Sequential:
            for own, child in module._modules.items():  # named_children leaves out repeated ones
                name = f"{type(child).__name__.lower()}{own}" if own.isdigit() else own
                yield from self.parts(child, f"{key}{own}.", f"{label}_{name}" if label else name)
            return
        make, reads, leaves = (
            (None, FEATURES, SEQUENCE) if kind in CELLS else LAYERS.get(kind, (None, (), None))
        )
        if not reads or type(module) is not getattr(torch.nn, kind, None):
            known = ", ".join(sorted({*CELLS, *LAYERS}))
            got = f"{type(module).__module__}.{type(module).__qualname__}"
            raise unsupported(module, f"one of {known}, or Sequential of such", got)
        if self.layout not in reads:
            raise unsupported(
                module, f"a signal with {CHANNELS[reads[-1]]}", f"one with {CHANNELS[self.layout]}"
            )
        if make is None:
            yield from _recurrent(module, key, label, self.recurrent_bias)
        else:
            yield make(module, key, label or kind.lower(), self.layout)
        self.layout = leaves or self.layout


# -- recurrent modules -----------------------------------------------------------------------------

CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}


def _recurrent(module: Any, key: str, label: str, recurrent_bias: bool) -> Iterator[Part]:
    kind = CELLS[type(module).__name__]
    options: dict[str, Any] = {}
    if kind == "rnn":
        options["activation"] = {"tanh": library.Tanh, "relu": library.ReLU}[module.nonlinearity]()
    for k in range(module.num_layers):
        own = f"l{k}" if not label else label if module.num_layers == 1 else f"{label}_l{k}"
        name = kind if not label and module.num_layers == 1 else own

        def cell(end: str, name: str) -> Diagram:
            return getattr(nn, kind)(**_weights(module, kind, end, recurrent_bias), **options, name=name)

        if module.bidirectional:
            both = cell(f"l{k}", "forward"), cell(f"l{k}_reverse", "backward")
            ends = {f"l{k}": "forward/", f"l{k}_reverse": "backward/"}
            yield Part(
                nn.bidirectional(*both, name=name),
                _store(module, kind, key, ends),
                True,
                (module.input_size,),
            )
        else:
            yield Part(cell(f"l{k}", name), _store(module, kind, key, {f"l{k}": ""}))


def _weights(module: Any, kind: str, end: str, recurrent_bias: bool) -> Tensors:
    """What the constructor of a cell takes, of the tensors whose names have this end."""
    W, R = array_of(module, f"weight_ih_{end}"), array_of(module, f"weight_hh_{end}")
    made = {"W": W, "R": R, "b": np.zeros(len(W))}
    if module.bias:
        made["b"], b_hh = array_of(module, f"bias_ih_{end}"), array_of(module, f"bias_hh_{end}")
        n = R.shape[1]
        if kind == "gru" and recurrent_bias:
            made["b_r"], b_hh[2 * n :] = b_hh[2 * n :].copy(), 0
        made["b"] += b_hh
    if getattr(module, "proj_size", 0):
        made["projection"] = array_of(module, f"weight_hr_{end}")
    return made


def _store(module: Any, kind: str, key: str, ends: dict[str, str]) -> Callable[[Weights, str], Tensors]:
    def store(weights: Weights, prefix: str) -> Tensors:
        tensors: Tensors = {}
        for end, inner in ends.items():
            cell = weights.cell(kind, prefix + inner, bias=module.bias)
            tensors[f"{key}weight_ih_{end}"], tensors[f"{key}weight_hh_{end}"] = cell["W"], cell["R"]
            if module.bias:
                b_hh = np.zeros_like(cell["b"])
                if "b_r" in cell:
                    b_hh[-len(cell["b_r"]) :] = cell["b_r"]
                tensors[f"{key}bias_ih_{end}"], tensors[f"{key}bias_hh_{end}"] = cell["b"], b_hh
            if "projection" in cell:
                tensors[f"{key}weight_hr_{end}"] = cell["projection"]
        return tensors

    return store
