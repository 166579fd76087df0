"""Layers: functions that return diagrams made of gains, sums, activations, products and delays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import Block, as_array
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Constant, Gain, Product, Sigmoid, Sum, Tanh, UnitDelay


def gate(W: ArrayLike, R: ArrayLike, b: ArrayLike, activation: Block, *, name: str = "gate") -> Diagram:
    """y = activation(W x + R h + b): inputs x (m,) and h (p,), output y (n,).

    W (n, m), R (n, p), b (n,). Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> g = bs.nn.gate(np.ones((3, 2)), np.ones((3, 3)), np.zeros(3), bs.library.Sigmoid())
    >>> list(g.nodes)
    ['W', 'R', 'b', 'sum', 'activation']
    """
    W = _array(name, "W", W, (None, None))
    R = _array(name, "R", R, (len(W), None))
    b = _array(name, "b", b, (len(W),))
    d = Diagram(name)
    x, h = d.input("x", shape=W.shape[1]), d.input("h", shape=R.shape[1])
    weighted = d.add("W", Gain(W), x), d.add("R", Gain(R), h), d.add("b", Constant(b))
    d.output("y", d.add("activation", activation, d.add("sum", Sum(), *weighted)))
    return d


def lstm(
    W: ArrayLike,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    name: str = "lstm",
) -> Diagram:
    """c = f*c[k-1] + i*g, h = o*tanh(c), with the gates i, f, g, o of x and h[k-1].

    Rows in the order [i; f; g; o]: W (4n, m), R (4n, n), b (4n,); h0, c0 (n,), zero if not given.
    Input x (m,), outputs h and c (n,). The two loops pass through the delays `hidden_state` and
    `cell_state`. Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.lstm(np.ones((12, 4)), np.ones((12, 3)), np.zeros(12))
    >>> len(layer.flatten().nodes), layer.loops()[0]
    (27, ['cell_state', 'keep', 'c'])
    """
    W = _array(name, "W", W, (None, None))
    if len(W) % 4 or not len(W):
        raise ParameterError(
            f"lstm {name!r}, W", "4n rows, those of the gates i, f, g, o", f"{len(W)}", "", user_line()
        )
    n = len(W) // 4
    R, b = _array(name, "R", R, (4 * n, n)), _array(name, "b", b, (4 * n,))
    h0 = _array(name, "h0", np.zeros(n) if h0 is None else h0, (n,))
    c0 = _array(name, "c0", np.zeros(n) if c0 is None else c0, (n,))

    d = Diagram(name)
    x = d.input("x", shape=W.shape[1])
    hidden = d.add("hidden_state", UnitDelay(h0))
    cell = d.add("cell_state", UnitDelay(c0))
    rows = zip(np.split(W, 4), np.split(R, 4), np.split(b, 4), strict=True)
    i, f, g, o = (
        d.add(key, gate(*row, Tanh() if key == "g" else Sigmoid(), name=key), x, hidden)
        for key, row in zip("ifgo", rows, strict=True)
    )
    c = d.add("c", Sum(), d.add("keep", Product(), f, cell), d.add("write", Product(), i, g))
    h = d.add("h", Product(), o, d.add("squash", Tanh(), c))
    d.connect(c, cell)  # the cell loop
    d.connect(h, hidden)  # the hidden loop
    d.output("h", h)
    d.output("c", c)
    return d


def dense(W: ArrayLike, b: ArrayLike, activation: Block | None = None, *, name: str = "dense") -> Diagram:
    """y = activation(W x + b): input x (m,), output y (n,); W (n, m), b (n,).

    Without an activation the layer is affine. Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs
    >>> bs.simulate(bs.nn.dense([[2.0, 0.0]], [1.0]), {"x": [[3.0, 4.0]]})["y"]
    array([[7.]])
    """
    W = _array(name, "W", W, (None, None))
    b = _array(name, "b", b, (len(W),))
    d = Diagram(name)
    x = d.input("x", shape=W.shape[1])
    y = d.add("sum", Sum(), d.add("W", Gain(W), x), d.add("b", Constant(b)))
    d.output("y", y if activation is None else d.add("activation", activation, y))
    return d


def _array(
    layer: str, name: str, value: ArrayLike, shape: tuple[int | None, ...]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The value as a float array, with each axis as long as `shape` says where it does."""
    array = as_array(value)
    if array.dtype.kind not in "biuf":
        raise ParameterError(
            f"{layer}, {name}", "an array of real numbers, all rows of one length", describe(value),
            "Rows are units, columns are inputs.", user_line(),
        )  # fmt: skip
    array = array.astype(float)
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        form = ", ".join("any" if n is None else str(n) for n in shape)
        raise ParameterError(
            f"{layer}, {name}", f"an array of shape ({form}{',' if len(shape) == 1 else ''})",
            f"shape {array.shape}", "Rows are units, columns are inputs.", user_line(),
        )  # fmt: skip
    return array
