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
from blocksim.engines.jax.kernel import Kernel, optimized
from blocksim.engines.numpy import locate
from blocksim.errors import NonFiniteError
from blocksim.plan.program import Program
from blocksim.plan.signature import signature
from blocksim.plan.tree import tree_map

ROWS = 64
"""The steps that are taken at once outside of loops; a chunk has a multiple of them."""
MOST, BYTES = 64, 2**22
"""The most of them in a chunk, and about how many bytes its inputs and outputs may take."""
KEPT = 128
"""Compiled functions that are kept."""
_LOCK = Lock()
FEWEST = 4
"""Runs of a batch for which another core pays."""


def run(job: Job) -> Outcome:
    """Run a plan, a batch spread over the cores. Raises NonFiniteError, BlockError for untraceable code."""
    runs = job.batch or 1
    lead = () if job.batch is None else (runs,)
    signals = [job.plan.slot_signals[slot] for slot in job.record]
    rows = [np.empty((*lead, job.rows, *signal.shape), signal.dtype) for signal in signals]
    with jax.enable_x64(True):
        params = {
            path: tree_map(jnp.asarray, block.parameters() | job.params.get(path, {}))
            for path, block in job.plan.blocks.items()
        }
    job = replace(job, params=params, tick=_one_at_a_time(job.tick))
    if job.batch is None:
        return Outcome(rows, _chunks(job, rows))
    size = -(-runs // max(1, min(_cores(), runs // FEWEST)))
    starts = range(0, runs, size)
    try:
        with ThreadPoolExecutor(len(starts)) as pool:
            parts = [_part(job, start, size) for start in starts]
            found = list(pool.map(_chunks, parts, [[a[k : k + size] for a in rows] for k in starts]))
    except NonFiniteError:
        _explain(job, 0, job.steps, job.states, [])  # for the first of all runs, whichever part came first
        raise
    states = [tree_map(lambda *a: np.concatenate(a)[:runs], *same) for same in zip(*found, strict=True)]
    return Outcome(rows, states)


def _cores() -> int:
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_at_a_time(tick: Callable[[int], None] | None) -> Callable[[int], None] | None:
    if tick is None:
        return None
    lock = Lock()

    def tell(steps: int) -> None:
        with lock:
            tick(steps)

    return tell


def _part(job: Job, start: int, size: int) -> Job:
    """So many runs of a batch; the last one again where there are fewer, so that nothing is compiled anew."""
    index: Any = slice(start, start + size)
    if job.batch is not None and start + size > job.batch:
        index = np.minimum(np.arange(start, start + size), job.batch - 1)
    params = {
        path: {name: a[index] if name in job.batched.get(path, ()) else a for name, a in fields.items()}
        for path, fields in job.params.items()
    }
    states = [tree_map(lambda a: a[index], state) for state in job.states]
    real = min(size, (job.batch or 1) - start)
    return replace(
        job, real=real, batch=size, inputs=[a[index] for a in job.inputs], states=states, params=params
    )


def _chunks(job: Job, rows: list[Any]) -> list[Any]:
    """Run all steps, write the rows of recorded slots into arrays, and return the states after.

    The arrays may be for fewer runs than the job has: those that only fill it up.
    """
    work = _Work(job)
    with _LOCK:  # or several threads would make the same
        step = _compiled(work)
    length = ROWS * work.blocks
    axis = 0 if job.batch is None else 1
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        states = [tree_map(jnp.asarray, s) for s in job.states]
        for start in range(0, job.steps, length):
            count = min(length, job.steps - start)
            steps = (slice(None),) * axis + (slice(start, start + count),)
            part = [_padded(a[steps], length, axis) for a in job.inputs]
            after, found, suspect = step(job.params, job.dt, job.first_step + start, count, states, part)
            found = [np.asarray(a) for a in found]
            if job.check_finite and suspect:
                _explain(job, start, count, states, found)
            states = after
            for array, new in zip(rows, found, strict=True):
                if job.keep_last:
                    array[...] = new[: len(array)]
                else:
                    array[steps] = new[: len(array), :count] if axis else new[:count]
            if job.tick is not None:
                job.tick(count * job.real)
        return [tree_map(np.array, s) for s in states]


def _padded(array: Any, length: int, axis: int) -> Any:
    """The array with zeros after its rows, up to a length."""
    if array.shape[axis] == length:
        return array
    padded = np.zeros((*array.shape[:axis], length, *array.shape[axis + 1 :]), array.dtype)
    padded[(slice(None),) * axis + (slice(array.shape[axis]),)] = array
    return padded


def _explain(job: Job, start: int, count: int, states: list[Any], found: list[Any]) -> None:
    """Raise NonFiniteError for the first block and step, which the NumPy engine finds."""
    axis = 0 if job.batch is None else 1
    cut = [a[(slice(None),) * axis + (slice(start, start + count),)] for a in job.inputs]
    held = [tree_map(np.asarray, s) for s in states]
    params = tree_map(np.asarray, job.params)
    first = job.first_step + start
    locate(replace(job, inputs=cut, states=held, params=params, first_step=first, steps=count, tick=None))
    for slot, rows in zip(job.record, found, strict=False):
        bad = np.argwhere(~np.isfinite(rows.swapaxes(0, axis)[:count]))
        if len(bad):
            path = job.plan.ports[slot][0]
            k = first + (count - 1 if job.keep_last else int(bad[0][0]))
            raise NonFiniteError(path, k, "inf or NaN in its output", job.plan.line(path))


# -- what is compiled ------------------------------------------------------------------------------


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


def _blocks(job: Job) -> int:
    """How many blocks of rows a chunk has: long enough to call seldom, short enough to be padded quickly."""
    recorded = [] if job.keep_last else job.record
    signals = [*job.plan.inputs.values(), *(job.plan.slot_signals[slot] for slot in recorded)]
    row = sum(prod(s.shape) * s.dtype.itemsize for s in signals) * (job.batch or 1)
    return max(1, min(MOST, BYTES // max(1, ROWS * row)))


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
    return _Compiled(partial(_chunk, work, optimized(work.plan, work.record, work.check)))


def compilations() -> int:
    """How many functions have been compiled in this process."""
    return _Compiled.count


def _chunk(
    work: _Work, program: Program, params: Any, dt: Any, first: Any, count: Any, states: Any, inputs: Any
) -> tuple[Any, Any, Any]:
    """`count` steps: the states after, the rows of recorded slots, and whether all was finite."""
    kernel = Kernel(program, params, dt, work.batch, work.batched, work.check)
    inputs = [_swapped(a, work) for a in inputs]  # rows first, then runs

    def block(states: Any, start: Any) -> tuple[Any, list[Any], Any]:
        part = [lax.dynamic_slice_in_dim(a, start, ROWS) for a in inputs]
        valid = jnp.minimum(ROWS, count - start)
        states, rows, suspect = kernel.run(states, part, first + start, ROWS, valid, leave=True)
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

    start = states, made, jnp.zeros((), bool)
    states, made, suspect = lax.fori_loop(0, (count + ROWS - 1) // ROWS, body, start)
    return states, [_swapped(a, work) for a in made], suspect


def _swapped(array: Any, work: _Work) -> Any:
    return array if work.batch is None else jnp.swapaxes(array, 0, 1)
