"""Layers that bring signals to mean 0 and variance 1: of inputs, of a batch, of a layer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import ChannelAffine, Standardize
from blocksim.nn._arrays import Real, real_array
from blocksim.nn.sequences import as_sequence
from blocksim.nn.step_layers import layer_of


def batch_norm(
    scale: ArrayLike,
    offset: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    epsilon: float = 1e-5,
    *,
    name: str = "batch_norm",
) -> Diagram:
    """y = scale (x - mean) / sqrt(variance + epsilon) + offset, for each channel, along the last axis.

    x (..., n); scale, offset, mean and variance (n,), the latter two as found in training: `center` and
    `divide` hold them, `affine` what is trained. Ioffe and Szegedy 2015. Raises ParameterError where the
    shapes disagree, or for a variance + epsilon that is not positive.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.batch_norm([2.0], [1.0], [3.0], [4.0], epsilon=0.0)], shape=1)
    >>> bs.simulate(d, {"x": [[3.0], [5.0]]})["y"].ravel()
    array([1., 3.])
    """
    where = f"batch_norm {name!r}"
    scale = real_array(where, "scale", scale, (None,))
    offset, mean, variance = (
        real_array(where, key, value, (len(scale),))
        for key, value in {"offset": offset, "mean": mean, "variance": variance}.items()
    )
    if not (variance + epsilon > 0).all():
        raise ParameterError(
            f"{where}, variance", "positive numbers, with epsilon", f"{(variance + epsilon).min():g}", "",
            user_line(),
        )  # fmt: skip
    return layer_of(
        name,
        center=ChannelAffine(bias=-mean),
        divide=ChannelAffine(gain=1 / np.sqrt(variance + epsilon)),
        affine=ChannelAffine(scale, offset),
    )


def layer_norm(
    scale: ArrayLike, offset: ArrayLike, epsilon: float = 1e-5, *, name: str = "layer_norm"
) -> Diagram:
    """y = scale (x - mean(x)) / sqrt(var(x) + epsilon) + offset, both over the last axis of x (..., n).

    scale, offset (n,). Ba, Kiros and Hinton 2016. Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs
    >>> d = bs.nn.sequential([bs.nn.layer_norm([1.0, 1.0], [0.0, 5.0], epsilon=0.0)], shape=2)
    >>> bs.simulate(d, {"x": [[1.0, 3.0]]})["y"]
    array([[-1.,  6.]])
    """
    scale = real_array(f"layer_norm {name!r}", "scale", scale, (None,))
    offset = real_array(f"layer_norm {name!r}", "offset", offset, (len(scale),))
    return layer_of(name, standardize=Standardize(epsilon), affine=ChannelAffine(scale, offset))


def normalize(
    data: Iterable[ArrayLike] | None = None,
    *,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    method: str = "zscore",
    name: str = "normalize",
) -> Diagram:
    """y = (x - mean) / std, or x - mean with method "zerocenter", for each channel, along the last axis.

    mean and std (n,) are those of `data` where not given: sequences, each (T, *space, n), T as it may be,
    read one by one, their steps counted alike. A channel that never changes has the std 1. The blocks
    `center` and `divide` hold them. Raises ParameterError for another method or without data and mean.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.normalize([np.array([[1.0], [5.0]]), np.array([[3.0]])], method="zerocenter")
    >>> bs.simulate(bs.nn.sequential([layer], shape=1), {"x": [[1.0], [4.0]]})["y"].ravel()
    array([-2.,  1.])
    """
    where = f"normalize {name!r}"
    if method not in ("zscore", "zerocenter"):
        raise ParameterError(
            f"{where}, method", "'zscore' or 'zerocenter'", describe(method), "", user_line()
        )
    if data is not None:
        found = _moments(where, data)
        mean, std = found[0] if mean is None else mean, found[1] if std is None else std
    center = _given(where, "mean", mean, None)
    blocks = {"center": ChannelAffine(bias=-center)}
    if method == "zscore":
        divisor = _given(where, "std", std, len(center))
        if not (divisor > 0).all():
            raise ParameterError(f"{where}, std", "positive numbers", f"{divisor.min():g}", "", user_line())
        blocks["divide"] = ChannelAffine(gain=1 / divisor)
    return layer_of(name, **blocks)


def _given(where: str, key: str, value: ArrayLike | None, size: int | None) -> Real:
    if value is None:
        expected = "a number for each channel, or data to find it"
        raise ParameterError(f"{where}, {key}", expected, "None", "", user_line())
    return real_array(where, key, value, (size,))


def _moments(where: str, data: Iterable[ArrayLike]) -> tuple[Real, Real]:
    """Mean and std for each channel, over all that comes: one pass, moments joined as in Chan et al. 1979."""
    count, shape = 0, None
    mean, squares, low, high = np.zeros(()), np.zeros(()), np.array(np.inf), np.array(-np.inf)
    for i, value in enumerate(data):
        sequence = as_sequence(f"{where}, data", i, value, shape)
        shape = sequence.shape[1:]
        rows = sequence.reshape(-1, *shape[-1:] or (1,)).astype(float)
        if not len(rows):
            continue
        step, total = rows.mean(0) - mean, count + len(rows)
        squares = squares + rows.var(0) * len(rows) + step**2 * (count * len(rows) / total)
        mean, count = mean + step * (len(rows) / total), total
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    if not count:
        raise ParameterError(f"{where}, data", "sequences with a step at least", "none", "", user_line())
    std = np.sqrt(squares / count)
    return mean, np.where((high > low) & (std > 0), std, 1.0)
