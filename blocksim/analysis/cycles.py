"""`Cycles`: the k-cycles of a diagram as solutions of x - F^k(x; s) = 0, with s as a knob sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocksim.analysis.knob import Knob
from blocksim.analysis.newton import newton
from blocksim.analysis.system import System, Vector, in_float64


@dataclass(frozen=True)
class Cycles:
    """The family H(x, t) = x - F^k(x; s(t)), where s(t) runs over a range as t runs from 0 to 1.

    All states x are in units of `scale`, so that steps along a branch suit it.
    """

    system: System
    knob: Knob
    range: tuple[float, float]
    period: int
    scale: float = 1.0

    def value(self, t: Any) -> Any:
        """The parameter s at t."""
        return self.range[0] + (self.range[1] - self.range[0]) * t

    def system_at(self, t: float) -> System:
        """The diagram with the knob's parameters and inputs at t."""
        system = self.system
        params, u = in_float64(self.knob.at)(self.value(t))
        merged = {path: dict(fields) for path, fields in system.params.items()}
        for path, fields in params.items():
            merged[path] = {**merged.get(path, {}), **{f: np.asarray(a) for f, a in fields.items()}}
        inputs = system.unpack_inputs(u)
        return System(system.diagram, inputs, params=merged, dt=system.dt)

    def family(self, x: Vector, t: float) -> tuple[Vector, Vector, Vector]:
        """H (n,), H_x (n, n) and H_t (n,)."""

        def make() -> Any:
            import jax
            import jax.numpy as jnp

            def both(x: Any, t: Any) -> Any:
                n = len(x)

                def after(z: Any) -> Any:
                    params, u = self.knob.at(self.value(z[n]))
                    value = self.system.map(params, z[:n], u)[0]
                    return value, value

                def step(carry: Any, _: None) -> Any:
                    x, slope = carry  # that of x in (x, t) at the start
                    by, x = jax.jacfwd(after, has_aux=True)(jnp.append(x, t))
                    return (x, by[:, :n] @ slope + by[:, n:] * last), None

                last = jnp.zeros(n + 1).at[n].set(1.0)
                (end, slope), _ = jax.lax.scan(step, (x, jnp.eye(n, n + 1)), None, length=self.period)
                return x - end, jnp.eye(n) - slope[:, :n], -slope[:, n]

            return both

        value, by_x, by_t = self.system.compiled(f"family of {self.period}", make)(x * self.scale, t)
        return value / self.scale, by_x, by_t / self.scale

    def orbit(self, x: Vector, t: float) -> tuple[Vector, Vector]:
        """The states (k, n) and outputs (k, p) of a cycle, in their own units."""

        def make() -> Any:
            import jax

            def run(x: Any, t: Any) -> Any:
                params, u = self.knob.at(self.value(t))

                def step(x: Any, _: None) -> Any:
                    after, outputs = self.system.map(params, x, u)
                    return after, (x, outputs)

                return jax.lax.scan(step, x, None, length=self.period)[1]

            return run

        return self.system.compiled(f"orbit of {self.period}", make)(x * self.scale, t)

    def eigenvalues(self, x: Vector, t: float) -> NDArray[np.complex128]:
        """Those of d F^k/dx, the multipliers, the largest first."""
        found = np.asarray(np.linalg.eigvals(np.eye(len(x)) - self.family(x, t)[1]), np.complex128)
        return found[np.lexsort((-found.imag, -np.abs(found).round(9)))]

    def solve(self, x: Vector, t: float) -> Vector | None:
        """The cycle at t that Newton's method finds from x, with its residual verified."""
        found, _, _ = newton(lambda x: self.family(x, t)[:2], x, iterations=50, contraction=2.0)
        return found if self.is_solution(found, t) else None

    def is_solution(self, x: Vector, t: float) -> bool:
        """Whether x is a cycle, and of no shorter period."""
        if not np.isfinite(x).all():
            return False
        states = self.orbit(x, t)[0] / self.scale
        scale = 1 + np.max(np.abs(x))
        if not np.max(np.abs(self.family(x, t)[0])) <= 1e-10 * scale:
            return False
        return all(np.max(np.abs(row - x)) > 1e-6 * scale for row in states[1:])

    def settle(self, x: Vector, t: float, steps: int) -> Vector:
        """F^steps(x)."""

        def make() -> Any:
            import jax

            def run(x: Any, t: Any, steps: Any) -> Any:
                params, u = self.knob.at(self.value(t))
                return jax.lax.fori_loop(0, steps, lambda _, x: self.system.map(params, x, u)[0], x)

            return run

        return self.system.compiled("settle", make)(x * self.scale, t, steps) / self.scale
