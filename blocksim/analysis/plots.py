"""Pictures of dynamics: eigenvalues, poles and zeros, phase portraits, spectral radii over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.analysis.point import operating_point
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.system import System, Vector
from blocksim.arguments import as_count
from blocksim.block import as_array
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, InputError, describe, did_you_mean, user_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blocksim.draw.themes import Theme

File = str | PathLike[str] | None
FAR = 1e6
"""States beyond this are not drawn: an orbit that runs away would hide the others."""


def plot_eigenvalues(
    spectra: Any | Mapping[str, Any], path: File = None, *, title: str = "", theme: str = "light"
) -> Figure:
    """Eigenvalues in the complex plane with the unit circle; saved to `path`.

    spectra: what has eigenvalues (a Spectrum, a StateSpace, an Equilibrium, a vector of numbers), or
    several of these by name, told apart by colour and marker. Raises InputError for what has none,
    FileError for a bad path, DiagramError for an unknown theme.

    >>> import blocksim as bs
    >>> figure = bs.analysis.plot_eigenvalues({"before": [0.5, 0.2], "after": [0.9 + 0.3j, 0.9 - 0.3j]})
    >>> [text.get_text() for text in figure.legends[0].texts]
    ['before', 'after']
    """
    named = dict(spectra) if isinstance(spectra, Mapping) else {"": spectra}
    sets = {str(name): _values(name, spectrum) for name, spectrum in named.items()}
    from blocksim.draw.axes import finish

    figure, axis, look = _plane(title, theme)
    colours = [*look.loops, look.ink]
    for k, (name, values) in enumerate(sets.items()):
        axis.plot(
            np.real(values), np.imag(values), linestyle="none", marker="osD^v"[k % 5], label=name or "_",
            markersize=max(5.0, 7.5 - 0.7 * k),  # those below stay visible where values are the same
            color=colours[k % len(colours)], markeredgecolor=look.background, markeredgewidth=0.6, alpha=0.9,
        )  # fmt: skip
    return finish(figure, axis, look, path)


def plot_poles_zeros(
    model: StateSpace, path: File = None, *, title: str = "", theme: str = "light"
) -> Figure:
    """The poles (crosses) and zeros (circles) of a linear model, with the unit circle; saved to `path`.

    A number beside a mark is how many lie there: that of poles on its right, of zeros on its left.
    Raises InputError for another object, FileError for a bad path, DiagramError for an unknown theme.

    >>> import blocksim as bs
    >>> lag = bs.analysis.StateSpace([[0.5]], [[1.0]], [[1.0]], [[2.0]])
    >>> len(bs.analysis.plot_poles_zeros(lag).legends[0].texts)
    2
    """
    if not isinstance(model, StateSpace):
        raise InputError("plot_poles_zeros", "a StateSpace", describe(model), "", user_line())
    from blocksim.draw.axes import finish, font

    figure, axis, look = _plane(title, theme)
    style: dict[str, Any] = {"linestyle": "none", "fillstyle": "none", "markeredgewidth": 1.8}
    near = 0.01 * max(1.0, *abs(model.poles), *abs(model.zeros))
    for values, marker, colour, what, side in (
        (model.poles, "x", look.loops[1], "poles", 1), (model.zeros, "o", look.loops[0], "zeros", -1),
    ):  # fmt: skip
        axis.plot(
            np.real(values), np.imag(values), marker=marker, color=colour, markersize=9, label=what, **style
        )
        for value, count in _crowds(values, near):
            axis.annotate(
                f"{count}", (value.real, value.imag), (7 * side, 7 if value.imag > -near else -7),
                textcoords="offset points", ha="left" if side > 0 else "right", va="center", color=colour,
                fontproperties=font(),
            )  # fmt: skip
    return finish(figure, axis, look, path)


def _crowds(values: NDArray[Any], near: float) -> list[tuple[complex, int]]:
    """Places at which several values are drawn over each other, and how many there are."""
    rest, found = [complex(value) for value in values], []
    while rest:
        same = [value for value in rest if abs(value - rest[0]) <= near]
        if len(same) > 1:
            found.append((sum(same) / len(same), len(same)))
        rest = [value for value in rest if value not in same]
    return found


def plot_phase(
    diagram: Diagram,
    x: str,
    y: str,
    path: File = None,
    *,
    starts: int | ArrayLike = 24,
    spread: float = 1.0,
    steps: int = 60,
    equilibria: Iterable[Any] = (),
    at: Any = None,
    title: str = "",
    theme: str = "light",
    **options: Any,
) -> Figure:
    """Orbits of a diagram in the plane of two of its states, with equilibria; saved to `path`.

    x, y: names of states as `System.states` has them, "hidden_state[0]". starts: states to begin at,
    (S, n), or how many at random within `spread` of the point `at` (see `linearize`), whose inputs stay.
    Dots are steps, joined in their order, paler to the end; those beyond 1e6 are left out. equilibria:
    those of `equilibria`, stable ones filled. Raises the errors of `linearize`, InputError for names or
    numbers that do not fit.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay([1.0, 0.0]))
    >>> d.connect(d.add("turn", bs.library.Gain([[0.9, -0.3], [0.3, 0.9]]), z), z)
    >>> figure = bs.analysis.plot_phase(d, "z[0]", "z[1]", starts=5)
    >>> figure.axes[0].get_xlabel()
    'z[0]'
    """
    point = operating_point(diagram, at, **options)
    system, given, centre, u = point.vectors(diagram)
    for name in (x, y):
        if name not in system.states:
            raise InputError(
                f"plot_phase, state {name!r}", "the name of a state", "none of that name",
                did_you_mean(name, system.states), user_line(),
            )  # fmt: skip
    size = len(system.states)
    if isinstance(starts, (int, np.integer)):
        count = as_count("starts", starts)
        begin = centre + spread * np.random.default_rng(0).uniform(-1, 1, (count, size))
    else:
        begin = as_array(starts)
        if begin.dtype.kind not in "biuf" or begin.ndim != 2 or begin.shape[1] != size:
            raise InputError("starts", f"an array (S, {size})", describe(starts), "", user_line())
    columns = [system.states.index(x), system.states.index(y)]
    rows = _orbits(system, given, begin.astype(float), u, as_count("steps", steps))[:, :, columns]

    from matplotlib.collections import LineCollection

    from blocksim.draw.axes import chart, finish

    figure, axis, look = chart((7.2, 6.0), theme, title, x, y)
    for k, orbit in enumerate(rows):
        kept = orbit[np.isfinite(orbit).all(1) & (abs(orbit) < FAR).all(1)]
        colour = look.loops[k % len(look.loops)]
        lines = LineCollection(
            list(np.stack([kept[:-1], kept[1:]], 1)), linewidths=0.9, colors=colour,
            alpha=np.linspace(0.75, 0.25, max(1, len(kept) - 1)),
        )  # fmt: skip
        axis.add_collection(lines)
        axis.plot(*kept.T, linestyle="none", marker="o", markersize=1.9, color=colour, alpha=0.7)
        axis.plot(*kept[:1].T, linestyle="none", marker="o", markersize=4.2, color=colour)
    shown: set[str] = set()
    for found in equilibria:
        if getattr(found, "state", None) is None:
            raise AnalysisError(
                "plot_phase, equilibria", "points that were found", describe(found), "", user_line()
            )
        place, kind = system.pack(found.state)[columns], "stable" if found.stable else "unstable"
        axis.plot(
            *place[:, None], linestyle="none", marker="D",
            markersize=9, color=look.ink, fillstyle="full" if found.stable else "none", markeredgewidth=1.8,
            label="_" if kind in shown else f"{kind} equilibrium", zorder=5,
        )  # fmt: skip
        shown.add(kind)
    axis.margins(0.05)
    return finish(figure, axis, look, path)


def _orbits(system: System, params: Any, begin: Vector, u: Vector, steps: int) -> Vector:
    """The states (S, steps + 1, n) from each of the first ones (S, n) on."""

    def make() -> Any:
        import jax

        def orbit(params: Any, x: Any, u: Any, rows: Any) -> Any:
            return jax.lax.scan(lambda x, _: (system.map(params, x, u)[0], x), x, rows)[1]

        return jax.vmap(orbit, in_axes=(None, 0, None, None))

    return system.compiled("orbits", make)(params, begin, u, np.zeros(steps + 1))


def plot_spectral_radius(
    radii: ArrayLike | Mapping[str, ArrayLike],
    path: File = None,
    *,
    steps: Sequence[float] | None = None,
    xlabel: str = "training step",
    title: str = "",
    theme: str = "light",
) -> Figure:
    """Spectral radii over training, with the line at 1; saved to `path`.

    radii: (K,), or several by name; steps (K,): where they were taken, 0, 1, ... unless given. Raises
    InputError for what does not fit, FileError for a bad path, DiagramError for an unknown theme.

    >>> import blocksim as bs
    >>> figure = bs.analysis.plot_spectral_radius([0.6, 0.7, 0.9, 1.02], steps=[0, 200, 400, 600])
    >>> len(figure.axes[0].lines)
    2
    """
    named = radii if isinstance(radii, Mapping) else {"": radii}
    from blocksim.draw.axes import chart, finish

    figure, axis, look = chart((7.2, 4.0), theme, title, xlabel, "spectral radius")
    axis.axhline(1.0, color=look.quiet, linewidth=1.0, linestyle=(0, (5, 3)))
    for k, (name, given) in enumerate(named.items()):
        values = as_array(given)
        at = as_array(np.arange(len(values)) if steps is None and values.ndim else steps)
        if values.dtype.kind not in "biuf" or values.ndim != 1 or at.shape != values.shape:
            raise InputError(
                "plot_spectral_radius", "a vector of radii, and one of steps of the same length",
                f"{describe(values)} and {describe(at)}", "", user_line(),
            )  # fmt: skip
        colour = look.loops[k % len(look.loops)]
        axis.plot(at, values, color=colour, marker="o", markersize=3.5, linewidth=1.5, label=str(name) or "_")
    return finish(figure, axis, look, path)


def _values(name: Any, spectrum: Any) -> NDArray[np.complex128]:
    """The eigenvalues of what has them."""
    for attribute in ("values", "eigenvalues", "poles", "multipliers"):
        found = getattr(spectrum, attribute, None)
        if found is not None and not callable(found):
            spectrum = found
            break
    values = as_array(spectrum)
    if values.dtype.kind not in "biufc" or values.ndim != 1 or not np.isfinite(values).all():
        where = f"plot_eigenvalues, {name!r}" if name else "plot_eigenvalues"
        raise InputError(
            where, "a vector of finite numbers, or what has eigenvalues", describe(spectrum), "", user_line()
        )
    return values.astype(complex)


def _plane(title: str, theme: str) -> tuple[Figure, Axes, Theme]:
    """Axes of the complex plane with the unit circle."""
    from blocksim.draw.axes import chart

    figure, axis, look = chart((6.0, 6.4), theme, title, "real part", "imaginary part")
    turn = 2 * np.pi * np.linspace(0, 1, 400)
    axis.plot(np.cos(turn), np.sin(turn), color=look.quiet, linewidth=1.1, label="_")
    for line in (axis.axhline, axis.axvline):
        line(0.0, color=look.axis, linewidth=0.8)
    axis.set_aspect("equal", adjustable="datalim")
    return figure, axis, look
