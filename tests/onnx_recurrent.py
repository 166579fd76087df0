"""ONNX's recurrent operators, LSTM, GRU and RNN, one direction and a batch of one, by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx_models import model, ort

GATES = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}
ONNX_GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}


def stacked(operator: str, rows: np.ndarray) -> np.ndarray:
    """The rows of each gate in the operator's order."""
    parts = dict(zip(GATES[operator], np.split(rows, len(GATES[operator])), strict=True))
    return np.concatenate([parts[gate] for gate in ONNX_GATES[operator]])


def run(
    operator: str,
    x: np.ndarray,
    W: np.ndarray,
    R: np.ndarray,
    b: np.ndarray,
    h0: np.ndarray | None = None,
    c0: np.ndarray | None = None,
    *,
    b_r: np.ndarray | None = None,
    peephole: np.ndarray | None = None,
    **attributes: Any,
) -> list[np.ndarray]:
    """The hidden states (T, n) and, of an LSTM, the last cell state (n,), in float32.

    Rows of the gates as in blocksim.nn; b_r (n,): the recurrent bias of a GRU's last gate.
    """
    n = R.shape[1]
    recurrent = np.zeros_like(b)
    if b_r is not None:
        recurrent[-n:] = b_r
    feed = {
        "X": x[:, None], "W": stacked(operator, W)[None], "R": stacked(operator, R)[None],
        "B": np.concatenate([stacked(operator, b), recurrent])[None],
    }  # fmt: skip
    feed |= {name: a[None, None] for name, a in {"h0": h0, "c0": c0}.items() if a is not None}
    if peephole is not None:
        i, f, o = np.split(peephole, 3)
        feed["P"] = np.concatenate([i, o, f])[None]
    feed = {name: np.asarray(a, np.float32) for name, a in feed.items()}
    names = ["X", "W", "R", "B", "", "h0", *(["c0", "P"] if operator == "LSTM" else [])]
    outputs = ["Y", "Y_h", *(["Y_c"] if operator == "LSTM" else [])]
    given = [k if k in feed else "" for k in names]
    node = onnx.helper.make_node(operator, given, outputs, hidden_size=n, **attributes)
    Y, _, *last = ort(model([node], feed, dict.fromkeys(outputs, onnx.TensorProto.FLOAT)), feed)
    return [Y[:, 0, 0], *(a[0, 0] for a in last)]
