"""Sequences of several lengths: padded to one, sorted, in mini-batches; and the labels of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.block import Array, as_array
from blocksim.errors import InputError, describe, user_line

POOL = 50
"""Batches that are sorted together where sequences come one by one."""


@dataclass(frozen=True)
class Padded:
    """Sequences as one array, by `pad`: those of a batch, and where they stood among all.

    Where `side` is "right", sequence i is values[i, :lengths[i]], else values[i, -lengths[i]:].
    """

    values: Array
    """(B, T, *shape), padding included."""
    lengths: NDArray[np.int64]
    """(B,): how many of the T elements are not padding."""
    side: str
    index: NDArray[np.int64]
    """(B,): the numbers of the sequences."""

    def sequences(self, values: Array | None = None) -> list[Array]:
        """The sequences without the padding; or another array (B, T, ...) cut as they are.

        >>> import blocksim as bs
        >>> bs.nn.pad([[1.0], [2.0, 3.0]], side="left").sequences()
        [array([1.]), array([2., 3.])]
        """
        rows = zip(self.values if values is None else values, self.lengths, strict=True)
        return [row[:n] if self.side == "right" else row[len(row) - n :] for row, n in rows]

    def to(self, side: Literal["right", "left"]) -> Padded:
        """The same sequences with the padding on a side; networks with a `length` read those of the right.

        >>> import blocksim as bs
        >>> bs.nn.pad([[1.0], [2.0, 3.0]], side="left").to("right").values
        array([[1., 0.],
               [2., 3.]])
        """
        moved = pad(self.sequences(), self.values.shape[1], side=side)
        return Padded(moved.values, self.lengths, side, self.index)


def pad(
    sequences: Sequence[ArrayLike],
    length: Literal["longest", "shortest"] | int = "longest",
    *,
    side: Literal["right", "left"] = "right",
    value: float = 0.0,
) -> Padded:
    """Sequences (T_i, *shape) as one array (B, T, *shape): the shorter ones padded with `value`.

    length: T is that of the longest or of the shortest one, or a number. side: where padding is put, and
    where longer ones are cut. The dtype is the one that holds all. Raises InputError for what is no list of
    sequences of one shape, with the number of the one that does not fit, and for other options.

    >>> import blocksim as bs
    >>> padded = bs.nn.pad([[1.0, 2.0, 3.0], [4.0]], length=2)
    >>> padded.values, padded.lengths
    (array([[1., 2.],
           [4., 0.]]), array([2, 1]))
    """
    arrays = as_sequences("pad", sequences)
    if side not in ("right", "left"):
        raise InputError("pad, side", "'right' or 'left'", describe(side), line=user_line())
    sizes = [len(a) for a in arrays]
    known: dict[Any, int] = {"longest": max(sizes), "shortest": min(sizes)}
    if not isinstance(length, str) and _count(length, 1):
        known[length] = int(length)
    if isinstance(length, bool) or not isinstance(length, (str, int, np.integer)) or length not in known:
        expected = "'longest', 'shortest' or an integer of at least 1"
        raise InputError("pad, length", expected, describe(length), line=user_line())
    steps = known[length]
    dtype = np.result_type(*arrays)
    if np.asarray(value).astype(dtype) != value:
        raise InputError("pad, value", f"a number that {dtype} holds", describe(value), line=user_line())
    values = np.full((len(arrays), steps, *arrays[0].shape[1:]), value, dtype)
    for row, array in zip(values, arrays, strict=True):
        n = min(len(array), steps)
        if side == "right":
            row[:n] = array[:n]
        else:
            row[steps - n :] = array[len(array) - n :]
    return Padded(values, np.minimum(sizes, steps), side, np.arange(len(arrays)))


def sort_by_length(sequences: Sequence[ArrayLike]) -> tuple[list[Array], NDArray[np.int64]]:
    """The sequences from the shortest to the longest, and their numbers before; equal ones stay in order.

    Raises InputError for what is no list of sequences of one shape.

    >>> import blocksim as bs
    >>> bs.nn.sort_by_length([[1.0, 2.0], [3.0]])
    ([array([3.]), array([1., 2.])], array([1, 0]))
    """
    arrays = as_sequences("sort_by_length", sequences)
    order = np.argsort([len(a) for a in arrays], kind="stable")
    return [arrays[i] for i in order], order


def batches(
    sequences: Iterable[ArrayLike],
    size: int,
    *,
    sort: bool = True,
    length: Literal["longest", "shortest"] | int = "longest",
    side: Literal["right", "left"] = "right",
    value: float = 0.0,
) -> Iterator[Padded]:
    """The sequences in batches of `size`, each padded for itself; `index` says which ones they are.

    sort: sequences of about one length come together, so that little is padded. A list is sorted as a whole;
    of any other iterable, which may be larger than memory, 50 batches are read and sorted at a time. The
    other options are those of `pad`. Raises its errors, for a sequence when it is reached.

    >>> import blocksim as bs
    >>> for batch in bs.nn.batches([[1.0, 2.0, 3.0], [4.0], [5.0, 6.0]], 2):
    ...     print(batch.index, batch.values.shape)
    [1 2] (2, 2)
    [0] (1, 3)
    """
    if not _count(size, 1):
        raise InputError("batches, size", "an integer of at least 1", describe(size), line=user_line())
    if not isinstance(sequences, Iterable) or isinstance(sequences, (str, bytes, np.ndarray)):
        raise InputError("batches", "sequences, one after the other", describe(sequences), line=user_line())

    def results() -> Iterator[Padded]:
        source, first, shape = iter(sequences), 0, None
        most = len(sequences) if isinstance(sequences, (list, tuple)) else POOL * size
        while pool := list(islice(source, most)):
            arrays = as_sequences("batches", pool, first, shape)
            shape = arrays[0].shape[1:]
            order = np.arange(len(arrays))
            if sort:
                order = np.argsort([len(a) for a in arrays], kind="stable")
            for start in range(0, len(order), size):
                chosen = order[start : start + size]
                made = pad([arrays[i] for i in chosen], length, side=side, value=value)
                yield Padded(made.values, made.lengths, side, chosen + first)
            first += len(arrays)

    return results()


def to_labels(scores: ArrayLike | list[Array], classes: Sequence[Any]) -> Any:
    """The class of the largest score: scores (..., n) for n classes, labels (...); of a list, a list.

    Raises InputError where there are not as many scores as classes.

    >>> import blocksim as bs
    >>> bs.nn.to_labels([[0.1, 0.9], [0.7, 0.3]], ["cat", "dog"]).tolist()
    ['dog', 'cat']
    """
    names = np.asarray(classes)
    if isinstance(scores, list) and all(isinstance(s, np.ndarray) for s in scores):
        return [_labels(f"scores {i}", s, names) for i, s in enumerate(scores)]
    return _labels("scores", as_array(scores), names)


def _labels(what: str, scores: Array, names: Array) -> Array:
    n = len(names) if names.ndim == 1 else None
    if n is None or scores.dtype.kind not in "biuf" or scores.shape[-1:] != (n,):
        raise InputError(
            f"to_labels, {what}", f"an array (..., {n}), for {n} classes", describe(scores), "", user_line()
        )
    return names[np.argmax(scores, axis=-1)]


# -- verified ------------------------------------------------------------------------------------


def as_sequence(where: str, i: int, value: ArrayLike, shape: tuple[int, ...] | None) -> Array:
    """One of several sequences as an array (T, *shape) of finite numbers. Raises InputError for others."""
    array = as_array(value)
    axes = "..." if shape is None else ", ".join(map(str, shape))
    fits = array.ndim > 0 and shape in (None, array.shape[1:])
    if array.dtype.kind not in "biuf" or not fits:
        advice = "All sequences have one shape, but for their length; the first axis is time."
        raise InputError(
            f"{where}, sequence {i}", f"an array (T, {axes}) of numbers",
            describe(array if array.dtype.kind in "biuf" else value), advice, user_line(),
        )  # fmt: skip
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(
            f"{where}, sequence {i}", "finite numbers", f"{array[tuple(at)]} at index {at}", "", user_line()
        )
    return array


def as_sequences(
    where: str, values: Any, first: int = 0, shape: tuple[int, ...] | None = None
) -> list[Array]:
    """Sequences of one shape as arrays, numbered from `first`. Raises InputError for the one that is not."""
    if not isinstance(values, (list, tuple)) or not len(values):
        raise InputError(
            where, "a list of arrays (T, *shape), T as it may be", describe(values),
            "One sequence is a list of one.", user_line(),
        )  # fmt: skip
    arrays: list[Array] = []
    for i, value in enumerate(values, first):
        arrays.append(as_sequence(where, i, value, shape))
        shape = arrays[-1].shape[1:]
    return arrays


def _count(value: object, least: int) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)
