"""`Result`: the signals of a run by path, its time and its final state."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from blocksim.block import Array
from blocksim.errors import InputError, did_you_mean, user_line
from blocksim.plan import Plan

if TYPE_CHECKING:
    import xarray


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

        chosen: dict[str, ArrayLike] = {
            name: self[name] for name in (names if names is not None else self.signals)
        }
        if self._batch is not None:
            chosen = {name: self[name][0] for name in chosen}
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
