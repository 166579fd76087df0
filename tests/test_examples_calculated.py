"""The examples of calculated networks: what they measure, and that their scripts run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(EXAMPLES))

import linear_system  # noqa: E402  # pyright: ignore[reportMissingImports]
import memory  # noqa: E402  # pyright: ignore[reportMissingImports]


@pytest.fixture(scope="module")
def training():
    with jax.enable_x64(True):
        yield linear_system.Training(samples=1001)


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


def test_one_step_of_adam_takes_calculated_weights_far_away(training):
    _, losses = training.adam(training.calculated, 1e-4, 0.99, 30)
    assert losses[0] == pytest.approx(2.5e-3, rel=0.5)
    assert losses.max() > 100 * losses[0]


def test_small_steps_of_adam_make_them_better(training):
    _, losses = training.adam(training.calculated, 1e-7, 1.0, 60)
    assert losses[-1] < losses[0]


def test_calculated_weights_are_no_local_minimum(training):
    params, loss = training.levenberg_marquardt(training.calculated, 40)
    start = float(training.loss(training.calculated))
    assert loss < start / 50
    other, _ = linear_system.linearity(params)
    assert other < linear_system.linearity({})[0] / 25  # on data of its own, too
    system = linear_system.described(
        *linear_system.bs.nn.linear_system_from_lstm(params, linear_system.SCALE)
    )
    assert float(system[1]) == pytest.approx(7.5351, abs=0.05)
    assert system[2].startswith("0.980 0.980 0.91")


def test_random_weights_start_far_and_come_nearer(training):
    _, losses = training.adam(training.random(), 0.04, 0.98, 30)
    assert 20 < losses[0] < 200
    assert losses[-1] < 0.9 * losses[0]


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
        (["memory.py"], "numbers of 1e12", ["memory.png"]),
    ],
)
def test_scripts(command, said, pictures, tmp_path):
    arguments = [sys.executable, str(EXAMPLES / command[0]), *command[1:], "--out", str(tmp_path)]
    ran = subprocess.run(arguments, capture_output=True, text=True, env=os.environ | {"COLUMNS": "160"})
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout
    assert sorted(f.name for f in tmp_path.iterdir()) == pictures
