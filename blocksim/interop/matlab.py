"""Weights of MATLAB's recurrent layers, in dictionaries or .mat files, and back.

InputWeights (gates*n, m), RecurrentWeights (gates*n, n), Bias (gates*n,), with the rows of
lstmLayer [i; f; g; o], of gruLayer [r; z; h]; of bilstmLayer those of the forward, then of the backward
direction. MATLAB's signals have the channels first; here the features are last.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from blocksim import nn
from blocksim.block import Block, as_array
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, did_you_mean, user_line
from blocksim.interop._mat import read_mat
from blocksim.interop.weights import GATES, Parameters, Part, Weights, compose, has, subsystem
from blocksim.library import HardSigmoid, ReLU, Sigmoid, Softsign, Tanh
from blocksim.nn._arrays import real_array

Array = np.ndarray[Any, np.dtype[Any]]
Place = str | PathLike[str]
CELL = {"lstm": "lstm", "gru": "gru", "bilstm": "lstm"}
ACTIVATIONS: dict[str, dict[str, type[Block]]] = {
    "StateActivationFunction": {"tanh": Tanh, "softsign": Softsign, "relu": ReLU},
    "GateActivationFunction": {"sigmoid": Sigmoid, "hard-sigmoid": HardSigmoid},
}
RESETS = ("after", "before", "recurrent-bias-after")
REQUIRED = ("InputWeights", "RecurrentWeights", "Bias")
STATES = {"h0": "HiddenState", "c0": "CellState"}


def to_diagram(
    source: Place | Mapping[str, Any],
    kind: str = "lstm",
    *,
    reset: str | None = None,
    steps: int | None = None,
    name: str | None = None,
) -> Diagram:
    """The diagram of a MATLAB layer, of the fields InputWeights, RecurrentWeights and Bias.

    source: a .mat file (up to version 7) or a dictionary with these arrays, or with one struct that
    has them. kind: "lstm", "gru" or "bilstm"; the last needs `steps`, the length of the sequences.
    reset, of a gru: "after" (MATLAB's default), "before", or "recurrent-bias-after" with a Bias of 6n;
    MATLAB's own longer words too. The fields HiddenState, CellState, StateActivationFunction,
    GateActivationFunction and ResetGateMode count where they are.

    Raises FileError for a file that cannot be read, ParameterError for fields that are missing or do
    not fit each other.

    >>> import blocksim as bs, numpy as np
    >>> W, R, b = np.ones((12, 4)), np.ones((12, 3)), np.zeros(12)
    >>> fields = {"InputWeights": W, "RecurrentWeights": R, "Bias": b}
    >>> bs.interop.matlab.to_diagram(fields).inputs["x"]
    <x: input (4,)>
    """
    if kind not in CELL:
        raise ParameterError(
            "matlab.to_diagram, kind", " or ".join(map(repr, CELL)), describe(kind), "", user_line()
        )
    if reset is not None and kind != "gru":
        raise ParameterError("matlab.to_diagram, reset", "none for an LSTM", describe(reset), "", user_line())
    where, fields = _fields(source)
    options: dict[str, Any] = {
        option: _choice(where, field, fields, ACTIVATIONS[field])()
        for option, field in (
            ("activation", "StateActivationFunction"),
            ("gate_activation", "GateActivationFunction"),
        )
        if field in fields
    }
    mode = "after" if reset is None else reset
    if CELL[kind] == "gru":
        if reset is None and "ResetGateMode" in fields:
            mode = _word(fields["ResetGateMode"])
        mode = str(mode).removesuffix("-multiplication")
        if mode not in RESETS:
            raise ParameterError(
                f"{where}, reset", " or ".join(map(repr, RESETS)), describe(reset or mode), "", user_line()
            )
        options["reset"] = "before" if mode == "before" else "after"
    directions = 2 if kind == "bilstm" else 1
    weights = _weights(where, fields, CELL[kind], directions, mode)
    names = ("forward", "backward") if directions == 2 else (name or kind,)
    make = getattr(nn, CELL[kind])
    cells = [make(**w, **options, name=own) for w, own in zip(weights, names, strict=True)]
    whole = directions == 2
    layer = nn.bidirectional(*cells, name=kind) if whole else cells[0]
    part = Part(layer, sequence=whole, shape=weights[0]["W"].shape[1:] if whole else None)
    return compose([part], kind, steps=steps, name=name)


def save(source: Diagram, file: Place, *, params: Parameters | None = None, path: str = "") -> None:
    """Write the weights of a recurrent layer to a .mat file, as `to_weights` gives them.

    Raises ParameterError for a diagram that MATLAB has no layer for; then no file is written.

    >>> import blocksim as bs, numpy as np, scipy.io, tempfile
    >>> layer = bs.nn.lstm(np.ones((12, 4)), np.ones((12, 3)), np.zeros(12))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bs.interop.matlab.save(layer, f"{folder}/layer.mat")
    ...     scipy.io.loadmat(f"{folder}/layer.mat")["Bias"].shape
    (12, 1)
    """
    fields = to_weights(source, params=params, path=path)
    from scipy.io import savemat

    columns = {name: v if isinstance(v, str) else v.reshape(len(v), -1) for name, v in fields.items()}
    savemat(Path(file), columns, appendmat=False, do_compression=True)


def to_weights(source: Diagram, *, params: Parameters | None = None, path: str = "") -> dict[str, Any]:
    """The fields of a MATLAB layer that a recurrent diagram has: InputWeights, RecurrentWeights, Bias ...

    source: a diagram as `nn.lstm` or `nn.gru` makes it, or two of them in `nn.bidirectional`; `params`
    may replace its values; path: the layer in it that is meant, if not all. Also the states to start
    from and MATLAB's words for the activations and the reset. Raises ParameterError for a diagram that
    MATLAB has no layer for.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.gru(np.ones((9, 4)), np.ones((9, 3)), np.zeros(9), reset="before")
    >>> bs.interop.matlab.to_weights(layer)["ResetGateMode"]
    'before-multiplication'
    """
    top = subsystem(source, path)
    while len(top.nodes) == 1:  # a layer alone in a network
        (name,) = top.nodes
        path = f"{path}/{name}" if path else name
        top = subsystem(source, path)
    pair = [name for name in ("forward", "backward") if name in top.nodes]
    paths = [f"{path}/{name}" if path else name for name in pair] or [path]
    for name in pair:
        if getattr(top[name].block, "reverse", None) is not (name == "backward"):
            raise ParameterError(
                f"matlab, {name}", "a Scan in this direction, as nn.bidirectional makes it",
                f"{top[name].block!r}", "", user_line(),
            )  # fmt: skip
    cells = [_cell_fields(source, params, where) for where in paths]
    for other in cells[1:]:
        for name, value in other.items():
            if isinstance(value, str) and value != cells[0][name]:
                raise ParameterError(
                    f"matlab, {name}", f"{cells[0][name]!r} in both directions", repr(value), "", user_line()
                )
    return {
        name: value if isinstance(value, str) else np.concatenate([cell[name] for cell in cells])
        for name, value in cells[0].items()
    }


def _cell_fields(source: Diagram, params: Parameters | None, path: str) -> dict[str, Any]:
    """The fields of one cell."""
    cell = subsystem(source, path)
    kind = next((kind for kind in ("lstm", "gru") if set(GATES[kind]) <= cell.nodes.keys()), None)
    if kind is None or not cell.inputs:
        raise ParameterError(
            f"matlab, {path or cell.name}", "the diagram of an LSTM or a GRU with an input", f"{cell!r}",
            f"{did_you_mean(path, cell.nodes)} Give the path of the layer.", user_line(),
        )  # fmt: skip
    if kind == "gru" and path.endswith("backward"):
        raise ParameterError(f"matlab, {path}", "two LSTMs", "GRUs", "", user_line())
    first, last = GATES[kind][0], "g" if kind == "lstm" else "n"
    words = {
        field: _word_of(cell, f"{gate}/activation", known)
        for (field, known), gate in zip(ACTIVATIONS.items(), (last, first), strict=True)
    }
    state, gates = (ACTIVATIONS[field][word]() for field, word in words.items())
    options: dict[str, Any] = {"activation": state, "gate_activation": gates}
    rows, m = cell.parameters()[f"{first}/W"]["K"].shape
    k = len(GATES[kind])
    if kind == "gru":
        recurrent = has(cell, "n/b_r/value")
        mode = "before" if "reset" in cell.nodes else "recurrent-bias-after" if recurrent else "after"
        words["ResetGateMode"] = f"{mode}-multiplication"
        options |= {
            "reset": "before" if mode == "before" else "after",
            "b_r": np.zeros(rows) if recurrent else None,
        }
    template = getattr(nn, kind)(
        np.zeros((k * rows, m)), np.zeros((k * rows, rows)), np.zeros(k * rows), **options
    )
    weights = Weights(source, template, f"MATLAB's {kind}Layer", params=params, path=path)
    w = weights.cell(kind)
    bias = [w["b"]]
    if "b_r" in w:
        bias.append(np.concatenate([np.zeros(2 * rows), w["b_r"]]))
    states = {"HiddenState": weights["hidden_state/initial"]}
    if kind == "lstm":
        states["CellState"] = weights["cell_state/initial"]
    weights.close()
    return {"InputWeights": w["W"], "RecurrentWeights": w["R"], "Bias": np.concatenate(bias)} | states | words


def _word_of(cell: Diagram, path: str, known: Mapping[str, type[Block]]) -> str:
    """MATLAB's word for the activation at a path."""
    block = cell[path].block
    for word, kind in known.items():
        if type(block) is kind:
            return word
    raise ParameterError(
        f"matlab, {path}",
        " or ".join(kind.__name__ for kind in known.values()),
        f"{block!r}",
        "",
        user_line(),
    )


# -- fields ----------------------------------------------------------------------------------------


def _fields(source: Place | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Where the fields come from, and the fields themselves."""
    where = "matlab.to_diagram" if isinstance(source, Mapping) else f"{source}"
    data = source if isinstance(source, Mapping) else read_mat(source)
    named = {key: _struct(value) for key, value in data.items()}
    candidates = [value for value in (data, *named.values()) if value and set(REQUIRED) & set(value)]
    if len(candidates) > 1:
        holders = ", ".join(key for key, value in named.items() if value and set(REQUIRED) & set(value))
        raise ParameterError(
            where,
            "the fields of one layer",
            f"several: {holders}",
            "Give the dictionary of one.",
            user_line(),
        )
    fields = candidates[0] if candidates else data
    for name in REQUIRED:
        if name not in fields:
            known = [key for key in fields if not str(key).startswith("__")]
            raise ParameterError(
                where, f"a field {name}", f"the fields {', '.join(map(str, known)) or '(none)'}",
                "In MATLAB: InputWeights = layer.InputWeights; ... and save(file, 'InputWeights', "
                "'RecurrentWeights', 'Bias').", user_line(),
            )  # fmt: skip
    return where, fields


def _struct(value: Any) -> Mapping[str, Any] | None:
    """The fields of a struct, as a dictionary or as scipy reads one."""
    if isinstance(value, Mapping):
        return value
    names = getattr(getattr(value, "dtype", None), "names", None)
    return {name: value[name].item() for name in names} if names and value.size == 1 else None


def _word(value: Any) -> str:
    """A text, which scipy reads as an array of one."""
    array = as_array(value)
    return str(array.item()) if array.size == 1 else describe(value)


def _choice(
    where: str, field: str, fields: Mapping[str, Any], known: Mapping[str, type[Block]]
) -> type[Block]:
    word = _word(fields[field])
    if word not in known:
        raise ParameterError(
            f"{where}, {field}",
            " or ".join(map(repr, known)),
            repr(word),
            did_you_mean(word, known),
            user_line(),
        )
    return known[word]


def _weights(
    where: str, fields: Mapping[str, Any], kind: str, directions: int, mode: str
) -> list[dict[str, Array]]:
    """What the constructor of a cell takes, for each direction."""
    parts = len(GATES[kind])
    R = _matrix(where, "RecurrentWeights", fields)
    n = R.shape[1]
    rows = directions * parts * n
    if len(R) != rows or not n:
        raise ParameterError(
            f"{where}, RecurrentWeights", f"{directions * parts}n rows of n numbers", f"shape {R.shape}",
            "The kind says how many: 4n for 'lstm', 3n for 'gru', 8n for 'bilstm'.", user_line(),
        )  # fmt: skip
    W = _matrix(where, "InputWeights", fields, rows)
    b = _column(where, "Bias", fields, rows * (2 if mode == "recurrent-bias-after" else 1))
    made: list[dict[str, Array]] = []
    for k in range(directions):
        own = slice(k * parts * n, (k + 1) * parts * n)
        made.append({"W": W[own], "R": R[own], "b": b[own].copy()})
        for name in ("h0", "c0")[: 2 if kind == "lstm" else 1]:
            if STATES[name] in fields:
                state = _column(where, STATES[name], fields, directions * n)
                made[k][name] = state[k * n : (k + 1) * n]
    if mode == "recurrent-bias-after":
        made[0]["b"][: 2 * n] += b[rows : rows + 2 * n]
        made[0]["b_r"] = b[rows + 2 * n :]
    return made


def _matrix(where: str, name: str, fields: Mapping[str, Any], rows: int | None = None) -> Array:
    return real_array(where, name, fields[name], (rows, None))


def _column(where: str, name: str, fields: Mapping[str, Any], rows: int) -> Array:
    """A vector; of a file it comes as a matrix of one column, or, as scipy writes it, of one row."""
    array = as_array(fields[name])
    return real_array(where, name, array.ravel() if array.ndim == 2 and 1 in array.shape else array, (rows,))
