"""Vectorized networks in plain NumPy: what the diagrams are verified against.

Nothing here imports a block: the equations are written a second time, over whole sequences. An
activation is a function or its name: sigmoid, tanh, relu, softsign, softplus, hard_sigmoid (of slope
0.2), leaky_relu (of slope 0.01), elu, identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksim.errors import ParameterError, describe, did_you_mean, user_line

Activation = str | Callable[[Any], Any]
Rows = NDArray[np.floating]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda v: np.exp(-np.logaddexp(0, -v)),
    "tanh": np.tanh,
    "relu": lambda v: np.where(v > 0, v, 0),
    "softsign": lambda v: v / (1 + np.abs(v)),
    "softplus": lambda v: np.logaddexp(0, v),
    "hard_sigmoid": lambda v: np.clip(v / 5 + 0.5, 0, 1),
    "leaky_relu": lambda v: np.where(v > 0, v, v / 100),
    "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
    "identity": lambda v: v,
}


def lstm(
    x: ArrayLike,
    W: ArrayLike,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    activation: Activation = "tanh",
    gate_activation: Activation = "sigmoid",
    output_activation: Activation | None = None,
    peephole: ArrayLike | None = None,
    coupled: bool | str = False,
    projection: ArrayLike | None = None,
    clip: float | None = None,
) -> tuple[Rows, Rows]:
    """c = f*c[k-1] + i*g, h = o*tanh(c), over a sequence: (h, c), each (..., T, n).

    x (..., T, m) with any axes of a batch before the time; rows [i; f; g; o]: W (4n, m), R (4n, n),
    b (4n,); h0, c0 (..., n), zero if not given. The options are those of `nn.lstm`: peephole (3n,),
    rows [i; f; o]; coupled, rows [f; g; o] and [f; o], or with "input" [i; g; o] and [i; o]; projection
    (p, n), then h is (..., T, p). The dtype is that of the arrays. Raises ParameterError for an activation
    of an unknown name.

    >>> import numpy as np
    >>> from blocksim.nn import reference
    >>> h, c = reference.lstm(np.ones((5, 2)), np.ones((12, 2)), np.ones((12, 3)), np.zeros(12))
    >>> h.shape, c.shape
    ((5, 3), (5, 3))
    """
    x, W, R, b = (np.asarray(a) for a in (x, W, R, b))
    gates = 3 if coupled else 4
    n = len(b) // gates
    state, gate = _limited(activation, clip), _limited(gate_activation, clip)
    squash = _function(activation if output_activation is None else output_activation)
    sight = np.zeros((gates - 1, n), b.dtype) if peephole is None else np.reshape(peephole, (-1, n))

    def step(driven: Rows, h: Rows, c: Rows) -> tuple[Rows, Rows]:
        *first, of_g, of_o = np.split(driven + h @ R.T, gates, axis=-1)
        i, f = (
            gate(row + p * c) for row, p in zip((first[0], first[-1]), (sight[0], sight[-2]), strict=True)
        )
        if coupled:
            i, f = (i, 1 - i) if coupled == "input" else (1 - f, f)
        c = f * c + i * state(of_g)
        h = gate(of_o + sight[-1] * c) * squash(c)
        return (h if projection is None else h @ np.transpose(projection)), c

    h, c = _unroll(step, x @ W.T + b, (h0, R.shape[1]), (c0, n))
    return h, c


def gru(
    x: ArrayLike,
    W: ArrayLike,
    R: ArrayLike,
    b: ArrayLike,
    b_r: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reset: str = "after",
    activation: Activation = "tanh",
    gate_activation: Activation = "sigmoid",
    clip: float | None = None,
) -> Rows:
    """h = (1 - z)*n + z*h[k-1], over a sequence: (..., T, n).

    x (..., T, m) with any axes of a batch before the time; rows [r; z; n]: W (3n, m), R (3n, n),
    b (3n,); b_r (n,), h0 (..., n), zero if not given. The options are those of `nn.gru`. The dtype is
    that of the arrays. Raises ParameterError for an activation of an unknown name.

    >>> import numpy as np
    >>> from blocksim.nn import reference
    >>> reference.gru(np.ones((5, 2)), np.ones((9, 2)), np.ones((9, 3)), np.zeros(9)).shape
    (5, 3)
    """
    x, W, R, b = (np.asarray(a) for a in (x, W, R, b))
    n = R.shape[1]
    state, gate = _limited(activation, clip), _limited(gate_activation, clip)
    bias = np.zeros(n, b.dtype) if b_r is None else np.asarray(b_r)

    def step(driven: Rows, h: Rows) -> tuple[Rows]:
        r, z = np.split(gate(driven[..., : 2 * n] + h @ R[: 2 * n].T), 2, axis=-1)
        last = R[2 * n :].T
        recurrent = r * (h @ last + bias) if reset == "after" else (r * h) @ last
        new = state(driven[..., 2 * n :] + recurrent)
        return (new + z * (h - new),)

    return _unroll(step, x @ W.T + b, (h0, n))[0]


def rnn(
    x: ArrayLike,
    W: ArrayLike,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    *,
    activation: Activation = "tanh",
    clip: float | None = None,
) -> Rows:
    """h = tanh(W x + R h[k-1] + b), over a sequence: (..., T, n).

    x (..., T, m) with any axes of a batch before the time; W (n, m), R (n, n), b (n,); h0 (..., n),
    zero if not given. The options are those of `nn.rnn`. The dtype is that of the arrays. Raises
    ParameterError for an activation of an unknown name.

    >>> import numpy as np
    >>> from blocksim.nn import reference
    >>> reference.rnn(np.ones((2, 1)), [[1.0]], [[1.0]], [0.0], activation="relu")
    array([[1.],
           [2.]])
    """
    x, W, R, b = (np.asarray(a) for a in (x, W, R, b))
    state = _limited(activation, clip)
    return _unroll(lambda driven, h: (state(driven + h @ R.T),), x @ W.T + b, (h0, len(R)))[0]


def dense(x: ArrayLike, W: ArrayLike, b: ArrayLike, *, activation: Activation = "identity") -> Rows:
    """y = activation(W x + b) for each row: x (..., m), W (n, m), b (n,), y (..., n).

    Raises ParameterError for an activation of an unknown name.

    >>> from blocksim.nn import reference
    >>> reference.dense([[3.0, 4.0]], [[2.0, 0.0]], [1.0])
    array([[7.]])
    """
    return _function(activation)(np.asarray(x) @ np.asarray(W).T + np.asarray(b))


def _unroll(
    step: Callable[..., tuple[Rows, ...]], driven: Rows, *starts: tuple[ArrayLike | None, int]
) -> list[Rows]:
    """The states after each step(driven[k], *states), from the starts, each with its width."""
    lead, dtype = driven.shape[:-2], driven.dtype
    states = tuple(np.zeros((*lead, n), dtype) + np.asarray(0 if s is None else s, dtype) for s, n in starts)
    rows = [np.empty((*driven.shape[:-1], n), dtype) for _, n in starts]
    for k in range(driven.shape[-2]):
        states = step(driven[..., k, :], *states)
        for row, state in zip(rows, states, strict=True):
            row[..., k, :] = state
    return rows


def _limited(activation: Activation, clip: float | None) -> Callable[[Any], Any]:
    """The activation of what is limited to -clip..clip."""
    f = _function(activation)
    return f if clip is None else lambda v: f(np.clip(v, -clip, clip))


def _function(activation: Activation) -> Callable[[Any], Any]:
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ParameterError(
            "activation", "a function, or the name of one", describe(activation),
            did_you_mean(activation, ACTIVATIONS), user_line(),
        )  # fmt: skip
    return ACTIVATIONS[activation]
