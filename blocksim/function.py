"""`function`: a diagram as a pure function that JAX can differentiate, vectorize and compile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from blocksim.arguments import STEP, as_step_size, check_mapping, check_names, match_names
from blocksim.diagram import Diagram
from blocksim.errors import DiagramError, InputError, describe, did_you_mean, user_line
from blocksim.plan import Plan, compile

Parameters = Mapping[str, Mapping[str, Any]]
Signals = dict[str, Any]


def function(
    diagram: Diagram,
    *,
    dt: float = 1.0,
    record: str | Iterable[str] | None = None,
    dtype: DTypeLike | None = None,
) -> Callable[..., tuple[Signals, Signals]]:
    """`f(params, inputs, state=None) -> (outputs, state)` of a diagram, for jax.grad, vmap, jit and optax.

    params: `{path: {field: array}}`, those of the diagram where not given. inputs: `{"x": (T, *shape)}`,
    or the number of steps for a diagram without inputs. state: `{path: array}`, the initial one where not
    given, which depends on `params`. outputs: `{name: (T, *shape)}`, with the signals of `record`. The
    state after the last step is given back; with a step's number under "@step", time goes on from there.
    dtype: float32, or float64 where JAX has it enabled; without it, the one that JAX uses. In float32 so
    is the time: after 10,000 steps, sources may change a step early or late.
    A batch mapped by `jax.vmap` spreads over the cores by `jax.shard_map`, once JAX is told of as many
    devices: `jax.config.update("jax_num_cpu_devices", 4)`.
    Raises the errors of `compile`, and InputError for float64 where JAX has it disabled.

    >>> import blocksim as bs, jax
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("k", bs.library.Gain(3.0), d.input("u")))
    >>> f = bs.function(d)
    >>> def loss(params):
    ...     outputs, _ = f(params, {"u": jax.numpy.ones(4)})
    ...     return (outputs["y"] ** 2).sum()
    >>> float(jax.grad(loss)(d.parameters())["k"]["K"])
    24.0
    """
    import jax

    from blocksim.engines.jax.kernel import Kernel, optimized

    enabled = bool(jax.config.jax_enable_x64)  # pyright: ignore[reportAttributeAccessIssue]
    chosen = (np.float64 if enabled else np.float32) if dtype is None else dtype
    plan = compile(diagram, chosen)
    if plan.dtype == np.float64 and not enabled:
        raise InputError(
            "function, dtype", "float32, since JAX has float64 disabled", "float64",
            'Call jax.config.update("jax_enable_x64", True) first.', user_line(),
        )  # fmt: skip
    seconds = as_step_size(dt)
    names = match_names(plan, record)
    slots = {name: plan.names[name] for name in names}
    program = optimized(plan, slots.values())

    def run(
        params: Parameters,
        inputs: Mapping[str, Any] | int | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> tuple[Signals, Signals]:
        known = _known(plan, params)
        arrays, steps = _arrays(plan, inputs)
        given = {} if state is None else state
        check_mapping("state", given)
        for path in given:
            if path != STEP and path not in plan.initial_state:
                raise DiagramError(
                    f"state[{path!r}]", "the path of a block with a state", "none of that name",
                    did_you_mean(str(path), plan.initial_state), user_line(),
                )  # fmt: skip
        kernel = Kernel(program, known, seconds)
        states = [kernel.state(path, given.get(path)) for path in plan.initial_state]
        states, rows, _ = kernel.run(states, arrays, given.get(STEP, 0), steps)
        after = dict(zip(plan.initial_state, states, strict=True))
        if STEP in given:
            after[STEP] = given[STEP] + steps
        return {name: rows[slot] for name, slot in slots.items()}, after

    return run


def _known(plan: Plan, params: Parameters) -> dict[str, dict[str, Any]]:
    """All parameters, those given in the place of the diagram's own; their values may be traced."""
    known = {
        path: {name: _cast(array, array.dtype) for name, array in block.parameters().items()}
        for path, block in plan.blocks.items()
    }
    check_mapping("params", params)
    for path, fields in params.items():
        if path not in known:
            raise DiagramError(
                f"params[{path!r}]", "the path of a block with parameters", "none of that name",
                did_you_mean(str(path), known), user_line(),
            )  # fmt: skip
        check_mapping(f"params[{path!r}]", fields)
        for name, value in fields.items():
            old = known[path].get(name)
            if old is None or np.shape(value) != old.shape:
                raise InputError(
                    f"params[{path!r}][{name!r}]",
                    f"one of {', '.join(known[path])}" if old is None else f"an array of shape {old.shape}",
                    repr(name) if old is None else f"shape {np.shape(value)}", "", plan.line(path),
                )  # fmt: skip
            known[path][name] = _cast(value, old.dtype)
    return known


def _arrays(plan: Plan, inputs: Mapping[str, Any] | int | None) -> tuple[list[Any], int]:
    """The rows of each input, in the plan's order, and how many there are."""
    if not plan.inputs and isinstance(inputs, (int, np.integer)) and inputs is not True and inputs > 0:
        return [], int(inputs)
    if not plan.inputs or not isinstance(inputs, Mapping):
        raise InputError(
            "inputs", "a dictionary by name" if plan.inputs else "the number of steps",
            describe(inputs), "" if plan.inputs else "The diagram has no inputs.", user_line(),
        )  # fmt: skip
    check_names(plan, inputs)
    arrays, lengths = [], {}
    for name, signal in plan.inputs.items():
        value = inputs[name]
        shape = np.shape(value)
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if dtype.kind not in {"f": "biuf", "i": "biu", "u": "biu", "b": "b"}[signal.dtype.kind]:
            raise InputError(
                f"input {name!r}", f"an array of dtype {signal.dtype}", f"one of {dtype}",
                "", user_line(),
            )  # fmt: skip
        if len(shape) != 1 + len(signal.shape) or shape[1:] != signal.shape or not shape[0]:
            form = ", ".join(["T", *map(str, signal.shape)])
            raise InputError(
                f"input {name!r}", f"an array ({form})", f"shape {shape}",
                "For a batch, use jax.vmap.", user_line(),
            )  # fmt: skip
        arrays.append(_cast(value, signal.dtype))
        lengths[name] = shape[0]
    if len(set(lengths.values())) > 1:
        raise InputError("inputs", "the same T for all", f"{lengths}", "", user_line())
    return arrays, arrays[0].shape[0]


def _cast(value: Any, dtype: np.dtype[Any]) -> Any:
    import jax

    return jax.numpy.asarray(value).astype(jax.dtypes.canonicalize_dtype(dtype))
