"""`StateSpace`: a linear system in discrete time, with named states, inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.arguments import as_count, as_step_size
from blocksim.block import as_array
from blocksim.errors import AnalysisError, InputError, describe, user_line

Matrix = NDArray[np.float64]
Complex = NDArray[np.complex128]
SINGULAR, SPREAD, MEAN, NOT_SEEN = 1e-13, 1e-2, 1e-8, 1e-9
"""A zI - A with a singular value this small, relative to the largest, has poles at z: rounding moves them by
up to SPREAD, and their mean by up to MEAN. A relative share of them in a gain up to NOT_SEEN is none."""


@dataclass(frozen=True, eq=False)
class StateSpace:
    """x[k+1] = A x[k] + B u[k], y[k] = C x[k] + D u[k], with steps of `dt` seconds.

    A (n, n), B (n, m), C (p, n), D (p, m), of finite numbers; `states`, `inputs` and `outputs` name the
    rows and columns, `x[0]` and so on unless given. Raises InputError for shapes or names that do not
    fit, AnalysisError for numbers that are not finite.

    >>> from blocksim.analysis import StateSpace
    >>> lag = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], dt=0.1)
    >>> lag.poles, lag.dcgain, lag.step_response(3)[:, 0, 0]
    (array([0.5]), array([[2.]]), array([0. , 1. , 1.5]))
    """

    A: Matrix
    B: Matrix
    C: Matrix
    D: Matrix
    dt: float = 1.0
    states: Sequence[str] = ()
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, axes in {"A": "nn", "B": "nm", "C": "pn", "D": "pm"}.items():
            array = as_array(getattr(self, name))
            shape = [sizes.get(axis, size) for axis, size in zip(axes, array.shape, strict=False)]
            square = array.ndim == 2 and (axes != "nn" or array.shape[0] == array.shape[1])
            if array.dtype.kind not in "biuf" or not square or array.shape != tuple(shape):
                form = ", ".join(str(sizes.get(axis, axis)) for axis in axes)
                raise InputError(name, f"a real matrix ({form})", describe(array), "", user_line())
            sizes |= dict(zip(axes, array.shape, strict=True))
            array = np.array(array, float)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        for what, letter, axis in (("states", "x", "n"), ("inputs", "u", "m"), ("outputs", "y", "p")):
            names = tuple(getattr(self, what)) or tuple(f"{letter}[{i}]" for i in range(sizes[axis]))
            if len(names) != sizes[axis]:
                raise InputError(what, f"{sizes[axis]} names", f"{len(names)}", "", user_line())
            object.__setattr__(self, what, names)
        object.__setattr__(self, "dt", as_step_size(self.dt))
        rows = {"A": self.states, "B": self.states, "C": self.outputs, "D": self.outputs}
        for name, named in rows.items():
            array = getattr(self, name)
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                i, j = bad[0]
                by = (self.states if name in "AC" else self.inputs)[j]
                raise AnalysisError(
                    f"{name}, the derivative of {named[i]} in {by}", "a finite number", f"{array[i, j]}",
                    "The step is not differentiable at this point, or overflows.", user_line(),
                )  # fmt: skip

    def __repr__(self) -> str:
        n, m, p = len(self.A), self.B.shape[1], len(self.C)
        sizes = [f"{k} {what}{'s' * (k != 1)}" for k, what in ((n, "state"), (m, "input"), (p, "output"))]
        return f"<StateSpace: {', '.join(sizes)}, steps of {self.dt:g} s>"

    # -- poles and zeros ---------------------------------------------------------------------------

    @cached_property
    def poles(self) -> NDArray[Any]:
        """The eigenvalues of A, the largest first."""
        return _by_size(np.linalg.eigvals(self.A))

    @cached_property
    def zeros(self) -> NDArray[Any]:
        """The finite invariant zeros, at which [[A - zI, B], [C, D]] loses rank, the largest first.

        The system is first reduced to one with an invertible D (Emami-Naeini and Van Dooren 1982), whose
        generalized eigenvalues they are: none at infinity that rounding makes finite.
        """
        import scipy.linalg

        A, B, C, D = _reduced(self.A, self.B, self.C, self.D)
        A, C, B, D = (M.T for M in _reduced(A.T, C.T, B.T, D.T))
        n, m = B.shape
        if not n or not m:
            return np.zeros(0) if not n else _by_size(np.linalg.eigvals(A))
        _, _, Vh = np.linalg.svd(np.hstack([C, D]))  # the rest spans what D and C map to zero
        kernel = Vh[len(D) :].T
        left, right = np.hstack([A, B]) @ kernel, kernel[:n]
        values: Any = scipy.linalg.eigvals(left, right)
        return _by_size(values if np.imag(values).any() else np.real(values))

    @property
    def spectral_radius(self) -> float:
        """max |pole|."""
        return float(abs(self.poles).max(initial=0.0))

    @property
    def stable(self) -> bool:
        """Whether all poles are inside the unit circle."""
        return self.spectral_radius < 1

    @cached_property
    def dcgain(self) -> Matrix:
        """C (I - A)^-1 B + D, (p, m): the output at rest for a constant input; inf where it integrates."""
        return self._gain(1.0).real

    # -- responses ---------------------------------------------------------------------------------

    def frequency_response(self, omega: ArrayLike | None = None) -> tuple[Matrix, Complex]:
        """(omega, H): H(e^(j omega dt)) = C (zI - A)^-1 B + D, (F, p, m), at omega in rad/s.

        Unless given, omega are 500 logarithmic steps over four decades to pi/dt. inf at a pole.
        """
        if omega is None:
            omega = np.logspace(-4, 0, 500) * np.pi / self.dt
        given = as_array(omega)
        if given.dtype.kind not in "biuf" or given.ndim != 1 or not np.isfinite(given).all():
            raise InputError(
                "omega", "a vector of finite frequencies in rad/s", describe(omega), "", user_line()
            )
        found = [self._gain(z) for z in np.exp(1j * given * self.dt)]
        return given.astype(float), np.array(found).reshape(len(given), *self.D.shape)

    def _gain(self, z: complex) -> Complex:
        """The transfer function at a point; the part of the poles there is split off, being inf or zero."""
        import scipy.linalg

        radius = self._around(z)
        if not radius:
            return self.C @ np.linalg.solve(z * np.eye(len(self.A)) - self.A, self.B) + self.D
        T, U, size = scipy.linalg.schur(  # pyright: ignore[reportAssignmentType]
            self.A, output="complex", sort=lambda value: abs(value - z) <= radius
        )
        X = scipy.linalg.solve_sylvester(T[:size, :size], -T[size:, size:], -T[:size, size:])
        B, C = U.conj().T @ self.B, self.C @ U
        there, here = B[:size] - X @ B[size:], C[:, :size]
        rest = C[:, size:] + here @ X
        gain = rest @ np.linalg.solve(z * np.eye(len(T) - size) - T[size:, size:], B[size:]) + self.D
        seen = np.outer(np.linalg.norm(self.C, axis=1), np.linalg.norm(self.B, axis=0)) * NOT_SEEN
        for _ in range(size):
            gain[abs(here @ there) > seen] = np.inf
            there = T[:size, :size] @ there
        return gain

    def _around(self, z: complex) -> float:
        """How far from a point lie the poles that are there but for rounding; 0 without any.

        Rounding spreads a k-fold pole as far as the k-th root of its size, around a mean that stays.
        """
        near = self.poles[np.argsort(abs(self.poles - z))]
        distance = np.append(abs(near - z), np.inf)
        if distance[0] > SPREAD:
            return 0.0
        s = np.linalg.svd(z * np.eye(len(self.A)) - self.A, compute_uv=False)
        if s[-1] > SINGULAR * max(1.0, s[0]):
            return 0.0
        means = np.cumsum(near - z) / np.arange(1, len(near) + 1)
        there = (abs(means) <= MEAN) & (distance[:-1] <= SPREAD)
        k = int(np.flatnonzero(there)[-1]) if there.any() else 0
        return float((distance[k] + min(distance[k + 1], 1.0)) / 2)

    def simulate(self, u: ArrayLike, x0: ArrayLike | None = None) -> tuple[Matrix, Matrix]:
        """(y (T, p), x (T, n)) for inputs u (T, m), or (T,) for one, from x0, zero unless given."""
        given, (n, m) = as_array(u), self.B.shape
        rows = given[:, None] if given.ndim == 1 and m == 1 else given
        start = as_array(np.zeros(n) if x0 is None else x0)
        for name, array, form, fits in (
            ("u", rows, f"(T, {m})", rows.ndim == 2 and rows.shape[1] == m),
            ("x0", start, f"({n},)", start.shape == (n,)),
        ):
            if array.dtype.kind not in "biuf" or not fits or not np.isfinite(array).all():
                raise InputError(
                    name, f"finite numbers of shape {form}", describe(u if name == "u" else x0), "",
                    user_line(),
                )  # fmt: skip
        x, driven = np.empty((len(rows), n)), rows @ self.B.T
        state = start.astype(float)
        for k, push in enumerate(driven):
            x[k] = state
            state = self.A @ state + push
        return x @ self.C.T + rows @ self.D.T, x

    lsim = simulate

    def impulse_response(self, steps: int) -> Matrix:
        """(K, p, m): the outputs from rest after an impulse into each input: D, C B, C A B, ..."""
        return self._responses(steps, np.arange(as_count("steps", steps)) == 0)

    def step_response(self, steps: int) -> Matrix:
        """(K, p, m): the outputs from rest for a constant 1 at each input."""
        return self._responses(steps, np.ones(as_count("steps", steps)))

    def _responses(self, steps: int, signal: NDArray[Any]) -> Matrix:
        found = [self.simulate(np.outer(signal, unit))[0] for unit in np.eye(self.B.shape[1])]
        return np.stack(found, 2) if found else np.zeros((steps, len(self.C), 0))

    # -- other tools -------------------------------------------------------------------------------

    def to_scipy(self) -> Any:
        """The same system as a `scipy.signal.dlti`."""
        from scipy.signal import dlti

        return dlti(self.A, self.B, self.C, self.D, dt=self.dt)

    def to_control(self) -> Any:
        """The same system as a `control.StateSpace`, with its names, a dot in them as `_`.

        Raises InputError without the package python-control, and for a system without inputs or outputs,
        which it does not know.
        """
        try:
            import control  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError(
                "to_control()", "python-control to be installed", "no such package",
                "pip install 'blocksim[control]'", user_line(),
            ) from error  # fmt: skip
        if not self.inputs or not self.outputs:
            raise InputError(
                "to_control()", "a system with inputs and outputs", repr(self),
                "Give linearize() inputs= and outputs=.", user_line(),
            )  # fmt: skip
        names = {"states": self.states, "inputs": self.inputs, "outputs": self.outputs}
        named = {what: [name.replace(".", "_") for name in known] for what, known in names.items()}
        return control.StateSpace(
            self.A, self.B, self.C, self.D, self.dt, remove_useless_states=False, **named
        )


def _by_size(values: Any) -> NDArray[Any]:
    """The largest first, of a pair the one with the positive imaginary part."""
    return values[np.lexsort((-values.imag, -abs(values).round(12)))]


def _reduced(A: Matrix, B: Matrix, C: Matrix, D: Matrix) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """A system with the same finite zeros whose D has full row rank."""
    eps = np.finfo(float).eps * max(1, *A.shape, *D.shape)
    tolerance = eps * max(1e-300, *(np.linalg.norm(M) for M in (A, B, C, D)))
    while True:
        U, s, _ = np.linalg.svd(D)
        rank = int((s > tolerance).sum())
        C, D = U.T @ C, (U.T @ D)
        upper, lower = C[:rank], C[rank:]
        if not lower.size:
            return A, B, upper, D[:rank]
        _, s, Vh = np.linalg.svd(lower)
        fixed = int((s > tolerance).sum())  # states that outputs held at zero hold at zero
        if not fixed:
            return A, B, upper, D[:rank]
        V = np.vstack([Vh[fixed:], Vh[:fixed]]).T
        A, B, upper = V.T @ A @ V, V.T @ B, upper @ V
        free = len(A) - fixed
        C = np.vstack([upper[:, :free], A[free:, :free]])
        D = np.vstack([D[:rank], B[free:]])
        A, B = A[:free, :free], B[:free]
