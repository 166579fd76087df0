"""Eigenvalues and what makes them, against closed forms and differences."""

from __future__ import annotations

import numpy as np
import pytest
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.analysis import StateSpace, eigenvalues, linearize, sensitivities, shares
from blocksim.errors import AnalysisError, InputError
from blocksim.library import Bias, Gain, Sigmoid, Sum, Tanh, UnitDelay


def lstm(n=4, seed=3):
    w = random_lstm(np.random.default_rng(seed), 2, n)
    return bs.nn.lstm(**w), w


def test_participation_is_the_derivative_in_the_diagonal():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(5, 5))
    model = StateSpace(A, np.zeros((5, 0)), np.zeros((0, 5)), np.zeros((0, 0)))
    spectrum = eigenvalues(model)
    np.testing.assert_allclose(spectrum.participation.sum(0), 1, atol=1e-12)
    np.testing.assert_allclose(spectrum.participation.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(A @ spectrum.right, spectrum.right * spectrum.values, atol=1e-12)
    eps = 1e-6
    for k in range(5):
        high, low = (eigenvalues_of(A + s * eps * np.outer(*[np.eye(5)[k]] * 2), spectrum) for s in (1, -1))
        np.testing.assert_allclose((high - low) / (2 * eps), spectrum.participation[k], atol=1e-6)
    assert np.all(np.diff(abs(spectrum.values)) <= 1e-9)


def eigenvalues_of(A, near):
    """In the order of another spectrum."""
    values = np.linalg.eigvals(A)
    return np.array([values[abs(values - v).argmin()] for v in near.values])


def test_blocks_take_part_with_all_their_states():
    d, _ = lstm()
    spectrum = eigenvalues(d)
    assert len(spectrum.values) == 8
    for mode in range(8):
        by_block = spectrum.by_block(mode)
        assert by_block.keys() == {"cell_state", "hidden_state"}
        assert sum(by_block.values()) == pytest.approx(1, abs=1e-12)
    assert spectrum.radius == pytest.approx(linearize(d).spectral_radius)
    assert spectrum.stable == (spectrum.radius < 1)
    lines = str(spectrum).splitlines()
    assert len(lines) == 9
    assert "_state (" in lines[1]


LSTM = lstm()[0]


def test_shares_are_derivatives_in_the_gain_of_a_signal():
    d = LSTM
    at = {"cell_state": np.linspace(-1, 1, 4), "hidden_state": np.linspace(0.5, -0.5, 4)}
    spectrum, eps = eigenvalues(d, at), 1e-6
    for mode in (0, 2, 5):
        found = shares(d, at, mode)
        for path in ("f/activation", "keep", "h"):
            opened = linearize(d, at, [path], [path])
            logs = []
            for factor in (1 + eps, 1 - eps):
                loop = factor * np.linalg.solve(np.eye(len(opened.D)) - factor * opened.D, opened.C)
                values = np.linalg.eigvals(opened.A + opened.B @ loop)
                logs.append(np.log(abs(values[abs(values - spectrum.values[mode]).argmin()])))
            assert found[path] == pytest.approx((logs[0] - logs[1]) / (2 * eps), abs=1e-6), path
        assert found["f"] == found["f/activation"]
        assert found["cell_state"] + found["hidden_state"] == pytest.approx(1, abs=1e-12)
        # the cell's signal is what keep and write bring
        assert found["keep"] + found["write"] == pytest.approx(found["c"], abs=1e-12)
        assert found["o"] + found["squash"] == pytest.approx(found["h"], abs=1e-12)
        assert list(found) == sorted(found, key=lambda name: -abs(found[name]))
        by_block = spectrum.by_block(mode)
        assert found["cell_state"] == pytest.approx(by_block["cell_state"], abs=1e-10)


def scalar(a, b):
    """z+ = tanh(a z + b): at rest where z = tanh(a z + b)."""
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("tanh", Tanh(), d.add("b", Bias(b), d.add("a", Gain(a), z))), z)
    return d


def resting(a, b):
    z = 0.5
    for _ in range(2000):
        z = np.tanh(a * z + b)
    return z


def test_sensitivities_at_a_fixed_state_and_along_a_moving_equilibrium():
    a, b = 0.8, 0.3
    z = resting(a, b)
    d = scalar(a, b)
    slope = 1 - z**2
    direct = sensitivities(d, {"z": z})
    assert direct["a"]["K"] == pytest.approx(slope - 2 * z * slope * a * z, abs=1e-12)
    moving = sensitivities(d, {"z": z}, follow=True)
    eps = 1e-6
    for block, field, da, db in (("a", "K", eps, 0), ("b", "b", 0, eps)):
        field = next(iter(moving[block])) if field not in moving[block] else field
        high, low = ((a + s * da) * (1 - resting(a + s * da, b + s * db) ** 2) for s in (1, -1))
        assert moving[block][field] == pytest.approx((high - low) / (2 * eps), abs=1e-7)
    assert moving["z"]["initial"] == 0
    with pytest.raises(AnalysisError, match="an equilibrium, which a step leaves as it is, got a point that"):
        sensitivities(d, {"z": 0.9}, follow=True)


def test_sensitivities_of_an_lstm_are_differences():
    d, _ = lstm()
    at = {"cell_state": np.linspace(-1, 1, 4), "hidden_state": np.linspace(0.5, -0.5, 4)}
    found = sensitivities(d, at, 1)
    eps, rng = 1e-6, np.random.default_rng(0)
    for path, field in (("i/R", "K"), ("f/b", "value"), ("g/R", "K"), ("o/b", "value")):
        array = d.parameters()[path][field]
        way = rng.normal(size=array.shape)
        high, low = (
            abs(eigenvalues(d, at, params={path: {field: array + s * eps * way}}).values[1]) for s in (1, -1)
        )
        assert (found[path][field] * way).sum() == pytest.approx((high - low) / (2 * eps), abs=1e-7)


def test_the_gate_that_makes_it_unstable_is_found():
    """Two paths around one state: the one of gain 1.2 has six times the share of the one of gain 0.2."""
    d = bs.Diagram()
    z = d.add("z", UnitDelay([0.0, 0.0]))
    weak, strong = d.add("weak", Gain(0.2), z), d.add("strong", Gain(0.3), z)
    more = d.add("gate", Gain(4.0), strong)
    d.connect(d.add("sum", Sum("++"), weak, more), z)
    d.add("unused", Sigmoid(), z)
    found = shares(d, mode=0)
    assert found["gate"] == pytest.approx(1.2 / 1.4, abs=1e-12)
    assert found["strong"] == found["gate"]
    assert found["weak"] == pytest.approx(0.2 / 1.4, abs=1e-12)
    assert found["unused"] == 0


def test_what_is_wrong_is_said():
    d, _ = lstm()
    with pytest.raises(InputError, match=r"mode .*an integer from 0 to 7, got int 8"):
        shares(d, mode=8)
    with pytest.raises(InputError, match=r"mode .*an integer from 0 to 7"):
        eigenvalues(d).by_block(-1)
    still = bs.Diagram()
    still.output("y", still.add("z", UnitDelay(0.0), still.input("u")))
    with pytest.raises(AnalysisError, match=r"mode 0 .*simple and not zero"):
        shares(still)
    jordan = bs.Diagram()
    z = jordan.add("z", UnitDelay([0.0, 0.0]))
    jordan.connect(jordan.add("a", Gain([[0.5, 1.0], [0.0, 0.5]]), z), z)
    with pytest.raises(AnalysisError, match=r"mode 0 .*simple"):
        sensitivities(jordan)
    spectrum = eigenvalues(jordan)
    assert np.isnan(spectrum.participation).any()
    assert "z (nan)" in str(spectrum)
    with pytest.raises(AnalysisError, match="a block with a state"):
        eigenvalues(bs.nn.dense(np.eye(2), np.zeros(2)))
