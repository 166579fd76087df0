"""The README's Python runs as it stands, in order, and does what its text says."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import numpy as np
import onnx
import pytest
from random_diagrams import random_lstm

import blocksim as bs

README = Path(bs.__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_first_diagram(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(BLOCKS[0], scope)
    result = scope["result"]
    assert isinstance(result, bs.Result)
    k = np.arange(40)
    lag = np.where(k > 5, 1 - 0.8 ** (k - 5.0), 0.0)
    np.testing.assert_allclose(result["y"], lag, atol=1e-12)
    assert (tmp_path / "lag.png").exists()
    assert (tmp_path / "lag_signals.png").exists()
    assert re.search(r"memory +UnitDelay\(initial=0\) +u <- total", capsys.readouterr().out)
    assert len(BLOCKS[0].splitlines()) <= 20


def test_a_block_an_lstm_and_its_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    scope: dict[str, object] = {"bs": bs, "x": rng.normal(size=(6, 2)), "x2": rng.normal(size=(3, 2))}
    scope |= random_lstm(rng, 2, 3)
    exec(BLOCKS[1], scope)
    leak = scope["Leak"]
    assert isinstance(leak, type)
    assert leak(0.0).input_ports() == ("u",)
    assert not leak(0.0).feedthrough("u")
    exec(BLOCKS[2], scope)
    run = scope["run"]
    assert isinstance(run, bs.Result)
    np.testing.assert_allclose(run["h"], scope["h"], atol=1e-12)
    scope |= {"many": rng.normal(size=(5, 3)), "jax": jax}
    exec(BLOCKS[3], scope)
    gradient, sweep = scope["gradient"], scope["sweep"]
    assert isinstance(gradient, dict)
    assert isinstance(sweep, bs.Result)
    assert gradient["i/W"]["K"].shape == (3, 2)
    assert sweep["h"].shape == (5, 6, 3)
    exec(BLOCKS[4], scope)
    pictures = {"layer.svg", "gates.png", "cell.png", "stages.png", "signals.png"}
    assert {file.name for file in tmp_path.iterdir()} == pictures


def test_sequences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    scope: dict[str, object] = {"bs": bs, "V": rng.normal(size=(4, 3)), "v": np.zeros(4)}
    scope |= {"sequences": [rng.normal(size=(n, 2)) for n in (7, 30, 12)]} | random_lstm(rng, 2, 3)
    exec(BLOCKS[5], scope)
    run, found = scope["run"], scope["found"]
    assert isinstance(run, bs.Result)
    assert isinstance(found, list)
    np.testing.assert_allclose(run["y"], found, atol=1e-12)
    assert [file.name for file in tmp_path.iterdir()] == ["activations.png"]


def test_dynamics(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    layer = bs.nn.lstm(**random_lstm(rng, 2, 3, 0.5))
    scope: dict[str, object] = {"bs": bs, "layer": layer, "x": rng.normal(size=(200, 2))}
    exec(BLOCKS[6], scope)
    assert scope["loop"].inputs == ("f[0]", "f[1]", "f[2]")  # pyright: ignore
    assert {file.name for file in tmp_path.iterdir()} == {"eigenvalues.png", "branch.png"}
    printed = capsys.readouterr().out
    assert "most in" in printed
    assert "arrived at 3.5" in printed


def test_a_model_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, *outputs = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n"]) for n in "xyh")
    nodes = [onnx.helper.make_node("Tanh", ["x"], ["y"]), onnx.helper.make_node("Exp", ["y"], ["h"])]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [x], outputs)), "network.onnx")
    scope: dict[str, object] = {"bs": bs, "x": np.ones(3)}
    exec(BLOCKS[7], scope)
    np.testing.assert_allclose(scope["h"], np.exp(np.tanh(np.ones(3))), rtol=1e-6)  # pyright: ignore
    assert list(scope["d"].nodes) == ["Tanh", "Exp"]  # pyright: ignore


def test_weights_from_elsewhere(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    weights = random_lstm(rng, 2, 3)
    bs.interop.matlab.save(bs.nn.lstm(**weights), "layer.mat")
    module = torch.nn.LSTM(2, 3)
    trained = bs.nn.lstm(weights["W"], weights["R"], weights["b"]).parameters()
    scope: dict[str, object] = {"bs": bs, "module": module, "trained": trained}
    exec(BLOCKS[8], scope)
    np.testing.assert_allclose(module.weight_ih_l0.detach(), weights["W"], rtol=1e-6)
    copy, layer = (d.parameters() for d in (bs.interop.matlab.to_diagram("copy.mat"), scope["layer"]))
    for path, fields in layer.items():
        for name, array in fields.items():
            np.testing.assert_array_equal(copy[path][name], array)


def test_calculated_networks():
    rng = np.random.default_rng(0)
    A, B, C, D = 0.3 * rng.normal(size=(3, 3)), *(rng.normal(size=s) for s in ((3, 1), (2, 3), (2, 1)))
    scope: dict[str, object] = {"bs": bs, "A": A, "B": B, "C": C, "D": D}
    exec(next(block for block in BLOCKS if "lstm_from_linear_system" in block), scope)
    An, Bn, Cn, Dn = (np.asarray(scope[name]) for name in ("An", "Bn", "Cn", "Dn"))
    np.testing.assert_allclose(Dn, D, atol=1e-12)
    np.testing.assert_allclose(Cn @ An @ Bn, C @ A @ B, atol=1e-12)
    memory = scope["memory"]
    assert isinstance(memory, bs.Diagram)
    y = bs.simulate(memory, {"x": rng.normal(size=(50, 1))})["y"]
    assert np.ptp(y) < 1e-8


def test_the_set_up_is_two_lines():
    lines = [line for line in README.read_text().splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("pip install -e . && blocksim run models/lstm_digits.py")
    assert lines[1].endswith('pip install -e ".[test]" && pytest')


@pytest.mark.parametrize("path", ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "models"])
def test_links_lead_somewhere(path):
    assert f"({path})" in README.read_text()
    assert (README.parent / path).exists()
