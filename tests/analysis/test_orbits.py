"""Lyapunov exponents and cycles, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.analysis import lyapunov, multipliers
from blocksim.errors import AnalysisError, InputError, ParameterError
from blocksim.library import Bias, Gain, Product, Sum, UnitDelay


def logistic(r, z0=0.2345):
    """z+ = r z (1 - z)."""
    d = bs.Diagram("logistic")
    z = d.add("z", UnitDelay(z0))
    rest = d.add("rest", Bias(1.0), d.add("minus", Gain(-1.0), z))
    d.connect(d.add("next", Gain(r), d.add("product", Product(), z, rest)), z)
    d.output("z", z)
    return d


def linear(A, z0=None):
    d = bs.Diagram("linear")
    z = d.add("z", UnitDelay(np.ones(len(A)) if z0 is None else z0))
    d.connect(d.add("A", Gain(A), z), z)
    return d


def test_the_logistic_map_at_4_has_ln_2():
    found = lyapunov(logistic(4.0), steps=200_000)
    assert found.largest == pytest.approx(np.log(2), abs=2e-3)
    assert found.history.shape == (200_000,)
    assert found.history[-1] == found.largest


def test_a_linear_system_has_the_logs_of_its_eigenvalues():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    A = Q @ (np.diag([0.9, 0.6, -0.4, 0.2]) + np.triu(rng.normal(size=(4, 4)), 1)) @ Q.T
    found = lyapunov(linear(A), steps=2000, transient=200, count=4)
    np.testing.assert_allclose(found.exponents, np.log([0.9, 0.6, 0.4, 0.2]), atol=1e-9)
    grown = lyapunov(linear([[1.5]]), steps=100)
    assert grown.largest == pytest.approx(np.log(1.5), abs=1e-12)


def test_a_driven_contractive_lstm_forgets_and_a_wild_one_does_not():
    rng = np.random.default_rng(1)
    w = random_lstm(rng, 2, 6)
    calm = bs.nn.lstm(**(w | {"R": 0.1 * w["R"]}))
    x = rng.normal(size=(400, 2))
    found = lyapunov(calm, {"x": x}, transient=50)
    assert found.largest < -0.1
    # the same from two runs that begin with a small difference
    a, b = (
        bs.simulate(calm, {"x": x[:60]}, initial_state={"cell_state": w["c0"] + e})
        for e in (0, 1e-3 * np.ones(6))
    )
    gap = np.linalg.norm(np.hstack([a["c"] - b["c"], a["h"] - b["h"]]), axis=1)
    assert np.log(gap[55] / gap[15]) / 40 == pytest.approx(found.largest, abs=0.1)
    wild = bs.nn.lstm(**(w | {"R": 12 * w["R"], "b": 0 * w["b"] + 2}))
    assert lyapunov(wild, {"x": x}, transient=50).largest > found.largest


@pytest.mark.parametrize("r", [3.2, 3.4])
def test_the_two_cycle_of_the_logistic_map_has_its_closed_form(r):
    root = np.sqrt((r + 1) * (r - 3))
    points = (r + 1 + np.array([-root, root])) / (2 * r)
    cycle = multipliers(logistic(r), 2, {"z": 0.5})
    np.testing.assert_allclose(np.sort(cycle.points[:, 0]), points, atol=1e-12)
    np.testing.assert_allclose(cycle.multipliers, [4 + 2 * r - r**2], atol=1e-11)
    assert cycle.stable
    assert cycle.residual < 1e-12
    assert cycle.states == ("z",)


def test_an_unstable_cycle_and_a_fixed_point_are_found_too():
    r = 3.6
    cycle = multipliers(logistic(r), 2, {"z": 0.45})
    np.testing.assert_allclose(cycle.multipliers, [4 + 2 * r - r**2], atol=1e-11)
    assert not cycle.stable
    fixed = multipliers(logistic(r), 1, {"z": 0.7})
    np.testing.assert_allclose(fixed.points, [[1 - 1 / r]], atol=1e-12)
    np.testing.assert_allclose(fixed.multipliers, [2 - r], atol=1e-12)
    turn = multipliers(linear([[0.0, -1.0], [1.0, 0.0]], [1.0, 0.0]), 4)
    np.testing.assert_allclose(turn.multipliers, [1, 1], atol=1e-12)


def driven():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("sum", Sum(), d.add("a", Gain(0.5), z), d.input("u")), z)
    return d


def test_inputs_stay_as_the_point_says():
    at = {"z": 1.0, "u": 3.0}
    assert multipliers(driven(), 1, at).points.item() == pytest.approx(6.0, abs=1e-12)
    assert lyapunov(driven(), at=at, steps=20).largest == pytest.approx(np.log(0.5), abs=1e-12)
    assert lyapunov(driven(), {"u": np.ones(20)}).largest == pytest.approx(np.log(0.5), abs=1e-12)


def test_parameters_are_replaced_without_compiling_again():
    d = logistic(3.2)
    for r in (3.3, 3.4):
        cycle = multipliers(d, 2, {"z": 0.5}, params={"next": {"K": r}})
        np.testing.assert_allclose(cycle.multipliers, [4 + 2 * r - r**2], atol=1e-11)
        found = lyapunov(d, at={"z": 0.5}, params={"next": {"K": r}}, steps=4000, transient=1000)
        assert found.largest == pytest.approx(np.log(abs(4 + 2 * r - r**2)) / 2, abs=1e-6)
    assert len([key for key in d.plans if "system" in str(key)]) == 1
    (system,) = (value[1][1] for key, value in d.plans.items() if "system" in str(key))
    kept = system.compiled("lyapunov", lambda: pytest.fail("compiled again"))
    assert callable(kept)


@pytest.mark.parametrize(
    ("call", "kind", "fragment"),
    [
        (lambda: lyapunov(logistic(5.0), steps=500), AnalysisError, "a run that stays finite"),
        (lambda: lyapunov(logistic(4.0), {"u": np.ones(3)}), InputError, "None, as the diagram has none"),
        (lambda: lyapunov(logistic(4.0), steps=0), InputError, "steps .*at least 1"),
        (lambda: lyapunov(logistic(4.0), count=2), InputError, "count .*from 1 to 1"),
        (lambda: lyapunov(logistic(4.0), steps=5, transient=5), InputError, "transient .*from 0 to 4"),
        (lambda: lyapunov(driven(), {"u": np.ones((2, 3))}), InputError, "a batch of 2"),
        (lambda: lyapunov(driven(), {"v": np.ones(2)}), InputError, "Did you mean 'u'|There is 'u'"),
        (lambda: multipliers(logistic(3.2), 0), InputError, "period .*at least 1"),
        (
            lambda: multipliers(logistic(2.5), 2, {"z": 0.55}),
            AnalysisError,
            "2 steps, got one of 1",
        ),
        (lambda: multipliers(logistic(np.nan), 1), ParameterError, "finite"),
        (lambda: multipliers(counting(), 1), AnalysisError, "a cycle of 1 steps, got none near"),
    ],
)
def test_what_is_wrong_is_said(call, kind, fragment):
    with pytest.raises(kind, match=fragment):
        call()


def counting():
    """z+ = z + 1 comes back never."""
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("one", Bias(1.0), z), z)
    return d
