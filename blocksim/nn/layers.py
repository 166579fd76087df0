"""Layers: functions that return diagrams made of gains, sums and activations, and diagrams in a row."""

from __future__ import annotations

from collections.abc import Iterable

from numpy.typing import ArrayLike

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Constant, Gain, Sum
from blocksim.nn._arrays import real_array


def dense(W: ArrayLike, b: ArrayLike, activation: Block | None = None, *, name: str = "dense") -> Diagram:
    """y = activation(W x + b): input x (m,), output y (n,); W (n, m), b (n,).

    Without an activation the layer is affine. Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs
    >>> bs.simulate(bs.nn.dense([[2.0, 0.0]], [1.0]), {"x": [[3.0, 4.0]]})["y"]
    array([[7.]])
    """
    W = real_array(f"dense {name!r}", "W", W, (None, None))
    b = real_array(f"dense {name!r}", "b", b, (len(W),))
    d = Diagram(name)
    x = d.input("x", shape=W.shape[1])
    y = d.add("sum", Sum(), d.add("W", Gain(W), x), d.add("b", Constant(b)))
    d.output("y", y if activation is None else d.add("activation", activation, y))
    return d


def sequential(layers: Iterable[Diagram], *, name: str = "network") -> Diagram:
    """Layers in a row: each reads the first output of the one before it.

    The input is that of the first layer, the outputs are all those of the last. Raises
    ParameterError for a layer without exactly one input.

    >>> import blocksim as bs, numpy as np
    >>> cells = [bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8), name=n) for n in "ab"]
    >>> bs.nn.sequential([*cells, bs.nn.dense(np.ones((1, 2)), [0.0])]).outputs
    {'y': dense}
    """
    d = Diagram(name)
    signal = last = None
    for layer in layers:
        if not isinstance(layer, Diagram) or len(layer.inputs) != 1 or not layer.outputs:
            raise ParameterError(
                f"sequential {name!r}", "diagrams with one input and an output each", describe(layer),
                "", user_line(),
            )  # fmt: skip
        if signal is None:
            ((key, first),) = layer.inputs.items()
            signal = d.input(key, shape=getattr(first.block, "shape", None))
        signal = last = d.add(layer.name, layer, signal)
    if last is None:
        raise ParameterError(f"sequential {name!r}", "at least one layer", "none", "", user_line())
    for key in last.outputs:
        d.output(key, last[key])
    return d
