"""Layers that look at a whole sequence: inputs x (T, m) and `length`; what is padding changes no result.

Those that give a sequence have the outputs `y` and `length`, the others `y` alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, user_line
from blocksim.library import Convolution, GlobalPooling, Last, Mask, Pooling, Reshape
from blocksim.library.convolution import Padding
from blocksim.nn._arrays import real_array
from blocksim.nn.step_layers import layer_of
from blocksim.node import Node


def conv1d(
    W: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int = 1,
    padding: str | int | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
    name: str = "conv1d",
) -> Diagram:
    """y[i] = b + sum over k of W[:, :, k] x[stride i + dilation k - before]: x (T, m), y (T', n).

    W (n, m / groups, kernel), b (n,). padding: zeros before and after, as one number or as two, or "same" for
    T' = ceil(T / stride), half of them before, or "causal" for all of them before. Raises ParameterError
    where the shapes disagree.

    >>> import blocksim as bs
    >>> difference = bs.nn.conv1d([[[-1.0, 1.0]]], padding="causal")
    >>> d = bs.nn.sequential([difference], steps=4, shape=1)
    >>> run = bs.simulate(d, {"x": [[[1.0], [4.0], [9.0], [7.0]]], "length": [3]})
    >>> run["y"].ravel(), run["length"]
    (array([1., 3., 5., 0.]), array([3]))
    """
    W = real_array(f"conv1d {name!r}", "W", W, (None, None, None))
    b = real_array(f"conv1d {name!r}", "b", np.zeros(len(W)) if b is None else b, (len(W),))
    if padding == "causal":
        padding = ((W.shape[2] - 1) * dilation, 0)
    return _sequence(
        name, "convolution", Convolution(W, stride, _along_one(padding), dilation, groups, b, length=True)
    )


def max_pool1d(
    size: int, stride: int | None = None, padding: str | int | tuple[int, int] = 0, *,
    ceil: bool = False, name: str = "max_pool1d",
) -> Diagram:  # fmt: skip
    """y[i] = max over k of x[stride i + k - before], for each channel: x (T, m), y (T', m).

    The stride is the size if it is not given. padding: a number, two for before and after, or "same"; of it
    nothing is taken. ceil: the last window may reach beyond the end.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.max_pool1d(2)], steps=4, shape=1)
    >>> bs.simulate(d, {"x": [[[1.0], [4.0], [9.0], [7.0]]], "length": [4]})["y"].ravel()
    array([4., 9.])
    """
    block = Pooling("max", (size,), stride, _along_one(padding), ceil=ceil, length=True)
    return _sequence(name, "pooling", block)


def average_pool1d(
    size: int, stride: int | None = None, padding: str | int | tuple[int, int] = 0, *,
    count_padding: bool = False, ceil: bool = False, name: str = "average_pool1d",
) -> Diagram:  # fmt: skip
    """y[i] = mean over k of x[stride i + k - before], for each channel: x (T, m), y (T', m).

    Of the padding nothing is taken, or zeros with count_padding. All else as of `max_pool1d`.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.average_pool1d(2, ceil=True)], steps=4, shape=1)
    >>> bs.simulate(d, {"x": [[[1.0], [4.0], [9.0], [7.0]]], "length": [3]})["y"].ravel()
    array([2.5, 9. ])
    """
    return _sequence(
        name,
        "pooling",
        Pooling("average", (size,), stride, _along_one(padding), count_padding, ceil, length=True),
    )


def global_max_pool1d(*, name: str = "global_max_pool1d") -> Diagram:
    """y = max over k < length of x[k], for each channel: x (T, m), y (m,).

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.global_max_pool1d()], steps=3, shape=2)
    >>> bs.simulate(d, {"x": [[[1.0, 5.0], [2.0, 3.0], [9.0, 9.0]]], "length": [2]})["y"]
    array([[2., 5.]])
    """
    return _sequence(name, "pooling", GlobalPooling("max"))


def global_average_pool1d(*, name: str = "global_average_pool1d") -> Diagram:
    """y = mean over k < length of x[k], for each channel: x (T, m), y (m,).

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.global_average_pool1d()], steps=3, shape=2)
    >>> bs.simulate(d, {"x": [[[1.0, 5.0], [2.0, 3.0], [9.0, 9.0]]], "length": [2]})["y"]
    array([[1.5, 4. ]])
    """
    return _sequence(name, "pooling", GlobalPooling("average"))


def last(*, name: str = "last") -> Diagram:
    """y = x[length - 1]: x (T, *shape), y of that shape; 0 for no steps.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.last()], steps=3, shape=())
    >>> bs.simulate(d, {"x": [[1.0, 2.0, 0.0]], "length": [2]})["y"]
    array([2.])
    """
    return _sequence(name, "step", Last())


def flatten(of: str = "sequence", *, name: str = "flatten") -> Diagram:
    """y = x[0], x[1], ... as one vector, zeros from `length` on: x (T, *shape), y (T * size of a step,).

    With "step", each step for itself becomes a vector: a layer with the one input x, a frame (h, w, c), say.
    Raises ParameterError for another word.

    >>> import blocksim as bs
    >>> layers = bs.nn.flatten("step", name="frame"), bs.nn.flatten()
    >>> d = bs.nn.sequential(layers, steps=2, shape=(1, 2))
    >>> bs.simulate(d, {"x": [[[[1.0, 2.0]], [[3.0, 4.0]]]], "length": [1]})["y"]
    array([[1., 2., 0., 0.]])
    """
    if of not in ("sequence", "step"):
        raise ParameterError(f"flatten {name!r}, of", "'sequence' or 'step'", repr(of), "", user_line())
    if of == "step":
        return layer_of(name, flat=Reshape((-1,)))
    d, x, length = _inputs(name)
    d.output("y", d.add("flat", Reshape((-1,)), d.add("mask", Mask(), x, length)))
    return d


def _inputs(name: str) -> tuple[Diagram, Node, Node]:
    d = Diagram(name)
    return d, d.input("x"), d.input("length", shape=(), dtype=int)


def _sequence(name: str, key: str, block: Block) -> Diagram:
    """A layer of one block with the inputs x and length and the same outputs."""
    d, x, length = _inputs(name)
    node = d.add(key, block, x, length)
    for port in node.outputs:
        d.output(port, node[port])
    return d


def _along_one(padding: str | int | tuple[int, int]) -> Padding:
    """A padding of one axis as that of several."""
    return padding if isinstance(padding, (str, int)) else (padding,)
