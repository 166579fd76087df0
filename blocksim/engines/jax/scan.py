"""A scan whose derivatives in the matrices of its products are taken for all steps at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import eval_jaxpr
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
    none = [jnp.zeros((*f.shape[:-1], K.shape[1]), K.dtype) for f, K in zip(factors, matrices, strict=True)]
    # all that the step closes over becomes an argument: a rule is applied where its values may be gone
    closed, shape = jax.make_jaxpr(step, return_shape=True)(matrices, states, first, none)
    tree = jax.tree.structure(shape)

    def run(matrices: list[Any], free: list[Any], states: Any, rows: Any, added: Any) -> Any:
        def body(states: Any, row: Any) -> Any:
            given = jax.tree.leaves((matrices, states, *row))
            values = eval_jaxpr(closed.jaxpr, free, *given)
            after, out, factors = jax.tree.unflatten(tree, values)
            return after, (out, factors)

        after, (out, factors) = lax.scan(body, states, (rows, added), length=count)
        return (after, out), factors

    def nothing() -> list[Any]:
        return [jnp.zeros((count, *a.shape), a.dtype) for a in none]

    @jax.custom_jvp
    def loop(matrices: list[Any], free: list[Any], states: Any, rows: Any) -> Any:
        return run(matrices, free, states, rows, nothing())[0]

    @loop.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        matrices, *others = primals
        changes, *other_changes = tangents
        leaves, form = jax.tree.flatten(others)
        real = [jnp.issubdtype(a.dtype, jnp.inexact) for a in leaves]

        def of_reals(reals: list[Any], added: Any) -> Any:
            found = iter(reals)
            given = [next(found) if r else a for r, a in zip(real, leaves, strict=True)]
            free, states, rows = jax.tree.unflatten(form, given)
            return run(matrices, free, states, rows, added)

        def reals(leaves: list[Any]) -> list[Any]:
            return [a for r, a in zip(real, leaves, strict=True) if r]

        (result, factors), linear = jax.linearize(of_reals, reals(leaves), nothing())
        terms = [u @ dK for u, dK in zip(factors, changes, strict=True)]
        change, _ = linear(reals(jax.tree.leaves(other_changes)), terms)
        return result, change

    return loop(matrices, closed.consts, states, rows)
