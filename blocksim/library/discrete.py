"""Discrete-time blocks: delays, integrators, transfer functions and state space."""

from __future__ import annotations

from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.library._check import is_integer, like, one_of, require

__all__ = [
    "Delay",
    "DiscreteFIR",
    "DiscreteIntegrator",
    "DiscreteStateSpace",
    "DiscreteTransferFcn",
    "UnitDelay",
]


@block
class UnitDelay(Block):
    """y[k] = u[k-1], y[0] = initial. `initial` fixes the shape and dtype of the signal.

    >>> import blocksim as bs
    >>> bs.library.UnitDelay([0.0, 1.0])
    UnitDelay(initial=2)
    """

    transparent = True

    initial: Array = param(keep_dtype=True)

    def init(self) -> Any:
        return self.initial

    def output(self, x: Any) -> Any:
        return x

    def update(self, u: Any) -> Any:
        return u


@block
class Delay(Block):
    """y[k] = u[k-n], n >= 1; the first n outputs are `initial`, which fixes shape and dtype.

    The state holds the last n inputs, (n, *shape), the oldest first.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("late", bs.library.Delay(0.0, 2), d.input("u")))
    >>> bs.simulate(d, {"u": [1.0, 2.0, 3.0]})["y"]
    array([0., 0., 1.])
    """

    initial: Array = param(keep_dtype=True)
    n: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_integer(self.n, 1), self, "n", "an integer of at least 1", "Without a delay, use a wire.")

    def init(self) -> Any:
        return self.initial[None].repeat(self.n, 0)

    def output(self, x: Any) -> Any:
        return x[0]

    def update(self, xp: Any, x: Any, u: Any) -> Any:
        return xp.concatenate([x[1:], u[None]])

    def check(self, u: Signal) -> None:
        like(u, self.initial.shape, self.initial.dtype, "initial")


# The ports that output() reads decide on feedthrough. A block whose parameters decide on it is
# therefore two classes under one name: as it is made, it becomes the one that fits.


def _direct(cls: type[Block]) -> type[Block]:
    """A block class with feedthrough, shown under the name of the one without that it derives from."""
    cls.__name__ = cls.__mro__[1].__name__
    return block(cls)


def _set(block: Block, field: str, value: Any) -> None:
    value = np.array(value, np.float64)
    value.flags.writeable = False
    object.__setattr__(block, field, value)


def _become(block: Block, cls: type[Block]) -> None:
    object.__setattr__(block, "__class__", cls)


@block
class DiscreteIntegrator(Block):
    """x[k+1] = x[k] + gain dt u[k], x[0] = initial, with an output by Simulink's method.

    "forward": y = x; "backward": y = x + gain dt u; "trapezoidal": y = x + gain dt u / 2. Only
    "forward" has no feedthrough. `initial` fixes the shape; gain: a scalar or that shape.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("sum", bs.library.DiscreteIntegrator(0.0, method="backward"), d.input("u")))
    >>> bs.simulate(d, {"u": [1.0, 2.0, 3.0]}, dt=0.5)["y"]
    array([0.5, 1.5, 3. ])
    """

    transparent = True

    initial: Array = param()
    gain: Array = param(default=1.0)
    method: str = "forward"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "method", ["forward", "backward", "trapezoidal"])
        shape = self.initial.shape
        require(self.gain.shape in ((), shape), self, "gain", f"a scalar or the shape of initial, {shape}")
        if self.method != "forward":
            _become(self, _DirectIntegrator)

    def init(self) -> Any:
        return self.initial

    def output(self, x: Any) -> Any:
        return x

    def update(self, x: Any, u: Any, dt: Any) -> Any:
        return x + self.gain * dt * u

    def check(self, u: Signal) -> None:
        like(u, self.initial.shape, self.initial.dtype, "initial")


@_direct
class _DirectIntegrator(DiscreteIntegrator):
    transparent = True

    def output(self, x: Any, u: Any, dt: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return x + self.gain * (dt if self.method == "backward" else dt / 2) * u


@block
class DiscreteTransferFcn(Block):
    """y = H(z) u, H = numerator / denominator, of a scalar signal.

    Coefficients in descending powers of z: numerator (m,), denominator (n+1,), m <= n+1, its first
    one not zero. There is feedthrough only if both degrees are equal. The state is that of the
    direct form II: x[i] is w[k-1-i] of w = u / denominator; `initial` (n,), or one number for all.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("lag", bs.library.DiscreteTransferFcn([1.0], [1.0, -0.5]), d.input("u")))
    >>> bs.simulate(d, {"u": [1.0, 0.0, 0.0, 0.0]})["y"]
    array([0.  , 1.  , 0.5 , 0.25])
    """

    numerator: Array = param()
    denominator: Array = param()
    initial: Array = param(default=None)

    def __post_init__(self) -> None:
        if self.initial is None:
            _set(self, "initial", 0.0)
        super().__post_init__()
        b, a = self.numerator, self.denominator
        order = a.size - 1
        require(
            a.ndim == 1 and order >= 1 and a[0] != 0, self, "denominator",
            "a vector of at least two coefficients, the first not zero", "Of order 0, use a Gain.",
        )  # fmt: skip
        require(b.ndim == 1 and b.size >= 1, self, "numerator", "a vector of coefficients")
        _set(self, "numerator", np.trim_zeros(b, "f") if b.any() else b[:1])
        require(
            self.numerator.size <= a.size, self, "numerator", f"at most {a.size} coefficients",
            "The degree of the numerator cannot exceed that of the denominator.",
        )  # fmt: skip
        _expand_initial(self, order)
        if self.numerator.size == a.size:
            _become(self, _DirectTransferFcn)

    def init(self) -> Any:
        return self.initial

    def output(self, x: Any) -> Any:
        return self.numerator @ x[x.shape[0] - self.numerator.shape[0] :]

    def update(self, xp: Any, x: Any, u: Any) -> Any:
        return xp.concatenate([self._newest(x, u)[None], x[:-1]])

    def _newest(self, x: Any, u: Any) -> Any:
        return (u - self.denominator[1:] @ x) / self.denominator[0]

    def check(self, u: Signal) -> None:
        like(u, (), self.numerator.dtype, "numerator")


@_direct
class _DirectTransferFcn(DiscreteTransferFcn):
    def output(self, x: Any, u: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.numerator[0] * self._newest(x, u) + self.numerator[1:] @ x


@block
class DiscreteStateSpace(Block):
    """x[k+1] = A x + B u, y = C x + D u, x[0] = initial; input u (m,), output y (p,).

    A (n, n), B (n, m), C (p, n), D (p, m), initial (n,) or one number for all. Without D there is no
    feedthrough.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> model = bs.library.DiscreteStateSpace([[0.5]], [[1.0]], [[2.0]])
    >>> d.output("y", d.add("model", model, d.input("u", shape=1)))
    >>> bs.simulate(d, {"u": [[1.0], [0.0], [0.0]]})["y"][:, 0]
    array([0., 2., 1.])
    """

    transparent = True

    A: Array = param()
    B: Array = param()
    C: Array = param()
    D: Array | None = None
    initial: Array = param(default=None)

    def __post_init__(self) -> None:
        if self.D is not None:
            _become(self, _DirectStateSpace)
        if self.initial is None:
            _set(self, "initial", 0.0)
        super().__post_init__()
        n = len(self.A) if self.A.ndim else 0
        require(n and self.A.shape == (n, n), self, "A", "a square matrix (n, n)")
        require(self.B.ndim == 2 and len(self.B) == n, self, "B", f"a matrix ({n}, m)")
        require(self.C.ndim == 2 and self.C.shape[1] == n, self, "C", f"a matrix (p, {n})")
        if self.D is not None:
            shape = (len(self.C), self.B.shape[1])
            require(self.D.shape == shape, self, "D", f"a matrix {shape}")
        _expand_initial(self, n)

    def init(self) -> Any:
        return self.initial

    def output(self, x: Any) -> Any:
        return self.C @ x

    def update(self, x: Any, u: Any) -> Any:
        return self.A @ x + self.B @ u

    def check(self, u: Signal) -> None:
        like(u, self.B.shape[1:], self.B.dtype, "B")


@_direct
class _DirectStateSpace(DiscreteStateSpace):
    transparent = True

    D: Array = param(default=None)

    def output(self, x: Any, u: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.C @ x + self.D @ u


def _expand_initial(block: Any, n: int) -> None:
    if block.initial.ndim == 0:
        _set(block, "initial", np.full(n, block.initial))
    require(block.initial.shape == (n,), block, "initial", f"a state ({n},), or one number for all")


@block
class DiscreteFIR(Block):
    """y[k] = b0 u[k] + b1 u[k-1] + ..., elementwise. coefficients b (n,).

    `initial` stands for all inputs before the first: one value, which fixes the signal's shape (a
    scalar 0 if not given). The state holds the last n - 1 inputs, (n-1, *shape), the newest first.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("mean", bs.library.DiscreteFIR([0.5, 0.5]), d.input("u")))
    >>> bs.simulate(d, {"u": [1.0, 3.0, 5.0]})["y"]
    array([0.5, 2. , 4. ])
    """

    coefficients: Array = param()
    initial: Array = param(default=None)

    def __post_init__(self) -> None:
        if self.initial is None:
            _set(self, "initial", 0.0)
        super().__post_init__()
        b = self.coefficients
        require(b.ndim == 1 and b.size >= 1, self, "coefficients", "a vector of coefficients")

    def init(self) -> Any:
        return self.initial[None].repeat(self.coefficients.shape[0] - 1, 0)

    def output(self, xp: Any, x: Any, u: Any) -> Any:
        return xp.tensordot(self.coefficients, xp.concatenate([u[None], x]), 1)

    def update(self, xp: Any, x: Any, u: Any) -> Any:
        return xp.concatenate([u[None], x])[:-1]

    def check(self, u: Signal) -> None:
        like(u, self.initial.shape, self.initial.dtype, "initial")
