"""Eigenvalues of a diagram's step, and what makes them: states, signals and parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocksim.analysis.linearize import linearize
from blocksim.analysis.point import operating_point
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.surgery import part
from blocksim.analysis.system import System
from blocksim.arguments import as_count
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, user_line

Values = NDArray[Any]
AT_REST = 1e-8
"""A state that a step moves by no more than this is an equilibrium."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of A, the largest first; the columns of `right` and `left` are the eigenvectors.

    `participation` (n states, n modes) is w_k v_k / (w . v) of each state in each mode (Perez-Arriaga,
    Verghese and Schweppe 1982), the relative change of the eigenvalue with the gain of the state's own
    feedback, A_kk; columns sum to 1. It is nan for a mode without a full set of eigenvectors.
    """

    values: Values
    right: Values
    left: Values
    states: tuple[str, ...]

    @property
    def radius(self) -> float:
        """max |lambda|."""
        return float(abs(self.values).max(initial=0.0))

    @property
    def stable(self) -> bool:
        """Whether all eigenvalues are inside the unit circle."""
        return self.radius < 1

    @cached_property
    def participation(self) -> Values:
        products = self.left.conj() * self.right
        total = products.sum(0)
        simple = abs(total) >= 1e-14
        return np.where(simple, products / np.where(simple, total, 1), np.nan)

    def by_block(self, mode: int = 0) -> dict[str, float]:
        """The participation in a mode of each block with a state: the real parts of its states', summed."""
        found: dict[str, float] = {}
        column = np.real(self.participation[:, as_count("mode", mode, 0, len(self.values) - 1)])
        for name, share in zip(self.states, column, strict=True):
            path = re.sub(r"\[[\d, ]+\]$", "", name)
            found[path] = found.get(path, 0.0) + float(share)
        return dict(sorted(found.items(), key=lambda item: -abs(item[1])))

    def __str__(self) -> str:
        """A table of the ten largest: real and imaginary part, magnitude, the block that takes most part."""
        lines = [f"{'eigenvalue':>22}  {'|.|':>9}  most in"]
        for i, value in enumerate(self.values[:10]):
            path, share = next(iter(self.by_block(i).items()))
            lines.append(f"{value.real:11.6f}{value.imag:+10.6f}j  {abs(value):9.6f}  {path} ({share:.2f})")
        if len(self.values) > 10:
            lines.append(f"and {len(self.values) - 10} more")
        return "\n".join(lines)


def eigenvalues(diagram: Diagram | StateSpace, at: Any = None, **options: Any) -> Spectrum:
    """lambda with A v = lambda v, A = dF/dx at a point of a diagram: `at` and options as of `linearize`.

    A StateSpace may stand for the diagram. Raises the errors of `linearize`.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay([1.0, 0.0]))
    >>> d.connect(d.add("turn", bs.library.Gain([[0.0, -0.5], [0.5, 0.0]]), z), z)
    >>> spectrum = bs.analysis.eigenvalues(d)
    >>> spectrum.values.round(9), spectrum.stable, spectrum.by_block()
    (array([0.+0.5j, 0.-0.5j]), True, {'z': 1.0})
    """
    model = diagram if isinstance(diagram, StateSpace) else linearize(diagram, at, **options)
    return _spectrum(model.A, tuple(model.states))


def _spectrum(A: Values, states: tuple[str, ...]) -> Spectrum:
    import scipy.linalg

    values, left, right = scipy.linalg.eig(A, left=True, right=True)  # pyright: ignore
    order = np.lexsort((-np.imag(values), -abs(values).round(12)))
    return Spectrum(values[order], right[:, order], left[:, order], states)


def _weights(spectrum: Spectrum, mode: int) -> tuple[complex, Values, Values]:
    """An eigenvalue, v, and w with w . v = 1: to a change dA it moves by w . dA v."""
    mode = as_count("mode", mode, 0, len(spectrum.values) - 1)
    value, v, w = spectrum.values[mode], spectrum.right[:, mode], spectrum.left[:, mode].conj()
    if abs(value) < 1e-12 or abs(w @ v) < 1e-12:
        raise AnalysisError(
            f"mode {mode}", "an eigenvalue that is simple and not zero", f"{value:.3g}",
            "The others of its kind change with it, not smoothly.", user_line(),
        )  # fmt: skip
    return complex(value), v, w / (w @ v)


def shares(diagram: Diagram, at: Any = None, mode: int = 0, **options: Any) -> dict[str, float]:
    """d ln|lambda| / d ln(gain of a signal), for every signal: how much of a mode passes through it.

    It is the relative change of |lambda| where what a signal adds to its resting value is amplified: a
    share through a state is its participation (see Spectrum), so that this goes on from states to gates.
    The shares of signals that together cut every loop once, all states say, sum to 1: so do those through
    `keep` and `write` of an LSTM's cell, with the part of the output gate. `mode` counts from the largest
    eigenvalue. The largest share comes first. `at` and options (step, run, params, dt) as of `linearize`.

    Raises its errors, and AnalysisError for an eigenvalue that is zero or not simple.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> keep, more = d.add("keep", bs.library.Gain(0.6), z), d.add("more", bs.library.Gain(0.3), z)
    >>> d.connect(d.add("sum", bs.library.Sum(), keep, more), z)
    >>> {path: round(share, 3) for path, share in bs.analysis.shares(d).items()}
    {'z': 1.0, 'sum': 1.0, 'keep': 0.667, 'more': 0.333}
    """
    point = operating_point(diagram, at, **options)
    system, names = point.system(diagram, "shares", lambda: _with_injections(diagram, point.dt))
    params, x = point.parameters(system), system.pack(point.state)
    u = system.inputs_as_vector(point.inputs)
    A = system.compiled("jacobian at", lambda: _jacobian(system))(params, x, u)
    value, v, w = _weights(_spectrum(A, tuple(system.states)), mode)

    def make() -> Any:
        import jax

        def run(params: Any, x: Any, u: Any, v: Any, w: Any) -> Any:
            moved = jax.vmap(lambda d: jax.jvp(lambda x: system.map(params, x, u)[1], (x,), (d,))[1])(v)
            _, pull = jax.vjp(lambda u: system.map(params, x, u)[0], u)
            return moved, jax.vmap(lambda d: pull(d)[0])(w)

        return run

    pairs = system.compiled("shares", make)(params, x, u, _pair(v), _pair(w))
    moved, felt = (pair[0] + 1j * pair[1] for pair in pairs)
    felt = felt[len(felt) - len(moved) :]
    ends = np.cumsum([prod(form.shape) for form in system.output_forms.values()])
    parts = np.split(np.real(felt * moved / value), ends[:-1])
    found = {name: float(share.sum()) for known, share in zip(names, parts, strict=True) for name in known}
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def sensitivities(
    diagram: Diagram, at: Any = None, mode: int = 0, *, follow: bool = False, **options: Any
) -> dict[str, dict[str, Values]]:
    """d|lambda| / d(parameter) for every parameter, `{path: {field: array}}`, at a fixed state.

    With `follow`, the point is an equilibrium that moves with the parameters, and the derivative is along
    its motion. `mode` counts from the largest eigenvalue; `at` and options (step, run, params, dt) as of
    `linearize`. Raises its errors, and AnalysisError for an eigenvalue that is zero or not simple, and
    with `follow` for a point that is not at rest.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("a", bs.library.Gain(-0.6), z), z)
    >>> bs.analysis.sensitivities(d)["a"]["K"].item()
    -1.0
    """
    point = operating_point(diagram, at, **options)
    system, given, x, u = point.vectors(diagram)
    J = system.compiled("jacobian at", lambda: _jacobian(system))(given, x, u)
    value, v, w = _weights(_spectrum(J, tuple(system.states)), mode)
    params = {
        path: {name: array for name, array in fields.items() if array.dtype.kind == "f"}
        for path, block in point.plan.blocks.items()
        if (fields := block.parameters() | point.params.get(path, {}))
    }

    def make() -> Any:
        import jax

        def size(params: Any, x: Any, u: Any, v: Any, w: Any) -> Any:
            columns = jax.vmap(lambda d: jax.jvp(lambda x: system.map(params, x, u)[0], (x,), (d,))[1])(v)
            return w[0] @ columns[0] - w[1] @ columns[1]

        def pushed(params: Any, x: Any, u: Any, push: Any) -> Any:
            return push @ system.map(params, x, u)[0]

        return lambda params, x, u, v, w, push: (
            jax.grad(size, argnums=(0, 1))(params, x, u, v, w), jax.grad(pushed)(params, x, u, push)
        )  # fmt: skip

    derivatives = system.compiled("sensitivities", make)
    phase = w * value.conjugate() / abs(value)
    zero = np.zeros(len(x))
    (direct, by_state), _ = derivatives(params, x, u, _pair(v), _pair(phase), zero)
    if not follow:
        return direct
    after, _ = system.compiled("map at", lambda: system.map)(params, x, u)
    moved = float(abs(after - x).max())
    if not moved <= AT_REST:
        raise AnalysisError(
            "sensitivities, follow", "an equilibrium, which a step leaves as it is",
            f"a point that it moves by {moved:.1e}", "Give at=bs.analysis.equilibrium(...).", user_line(),
        )  # fmt: skip
    push = np.linalg.solve((np.eye(len(x)) - J).T, by_state)
    _, indirect = derivatives(params, x, u, _pair(v), _pair(phase), push)
    return {p: {f: direct[p][f] + indirect[p][f] for f in fields} for p, fields in direct.items()}


def _with_injections(diagram: Diagram, dt: float) -> tuple[System, list[list[str]]]:
    """The system whose last inputs are added to each of its outputs, all signals; the names of each."""
    piece = part(diagram)
    names: dict[tuple[str, str], list[str]] = {}
    for name, port in piece.signals.items():
        if piece.forms[name].dtype.kind == "f" and port.node.name not in piece.flat.inputs:
            names.setdefault((port.node.name, port.name), []).append(name)
    first = [known[0] for known in names.values()]
    for name in first:
        piece.inject(name)
    return System(piece.diagram(first), outputs=first, dt=dt), [*names.values()]


def _jacobian(system: System) -> Any:
    import jax

    return jax.jacfwd(lambda params, x, u: system.map(params, x, u)[0], argnums=1)


def _pair(vector: Values) -> Values:
    """Real and imaginary parts as two rows."""
    return np.stack([np.real(vector), np.imag(vector)])
