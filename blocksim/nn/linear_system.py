"""Linear systems as LSTMs, with weights that are calculated, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import as_array
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Gain
from blocksim.nn._arrays import Real, finite_array, positive_number
from blocksim.nn.cells import lstm

OPEN = 40.0
"""The bias of an open gate. sigmoid rounds to 1 from 37 on, and what a gate shut by so much lets through,
4e-18, drowns in rounding. The 100 of the literature does the same, but e^-100 underflows in float32."""
WORST_CONDITION = 1e12
"""Beyond it an inverse of A has less than four digits left."""


def lstm_from_linear_system(
    A: ArrayLike,
    B: ArrayLike,
    C: ArrayLike,
    D: ArrayLike,
    scale: float = 1e-3,
    construction: str = "output",
    *,
    name: str = "linear_system",
) -> Diagram:
    """y = C x + D u, x[k+1] = A x + B u, x[0] = 0, nearly, as an LSTM and a gain.

    Input u (m,), output y (p,); A (n, n), B (n, m), C (p, n), D (p, m). `scale` takes the signals to where
    tanh is nearly linear. The input and the output gates are open, the forget gate is shut, so that
    h = tanh(tanh(R_g h[k-1] + W_g u)).

    - construction "output": n + p units, h = scale [x[k+1]; y], by R_g = [A 0; C 0] and W_g = scale [B; D];
      y = [0 I] h / scale. Any A.
    - construction "inverse": n + m units, h = scale [x[k+1]; u], by R_g = [A 0; 0 0] and W_g = scale [B; I];
      y = [C A^-1, D - C A^-1 B] h / scale, since h is a step ahead. A is invertible.

    The error: tanh(tanh(z)) = z - (2/3) z^3 + ..., so to first order what is missing in y is the response of
    the same linear system to (2/3) scale^2 h'^3, h' = h / scale, at each unit. It grows with scale^2 and
    with the cube of the input, until it drowns in rounding. For a lightly damped system of order 4 and white
    noise (examples/linear_system.py) it is 1e5 to 2e5 scale^2 on average, as a norm over 51 samples, down to
    3e-14 from a scale of 1e-10 in float64, and to 2e-5 in float32. There "output" errs about a tenth less.

    Raises ParameterError where the shapes disagree, for what is not finite, a scale that is not positive,
    and an A that has no inverse where one is needed.

    >>> import blocksim as bs
    >>> d = bs.nn.lstm_from_linear_system([[0.5]], [[1.0]], [[2.0]], [[0.0]])
    >>> bs.simulate(d, {"u": [[1.0], [0.0], [0.0], [0.0]]})["y"][:, 0].round(4)
    array([0. , 2. , 1. , 0.5])
    """
    where = f"lstm_from_linear_system {name!r}"
    if construction not in ("output", "inverse"):
        raise ParameterError(
            f"{where}, construction", "'output' or 'inverse'", describe(construction), "", user_line()
        )
    s = positive_number(where, "scale", scale)
    n = len(finite_array(where, "A", A, (None, None)))
    A = finite_array(where, "A", A, (n, n))
    B = finite_array(where, "B", B, (n, None))
    C = finite_array(where, "C", C, (None, n))
    p, m = len(C), B.shape[1]
    D = finite_array(where, "D", D, (p, m))
    if construction == "output":
        R = np.block([[A, np.zeros((n, p))], [C, np.zeros((p, p))]])
        W, F = np.vstack([B, D]), np.hstack([np.zeros((p, n)), np.eye(p)])
    else:
        back = _times_inverse(where, C, A)
        R, W, F = np.pad(A, (0, m)), np.vstack([B, np.eye(m)]), np.hstack([back, D - back @ B])
    none, opened = np.zeros_like(R), np.full(len(R), OPEN)
    cell = lstm(
        np.vstack([0 * W, 0 * W, s * W, 0 * W]),
        np.vstack([none, none, R, none]),
        np.concatenate([opened, -opened, 0 * opened, opened]),
    )
    d = Diagram(name)
    d.output("y", d.add("F", Gain(F / s), d.add("lstm", cell, d.input("u", shape=m))["h"]))
    return d


def linear_system_from_lstm(
    network: Diagram | Mapping[str, Mapping[str, Any]], scale: float = 1e-3
) -> tuple[Real, Real, Real, Real]:
    """A = R_g, B = W_g / scale, C = scale F A, D = scale F B: the linear system that an LSTM's weights hold.

    network: a diagram of one LSTM of N units and a gain or a dense layer F (p, N) of its h, as
    `lstm_from_linear_system` makes it, or its parameters by path, trained ones for instance. A (N, N),
    B (N, m), C (p, N), D (p, m): the network about zero, with x = h[k-1] / scale; what biases add is left
    out.
    Raises ParameterError for other networks, gates that are not open (input, output) and shut (forget), and
    a scale that is not positive.

    >>> import blocksim as bs
    >>> d = bs.nn.lstm_from_linear_system([[0.5]], [[3.0]], [[2.0]], [[0.0]])
    >>> A, B, C, D = bs.nn.linear_system_from_lstm(d)
    >>> (C @ B).round(9), (C @ A @ B).round(9)
    (array([[6.]]), array([[3.]]))
    """
    where = "linear_system_from_lstm"
    s = positive_number(where, "scale", scale)
    if not isinstance(network, (Diagram, Mapping)):
        raise ParameterError(where, "a diagram, or its parameters", describe(network), "", user_line())
    fields = network.parameters() if isinstance(network, Diagram) else network
    arrays = {f"{path}/{name}": as_array(a) for path, own in fields.items() for name, a in own.items()}
    cells = [name[:-5] for name in arrays if f"/{name}".endswith("/g/R/K") and f"{name[:-3]}W/K" in arrays]
    if len(cells) != 1:
        raise ParameterError(where, "the weights of one LSTM with an input", f"{len(cells)}", "", user_line())
    cell = cells[0]
    readouts = [a for name, a in arrays.items() if not name.startswith(cell) and a.ndim == 2]
    if len(readouts) != 1:
        raise ParameterError(
            where, "one matrix that reads the LSTM's h", f"{len(readouts)}",
            "Put a nn.dense or a library.Gain behind the LSTM.", user_line(),
        )  # fmt: skip
    for gate, sign in (("i", 1), ("f", -1), ("o", 1)):
        bias = arrays.get(f"{cell}{gate}/b/value")
        if bias is None or np.any(sign * bias < 0.1 * OPEN):
            raise ParameterError(
                f"{where}, gate {gate}", f"one that is {'open' if sign > 0 else 'shut'}",
                "none" if bias is None else f"a bias of {sign * np.min(sign * bias):.3g}",
                "Otherwise the network is not of this kind: linearize it.", user_line(),
            )  # fmt: skip
    N = len(arrays[f"{cell}g/R/K"])
    A = finite_array(where, "R_g", arrays[f"{cell}g/R/K"], (N, N))
    B = finite_array(where, "W_g", arrays[f"{cell}g/W/K"], (N, None)) / s
    F = s * finite_array(where, "F", readouts[0], (None, N))
    return A, B, F @ A, F @ B


def _times_inverse(where: str, C: Real, A: Real) -> Real:
    """C A^-1. Raises ParameterError where A has no inverse, or one of rounding errors."""
    condition = np.linalg.cond(A) if A.size else 1.0
    if not condition < WORST_CONDITION:
        raise ParameterError(
            f"{where}, A", "a matrix with an inverse", f"one with a condition of {condition:.1e}",
            "The construction 'output' needs none.", user_line(),
        )  # fmt: skip
    return np.asarray(np.linalg.solve(A.T, C.T).T, float)
