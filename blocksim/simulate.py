"""`simulate` runs a diagram over its inputs; `Simulator` steps it by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from blocksim.arguments import (
    STEP,
    as_signal,
    as_step_size,
    check_names,
    match_names,
    read_inputs,
    read_states,
)
from blocksim.diagram import Diagram
from blocksim.engines import Job, find_engine
from blocksim.engines.numpy import Watch
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.plan import compile
from blocksim.plan.tree import tree_map
from blocksim.result import Result

Tick = Callable[[int], None]


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
    params: `{path: {field: array}}`, replaced for this run; with a leading axis of B, a batch of runs
    that differ in them. engine: "numpy", "jax" (compiled), or "bdsim". dtype: float64 (default) or float32.
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
    dt = as_step_size(dt)
    if keep not in ("all", "last"):
        raise InputError("keep", "'all' or 'last'", repr(keep), line=user_line())
    arrays, steps, batch = read_inputs(plan, {} if inputs is None else inputs, steps)
    names = match_names(plan, record)
    slots = list(dict.fromkeys(plan.names[name] for name in names))
    replaced = plan.replace({} if params is None else params, batch, sweep=True)
    if batch is None and replaced.runs is not None:
        batch = replaced.runs
        arrays = [np.broadcast_to(a, (batch, *a.shape)) for a in arrays]
    given = {} if initial_state is None else initial_state
    states, first = read_states(plan, given, batch, plan.initial(replaced))

    with _ticking(progress, steps * (batch or 1)) as tick:
        job = Job(
            plan, dt, first, steps, arrays, states, replaced.values, batch, replaced.batched, slots,
            keep == "last", check_finite, tick,
        )  # fmt: skip
        outcome = run(job)
    rows = dict(zip(slots, outcome.rows, strict=True))
    time = dt * np.arange(first + steps - 1 if keep == "last" else first, first + steps)
    state = dict(zip(plan.initial_state, tree_map(np.array, outcome.states), strict=True))
    return Result(
        {name: rows[plan.names[name]] for name in names},
        time,
        state | {STEP: first + steps},
        replace(job, tick=None),
        engine,
    )


def stream(diagram: Diagram, chunks: Iterable[Mapping[str, ArrayLike]], **options: Any) -> Iterator[Result]:
    """The results of one long run whose inputs come in chunks, of any lengths, with constant memory.

    chunks: dictionaries of inputs as `simulate` takes them, each going on where the one before stopped.
    options: those of `simulate`; `initial_state` is that of the first chunk. Raises its errors, when
    the chunk is reached.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("z", bs.library.UnitDelay(9.0), d.input("u")))
    >>> for result in bs.stream(d, [{"u": [1.0, 2.0]}, {"u": [3.0]}], dt=0.5):
    ...     print(result.time, result["y"])
    [0.  0.5] [9. 1.]
    [1.] [2.]
    """
    known = inspect.signature(simulate).parameters
    for name in options:
        if name not in known:
            raise InputError(
                "stream", "an option of simulate", repr(name), did_you_mean(name, known), user_line()
            )
    if not isinstance(chunks, Iterable):
        raise InputError("stream, chunks", "dictionaries of inputs, one after the other", describe(chunks))
    compile(diagram, options.get("dtype"))

    def results() -> Iterator[Result]:
        for chunk in chunks:
            result = simulate(diagram, chunk, **options)
            options["initial_state"] = result.final_state
            yield result

    return results()


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
        self.dt = as_step_size(dt)
        self._watch = Watch(self._plan, check_finite)
        with self._watch.errors():
            replaced = self._plan.replace({} if params is None else params)
            self._step = self._plan.bind(np, self.dt, replaced.values, self._watch.guard)
        self._given = {} if initial_state is None else initial_state
        self._initial = self._plan.initial(replaced)
        self.reset()

    def reset(self) -> None:
        """Go back to the initial state and to the first step."""
        self._states, self._k = read_states(self._plan, self._given, None, self._initial)
        self.signals: dict[str, Any] = {}
        """Every signal of the last step, by path."""

    @property
    def state(self) -> dict[str, Any]:
        """The state that the next step starts from, by path."""
        states = [tree_map(np.array, state) for state in self._states]
        return dict(zip(self._plan.initial_state, states, strict=True)) | {STEP: self._k}

    @property
    def time(self) -> float:
        """The time of the next step, in seconds."""
        return self._k * self.dt

    def step(self, **inputs: ArrayLike) -> dict[str, Any]:
        """One step: the outputs by name. A step that raises leaves the state as it was."""
        check_names(self._plan, inputs)
        values = [as_signal(name, inputs[name], signal, ()) for name, signal in self._plan.inputs.items()]
        self._watch.step = self._k
        with self._watch.errors():
            states, slots = self._step(self.time, self._states, values)
            if self._watch.active:
                self._watch.inspect(slots, states)
        # copies, since a signal may be the state itself
        self.signals = {name: np.array(slots[slot]) for name, slot in self._plan.names.items()}
        self._states, self._k = states, self._k + 1
        return {name: np.array(slots[slot]) for name, slot in self._plan.outputs.items()}


@contextmanager
def _ticking(
    progress: bool | Callable[[int, int], None], total: int
) -> Iterator[Callable[[int], None] | None]:
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
