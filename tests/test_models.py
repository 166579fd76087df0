"""Every model script: checked, run, drawn and verified by the commands, and held to its reference."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import blocksim as bs
from blocksim.cli import app
from blocksim.script import Case, Script

FOLDER = Path(__file__).parents[1] / "models"
SCRIPTS = sorted(FOLDER.glob("*.py"))
MODELS = {path.stem: path for path in SCRIPTS}
DIGITS = bs.load_weights(FOLDER / "data" / "lstm_digits_test.safetensors")


@pytest.fixture(autouse=True)
def _search_path(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())


def blocksim(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    return result.stdout


def prepare(name: str, *settings: str) -> Case:
    return Case.prepare(Script(MODELS[name]), settings)


@pytest.mark.parametrize("name", MODELS)
def test_commands(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"diagram {name}" in blocksim("check", MODELS[name])
    assert "wrote picture.png" in blocksim("draw", MODELS[name], "-o", "picture.png")
    said = blocksim("run", MODELS[name]).replace("\n", " ").split("wrote ")[-1].split(", ")
    assert said[0] == f"{name}.png"
    assert len(said) > 1
    assert "equal: largest difference" in blocksim("verify", MODELS[name], "--tolerance", "1e-12")
    written = {file.name for file in tmp_path.iterdir()}
    assert written == {"picture.png", *map(str.strip, said)}
    for file in written:
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", MODELS)
def test_the_commands_in_the_docstring_have_options_that_there_are(name):
    script = Script(MODELS[name])
    lines = [line.split() for line in script.module.__doc__.splitlines() if f"models/{name}.py" in line]
    for line in lines:
        settings = [after for word, after in itertools.pairwise(line) if word == "-p"]
        Case.prepare(script, settings)
    if name == "lstm_memory":
        with pytest.raises(bs.BlocksimError, match="there is no cell 'cnn', but there are lstm, gru, rnn"):
            Case.prepare(script, ["cell=cnn"])


@pytest.mark.parametrize("name", MODELS)
def test_reference(name):
    case = prepare(name)
    result = case.simulate(record="**")
    references = case.reference()
    assert references.keys() >= set(case.plan.outputs)
    for path, expected in references.items():
        scale = max(1.0, abs(expected).max())
        np.testing.assert_allclose(result[path] / scale, expected / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lstm_layer", ["inputs=2", "hidden=5", "outputs=1", "seed=3"]),
        ("gru_layer", ["reset=before"]),
        ("gru_layer", ["inputs=2", "hidden=5", "outputs=1", "seed=3"]),
        ("rnn_layer", ["inputs=2", "hidden=5", "outputs=1", "seed=3"]),
        ("lstm_stacked", ["seed=4"]),
        ("lstm_autonomous", ["units=3", "gain=1.5", "seed=2"]),
        ("lstm_linear_system", ["scale=1e-2", "construction=inverse"]),
        ("lstm_memory", ["cell=gru", "scale=0.1", "units=2", "length=9"]),
        ("lstm_memory", ["cell=rnn", "scale=0.1", "length=9"]),
        ("pid", ["kp=20", "ki=0", "kd=2"]),
        ("biquad", ["cutoff=100", "q=8", "seconds=0.05"]),
    ],
)
def test_options_reach_the_model_and_its_reference(name, settings):
    case, default = prepare(name, *settings), prepare(name)
    result = case.simulate(record="**")
    for path, expected in case.reference().items():
        np.testing.assert_allclose(result[path], expected, rtol=1e-12, atol=1e-12)
    name = next(iter(default.plan.outputs))
    y = default.simulate()[name]
    assert y.shape != result[name].shape or abs(y - result[name]).max() > 1e-3


def test_lstm_layer_has_the_parameters_of_the_literature():
    counts = prepare("lstm_layer").diagram.parameter_counts()
    assert counts["lstm"] == 4 * (3 * 4 + 3 * 3 + 3) + 2 * 3
    assert counts["dense"] == 2 * 3 + 2


def test_lstm_layer_starts_from_states_that_are_not_zero():
    states = prepare("lstm_layer").plan.initial_state
    assert states.keys() == {"lstm/hidden_state", "lstm/cell_state"}
    assert all(np.all(state != 0) for state in states.values())


def test_coupled_delays_count_as_both_states_change_at_once():
    result = prepare("coupled_delays").simulate()
    assert result["x"].tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert result["y"].tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_pid_brings_the_mass_to_the_setpoint():
    result = prepare("pid").simulate(record="setpoint")
    y, setpoint = result["y"], result["setpoint"]
    assert np.all(y[setpoint == 0] == 0)
    assert y.max() < 1.05
    assert np.all(abs(y[200:] - 1) < 0.02)


def test_biquad_passes_low_and_stops_high_frequencies():
    case = prepare("biquad", "seconds=0.4")
    y = case.simulate()["y"]
    assert abs(y[400:800]).max() == pytest.approx(1, abs=0.05)  # 125 to 250 Hz
    assert abs(y[-400:]).max() < 0.1  # 1.75 to 2 kHz


# -- digits -------------------------------------------------------------------------------------


def test_digits_are_read_as_pytorch_reads_them():
    y = prepare("lstm_digits").simulate(keep="last")["y"]
    digits = y[:, -1].argmax(-1)
    assert np.mean(digits == DIGITS["labels"]) >= 0.95
    assert np.all(digits == DIGITS["torch_labels"])


def test_digits_have_the_hidden_states_of_pytorch_in_float32():
    hidden = prepare("lstm_digits").simulate(record="lstm/h", dtype=np.float32)["lstm/h"]
    assert hidden.dtype == np.float32
    assert np.std(DIGITS["torch_hidden"]) > 0.1
    np.testing.assert_allclose(hidden, DIGITS["torch_hidden"], rtol=0, atol=1e-5)


def test_digits_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = blocksim("run", MODELS["lstm_digits"], "-p", "image=7")
    assert re.search(r"images +┃ 360 ", printed)
    assert re.search(r"read correctly +│ 99\.\d% ", printed)
    assert re.search(r"read as by PyTorch +│ 100\.0% ", printed)
    assert re.search(r"PyTorch's, float32 +│ \d\.\de-0[67] ", printed)
    assert re.search(rf"image 7 is read as +│ {DIGITS['torch_labels'][7]} ", printed)


def test_digits_report_on_an_image_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("image.csv", DIGITS["images"][3] / 16 * 0.9, delimiter=",")
    printed = blocksim("run", MODELS["lstm_digits"], "--input", "image.csv")
    assert "read correctly" not in printed
    assert "image 0 is read as" in printed


def test_digits_report_needs_an_image_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", str(MODELS["lstm_digits"]), "-p", "image=360"])
    assert result.exit_code == 1
    assert "there is no image 360: they have the numbers 0 to 359" in result.stderr


def test_digits_run_without_torch_and_scikit_learn(tmp_path):
    code = "import sys; sys.modules |= {'torch': None, 'sklearn': None}; from blocksim.cli import app; app()"
    arguments = ["run", MODELS["lstm_digits"], "--out", tmp_path]
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "read correctly" in ran.stdout


# -- calculated networks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "setting", "row"),
    [
        ("lstm_autonomous", "seed=0", r"residual +│ [\d.]+e-1[5-9] .*spectral radius +│ 0\.7941, stable"),
        ("lstm_linear_system", "scale=1e-4", r"1\.4\de\+05 scale\^2 .*input +│ 27\.0 times"),
        ("lstm_memory", "cell=lstm", r"error +│ 1\.37e-06 .*at most +│ 1\.37e-06 "),
        ("lstm_memory", "cell=rnn", r"error +│ 2\.\d\de-05 .*at most +│ 2\.\d\de-05 "),
    ],
)
def test_calculated_networks_report_what_they_are(name, setting, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(row, blocksim("run", MODELS[name], "-p", setting), re.DOTALL)


def test_an_autonomous_lstm_decays_by_its_spectral_radius():
    case = prepare("lstm_autonomous")
    found = bs.analysis.equilibrium(case.diagram)
    assert found.state is not None
    run = case.simulate(record=["hidden_state", "cell_state"])
    far = np.hypot(*(np.linalg.norm(run[n] - x, axis=1) for n, x in found.state.items()))
    assert far[50] / far[40] == pytest.approx(found.spectral_radius**10, rel=0.01)


# -- networks of sequences ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "setting", "row"),
    [
        ("speakers", "utterance=3", r"speakers recognized +│ 9\d\.\d% "),
        ("digit_strings", "string=3", r"of the first columns of digits +│ 9\d\.\d% "),
        ("wave_frequency", "wave=3", r"root mean square error +│ 0\.00[12]\d "),
        ("pendulum", "run=3", r"root mean square error, in rad +│ 0\.0[01]\d "),
        ("video", "clip=1", r"named rightly +│ 100\.0% "),
        ("lstm_deep", "image=7", r"read correctly +│ (9\d\.\d|100\.0)% "),
    ],
)
def test_sequence_networks_know_data_they_were_not_trained_on(name, setting, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(row, blocksim("run", MODELS[name], "-p", setting))


@pytest.mark.parametrize("name", ["speakers", "wave_frequency", "digit_strings", "video"])
def test_a_sequence_among_padded_ones_is_as_alone(name):
    case = prepare(name, "count=8")
    i = case.inputs["length"].argmin()
    length = case.inputs["length"][i]
    assert length < case.inputs["x"].shape[1]
    alone = bs.predict(case.diagram, [case.inputs["x"][i, :length]])[0]
    y = case.simulate()["y"][i]
    np.testing.assert_allclose(y[:length] if name == "digit_strings" else y, alone, rtol=0, atol=1e-12)


def test_digit_strings_need_what_comes_later():
    case = prepare("digit_strings", "count=20")
    changed = {name: array.copy() for name, array in case.inputs.items()}
    changed["x"][:, 4:8] = 0
    first = [bs.simulate(case.diagram, inputs)["y"][:, 0] for inputs in (case.inputs, changed)]
    assert abs(first[0] - first[1]).max() > 0.5


def test_the_pendulum_of_the_reference_keeps_its_energy_without_friction():
    module = prepare("pendulum").script.module
    module.DAMPING = 0.0
    torque = np.full((1, 300, 1), 0.3)
    angle = module.swing(torque)[0, :, 0]
    potential = 1 - np.cos(angle) - 0.3 * angle  # at rest at the start, so at most 0
    assert potential.max() < 1e-6
    assert abs(potential[angle > angle.max() - 1e-2]).max() < 0.01
