"""Networks that remember a real number, with weights that are calculated.

Each reads x[1], x[2], ..., x[n] and says x[1] at the end, for any n. No finite network of this kind
does so exactly on an interval, since its output is bounded and analytic in x[1]; how far off it is at
most, `memory_bound` tells.

All know the first step from the zero that the state starts at: a unit driven by its bias alone is
constant from then on, and the others see what it was the step before.
"""

from __future__ import annotations

import numpy as np

from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Gain
from blocksim.nn._arrays import Real, positive_number
from blocksim.nn.cells import gru, lstm, rnn

SATURATED = 25.0
"""The bias of a tanh that is 1: it rounds to it from 19.1 on in float64."""


def memory_lstm(scale: float = 1e-4, bias: float = 40.0, units: int = 32, *, name: str = "memory") -> Diagram:
    """y = x[1] at every step, nearly, from an LSTM: input x (1,), output y (1,).

    Two units do it, the others stay 0. Unit 0 is the flag, h = tanh(1) from step 1 on. Unit 1 writes
    tanh(scale x) into its cell while the flag is 0, and keeps it: its input gate has the bias K = `bias` and
    sees the flag by -2 K / tanh(1), its forget gate has the bias K. The gates never see x. y = h_1 / scale.
    |y - x[1]| <= (2/3) scale^2 X^3 + 2 n X e^-K at step n, for |x| <= X: see `memory_bound`. Raises
    ParameterError for less than 2 units and for numbers that are not positive.

    >>> import blocksim as bs
    >>> run = bs.simulate(bs.nn.memory_lstm(), {"x": [[0.7], [-0.3], [1e12]]})
    >>> run["y"][:, 0].round(6)
    array([0.7, 0.7, 0.7])
    """
    where = f"memory_lstm {name!r}"
    s, K, n = _numbers(where, scale, bias, units, 2)
    W, R, b = np.zeros((4, n, 1)), np.zeros((4, n, n)), np.zeros((4, n))
    b[:, 0] = K, -K, K, K
    b[:, 1] = K, K, 0, K
    R[0, 1, 0] = -2 * K / np.tanh(1)
    W[2, 1, 0] = s
    return _read(lstm(W.reshape(-1, 1), R.reshape(-1, n), b.ravel()), {1: 1 / s}, name)


def memory_gru(scale: float = 1e-4, bias: float = 40.0, units: int = 32, *, name: str = "memory") -> Diagram:
    """y = x[1] at every step, nearly, from a GRU: input x (1,), output y (1,).

    Two units do it, the others stay 0. Unit 0 is the flag, h = 1 from step 1 on. Unit 1 takes
    tanh(scale x) while the flag is 0, and keeps it: its gate z has the bias -K, K = `bias`, and sees the flag
    by 2 K. The gates never see x. y = h_1 / scale. |y - x[1]| <= (1/3) scale^2 X^3 + 2 n X e^-K at step n,
    for |x| <= X: see `memory_bound`. Raises ParameterError for less than 2 units and for numbers that are
    not positive.

    >>> import blocksim as bs
    >>> run = bs.simulate(bs.nn.memory_gru(), {"x": [[0.7], [-0.3], [1e12]]})
    >>> run["y"][:, 0].round(6)
    array([0.7, 0.7, 0.7])
    """
    where = f"memory_gru {name!r}"
    s, K, n = _numbers(where, scale, bias, units, 2)
    W, R, b = np.zeros((3, n, 1)), np.zeros((3, n, n)), np.zeros((3, n))
    b[:, 0] = 0, -K, K
    b[1, 1] = -K
    R[1, 1, 0] = 2 * K
    W[2, 1, 0] = s
    return _read(gru(W.reshape(-1, 1), R.reshape(-1, n), b.ravel()), {1: 1 / s}, name)


def memory_rnn(
    scale: float = 1e-4, bias: float = SATURATED, units: int = 32, *, name: str = "memory"
) -> Diagram:
    """y = x[1] from step 2 on, nearly, from a plain tanh layer: input x (1,), output y (1,).

    Six units do it, the others stay 0: the flags F, G and P, a step after one another, tanh(B) with
    B = `bias`; u = tanh(scale x); v = tanh(u + B G), which is u at the first step and 1 later;
    m = tanh(m + v - P), which keeps what was before v and P became 1. On the right side all but x is of the
    step before. y = (m + v - P) / scale. |y - x[1]| <= n (scale^2 X^3 / 3 + eps / scale) at step n, for
    |x| <= X, of which the rounding eps is mostly met once: see `memory_bound`.

    It is the wrong tool all the same: the loop of m needs a gain of exactly 1, and v - P is to cancel.
    Weights off by a thousandth cost an LSTM or a GRU a thousandth, and this network everything. Raises
    ParameterError for less than 6 units and for numbers that are not positive.

    >>> import blocksim as bs
    >>> run = bs.simulate(bs.nn.memory_rnn(), {"x": [[0.7], [-0.3], [0.5], [1e12]]})
    >>> run["y"][:, 0].round(6)
    array([0. , 0.7, 0.7, 0.7])
    """
    where = f"memory_rnn {name!r}"
    s, B, n = _numbers(where, scale, bias, units, 6)
    F, G, P, u, v, m = range(6)
    W, R, b = np.zeros((n, 1)), np.zeros((n, n)), np.zeros(n)
    b[F] = R[G, F] = R[P, G] = R[v, G] = B
    W[u] = s
    R[v, u] = R[m, m] = R[m, v] = 1
    R[m, P] = -1
    return _read(rnn(W, R, b), {m: 1 / s, v: 1 / s, P: -1 / s}, name)


def memory_bound(
    cell: str,
    steps: int,
    scale: float = 1e-4,
    bias: float | None = None,
    size: float = 1.0,
    others: float | None = None,
    eps: float = float(np.finfo(float).eps),
) -> float:
    """How far y is from x[1] at most, at step n = `steps` of the `cell` "lstm", "gru" or "rnn".

    |x[1]| <= X = `size`, the other inputs |x| <= Y = `others`, X if not given; eps: the rounding of the run.
    With K = bias, 40 if not given, and Z = min(Y, 1 / scale):

    - lstm: (2/3) scale^2 X^3 + ((n + 1) X + (n - 1) Z) e^-K, the number passing through tanh twice;
    - gru: (1/3) scale^2 X^3 + ((n + 1) X + (n - 1) Z) e^-K, once;
    - rnn, for n >= 2: n scale^2 X^3 / 3 + n (eps + 2 e^(2 - 2 B)) / scale, B = bias, 25 if not given: the
      sum is near 1 at each step, where it is rounded.

    To that come a few eps X of rounding. Raises ParameterError for another cell, fewer steps, and numbers
    that are not positive.

    >>> import blocksim as bs
    >>> print(f"{bs.nn.memory_bound('lstm', 1000):.2e}, {bs.nn.memory_bound('gru', 1000):.2e}")
    6.67e-09, 3.33e-09
    """
    where, first = f"memory_bound of {cell!r}", 2 if cell == "rnn" else 1
    if cell not in ("lstm", "gru", "rnn"):
        raise ParameterError("memory_bound, cell", "'lstm', 'gru' or 'rnn'", describe(cell), "", user_line())
    n = _integer(where, "steps", steps, first)
    s = positive_number(where, "scale", scale)
    K = positive_number(where, "bias", (SATURATED if cell == "rnn" else 40.0) if bias is None else bias)
    X = positive_number(where, "size", size)
    if cell == "rnn":
        return n * s**2 * X**3 / 3 + n * (eps + 2 * np.exp(2 - 2 * K)) / s
    Z = min(X if others is None else positive_number(where, "others", others), 1 / s)
    squashed = {"lstm": 2, "gru": 1}[cell] * s**2 * X**3 / 3
    return float(squashed + ((n + 1) * X + (n - 1) * Z) * np.exp(-K) + 4 * eps * X)


def _read(cell: Diagram, weights: dict[int, float], name: str) -> Diagram:
    """The cell with a gain that reads some of its units."""
    d = Diagram(name)
    h = d.add(cell.name, cell, d.input("x", shape=1))["h"]
    K: Real = np.zeros((1, len(cell.parameters()["hidden_state"]["initial"])))
    for unit, weight in weights.items():
        K[0, unit] = weight
    d.output("y", d.add("read", Gain(K), h))
    return d


def _numbers(where: str, scale: float, bias: float, units: int, least: int) -> tuple[float, float, int]:
    s, K = positive_number(where, "scale", scale), positive_number(where, "bias", bias)
    return s, K, _integer(where, "units", units, least)


def _integer(where: str, name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(
            f"{where}, {name}", f"an integer of at least {least}", describe(value), "", user_line()
        )
    return int(value)
