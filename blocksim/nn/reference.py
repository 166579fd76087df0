"""Vectorized networks in plain NumPy: what the diagrams are verified against.

Nothing here imports a block: the equations are written a second time, over whole sequences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def lstm(
    x: ArrayLike,
    W: ArrayLike,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """c = f*c[k-1] + i*g, h = o*tanh(c), over a sequence: (h, c), each (..., T, n).

    x (..., T, m) with any axes of a batch before the time; rows [i; f; g; o]: W (4n, m), R (4n, n),
    b (4n,); h0, c0 (..., n), zero if not given. The dtype is that of the arrays.

    >>> import numpy as np
    >>> from blocksim.nn import reference
    >>> h, c = reference.lstm(np.ones((5, 2)), np.ones((12, 2)), np.ones((12, 3)), np.zeros(12))
    >>> h.shape, c.shape
    ((5, 3), (5, 3))
    """
    x, W, R, b = (np.asarray(a) for a in (x, W, R, b))
    n = R.shape[1]
    driven = x @ W.T + b
    start = np.zeros((*x.shape[:-2], n), driven.dtype)
    h = start if h0 is None else np.broadcast_to(np.asarray(h0, driven.dtype), start.shape)
    c = start if c0 is None else np.broadcast_to(np.asarray(c0, driven.dtype), start.shape)
    hs = np.empty((*x.shape[:-1], n), driven.dtype)
    cs = np.empty_like(hs)
    for k in range(x.shape[-2]):
        z = (driven[..., k, :] + h @ R.T).reshape(*h.shape[:-1], 4, n)
        i, f, o = (np.exp(-np.logaddexp(0, -z[..., j, :])) for j in (0, 1, 3))
        c = f * c + i * np.tanh(z[..., 2, :])
        h = o * np.tanh(c)
        hs[..., k, :], cs[..., k, :] = h, c
    return hs, cs


def dense(x: ArrayLike, W: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
    """y = W x + b for each row: x (..., m), W (n, m), b (n,), y (..., n).

    >>> from blocksim.nn import reference
    >>> reference.dense([[3.0, 4.0]], [[2.0, 0.0]], [1.0])
    array([[7.]])
    """
    return np.asarray(x) @ np.asarray(W).T + np.asarray(b)
