"""Weights in MATLAB's layouts against the vectorized references, and .mat files there and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

import blocksim as bs
from blocksim.interop import matlab
from blocksim.library import HardSigmoid, ReLU, Softsign

n, m, T = 4, 3, 9


def fields(rows: int, seed: int = 0, *, bias: int | None = None, states: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {
        "InputWeights": rng.normal(size=(rows * n, m)),
        "RecurrentWeights": rng.normal(size=(rows * n, n)) / 2,
        "Bias": rng.normal(size=((bias or rows) * n, 1)),
    }
    names = ("HiddenState", "CellState")[:states]
    return made | {name: rng.normal(size=(rows // 4 * n if rows != 3 else n, 1)) for name in names}


def signal(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(T, m))


def as_struct(data: dict, path) -> None:
    savemat(path, {"layer": data, "Notes": "a layer"})


def as_variables(data: dict, path) -> None:
    savemat(path, data)


@pytest.mark.parametrize("form", [None, as_variables, as_struct])
def test_lstm(form, tmp_path):
    data, x = fields(4, states=2), signal()
    source = data
    if form is not None:
        source = tmp_path / "layer.mat"
        form(data, source)
    h, c = bs.nn.reference.lstm(
        x, data["InputWeights"], data["RecurrentWeights"], data["Bias"][:, 0],
        data["HiddenState"][:, 0], data["CellState"][:, 0],
    )  # fmt: skip
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        run = bs.simulate(matlab.to_diagram(source), {"x": x}, dtype=dtype)
        np.testing.assert_allclose(run["h"], h, rtol=0, atol=tolerance)
        np.testing.assert_allclose(run["c"], c, rtol=0, atol=tolerance)


def gru_by_hand(x, data, mode):
    """MATLAB's equations of a gruLayer, as its documentation writes them, with rows [r; z; h]."""
    sigma = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    W, R = (np.split(data[name], 3) for name in ("InputWeights", "RecurrentWeights"))
    biases = np.split(data["Bias"][:, 0], len(data["Bias"]) // n)
    b, b_R = biases[:3], biases[3:] or [np.zeros(n)] * 3
    h, rows = np.zeros(n), []
    for row in x:
        r, z = (sigma(W[k] @ row + b[k] + R[k] @ h + b_R[k]) for k in (0, 1))
        if mode == "before":
            new = np.tanh(W[2] @ row + b[2] + R[2] @ (r * h))
        else:
            new = np.tanh(W[2] @ row + b[2] + r * (R[2] @ h + b_R[2]))
        h = (1 - z) * new + z * h
        rows.append(h)
    return np.array(rows)


@pytest.mark.parametrize("mode", ["after", "before", "recurrent-bias-after"])
@pytest.mark.parametrize("word", ["argument", "long", "field"])
def test_gru_resets(mode, word):
    data, x = fields(3, bias=6 if mode == "recurrent-bias-after" else 3), signal()
    long = f"{mode}-multiplication"
    if word == "field":
        d = matlab.to_diagram(data | {"ResetGateMode": long}, "gru")
    else:
        d = matlab.to_diagram(data, "gru", reset=long if word == "long" else mode)
    y = bs.simulate(d, {"x": x})["h"]
    np.testing.assert_allclose(y, gru_by_hand(x, data, mode), rtol=0, atol=1e-12)


def test_the_default_of_a_gru_is_after():
    data, x = fields(3), signal()
    y = bs.simulate(matlab.to_diagram(data, "gru"), {"x": x})["h"]
    np.testing.assert_allclose(y, gru_by_hand(x, data, "after"), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("state", "gate", "blocks"),
    [("softsign", "hard-sigmoid", (Softsign(), HardSigmoid())), ("relu", "sigmoid", (ReLU(), None))],
)
def test_activations(state, gate, blocks):
    data, x = fields(4), signal()
    words = {"StateActivationFunction": state, "GateActivationFunction": gate}
    d = matlab.to_diagram(data | words)
    same = bs.nn.lstm(
        data["InputWeights"], data["RecurrentWeights"], data["Bias"][:, 0],
        activation=blocks[0], gate_activation=blocks[1],
    )  # fmt: skip
    np.testing.assert_array_equal(bs.simulate(d, {"x": x})["h"], bs.simulate(same, {"x": x})["h"])
    assert matlab.to_weights(d).items() >= words.items()


def test_bilstm():
    data, x = fields(8, states=2), signal()
    one, two = ({name: a[k * len(a) // 2 :][: len(a) // 2] for name, a in data.items()} for k in (0, 1))

    def run(w, x):
        columns = (w[name][:, 0] for name in ("Bias", "HiddenState", "CellState"))
        return bs.nn.reference.lstm(x, w["InputWeights"], w["RecurrentWeights"], *columns)[0]

    d = matlab.to_diagram(data, "bilstm", steps=T)
    for length in (T, 5, 1):
        y = bs.simulate(d, {"x": x[None], "length": [length]})["y"][0]
        expected = np.zeros((T, 2 * n))
        expected[:length] = np.hstack([run(one, x[:length]), run(two, x[:length][::-1])[::-1]])
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


CASES = {
    "lstm": ("lstm", fields(4, states=2), {}),
    "gru": ("gru", fields(3, states=1), {}),
    "before": ("gru", fields(3), {"reset": "before"}),
    "recurrent": ("gru", fields(3, bias=6), {"reset": "recurrent-bias-after"}),
    "bilstm": ("bilstm", fields(8, states=2), {"steps": T}),
    "words": ("lstm", fields(4) | {"StateActivationFunction": "softsign"}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(case, tmp_path):
    kind, data, options = CASES[case]
    d = matlab.to_diagram(data, kind, **options)
    file = tmp_path / "layer.mat"
    matlab.save(d, file)
    options = {"steps": T} if kind == "bilstm" else {}
    again = matlab.to_diagram(file, kind, **options)  # the reset is in the file
    x = signal()
    feed = {"x": x[None], "length": [T]} if kind == "bilstm" else {"x": x}
    for name, y in bs.simulate(d, feed).signals.items():
        np.testing.assert_allclose(bs.simulate(again, feed)[name], y, rtol=0, atol=1e-14)


def test_trained_parameters_of_a_layer_in_a_network_are_saved(tmp_path):
    data = fields(4)
    net = bs.nn.sequential([matlab.to_diagram(data), bs.nn.dense(np.ones((1, n)), [0.0])])
    trained = {"lstm/f/W": {"K": np.full((n, m), 7.0)}}
    matlab.save(net, tmp_path / "layer.mat", params=trained, path="lstm")
    W = matlab.to_weights(matlab.to_diagram(tmp_path / "layer.mat"))["InputWeights"]
    np.testing.assert_array_equal(W[n : 2 * n], 7.0)
    np.testing.assert_array_equal(W[:n], data["InputWeights"][:n])


def without(name):
    return {key: value for key, value in fields(4).items() if key != name}


BAD = {
    "no field": (
        lambda: matlab.to_diagram(without("Bias")),
        "a field Bias, got the fields InputWeights, Rec",
    ),
    "nothing": (lambda: matlab.to_diagram({}), r"a field InputWeights, got the fields \(none\)"),
    "rows": (
        lambda: matlab.to_diagram(fields(3)),
        r"RecurrentWeights .*4n rows of n numbers, got shape \(12, 4\)",
    ),
    "kind": (lambda: matlab.to_diagram(fields(4), "bigru"), "'lstm' or 'gru' or 'bilstm', got str 'bigru'"),
    "reset": (
        lambda: matlab.to_diagram(fields(3), "gru", reset="never"),
        "reset .*'before'.* got str 'never'",
    ),
    "reset of an lstm": (lambda: matlab.to_diagram(fields(4), reset="after"), "none for an LSTM"),
    "short bias": (
        lambda: matlab.to_diagram(fields(3), "gru", reset="recurrent-bias-after"),
        r"Bias .*shape \(24,\), got shape \(12,\)",
    ),
    "input rows": (
        lambda: matlab.to_diagram(fields(4) | {"InputWeights": np.ones((3, 3))}),
        r"InputWeights .*shape \(16, any\), got shape \(3, 3\)",
    ),
    "text": (lambda: matlab.to_diagram(fields(4) | {"Bias": "big"}), "Bias .*real numbers, .* got big"),
    "state": (
        lambda: matlab.to_diagram(fields(4) | {"CellState": np.ones(3)}),
        r"CellState .*\(4,\), got shape",
    ),
    "word": (
        lambda: matlab.to_diagram(fields(4) | {"GateActivationFunction": "sigmoud"}),
        "GateActivationFunction .*'sigmoid' or 'hard-sigmoid', got 'sigmoud'.*Did you mean",
    ),
    "several": (
        lambda: matlab.to_diagram({"one": fields(4), "two": fields(4)}),
        "the fields of one layer, got several",
    ),
    "no steps": (lambda: matlab.to_diagram(fields(8), "bilstm"), "Pass steps=T"),
    "dense": (
        lambda: matlab.to_weights(bs.nn.dense(np.ones((2, 2)), np.ones(2))),
        "the diagram of an LSTM or a GRU",
    ),
    "peephole": (
        lambda: matlab.to_weights(
            bs.nn.lstm(np.ones((8, 3)), np.ones((8, 2)), np.ones(8), peephole=np.ones(6))
        ),
        "MATLAB's lstmLayer",
    ),
    "slope": (
        lambda: matlab.to_weights(
            bs.nn.lstm(np.ones((8, 3)), np.ones((8, 2)), np.ones(8), gate_activation=HardSigmoid(1 / 6))
        ),
        "i/activation/slope.*expected 0.2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(bs.BlocksimError, match=message):
        act()


def test_a_file_cut_short_or_spoiled(tmp_path):
    whole = tmp_path / "layer.mat"
    savemat(whole, fields(4))
    data, part = whole.read_bytes(), tmp_path / "part.mat"
    for size in range(0, len(data), 13):
        part.write_bytes(data[:size])
        with pytest.raises(bs.BlocksimError, match=r"part\.mat"):
            matlab.to_diagram(part)
    rng = np.random.default_rng(0)
    for _ in range(100):  # a changed byte gives another number or an error of ours
        spoiled = bytearray(data)
        spoiled[rng.integers(128, 200)] ^= 1 << int(rng.integers(8))
        part.write_bytes(spoiled)
        try:
            matlab.to_diagram(part)
        except bs.BlocksimError as error:
            assert "part.mat" in str(error)  # noqa: PT017
    for text in (b"", b"not a mat file", b"MATLAB 7.3 MAT-file" + b"\0" * 600):
        part.write_bytes(text)
        with pytest.raises(bs.errors.FileError, match=r"part\.mat .*a whole .mat file"):
            matlab.to_diagram(part)
    with pytest.raises(bs.errors.FileError, match=r"nowhere\.mat .*No such file"):
        matlab.to_diagram(tmp_path / "nowhere.mat")
    with pytest.raises(bs.errors.ParameterError, match="an LSTM or a GRU"):
        matlab.save(bs.nn.dense(np.eye(2), np.ones(2)), tmp_path / "none.mat")
    assert not (tmp_path / "none.mat").exists()
