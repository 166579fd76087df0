"""`System`: one step of a diagram as a map of vectors, with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.analysis.newton import Vector
from blocksim.arguments import STEP, as_signal, as_step_size, check_mapping
from blocksim.block import Signal
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, DiagramError, InputError, describe, did_you_mean, user_line
from blocksim.function import function
from blocksim.plan import Plan, compile
from blocksim.plan.code import T
from blocksim.plan.tree import leaves

Parameters = Mapping[str, Mapping[str, Any]]


class System:
    """x[k+1] = F(x, u), y = G(x, u): a diagram's step on vectors, in float64.

    The vector x holds all states in the plan's order, u the inputs, y the outputs, or the signals of
    `outputs`; `states`, `inputs` and `outputs` name each number, `h[2]`. `x0` are the initial states, `u0`
    the values that `inputs` gives, zero where it gives none. Raises AnalysisError for a diagram without
    states, with states that are not real numbers, or whose step depends on the time.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> u, z = d.input("u"), d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("sum", bs.library.Sum(), d.add("a", bs.library.Gain(0.5), z), u), z)
    >>> d.output("y", z)
    >>> system = System(d, {"u": 3.0})
    >>> system.states, system.step(system.x0)
    (['z'], array([3.5]))
    >>> [m.item() for m in system.linear(system.x0)]
    [0.5, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        diagram: Diagram,
        inputs: Mapping[str, ArrayLike] | None = None,
        outputs: Sequence[str] | None = None,
        *,
        params: Parameters | None = None,
        dt: float = 1.0,
    ) -> None:
        self.diagram, self.dt = diagram, as_step_size(dt)
        self.plan = compile(diagram)
        _check(self.plan)
        names = list(self.plan.outputs) if outputs is None else list(outputs)
        for name in names:
            if name not in self.plan.names:
                raise DiagramError(
                    f"output {name!r}", "the path of a signal", "none of that name",
                    did_you_mean(name, self.plan.names), user_line(),
                )  # fmt: skip
        self.params: dict[str, dict[str, Any]] = {
            path: {name: np.asarray(a) for name, a in fields.items()}
            for path, fields in self.plan.replace(
                {p: dict(f) for p, f in (params or {}).items()}
            ).values.items()
        }
        self.state_forms = {p: Signal(s.shape, s.dtype) for p, s in self.plan.initial_state.items()}
        self.input_forms, self._names = self.plan.inputs, names
        self.output_forms = {name: self.plan.signals[name] for name in names}
        self.states, self.inputs = elements(self.state_forms), elements(self.input_forms)
        self.outputs = elements(self.output_forms)
        self.x0 = self.pack(self.plan.initial(self.plan.replace(self.params)))
        self.u0 = self.inputs_as_vector(inputs or {})
        self._made: dict[str, Callable[..., Any]] = {}
        self._f = in_float64(function)(diagram, dt=self.dt, record=names, dtype="float64")

    # -- vectors -----------------------------------------------------------------------------------

    def pack(self, state: Mapping[str, Any]) -> Vector:
        """A state by path as a vector. Raises InputError where a path is missing or a shape is wrong."""
        check_mapping("state", state)
        unknown = [p for p in state if p not in self.state_forms and p != STEP]
        missing = [p for p in self.state_forms if p not in state]
        if unknown or missing:
            raise InputError(
                "state", f"the states {', '.join(self.state_forms)}",
                f"an unknown {unknown[0]!r}" if unknown else f"none of {missing[0]!r}", "", user_line(),
            )  # fmt: skip
        return _joined(state, self.state_forms)

    def unpack(self, x: ArrayLike) -> dict[str, Any]:
        """A vector as a state by path."""
        return _split(np.asarray(x, float), self.state_forms)

    def inputs_as_vector(self, inputs: Mapping[str, ArrayLike]) -> Vector:
        """Constant inputs by name as a vector, zero where not given. Raises InputError."""
        check_mapping("inputs", inputs)
        for name in inputs:
            if name not in self.input_forms:
                raise InputError(
                    f"input {name!r}", "an input of the diagram", "none of that name",
                    did_you_mean(name, self.input_forms), user_line(),
                )  # fmt: skip
        values = {
            name: as_signal(name, inputs[name], signal, ()) if name in inputs else np.zeros(signal.shape)
            for name, signal in self.input_forms.items()
        }
        return _joined(values, self.input_forms)

    def unpack_inputs(self, u: ArrayLike) -> dict[str, Any]:
        """A vector as inputs by name, each of its own dtype."""
        parts = _split(np.asarray(u, float), self.input_forms)
        return {name: part.astype(self.input_forms[name].dtype) for name, part in parts.items()}

    # -- the map -----------------------------------------------------------------------------------

    def map(self, params: Any, x: Any, u: Any) -> tuple[Any, Any]:
        """(F, G) at JAX arrays, to be traced; `params` replaces parameters by path and field."""
        import jax.numpy as jnp

        forms = self.input_forms
        inputs = {name: v[None].astype(forms[name].dtype) for name, v in _split(u, forms).items()}
        merged = {p: dict(self.params.get(p, {})) for p in {*self.params, *params}}
        for path, fields in params.items():
            merged[path].update(fields)
        outputs, state = self._f(merged, inputs or 1, _split(x, self.state_forms))
        after = [jnp.ravel(state[path]) for path in self.state_forms]
        seen = [jnp.ravel(outputs[name][0]) for name in self._names]
        return jnp.concatenate(after), jnp.concatenate(seen) if seen else jnp.zeros(0)

    def compiled(self, key: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """A function of JAX arrays compiled once under this name, called in float64, giving NumPy arrays."""
        import jax

        if key not in self._made:
            jitted = in_float64(lambda: jax.jit(make()))()
            self._made[key] = lambda *args: jax.tree.map(np.asarray, in_float64(jitted)(*args))
        return self._made[key]

    def step(self, x: ArrayLike, u: ArrayLike | None = None) -> Vector:
        """F(x, u), with u0 where u is not given."""
        return self._call("step", lambda: lambda x, u: self.map({}, x, u)[0], x, u)

    def step_uncompiled(self, x: Vector) -> Vector:
        """F(x, u0) by the plan itself, in NumPy: at once, for a few steps."""
        return self.pack(self._run(x)[0])

    def signals(self, x: Vector) -> dict[str, Any]:
        """All signals at (x, u0) by path, in NumPy."""
        return self._run(x)[1]

    def _run(self, x: Vector) -> tuple[dict[str, Any], dict[str, Any]]:
        forms = self.input_forms
        inputs = {name: v.astype(forms[name].dtype) for name, v in self.unpack_inputs(self.u0).items()}
        return self.plan.step(np, 0.0, self.unpack(x), inputs, self.params, self.dt)

    def output(self, x: ArrayLike, u: ArrayLike | None = None) -> Vector:
        """G(x, u)."""
        return self._call("output", lambda: lambda x, u: self.map({}, x, u)[1], x, u)

    def jacobian(self, x: ArrayLike, u: ArrayLike | None = None) -> Vector:
        """dF/dx (n, n)."""

        def make() -> Callable[..., Any]:
            import jax

            return jax.jacfwd(lambda x, u: self.map({}, x, u)[0])

        return self._call("jacobian", make, x, u)

    def linear(self, x: ArrayLike, u: ArrayLike | None = None) -> tuple[Vector, Vector, Vector, Vector]:
        """A = dF/dx, B = dF/du, C = dG/dx and D = dG/du at a point."""

        def make() -> Callable[..., Any]:
            import jax

            return jax.jacfwd(lambda x, u: self.map({}, x, u), argnums=(0, 1))

        (A, B), (C, D) = self._call("linear", make, x, u)
        return A, B, C, D

    def _call(self, key: str, make: Callable[[], Any], x: ArrayLike, u: ArrayLike | None) -> Any:
        given = np.asarray(x, float), self.u0 if u is None else np.asarray(u, float)
        for name, value, size in zip("xu", given, (len(self.states), len(self.inputs)), strict=True):
            if value.shape != (size,):
                raise InputError(name, f"a vector of {size} numbers", describe(value), "", user_line())
        return self.compiled(key, make)(*given)


def in_float64(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with JAX's float64 and full precision around its calls, as the program may not."""

    def call(*args: Any, **options: Any) -> Any:
        import jax

        with jax.enable_x64(True), jax.default_matmul_precision("highest"):
            return f(*args, **options)

    return call


def _check(plan: Plan) -> None:
    where = f"diagram {plan.flat.name!r}"
    if not plan.initial_state:
        raise AnalysisError(where, "a block with a state", "none", "Nothing changes from step to step.")
    for path, state in plan.initial_state.items():
        if not isinstance(state, np.ndarray) or state.dtype.kind != "f":
            raise AnalysisError(
                path, "a state of real numbers, in one array",
                f"one of {state.dtype}" if isinstance(state, np.ndarray) else f"{len(leaves(state))} arrays",
                "Integers and booleans have no derivatives.", plan.line(path),
            )  # fmt: skip
    if not any(state.size for state in plan.initial_state.values()):
        raise AnalysisError(where, "a state of at least one number", "empty arrays alone")
    for op in [*plan.operations, *plan.updates]:
        if T in op.reads:
            raise AnalysisError(
                op.path, "a step that does not depend on the time",
                f"{plan.blocks[op.path]!r}, which reads it",
                "Give its signal as an input of the diagram, or linearize(..., inputs=[its path]).",
                plan.line(op.path),
            )  # fmt: skip


def elements(signals: Mapping[str, Signal]) -> list[str]:
    """A name for each number of signals, `h[2]`."""
    found = []
    for name, signal in signals.items():
        for index in np.ndindex(signal.shape):
            found.append(f"{name}[{', '.join(map(str, index))}]" if index else name)
    return found


def _joined(values: Mapping[str, Any], forms: Mapping[str, Signal]) -> Vector:
    for name, form in forms.items():
        if np.shape(values[name]) != form.shape:
            raise InputError(name, f"an array of shape {form.shape}", describe(values[name]), "", user_line())
    flat = [np.ravel(np.asarray(values[name], float)) for name in forms]
    return np.concatenate(flat) if flat else np.zeros(0)


def _split(vector: Any, forms: Mapping[str, Signal]) -> dict[str, Any]:
    found, start = {}, 0
    for name, form in forms.items():
        size = prod(form.shape)
        found[name] = vector[start : start + size].reshape(form.shape)
        start += size
    return found
