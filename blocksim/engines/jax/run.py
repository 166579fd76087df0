"""Runs a job in chunks: one compiled function takes any number of steps up to a chunk's length."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from math import prod
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from blocksim.engines import Job, Outcome
from blocksim.engines.jax.kernel import Kernel
from blocksim.engines.numpy import locate
from blocksim.errors import NonFiniteError
from blocksim.plan import Plan
from blocksim.plan.passes import optimize
from blocksim.plan.signature import signature
from blocksim.plan.tree import tree_map

ROWS = 64
"""The steps that are taken at once outside of loops; a chunk has a multiple of them."""
MOST, BYTES = 64, 2**22
"""The most of them in a chunk, and about how many bytes its inputs and outputs may take."""
KEPT = 128
"""Compiled functions that are kept."""
FEWEST = 4
"""Runs of a batch for which another core pays."""


def run(job: Job) -> Outcome:
    """Run a plan, a batch spread over the cores. Raises NonFiniteError, BlockError for untraceable code."""
    if job.batch is None:
        return _run(job)
    workers = min(_cores(), job.batch // FEWEST)
    if workers <= 1:
        return _run(job)
    size = -(-job.batch // workers)
    parts = [slice(start, min(start + size, job.batch)) for start in range(0, job.batch, size)]
    with ThreadPoolExecutor(len(parts)) as pool:
        outcomes = list(pool.map(_run, [_part(job, part, size) for part in parts]))
    lengths = [part.stop - part.start for part in parts]

    def joined(*arrays: Any) -> Any:
        return np.concatenate([a[:n] for a, n in zip(arrays, lengths, strict=True)])

    rows = [joined(*same) for same in zip(*(o.rows for o in outcomes), strict=True)]
    return Outcome(rows, tree_map(joined, outcomes[0].states, *(o.states for o in outcomes[1:])))


def _cores() -> int:
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _part(job: Job, part: slice, size: int) -> Job:
    """So many runs of a batch; the last one again where there are fewer, so that nothing is compiled anew."""
    index = np.minimum(np.arange(part.start, part.start + size), part.stop - 1)

    def chosen(array: Any) -> Any:
        return array[index]

    params = {
        path: {name: a[index] if name in job.batched.get(path, ()) else a for name, a in fields.items()}
        for path, fields in job.params.items()
    }
    inputs, states = [chosen(a) for a in job.inputs], [tree_map(chosen, s) for s in job.states]
    return replace(job, batch=size, inputs=inputs, states=states, params=params)


def _run(job: Job) -> Outcome:
    with jax.enable_x64(True):
        return _chunks(job)


def _chunks(job: Job) -> Outcome:
    plan, lead = job.plan, () if job.batch is None else (job.batch,)
    work = _Work(job)
    step, length = _compiled(work), ROWS * work.blocks
    # rows first, then runs
    inputs = [a if job.batch is None else np.swapaxes(a, 0, 1) for a in job.inputs]
    rows = [np.empty((job.rows, *lead, *_signal(plan, s).shape), _signal(plan, s).dtype) for s in job.record]
    states = [tree_map(jnp.asarray, s) for s in job.states]
    known = {path: block.parameters() for path, block in plan.blocks.items()}
    params = {
        p: {f: jnp.asarray(a) for f, a in (fields | job.params.get(p, {})).items()}
        for p, fields in known.items()
    }
    for start in range(0, job.steps, length):
        count = min(length, job.steps - start)
        part = [_padded(a[start : start + count], length) for a in inputs]
        after, found, suspect = step(params, job.dt, job.first_step + start, count, states, part)
        if job.check_finite and suspect:
            _explain(job, start, count, states, found)
        states = after
        for array, new in zip(rows, found, strict=True):
            if job.keep_last:
                array[0] = new[0]
            else:
                array[start : start + count] = np.asarray(new)[:count]
        if job.tick is not None:
            job.tick(count * (job.batch or 1))
    if job.batch is not None:
        rows = [np.swapaxes(a, 0, 1) for a in rows]
    return Outcome(rows, [tree_map(np.array, s) for s in states])


def _signal(plan: Plan, slot: int) -> Any:
    return plan.slot_signals[slot]


def _blocks(job: Job) -> int:
    """How many blocks of rows a chunk has: long enough to call seldom, short enough to be padded quickly."""
    signals = [
        *job.plan.inputs.values(),
        *(() if job.keep_last else (_signal(job.plan, s) for s in job.record)),
    ]
    row = sum(prod(s.shape) * s.dtype.itemsize for s in signals) * (job.batch or 1)
    return max(1, min(MOST, BYTES // max(1, ROWS * row)))


def _padded(array: Any, length: int) -> Any:
    if len(array) == length:
        return jnp.asarray(array)
    padded = np.zeros((length, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded


def _explain(job: Job, start: int, count: int, states: list[Any], found: list[Any]) -> None:
    """Raise NonFiniteError for the first block and step, which the NumPy engine finds."""
    cut = [a[start : start + count] if job.batch is None else a[:, start : start + count] for a in job.inputs]
    held = [tree_map(np.asarray, s) for s in states]
    locate(replace(job, inputs=cut, states=held, first_step=job.first_step + start, steps=count, tick=None))
    for slot, rows in zip(job.record, found, strict=True):
        bad = ~np.isfinite(np.asarray(rows)[:count])
        if bad.any():
            path = job.plan.ports[slot][0]
            k = job.first_step + start + (count - 1 if job.keep_last else int(np.argwhere(bad)[0][0]))
            raise NonFiniteError(path, k, "inf or NaN in its output", job.plan.line(path))


class _Work:
    """What is compiled for a job; equal for jobs that the same compiled function can do."""

    def __init__(self, job: Job) -> None:
        self.plan, self.record, self.last = job.plan, job.record, job.keep_last
        self.batch, self.batched, self.check = job.batch, job.batched, job.check_finite
        self.blocks = _blocks(job)
        self.key: Hashable = (
            signature(job.plan), tuple(job.record), job.keep_last, job.batch,
            tuple(sorted((p, tuple(sorted(f))) for p, f in job.batched.items())), job.check_finite,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Work) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


class _Compiled:
    """A function that JAX compiles at its first call; others that come meanwhile wait for it."""

    count = 0

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.fresh, self.lock = jax.jit(function), True, Lock()

    def __call__(self, *args: Any) -> Any:
        if not self.fresh:
            return self.function(*args)
        with self.lock:
            made = self.function(*args)
            _Compiled.count += self.fresh
            self.fresh = False
            return made


@lru_cache(KEPT)
def _compiled(work: _Work) -> _Compiled:
    return _Compiled(partial(_chunk, work, optimize(work.plan, work.record)))


def compilations() -> int:
    """How many functions have been compiled in this process."""
    return _Compiled.count


def _chunk(
    work: _Work, program: Any, params: Any, dt: Any, first: Any, count: Any, states: Any, inputs: Any
) -> tuple[Any, Any, Any]:
    """`count` steps: the states after, the rows of recorded slots, and whether all was finite."""
    kernel = Kernel(program, params, dt, work.batch, work.batched, work.check)

    def block(states: Any, start: Any) -> tuple[Any, list[Any], Any]:
        part = [lax.dynamic_slice_in_dim(a, start, ROWS) for a in inputs]
        valid = jnp.minimum(ROWS, count - start)
        states, rows, suspect = kernel.run(states, part, first + start, ROWS, valid)
        return states, [rows[s][valid - 1][None] if work.last else rows[s] for s in work.record], suspect

    _, forms, _ = jax.eval_shape(block, states, 0)
    times = 1 if work.last else work.blocks
    made = [jnp.zeros((f.shape[0] * times, *f.shape[1:]), f.dtype) for f in forms]

    def body(j: Any, carry: Any) -> Any:
        states, made, suspect = carry
        states, rows, bad = block(states, j * ROWS)
        at = 0 if work.last else j * ROWS
        made = [lax.dynamic_update_slice_in_dim(a, new, at, 0) for a, new in zip(made, rows, strict=True)]
        return states, made, suspect | bad

    return lax.fori_loop(0, (count + ROWS - 1) // ROWS, body, (states, made, jnp.zeros((), bool)))
