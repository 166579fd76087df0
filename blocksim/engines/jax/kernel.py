"""A program as a function of arrays that JAX can compile and differentiate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from blocksim.block import Block, Signal
from blocksim.engines.jax.scan import scan
from blocksim.errors import BlockError, BlocksimError, InputError, describe
from blocksim.plan import Plan
from blocksim.plan.code import DT, FIRST, XP, T
from blocksim.plan.passes import optimize
from blocksim.plan.program import AnyOperation, MatrixProduct, Program, Stage
from blocksim.plan.tree import leaves, tree_map
from blocksim.plan.watch import watched
from blocksim.scan import Scan

Env = dict[int, Any]
"""Values by slot: arrays with an axis of rows if they differ from step to step, then one of runs if any."""
Parameters = Mapping[str, Mapping[str, Any]]
NONE: frozenset[int] = frozenset()


class Kernel:
    """Runs a program over rows; made anew for each trace, with parameters that may be traced.

    `batched` says which parameters have a leading axis of runs, of which there are `batch`; with
    `check` it is found out whether any value is not finite.
    """

    def __init__(
        self,
        program: Program,
        params: Parameters,
        dt: Any,
        batch: int | None = None,
        batched: Mapping[str, frozenset[str]] | None = None,
        check: bool = False,
    ) -> None:
        self.program, self.plan, self.params = program, program.plan, params
        self.batch, self.batched, self.check = batch, batched or {}, check
        self.watched = watched(program) if check else set[int]()
        self.states = [op.writes[0] for op in self.plan.updates]
        read = (slot for op in program.operations() for slot in op.reads)
        self.read = {*read, *program.keep, *self.watched}
        self.runs: set[int] = set()
        """The slots whose values have an axis of runs."""
        if batch is not None:
            self.runs.update(self.states, range(FIRST, FIRST + len(self.plan.flat.inputs)))
        self.once: Env = {XP: None, DT: dt}
        for op in program.once:
            self.once.update(self._done(op, self.once))

    def run(
        self,
        states: list[Any],
        inputs: list[Any],
        first: Any,
        count: int,
        valid: Any = None,
        leave: bool = False,
    ) -> tuple[list[Any], Env, Any]:
        """The next states, `count` rows of each kept slot, and whether a value may not have been finite.

        Of the rows the first `valid` count; the states are those after them. With `leave`, loops end
        there, which saves time, but then the function has no derivatives in reverse.
        """
        env: Env = dict(self.once)
        env[T] = (first + jnp.arange(count)) * self.once[DT]
        env.update(enumerate(inputs, FIRST))
        after: Env = dict(zip(self.states, states, strict=True))
        sums = self._sums(self.once)
        for i, stage in enumerate(self.program.stages):
            if stage.loop:
                read_later = {
                    s for other in self.program.stages[i + 1 :] for op in other.operations for s in op.reads
                }
                sums += self._loop(stage, env, after, read_later | self.program.keep, valid, leave)
            else:
                sums += self._at_once(stage, env, after, count, valid)
        rows = {slot: self._rows(slot, env[slot], count) for slot in self.program.keep}
        if self.check:
            shown = jnp.arange(count) < (count if valid is None else valid)
            sums += _total([leaf for state in after.values() for leaf in leaves(state)])
            sums += [_masked(a, shown) for a in _total(list(rows.values()))]
        finite = [jnp.isfinite(a).all() for a in _total(sums)]
        return [after[s] for s in self.states], rows, ~jnp.stack(finite).all() if finite else False

    def state(self, path: str, given: Any = None) -> Any:
        """The state of a block to start from: as given, else that which its parameters say."""
        form = self.plan.initial_state[path]
        if given is None:
            block = self.plan.blocks[path].with_parameters(dict(self.params.get(path, {})))
            init: Callable[[], Any] = getattr(block, "init")  # noqa: B009  (only stateful blocks have it)
            given = init()

        def leaf(old: Any, new: Any) -> Any:
            if jnp.shape(new) != old.shape:
                raise InputError(
                    f"state[{path!r}]", f"an array of shape {old.shape}", f"shape {jnp.shape(new)}",
                    "For a batch, use jax.vmap.", self.plan.line(path),
                )  # fmt: skip
            return jnp.asarray(new).astype(jax.dtypes.canonicalize_dtype(old.dtype))

        return tree_map(leaf, form, given)

    # -- stages ------------------------------------------------------------------------------------

    def _at_once(self, stage: Stage, env: Env, after: Env, count: int, valid: Any) -> list[Any]:
        last = (count if valid is None else valid) - 1
        sums: list[Any] = []
        for op in stage.operations:
            varying = frozenset(op.reads) - self.once.keys()
            done = self._done(op, env, varying)
            if not varying:
                done = {
                    s: tree_map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), v) for s, v in done.items()
                }
            sums += self._sums(done)
            if op.method == "update":  # the state of a step is what the step before left
                (slot,) = op.writes
                before, following = after[slot], done[slot]
                after[slot] = tree_map(lambda a, b: jnp.where(last < 0, b, a[last]), following, before)
                done = {slot: tree_map(lambda a, b: jnp.concatenate([a[None], b[:-1]]), before, following)}
            env.update(done)
        return [_masked(a, jnp.arange(count) <= last) for a in _total(sums)]

    def _loop(
        self, stage: Stage, env: Env, after: Env, wanted: Collection[int], valid: Any, leave: bool
    ) -> list[Any]:
        inside = {slot for op in stage.operations for slot in op.writes}
        given = sorted(self.watched.union(wanted) & inside)
        taken = sorted({s for op in stage.operations for s in op.reads} - inside - self.once.keys())
        slots = [op.writes[0] for op in stage.updates]

        products = [op for op in stage.operations if isinstance(op, MatrixProduct)]

        def step(matrices: list[Any], states: list[Any], row: list[Any], added: list[Any] | None) -> Any:
            local = self.once | dict(zip(taken, row, strict=True)) | dict(zip(slots, states, strict=True))
            local.update(zip([op.reads[1] for op in products], matrices, strict=True))
            changed: Env = {}
            for op in stage.operations:
                done = self._done(op, local)
                if added is not None and isinstance(op, MatrixProduct):
                    done = {slot: value + added[products.index(op)] for slot, value in done.items()}
                (changed if op.method == "update" else local).update(done)
            out = [self._with_runs(s, local[s]) for s in given]
            return [changed[s] for s in slots], out, [local[op.reads[0]] for op in products]

        rows = [env[s] for s in taken]
        states = [after[s] for s in slots]
        matrices = [self.once[op.reads[1]] for op in products]
        count = len(env[T])
        first = jax.tree.map(lambda a: a[0], rows)
        ends, forms, _ = jax.eval_shape(lambda: step(matrices, states, first, None))
        trail = valid is not None and not leave  # the states after all steps, to pick those of the valid ones
        packing = _Packing((forms, ends if trail else []), 0 if self.batch is None else 1)

        def packed(matrices: list[Any], states: list[Any], row: list[Any], added: list[Any] | None) -> Any:
            states, out, factors = step(matrices, states, row, added)
            return states, packing.pack((out, states if trail else [])), factors

        if leave:

            def body(k: Any, carry: Any) -> Any:
                states, buffers = carry
                row = jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, k, keepdims=False), rows)
                states, new, _ = packed(matrices, states, row, None)
                pairs = zip(buffers, new, strict=True)
                return states, [lax.dynamic_update_index_in_dim(b, v, k, 0) for b, v in pairs]

            # an unsigned counter, since indices that may be negative cost time
            stop = jnp.asarray(valid).astype(jnp.uint32)
            end, buffers = lax.fori_loop(jnp.uint32(0), stop, body, (states, packing.buffers(count)))
        else:
            end, buffers = scan(packed, matrices, states, rows, count)
        found, passed = packing.unpack(buffers)
        if trail and valid is not None:
            end = tree_map(lambda a, b: jnp.where(valid > 0, b[valid - 1], a), states, passed)
        states = end
        after.update(zip(slots, states, strict=True))
        env.update(zip(given, found, strict=True))
        return self._sums(dict(zip(given, found, strict=True)))

    # -- operations --------------------------------------------------------------------------------

    def _done(self, op: AnyOperation, env: Env, varying: frozenset[int] = NONE) -> Env:
        """What an operation writes; `varying` are the slots that it reads whose values have rows."""
        blocks = {path: self.plan.blocks[path] for path in op.paths}
        params = {path: dict(self.params.get(path, {})) for path in op.paths}

        def call(params: dict[str, dict[str, Any]], *values: Any) -> tuple[Any, ...]:
            own = {path: block.with_parameters(params[path]) for path, block in blocks.items()}
            with self._blame(op, blocks):
                first = own[op.paths[0]] if op.paths else None
                call = partial(op.call, own)
                if isinstance(first, Scan):
                    call = partial(scanned, first, [slot in self.read for slot in op.writes])
                value = call(*(jnp if s == XP else v for s, v in zip(op.reads, values, strict=True)))
            return self._settled(op, value)

        made: Any = call
        runs = [0 if s in self.runs else None for s in op.reads]
        param_runs = {
            p: {f: 0 if f in self.batched.get(p, ()) else None for f in a} for p, a in params.items()
        }
        if 0 in runs or any(0 in axes.values() for axes in param_runs.values()):
            made = jax.vmap(made, in_axes=(param_runs, *runs))
            self.runs.update(op.writes)
        elif op.method == "update" and self.batch is not None:
            plain = made
            made = lambda *given: tree_map(self._repeated, plain(*given))  # noqa: E731
        if varying:
            made = jax.vmap(made, in_axes=(None, *(0 if s in varying else None for s in op.reads)))
        return dict(zip(op.writes, made(params, *(env[s] for s in op.reads)), strict=True))

    def _sums(self, values: Env) -> list[Any]:
        """Sums of the watched ones among some values."""
        return _total([leaf for slot in self.watched & values.keys() for leaf in leaves(values[slot])])

    def _settled(self, op: AnyOperation, value: Any) -> tuple[Any, ...]:
        """The values for the slots that an operation writes, in the forms that they had at compile."""
        if op.method == "update":
            form, several = self.plan.initial_state[op.paths[0]], (value,)
            forms: list[Any] = [form]
        else:
            forms = [self.program.signals[s] for s in op.writes]
            several = value if len(forms) > 1 else (value,)

        def settle(form: Any, new: Any) -> Any:
            array = jnp.asarray(new)
            if array.shape != form.shape:
                raise BlockError(
                    op.paths[0], f"a value of shape {form.shape}, as at compile", describe(new),
                    "A signal's shape cannot depend on its value.", self.plan.line(op.paths[0]),
                )  # fmt: skip
            return array.astype(jax.dtypes.canonicalize_dtype(form.dtype))

        return tuple(tree_map(settle, form, one) for form, one in zip(forms, several, strict=True))

    @contextmanager
    def _blame(self, op: AnyOperation, blocks: Mapping[str, Block]) -> Iterator[None]:
        try:
            yield
        except BlocksimError:
            raise
        except Exception as error:
            path = op.paths[0] if op.paths else "plan"
            untraceable = isinstance(error, (jax.errors.JAXTypeError, jax.errors.JAXIndexError))
            got = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(". ")
            advice = "Write xp.where(condition, a, b) instead of `if`, and xp's functions instead of numpy's."
            raise BlockError(
                path, f"{blocks.get(path)!r} to be code that JAX can compile, in {op.method}()", got,
                advice if untraceable else "", self.plan.line(path) if op.paths else None,
            ) from error  # fmt: skip

    # -- axes --------------------------------------------------------------------------------------

    def _repeated(self, array: Any) -> Any:
        """The same for all runs."""
        return jnp.broadcast_to(array, (self.batch, *array.shape))

    def _with_runs(self, slot: int, value: Any) -> Any:
        return value if self.batch is None or slot in self.runs else tree_map(self._repeated, value)

    def _rows(self, slot: int, array: Any, count: int) -> Any:
        """The rows of a kept slot, with an axis of runs if there are any."""
        if slot in self.once:
            array = self._with_runs(slot, array)
            return jnp.broadcast_to(array, (count, *array.shape))
        if self.batch is None or slot in self.runs:
            return array
        return jnp.broadcast_to(array[:, None], (count, self.batch, *array.shape[1:]))


def optimized(plan: Plan, keep: Iterable[int], check: bool = False) -> Program:
    """The plan's program for JAX.

    On a CPU elementwise work is left as it is: XLA fuses it, and where parts of one wide call meet in a
    fusion again, it does not vectorize them, which takes two to three times as long.
    """
    return optimize(plan, keep, check, elementwise=jax.default_backend() != "cpu")


def scanned(block: Scan, read: list[bool], dt: Any, *u: Any) -> Any:
    """What `Scan.output` gives, of outputs that are `read`; NaN for a length that there is not."""
    ports = dict(zip(block.arity(), u, strict=True))
    sequences = [ports[name] for name in block.diagram.inputs]
    plan, count = block.plan(*sequences), len(sequences[0])
    length = ports["length"] if block.length else count
    kernel = Kernel(optimized(plan, plan.outputs.values()), block.replaced(), dt)
    order: Any = slice(None)
    if block.reverse:  # the steps of the length from the last to the first, then the others
        order = (length - 1 - jnp.arange(count)) % count
    states = [kernel.state(path, ports.get(path)) for path in plan.initial_state]
    ends = any(read[len(plan.outputs) :])
    valid, shown = length if block.length and ends else None, jnp.arange(count) < length
    sequences = [a[order] for a in sequences]
    if block.length:  # steps past it see the first row: a slope at their own may not be finite
        sequences = [jnp.where(_along(shown, a), a, a[:1]) for a in sequences]
    states, found, _ = kernel.run(states, sequences, 0, count, valid)
    rows = [found[slot][order] for slot in plan.outputs.values()]
    final = dict(zip(plan.initial_state, states, strict=True))
    if block.length:
        rows = [_masked(a, shown) for a in rows]
        real = (i for i, a in enumerate(rows) if jnp.issubdtype(a.dtype, jnp.floating))
        told = next(real, 0)  # integers cannot be NaN
        rows[told] = jnp.where((length >= 0) & (length <= count), rows[told], jnp.nan)
    return (*rows, *(final[path] for path in block.states)) if len(block.outputs) > 1 else rows[0]


class _Packing:
    """The arrays of a tree as one vector for each dtype, behind `lead` axes.

    A loop that writes one buffer a step runs in order; several, written side by side, would be handed
    to threads, which costs more than small steps take.
    """

    def __init__(self, forms: Any, lead: int) -> None:
        self.forms, self.tree = jax.tree.flatten(forms)
        self.lead = lead
        self.dtypes = list(dict.fromkeys(form.dtype for form in self.forms))

    def pack(self, values: Any) -> list[Any]:
        flat = [jnp.reshape(v, (*v.shape[: self.lead], -1)) for v in jax.tree.leaves(values)]
        return [jnp.concatenate([v for v in flat if v.dtype == dtype], -1) for dtype in self.dtypes]

    def buffers(self, rows: int) -> list[Any]:
        lead = self.forms[0].shape[: self.lead] if self.forms else ()
        sizes = [sum(prod(f.shape[self.lead :]) for f in self.forms if f.dtype == d) for d in self.dtypes]
        return [jnp.zeros((rows, *lead, size), d) for size, d in zip(sizes, self.dtypes, strict=True)]

    def unpack(self, buffers: list[Any]) -> Any:
        """The tree, its arrays with the rows of the buffers."""
        starts = dict.fromkeys(self.dtypes, 0)
        found = []
        for form in self.forms:
            buffer = buffers[self.dtypes.index(form.dtype)]
            start, size = starts[form.dtype], prod(form.shape[self.lead :])
            starts[form.dtype] += size
            found.append(jnp.reshape(buffer[..., start : start + size], (len(buffer), *form.shape)))
        return jax.tree.unflatten(self.tree, found)


def _masked(rows: Any, shown: Any) -> Any:
    """Rows, with zeros where they are not shown."""
    return jnp.where(_along(shown, rows), rows, 0)


def _along(shown: Any, rows: Any) -> Any:
    """One flag for each row, in a shape that fits them."""
    return shown.reshape(-1, *[1] * (rows.ndim - 1))


def _total(arrays: list[Any]) -> list[Any]:
    """The sums of the float arrays that have one form: not finite where one of them is not."""
    sums: dict[Signal, Any] = {}
    for array in arrays:
        if jnp.issubdtype(array.dtype, jnp.floating):
            form = Signal(array.shape, array.dtype)
            sums[form] = sums[form] + array if form in sums else array
    return list(sums.values())
