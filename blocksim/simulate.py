"""`simulate` runs a diagram over its inputs; `Simulator` steps it by hand; `Result` holds what came."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from blocksim.block import Array, Signal
from blocksim.diagram import Diagram
from blocksim.engines import Job, Outcome, engine as find_engine
from blocksim.engines.numpy import Watch
from blocksim.errors import DiagramError, InputError, describe, did_you_mean, user_line
from blocksim.plan import Plan, compile
from blocksim.plan.tree import tree_map

if TYPE_CHECKING:
    import xarray

STEP = "@step"
"""The key of a state under which the number of the next step stands."""


class Result:
    """The signals of a run by path, `(T, *shape)` or `(B, T, *shape)`; row k is the instant `time[k]`.

    `final_state` is `{path: array}`, with the next step's number under `"@step"`: given as the
    `initial_state` of another run with the same `dt`, that run goes on where this one stopped.
    """

    def __init__(
        self,
        signals: dict[str, Array],
        time: Array,
        final_state: dict[str, Any],
        plan: Plan,
        dt: float,
        batch: int | None,
    ) -> None:
        self.signals, self.time, self.final_state, self.dt = signals, time, final_state, dt
        self._plan, self._batch = plan, batch

    def __getitem__(self, name: str) -> Array:
        if name in self.signals:
            return self.signals[name]
        if name in self._plan.names:
            raise InputError(
                f"result[{name!r}]", "a recorded signal", "one that was not recorded",
                f"Run again with record=[{name!r}].", user_line(),
            )  # fmt: skip
        raise InputError(
            f"result[{name!r}]", "a recorded signal", "none of that name",
            did_you_mean(name, self._plan.names), user_line(),
        )  # fmt: skip

    def __contains__(self, name: str) -> bool:
        return name in self.signals

    def __repr__(self) -> str:
        rows = [f"  {name}: {array.shape} {array.dtype}" for name, array in self.signals.items()]
        return "\n".join([f"<Result: {len(self.time)} steps of {self.dt:g} s", *rows]) + ">"

    def plot(self, path: str | PathLike[str] | None = None, names: Sequence[str] | None = None) -> Any:
        """Draw the recorded signals over time as a matplotlib figure, saved if `path` is given.

        Of a batch, the first run is drawn.
        """
        from blocksim.draw.signals import plot_signals

        chosen = {name: self[name] for name in (names if names is not None else self.signals)}
        if self._batch is not None:
            chosen = {name: array[0] for name, array in chosen.items()}
        return plot_signals(self.time, chosen, path)

    def to_xarray(self) -> xarray.Dataset:
        """The signals as an `xarray.Dataset` over `time` (and `batch`). Needs the extra `xarray`."""
        try:
            import xarray
        except ImportError as error:
            raise InputError(
                "to_xarray()", "xarray to be installed", "no such package", "pip install blocksim[xarray]"
            ) from error
        lead = ["time"] if self._batch is None else ["batch", "time"]
        data = {
            name: (lead + [f"{name}_{i}" for i in range(array.ndim - len(lead))], array)
            for name, array in self.signals.items()
        }
        return xarray.Dataset(data, coords={"time": self.time})


def simulate(
    diagram: Diagram,
    inputs: Mapping[str, ArrayLike] | None = None,
    *,
    steps: int | None = None,
    dt: float = 1.0,
    engine: str = "numpy",
    record: str | Iterable[str] | None = None,
    initial_state: Mapping[str, Any] | None = None,
    params: dict[str, dict[str, Any]] | None = None,
    dtype: DTypeLike | None = None,
    progress: bool | Callable[[int, int], None] = False,
    keep: Literal["all", "last"] = "all",
    check_finite: bool = True,
) -> Result:
    """Run a diagram for `steps` steps of `dt` seconds, the first at t = 0.

    inputs: `{"x": array (T, *shape)}`, or `(B, T, *shape)` for a batch of B independent runs; T is
    the number of steps. record: paths or patterns (`"i/*"` within a level, `"**"` all) beside the
    outputs. initial_state: states by path, (partly) given; another run's `final_state` resumes it.
    params: `{path: {field: array}}`, replaced for this run. dtype: float64 (default) or float32.
    progress: a bar, or a function of (steps done, steps in all). keep: "last" keeps only the last
    row of each signal. check_finite: stop at the first inf or NaN and name its block and step.

    Raises the errors of `compile`, InputError for data that does not fit, NonFiniteError.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("z", bs.library.UnitDelay(9.0), d.input("u")))
    >>> run = bs.simulate(d, {"u": [1.0, 2.0, 3.0]}, dt=0.1)
    >>> run["y"], run.time, run.final_state["z"].item()
    (array([9., 1., 2.]), array([0. , 0.1, 0.2]), 3.0)
    """
    run = find_engine(engine)
    plan = compile(diagram, dtype)
    dt = _positive(dt)
    if keep not in ("all", "last"):
        raise InputError("keep", "'all' or 'last'", repr(keep), line=user_line())
    arrays, steps, batch = _inputs(plan, inputs or {}, steps)
    names = _names(plan, record)
    slots = list(dict.fromkeys(plan.names[name] for name in names))
    states, first = _states(plan, initial_state or {}, batch)
    values = plan.replace(params or {})

    with _ticking(progress, steps * (batch or 1)) as tick:

        def one(inputs: list[Array], states: list[Any]) -> Outcome:
            return run(
                Job(
                    plan, dt, first, steps, inputs, states, values, slots,
                    keep == "last", check_finite, tick,
                )
            )  # fmt: skip

        if batch is None:
            outcome = one(arrays, states)
        else:
            outcome = _stack(
                [
                    one([a[b] for a in arrays], tree_map(lambda leaf, b=b: leaf[b], states))
                    for b in range(batch)
                ]
            )
    rows = dict(zip(slots, outcome.rows, strict=True))
    time = dt * np.arange(first, first + steps)
    state = dict(zip(plan.initial_state, tree_map(np.asarray, outcome.states), strict=True))
    return Result(
        {name: rows[plan.names[name]] for name in names},
        time[-1:] if keep == "last" else time,
        state | {STEP: first + steps},
        plan,
        dt,
        batch,
    )


class Simulator:
    """Steps a diagram by hand on the NumPy engine.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("z", bs.library.UnitDelay(9.0), d.input("u")))
    >>> sim = bs.Simulator(d)
    >>> float(sim.step(u=1.0)["y"]), float(sim.step(u=2.0)["y"])
    (9.0, 1.0)
    """

    def __init__(
        self,
        diagram: Diagram,
        dt: float = 1.0,
        *,
        initial_state: Mapping[str, Any] | None = None,
        params: dict[str, dict[str, Any]] | None = None,
        dtype: DTypeLike | None = None,
        check_finite: bool = True,
    ) -> None:
        self._plan = compile(diagram, dtype)
        self.dt = _positive(dt)
        self._watch = Watch(self._plan, check_finite)
        guard = self._watch.guard if check_finite else None
        with self._watch.errors():
            self._step = self._plan.bind(np, self.dt, self._plan.replace(params or {}), guard)
        self._initial = initial_state or {}
        self.reset()

    def reset(self) -> None:
        """Go back to the initial state and to the first step."""
        self._states, self._k = _states(self._plan, self._initial, None)
        self.signals: dict[str, Any] = {}
        """Every signal of the last step, by path."""

    @property
    def state(self) -> dict[str, Any]:
        """The state that the next step starts from, by path."""
        return dict(zip(self._plan.initial_state, self._states, strict=True)) | {STEP: self._k}

    @property
    def time(self) -> float:
        """The time of the next step, in seconds."""
        return self._k * self.dt

    def step(self, **inputs: ArrayLike) -> dict[str, Any]:
        """One step: the outputs by name. A step that raises leaves the state as it was."""
        _check_names(self._plan, inputs)
        values = [_as_signal(name, inputs[name], signal, ()) for name, signal in self._plan.inputs.items()]
        self._watch.step = self._k
        with self._watch.errors():
            states, slots = self._step(self.time, self._states, values)
            if self._watch.active:
                self._watch.inspect(slots, states)
        self.signals = {name: slots[slot] for name, slot in self._plan.names.items()}
        self._states, self._k = states, self._k + 1
        return {name: slots[slot] for name, slot in self._plan.outputs.items()}


def _positive(dt: float) -> float:
    if isinstance(dt, (int, float, np.number)) and np.isfinite(dt) and dt > 0:
        return float(dt)
    raise InputError("dt", "a positive number of seconds", describe(dt), line=user_line())


def _check_names(plan: Plan, inputs: Mapping[str, Any]) -> None:
    if not isinstance(inputs, Mapping):
        raise InputError(
            "inputs", "a dictionary of arrays by input name", describe(inputs),
            f"Write {{{', '.join(f'{n!r}: ...' for n in plan.inputs)}}}.", user_line(),
        )  # fmt: skip
    for name in inputs:
        if name not in plan.inputs:
            raise InputError(
                f"input {name!r}", f"an input of diagram {plan.flat.name!r}", "none of that name",
                did_you_mean(name, plan.inputs), user_line(),
            )  # fmt: skip
    for name, signal in plan.inputs.items():
        if name not in inputs:
            raise InputError(
                f"input {name!r}", f"values, each of shape {signal.shape}", "nothing",
                "Every input of the diagram needs its data.", plan.flat.inputs[name].line,
            )  # fmt: skip


def _as_signal(name: str, value: ArrayLike, signal: Signal, lead: tuple[str, ...]) -> Array:
    """An input's data as an array of the signal's dtype and shape, behind the axes named in `lead`."""
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    form = (
        f"({', '.join([*lead, *map(str, signal.shape)])}{',' if len(lead) + len(signal.shape) == 1 else ''})"
    )
    kinds = {"f": "biuf", "i": "biu", "u": "biu", "b": "b"}[signal.dtype.kind]
    if array.dtype.kind not in kinds:
        raise InputError(
            f"input {name!r}", f"an array {form} of dtype {signal.dtype}", describe(value),
            "Convert it; the diagram declares the dtype.", user_line(),
        )  # fmt: skip
    tail = array.shape[array.ndim - len(signal.shape) :] if array.ndim >= len(signal.shape) else None
    if tail != signal.shape or array.ndim != len(lead) + len(signal.shape):
        raise InputError(
            f"input {name!r}", f"an array {form}", describe(value),
            "Time is the first axis, after that of a batch." if lead else "", user_line(),
        )  # fmt: skip
    array = array.astype(signal.dtype)
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(
            f"input {name!r}", "finite numbers", f"{array[tuple(first)]} at index {first}",
            "Clean the data, or pad it with numbers.", user_line(),
        )  # fmt: skip
    array.flags.writeable = False
    return array


def _inputs(
    plan: Plan, inputs: Mapping[str, ArrayLike], steps: int | None
) -> tuple[list[Array], int, int | None]:
    """The inputs' arrays in the plan's order, the number of steps, and of the runs of a batch."""
    _check_names(plan, inputs)
    lead: tuple[str, ...] = ("T",)
    if inputs:
        batched = {n: np.ndim(_maybe(inputs[n])) == 2 + len(s.shape) for n, s in plan.inputs.items()}
        if any(batched.values()):
            lead = ("B", "T")
    arrays = [_as_signal(n, inputs[n], s, lead) for n, s in plan.inputs.items()]
    sizes = {name: a.shape[: len(lead)] for name, a in zip(plan.inputs, arrays, strict=True)}
    if len(set(sizes.values())) > 1:
        raise InputError(
            "inputs", f"the same {' and '.join(lead)} for all",
            ", ".join(f"{name} {size}" for name, size in sizes.items()),
            "All inputs cover the same steps.", user_line(),
        )  # fmt: skip
    if arrays:
        size = next(iter(sizes.values()))
        if steps is not None and steps != size[-1]:
            raise InputError(
                "steps", f"{size[-1]}, the length of the inputs", str(steps),
                "Leave steps out, or cut the inputs.", user_line(),
            )  # fmt: skip
        steps = size[-1]
    if steps is None:
        raise InputError(
            "steps", "the number of steps, since the diagram has no inputs", "nothing",
            "Pass steps=100, say.", user_line(),
        )  # fmt: skip
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        raise InputError("steps", "an integer of at least 1", describe(steps), line=user_line())
    batch = int(next(iter(sizes.values()))[0]) if len(lead) == 2 else None
    if batch == 0:
        raise InputError("inputs", "a batch of at least one run", "an empty one", line=user_line())
    return arrays, int(steps), batch


def _maybe(value: ArrayLike) -> Any:
    try:
        return np.asarray(value)
    except ValueError:
        return None


def _names(plan: Plan, record: str | Iterable[str] | None) -> list[str]:
    """The recorded names: the outputs, then what the patterns match. A pattern must match something."""
    names = dict.fromkeys(plan.outputs)
    for pattern in [record] if isinstance(record, str) else record or []:
        expression = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        matched = [name for name in plan.names if re.fullmatch(expression, name)]
        if not matched:
            raise DiagramError(
                f"record {pattern!r}", "the path of a signal, or a pattern that matches one", "no match",
                did_you_mean(pattern, plan.names), user_line(),
            )  # fmt: skip
        names.update(dict.fromkeys(matched))
    return list(names)


def _states(plan: Plan, given: Mapping[str, Any], batch: int | None) -> tuple[list[Any], int]:
    """The states to start from, in the plan's order, with a batch axis if there is one; and the step."""
    for path in given:
        if path not in plan.initial_state and path != STEP:
            raise DiagramError(
                f"initial_state[{path!r}]", "the path of a block with a state", "none of that name",
                did_you_mean(path, plan.initial_state), user_line(),
            )  # fmt: skip

    def state(path: str, initial: Any) -> Any:
        def leaf(old: Any, new: Any) -> Array:
            array = np.asarray(new)
            if array.dtype.kind not in "biuf" or (old.dtype.kind in "biu" and array.dtype != old.dtype):
                shape = ()
            else:
                shape = array.shape
            wanted = [old.shape] if batch is None else [old.shape, (batch, *old.shape)]
            if shape not in wanted or array.dtype.kind not in "biuf":
                raise InputError(
                    f"initial_state[{path!r}]", f"{old.dtype} of shape {' or '.join(map(str, wanted))}",
                    describe(new), "The diagram fixes the shape.", plan.line(path),
                )  # fmt: skip
            if not np.isfinite(array).all():
                raise InputError(
                    f"initial_state[{path!r}]", "finite numbers", "inf or NaN", line=plan.line(path)
                )
            full = shape if batch is None else (batch, *old.shape)
            return np.broadcast_to(array.astype(old.dtype), full)

        try:
            return tree_map(leaf, initial, given.get(path, initial))
        except (TypeError, KeyError) as error:
            raise InputError(
                f"initial_state[{path!r}]", "the form of the block's init()", str(error)
            ) from error

    states = [state(path, initial) for path, initial in plan.initial_state.items()]
    return states, int(given.get(STEP, 0))


def _stack(outcomes: list[Outcome]) -> Outcome:
    first, *others = outcomes
    rows = [np.stack(same) for same in zip(*(o.rows for o in outcomes), strict=True)]
    states = tree_map(lambda *leaf: np.stack(leaf), first.states, *(o.states for o in others))
    return Outcome(rows, states)


@contextmanager
def _ticking(progress: bool | Callable[[int, int], None], total: int):  # noqa: ANN202
    """A function to be told of steps done: None, the user's own, or one that moves a bar."""
    if progress is False or progress is None:
        yield None
        return
    done = 0
    if callable(progress):

        def tell(steps: int) -> None:
            nonlocal done
            done += steps
            progress(done, total)

        yield tell
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), "steps", TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task("simulate", total=total)
        yield lambda steps: bar.advance(task, steps)
