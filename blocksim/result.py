"""`Result`: the signals of a run by path, its time and its final state."""

from __future__ import annotations

import base64
import fnmatch
import html
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.arguments import STEP, as_index
from blocksim.block import Array
from blocksim.engines import Job, find_engine
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.plan.tree import tree_map

if TYPE_CHECKING:
    import xarray


SHOWN = 12
"""Signals that a notebook draws."""


class Result:
    """The signals of a run by path, `(T, *shape)` or `(B, T, *shape)`; row k is the instant `time[k]`.

    `final_state` is `{path: array}`, with the next step's number under `"@step"`: given as the
    `initial_state` of another run with the same `dt`, that run goes on where this one stopped. `job` is
    what the `engine` was asked: inputs, first states, parameters.
    """

    def __init__(
        self,
        signals: dict[str, Array],
        time: Array,
        final_state: dict[str, Any],
        job: Job,
        engine: str,
    ) -> None:
        self.signals, self.time, self.final_state, self.dt = signals, time, final_state, job.dt
        self.job, self.engine, self._plan, self._batch = job, engine, job.plan, job.batch
        self._reached: dict[int, tuple[int, list[Any]]] = {}

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

    def state_at(self, step: int = -1, run: int = 0) -> dict[str, Any]:
        """The states by path before the step of a row, -1 being the last, of one run of a batch.

        With the step's number, as `final_state` has it: a run with this as its `initial_state` repeats the
        rest. They are found by running again up to there; for a later row, from there on. Raises
        InputError for a row or a run that there is not.

        >>> import blocksim as bs
        >>> d = bs.Diagram()
        >>> d.output("y", d.add("z", bs.library.Delay(0.0, 2), d.input("u")))
        >>> bs.simulate(d, {"u": [1.0, 2.0, 3.0]}).state_at(2)["z"]
        array([1., 2.])
        """
        which = as_index("run", run, self.job.batch or 1)
        job = self.job if self.job.batch is None else self.job.single(which)
        end = job.steps - job.rows + as_index("step", step, job.rows)
        start, states = self._reached.get(which, (0, job.states))
        if start > end:
            start, states = 0, job.states
        if start < end:
            inputs = [array[start:end] for array in job.inputs]
            part = replace(
                job, first_step=job.first_step + start, steps=end - start, inputs=inputs, states=states,
                record=[], keep_last=True,
            )  # fmt: skip
            states = find_engine(self.engine)(part).states
        self._reached = {which: (end, states)}
        named = dict(zip(self._plan.initial_state, tree_map(np.array, states), strict=True))
        return named | {STEP: job.first_step + end}

    def plot(
        self,
        path: str | PathLike[str] | None = None,
        names: str | Sequence[str] | None = None,
        *,
        run: int = 0,
        theme: str = "light",
    ) -> Any:
        """Draw the recorded signals over time as a matplotlib figure, saved if `path` is given.

        `names` are paths or globs of recorded signals; of a batch, one run is drawn; `theme` is "light"
        or "dark". Raises InputError for names or a run that there are not, FileError for a bad path.
        """
        from blocksim.draw.signals import plot_signals

        chosen: dict[str, ArrayLike] = {}
        wanted = [names] if isinstance(names, str) else names
        if wanted is not None and not (
            isinstance(wanted, Sequence) and all(isinstance(name, str) for name in wanted)
        ):
            raise InputError("plot, names", "a list of paths or globs", describe(names), line=user_line())
        for name in self.signals if wanted is None else wanted:
            found = fnmatch.filter(self.signals, name) if name not in self.signals else [name]
            for key in found or [name]:
                chosen[key] = self[key]
        title, runs = "", self._batch or 1
        if isinstance(run, bool) or not isinstance(run, int) or not 0 <= run < runs:
            raise InputError("plot, run", f"an integer from 0 to {runs - 1}", describe(run), "", user_line())
        if self._batch is not None:
            chosen = {key: self[key][run] for key in chosen}
            title = f"run {run} of {self._batch}"
        return plot_signals(self.time, chosen, path, theme=theme, title=title)

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of the recorded signals, and their plot."""
        from blocksim.draw.save import png

        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{array.shape}</td><td>{array.dtype}</td></tr>"
            for name, array in self.signals.items()
        )
        head = f"<p>{len(self.time)} steps of {self.dt:g} s" + (
            f", {self._batch} runs</p>" if self._batch is not None else "</p>"
        )
        shown = list(self.signals)[:SHOWN]
        more = f"<p>Drawn: the first {SHOWN}.</p>" if len(self.signals) > SHOWN else ""
        image = base64.b64encode(png(self.plot(names=shown))).decode() if shown and len(self.time) else ""
        picture = f'<img alt="signals over time" src="data:image/png;base64,{image}">' if image else ""
        table = f"<table><tr><th>signal</th><th>shape</th><th>dtype</th></tr>{rows}</table>"
        return f"<div>{head}{table}{more}{picture}</div>"

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
