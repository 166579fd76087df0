"""A scan whose derivatives in the matrices of its products are taken for all steps at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

Step = Callable[[list[Any], list[Any], list[Any], list[Any] | None], tuple[list[Any], Any, list[Any]]]
"""step(matrices, states, row, added) -> (states, out, factors): each matrix K is in a factor @ K + added."""


def scan(step: Step, matrices: list[Any], states: list[Any], rows: Any, count: int) -> tuple[Any, Any]:
    """The states after `count` steps, and the rows of `out`, as of `lax.scan`.

    By the product rule d(u @ K) = du @ K + u @ dK, and u is known at all steps once the loop has run: its
    second term is one product before the loop of the derivatives, and in reverse one after it, where
    `lax.scan` alone would add up a matrix at each step.
    """
    meshes = [jax.typeof(a).sharding.mesh for a in jax.tree.leaves((matrices, states, rows))]
    if any(AxisType.Explicit in mesh.axis_types for mesh in meshes):  # whose names `linearize` loses
        return lax.scan(lambda s, row: step(matrices, s, row, None)[:2], states, rows, length=count)
    first = jax.tree.map(lambda a: a[0], rows)
    _, _, factors = jax.eval_shape(lambda: step(matrices, states, first, None))
    added = [
        jnp.zeros((count, *f.shape[:-1], K.shape[1]), K.dtype) for f, K in zip(factors, matrices, strict=True)
    ]
    none = [a[0] for a in added]
    closed, free = jax.closure_convert(step, matrices, states, first, none)

    def run(matrices: list[Any], free: list[Any], states: Any, rows: Any, added: Any) -> Any:
        def body(states: Any, row: Any) -> Any:
            after, out, factors = closed(matrices, states, *row, *free)
            return after, (out, factors)

        after, (out, factors) = lax.scan(body, states, (rows, added), length=count)
        return (after, out), factors

    @jax.custom_jvp
    def loop(matrices: list[Any], free: list[Any], states: Any, rows: Any) -> Any:
        return run(matrices, free, states, rows, added)[0]

    @loop.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        matrices, *others = primals
        changes, *other_changes = tangents
        leaves, tree = jax.tree.flatten(others)
        real = [jnp.issubdtype(a.dtype, jnp.inexact) for a in leaves]

        def of_reals(reals: list[Any], added: Any) -> Any:
            found = iter(reals)
            given = [next(found) if r else a for r, a in zip(real, leaves, strict=True)]
            free, states, rows = jax.tree.unflatten(tree, given)
            return run(matrices, free, states, rows, added)

        def reals(leaves: list[Any]) -> list[Any]:
            return [a for r, a in zip(real, leaves, strict=True) if r]

        (result, factors), linear = jax.linearize(of_reals, reals(leaves), added)
        terms = [u @ dK for u, dK in zip(factors, changes, strict=True)]
        change, _ = linear(reals(jax.tree.leaves(other_changes)), terms)
        return result, change

    return loop(matrices, free, states, rows)
