"""`Result`: the signals of a run by path, its time and its final state."""

from __future__ import annotations

import base64
import fnmatch
import html
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from blocksim.block import Array
from blocksim.errors import InputError, describe, did_you_mean, user_line
from blocksim.plan import Plan

if TYPE_CHECKING:
    import xarray


SHOWN = 12
"""Signals that a notebook draws."""


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
