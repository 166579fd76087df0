"""States as pytrees: arrays inside tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def tree_map(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`f` of each array of a tree, and of the arrays in the same place of other trees of its form.

    Raises TypeError or KeyError or ValueError where another tree has another form.
    """
    if isinstance(tree, dict):
        if any(not isinstance(o, dict) or o.keys() != tree.keys() for o in others):
            raise ValueError("the trees have different keys")
        return {k: tree_map(f, v, *(o[k] for o in others)) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        if any(not isinstance(o, (tuple, list)) for o in others):
            raise ValueError("the trees have different forms")
        return type(tree)(tree_map(f, *leaves) for leaves in zip(tree, *others, strict=True))
    return f(tree, *others)


def as_number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A Python number as an array of a dtype that holds such numbers. Raises TypeError for others."""
    kinds = {bool: "biuf", int: "iuf", float: "f"}.get(type(value), "")
    if dtype.kind not in kinds:
        raise TypeError(f"{value!r} where a number of dtype {dtype} was found at compile")
    return np.asarray(value, dtype)


def keeps_values(array: Any, dtype: np.dtype[Any]) -> bool:
    """Whether an array can take a dtype without another value for it, but for rounding to floats."""
    if dtype.kind == "f":
        return array.dtype.kind in "biuf"
    if array.dtype.kind not in "biu":
        return False
    return bool((array.astype(dtype) == array).all())


def leaves(tree: Any) -> list[Any]:
    """The arrays of a tree, in order."""
    found: list[Any] = []
    tree_map(found.append, tree)
    return found
