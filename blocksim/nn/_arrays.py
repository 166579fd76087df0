"""What all layers share: the weights they take, verified."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import as_array
from blocksim.errors import ParameterError, describe, user_line

Real = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def real_array(layer: str, name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Real:
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


def finite_array(layer: str, name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Real:
    """The value as `real_array` gives it, without NaN and inf."""
    array = real_array(layer, name, value, shape)
    if not np.isfinite(array).all():
        wrong = f"{array[~np.isfinite(array)][0]}"
        raise ParameterError(f"{layer}, {name}", "finite numbers", wrong, "", user_line())
    return array


def positive_number(layer: str, name: str, value: Any) -> float:
    """The value as a float, which is above 0 and finite."""
    if (
        isinstance(value, (bool, np.bool))
        or not isinstance(value, (int, float, np.number))
        or not 0 < value < np.inf
    ):
        raise ParameterError(f"{layer}, {name}", "a positive number", describe(value), "", user_line())
    return float(value)
