"""The examples of calculated networks: what they measure, and that their scripts run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import blocksim as bs

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(EXAMPLES))

import linear_system  # noqa: E402  # pyright: ignore[reportMissingImports]
import memory  # noqa: E402  # pyright: ignore[reportMissingImports]


@pytest.fixture(scope="module")
def training():
    with jax.enable_x64(True):
        yield linear_system.Training()


@pytest.fixture(scope="module")
def ends(training):
    """What Adam makes of all starts in 500 epochs, and the losses on the way."""
    starts = training.starts()
    return dict(zip(starts, training.adam(starts.values(), 500), strict=True))


def test_the_error_is_a_square_between_a_floor_and_what_tanh_bounds():
    found = linear_system.scaling(runs=20)
    for (construction, dtype), errors in found.items():
        law = {s: e / s**2 for s, e in zip(linear_system.SCALES, errors, strict=True)}
        floor = {"float64": (1e-14, 1e-13), "float32": (1e-5, 4e-5)}[dtype]
        assert floor[0] < errors[:4].min() <= errors[:4].max() < floor[1], construction
        square = [v for s, v in law.items() if (1e-8 if dtype == "float64" else 1e-4) / 1.1 < s < 2e-3]
        assert len(square) >= 2
        np.testing.assert_allclose(square, square[0], rtol=0.02)
        assert law[linear_system.SCALES[-1]] < 0.1 * square[0]
    better, known = (found[c, "float64"][6:11] for c in ("output", "inverse"))
    np.testing.assert_allclose(better / known, 0.9, atol=0.03)


def test_the_loss_of_calculated_weights():
    """.0025 by the draw, and of the default by the square of .9 less."""
    u = linear_system.noise(1001, 0, runs=20)
    z, found = linear_system.response(u), {}
    for construction in ("output", "inverse"):
        network = bs.nn.lstm_from_linear_system(*linear_system.SYSTEM, linear_system.SCALE, construction)
        found[construction] = ((bs.simulate(network, {"u": u})["y"] - z) ** 2).mean((1, 2))
        assert found[construction].min() < 2.5e-3 < found[construction].max()
        assert found[construction].mean() == pytest.approx(2.5e-3, rel=0.5)
    np.testing.assert_allclose(found["output"] / found["inverse"], 0.81, atol=0.04)


def test_a_step_of_adam_takes_calculated_weights_far_away(ends):
    _, losses = ends["calculated, Adam 1e-4"]
    assert losses[0] == pytest.approx(2.5e-3, rel=0.5)
    assert losses.max() > 1e4 * losses[0]
    assert losses[100:].min() > 10 * losses[0]  # and it does not come back


@pytest.mark.parametrize("rate", ["1e-6", "1e-7"])
def test_small_steps_of_adam_make_them_better(ends, rate):
    _, losses = ends[f"calculated, Adam {rate}"]
    assert losses[-1] < 0.6 * losses[0]


def test_adam_is_stable_with_weights_in_units_of_their_size(ends):
    """At ten times the rate that takes the same weights far away."""
    _, losses = ends["calculated, Adam 1e-3 in units"]
    assert losses.max() < ends["calculated, Adam 1e-4"][1].max() / 10
    assert losses[-1] < 0.7 * losses[0]


def test_calculated_weights_are_no_local_minimum(training, ends):
    """Levenberg and Marquardt's method finds its way from where Adam left them."""
    params, loss = training.levenberg_marquardt(ends["calculated, Adam 1e-4"][0], 100)
    assert 1e-6 < loss < 3e-5
    calculated, trained = (linear_system.validation(p) for p in (training.calculated, params))
    assert trained[0] < 3e-5  # on data of its own, too
    assert trained[2] < calculated[2] / 30  # and at three times the input
    system = bs.nn.linear_system_from_lstm(params, linear_system.SCALE)
    D, gain, poles, zeros = linear_system.described(*system)
    assert float(D) == pytest.approx(0, abs=1e-3)
    assert float(gain) == pytest.approx(7.5351, abs=0.05)
    assert poles.startswith("0.980 0.980 0.91")
    np.testing.assert_allclose([float(z) for z in zeros.split()[1:3]], [0.961, 0.260], atol=0.005)


def test_random_weights_start_far_and_come_nearer(training, ends):
    params, losses = ends["random, Adam 4e-2"]
    assert 20 < losses[0] < 200
    assert losses[-1] < 0.9 * losses[0]
    assert linear_system.validation(params)[0] > 1e3 * linear_system.validation(training.calculated)[0]
    network = bs.nn.lstm_from_linear_system(*linear_system.SYSTEM, linear_system.SCALE)
    u = 3 * linear_system.noise(1001, 2)
    y = bs.simulate(network, {"u": u}, params=params)["y"]
    assert abs(y).max() < 0.5 * abs(linear_system.response(u)).max()  # saturated


def test_a_trained_network_remembers_for_as_long_as_it_was_trained():
    found = memory.generalization(800, lengths=(10, 20, 100))
    trained, calculated, silent = found.values()
    assert trained[0] < 0.06
    assert min(trained[1:]) > 0.4
    assert max(calculated) < 1e-8
    np.testing.assert_allclose(silent, 1 / np.sqrt(3), rtol=0.1)


def test_what_a_network_remembers():
    x = memory.numbers(3)[:, :100]
    assert memory.errors("lstm", 1e-3, x)[99] == pytest.approx(6.7e-7, rel=0.01)
    off = [memory.errors(c, 1e-4, x, params=memory.noisy(c, 1e-4))[99] for c in ("lstm", "gru", "rnn")]
    assert max(off[:2]) < 1e-2
    assert off[2] > 10


@pytest.mark.parametrize(
    ("command", "said", "pictures"),
    [
        (
            ["linear_system.py", "--epochs", "3", "--iterations", "2"],
            "poles' radii",
            ["linear_system_scaling.png", "linear_system_training.png"],
        ),
        (["memory.py", "--steps", "2"], "numbers of 1e12", ["memory.png"]),
    ],
)
def test_scripts(command, said, pictures, tmp_path):
    arguments = [sys.executable, str(EXAMPLES / command[0]), *command[1:], "--out", str(tmp_path)]
    ran = subprocess.run(arguments, capture_output=True, text=True, env=os.environ | {"COLUMNS": "160"})
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout
    assert sorted(f.name for f in tmp_path.iterdir()) == pictures
