"""Layers: functions that return diagrams made of gains, sums and activations, and diagrams in a row."""

from __future__ import annotations

from numpy.typing import ArrayLike

from blocksim.block import Block
from blocksim.diagram import Diagram
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
