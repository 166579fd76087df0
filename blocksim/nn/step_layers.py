"""Layers without a memory, from one input x: of frames (h, w, c), of words, and activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from blocksim import library
from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Constant, Convolution, Gain, Gather, Pooling, Switch, UniformRandomNumber
from blocksim.library.convolution import Padding, Sizes
from blocksim.nn._arrays import real_array


def layer_of(name: str, **blocks: Block) -> Diagram:
    """Blocks in a row, by name: input x, of the shape of its source, output y."""
    d = Diagram(name)
    signal = d.input("x")
    for key, block in blocks.items():
        signal = d.add(key, block, signal)
    d.output("y", signal)
    return d


def conv2d(
    W: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    name: str = "conv2d",
) -> Diagram:
    """y[i, j] = b + sum over k, l of W[:, :, k, l] x[stride i + k - before, ...]: x (h, w, m), y (h', w', n).

    W (n, m / groups, kernel, kernel), b (n,); stride, padding and dilation as of `library.Convolution`.
    Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> d = bs.nn.sequential([bs.nn.conv2d(np.ones((4, 3, 5, 5)), padding="same", stride=2)], shape=(8, 8, 3))
    >>> bs.simulate(d, {"x": np.ones((10, 8, 8, 3))})["y"].shape
    (10, 4, 4, 4)
    """
    W = real_array(f"conv2d {name!r}", "W", W, (None, None, None, None))
    b = real_array(f"conv2d {name!r}", "b", np.zeros(len(W)) if b is None else b, (len(W),))
    return layer_of(name, convolution=Convolution(W, stride, padding, dilation, groups, b))


def max_pool2d(
    size: Sizes, stride: Sizes | None = None, padding: Padding = 0, *, ceil: bool = False,
    name: str = "max_pool2d",
) -> Diagram:  # fmt: skip
    """y = the largest element of each window, for each channel: x (h, w, m), y (h', w', m).

    size, stride (the size, if not given), padding and ceil as of `library.Pooling`.

    >>> import blocksim as bs, numpy as np
    >>> d = bs.nn.sequential([bs.nn.max_pool2d(2)], shape=(2, 2, 1))
    >>> bs.simulate(d, {"x": np.arange(8.0).reshape(2, 2, 2, 1)})["y"].ravel()
    array([3., 7.])
    """
    return layer_of(name, pooling=Pooling("max", _of_two(size), stride, padding, ceil=ceil))


def average_pool2d(
    size: Sizes, stride: Sizes | None = None, padding: Padding = 0, *, count_padding: bool = False,
    ceil: bool = False, name: str = "average_pool2d",
) -> Diagram:  # fmt: skip
    """y = the mean of each window, for each channel: x (h, w, m), y (h', w', m).

    size, stride (the size, if not given), padding, count_padding and ceil as of `library.Pooling`.

    >>> import blocksim as bs, numpy as np
    >>> d = bs.nn.sequential([bs.nn.average_pool2d(2)], shape=(2, 2, 1))
    >>> bs.simulate(d, {"x": np.arange(8.0).reshape(2, 2, 2, 1)})["y"].ravel()
    array([1.5, 5.5])
    """
    block = Pooling("average", _of_two(size), stride, padding, count_padding, ceil)
    return layer_of(name, pooling=block)


def _of_two(size: Sizes) -> Sizes:
    return (size, size) if isinstance(size, int) else size


def embedding(E: ArrayLike, *, name: str = "embedding") -> Diagram:
    """y = E[x]: input x, an integer from 0 on, output y (n,), the row of E (words, n) with this number.

    Negative numbers count from the end; one that no row has gives NaN, which a run reports. Raises
    ParameterError for an E that is no matrix.

    >>> import blocksim as bs
    >>> bs.simulate(bs.nn.embedding([[0.0, 0.0], [1.0, 2.0]]), {"x": [1, 0, 1]})["y"]
    array([[1., 2.],
           [0., 0.],
           [1., 2.]])
    """
    E = real_array(f"embedding {name!r}", "E", E, (None, None))
    d = Diagram(name)
    x = d.input("x", shape=(), dtype=int)
    d.output("y", d.add("row", Gather(), d.add("E", Constant(E)), x))
    return d


def dropout(
    rate: float, shape: int | tuple[int, ...] | None = None, *, seed: int = 0, training: bool = False,
    name: str = "dropout",
) -> Diagram:  # fmt: skip
    """y = x; in training, each element is 0 with the probability `rate`, else x / (1 - rate).

    Training takes the shape of x. The seed fixes the elements of each step: layers that should be
    independent need different ones. Inside a sequence network every sequence begins with the same, unless
    the state of `noise` is carried on. Srivastava et al. 2014. Raises ParameterError for a rate that is
    not from 0 to below 1, or no shape in training.

    >>> import blocksim as bs, numpy as np
    >>> bs.simulate(bs.nn.dropout(0.5, 4, seed=3, training=True), {"x": np.ones((2, 4))})["y"]
    array([[0., 2., 2., 0.],
           [2., 0., 2., 2.]])
    """
    where = f"dropout {name!r}"
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ParameterError(f"{where}, rate", "a number from 0 to below 1", describe(rate), "", user_line())
    if training and shape is None:
        raise ParameterError(
            f"{where}, shape", "the shape of x, in training", "None", "Give shape=100, say.", user_line()
        )
    d = Diagram(name)
    x = d.input("x", shape=shape)
    if not training:
        d.output("y", x)
        return d
    sizes = (shape,) if isinstance(shape, int) else shape or ()
    noise = d.add("noise", UniformRandomNumber(seed, shape=sizes))
    kept = d.add("scale", Gain(1 / (1 - rate)), x)
    d.output("y", d.add("keep", Switch(rate), kept, noise, d.add("zero", Constant(np.zeros(sizes)))))
    return d


def activation(block: Block, *, name: str = "activation") -> Diagram:
    """y = the block's output for x, of any shape: the library's activations as layers.

    Raises ParameterError for what is not a block with one input.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.activation(bs.library.HardSigmoid())], shape=2)
    >>> bs.simulate(d, {"x": [[-9.0, 0.0]]})["y"]
    array([[0. , 0.5]])
    """
    if not isinstance(block, Block) or len(block.input_ports(1)) != 1:
        raise ParameterError(
            f"activation {name!r}", "a block with one input", describe(block),
            "Write activation(Tanh()), say.", user_line(),
        )  # fmt: skip
    return layer_of(name, activation=block)


def relu(*, name: str = "relu") -> Diagram:
    """y = max(x, 0), elementwise, of any shape."""
    return activation(library.ReLU(), name=name)


def leaky_relu(slope: ArrayLike = 0.01, *, name: str = "leaky_relu") -> Diagram:
    """y = x for x >= 0, slope x below, elementwise, of any shape."""
    return activation(library.LeakyReLU(slope), name=name)


def elu(alpha: ArrayLike = 1.0, *, name: str = "elu") -> Diagram:
    """y = x for x >= 0, alpha (exp(x) - 1) below, elementwise, of any shape."""
    return activation(library.ELU(alpha), name=name)


def tanh(*, name: str = "tanh") -> Diagram:
    """y = tanh(x), elementwise, of any shape."""
    return activation(library.Tanh(), name=name)


def sigmoid(*, name: str = "sigmoid") -> Diagram:
    """y = 1 / (1 + exp(-x)), elementwise, of any shape."""
    return activation(library.Sigmoid(), name=name)


def softmax(*, name: str = "softmax") -> Diagram:
    """y = exp(x) / sum(exp(x)), over the last axis of x."""
    return activation(library.Softmax(), name=name)
