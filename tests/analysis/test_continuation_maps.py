"""Branches of maps whose equilibria, cycles and bifurcations are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import blocksim as bs
from blocksim.analysis import continuation
from blocksim.library import Complement, Constant, Gain, MathFunction, Product, Sum, Tanh, UnitDelay


def henon(x0):
    """x+ = 1 - a x^2 + y, y+ = 0.3 x."""
    d = bs.Diagram("henon")
    x, y = d.add("x", UnitDelay(x0)), d.add("y", UnitDelay(0.3 * x0))
    bent = d.add("a", Gain(1.4), d.add("square", Product(), x, x))
    d.connect(d.add("next", Sum("+-+"), d.add("one", Constant(1.0)), bent, y), x)
    d.connect(d.add("b", Gain(0.3), x), y)
    d.output("position", x)
    return d


def ricker():
    """x+ = x exp(r (1 - x))."""
    d = bs.Diagram("ricker")
    x = d.add("x", UnitDelay(1.1))
    growth = d.add("exp", MathFunction("exp"), d.add("r", Gain(1.0), d.add("room", Complement(), x)))
    d.connect(d.add("next", Product(), x, growth), x)
    d.output("y", x)
    return d


def cubic(x0):
    """x+ = m x + c x^3."""
    d = bs.Diagram("cubic")
    x = d.add("x", UnitDelay(x0))
    cube = d.add("c", Gain(1.0), d.add("cube", Product("***"), x, x, x))
    d.connect(d.add("next", Sum(), d.add("m", Gain(0.5), x), cube), x)
    d.output("y", x)
    return d


def ring():
    """x+ = x - (x^2 + s^2 - 1) / 2."""
    d = bs.Diagram("ring")
    x, s = d.add("x", UnitDelay(1.0)), d.add("s", Constant(0.0))
    squares = [d.add(f"{name}2", Product(), node, node) for name, node in (("x", x), ("s", s))]
    off = d.add("off", Sum("++-"), *squares, d.add("one", Constant(1.0)))
    d.connect(d.add("next", Sum("+-"), x, d.add("half", Gain(0.5), off)), x)
    d.output("y", x)
    return d


def kinds(branch):
    return [point.kind for point in branch.special]


def values(branch):
    return [point.value for point in branch.special]


def test_the_henon_map_has_its_fold_and_both_its_flips():
    b = 0.3
    branch = continuation(henon(0.6), "a/K", (1.4, -0.5))
    assert kinds(branch) == ["flip", "fold"]
    np.testing.assert_allclose(values(branch), [3 * (1 - b) ** 2 / 4, -((1 - b) ** 2) / 4], rtol=0, atol=1e-8)
    x, a = branch["position"][:, 0], branch.values
    np.testing.assert_allclose(a * x**2 + (1 - b) * x, 1, atol=1e-10)
    two = branch.switch(branch.special[0])
    assert kinds(two)[0] == "flip"
    assert values(two)[0] == pytest.approx((5 - 6 * b + 5 * b**2) / 4, abs=1e-8)


def test_the_ricker_map_flips_at_two():
    branch = continuation(ricker(), "r/K", (0.5, 3.0))
    assert kinds(branch) == ["flip"]
    assert values(branch)[0] == pytest.approx(2, abs=1e-8)
    np.testing.assert_allclose(branch["y"][:, 0], 1, atol=1e-12)
    np.testing.assert_allclose(branch.eigenvalues[:, 0], 1 - branch.values, atol=1e-12)


@pytest.mark.parametrize("end", [2.0, -2.0])
def test_a_ring_of_equilibria_turns_in_both_directions(end):
    branch = continuation(ring(), "s/value", (0.0, end))
    assert (branch.status, branch.reason, kinds(branch)) == ("ok", "back at 0", ["fold"])
    assert values(branch)[0] == pytest.approx(np.sign(end), abs=1e-8)
    np.testing.assert_allclose(branch["y"][:, 0] ** 2 + branch.values**2, 1, atol=1e-12)
    np.testing.assert_allclose(branch["y"][[0, -1], 0], [1, -1], atol=1e-12)


def test_a_bubble_of_cycles_is_a_closed_branch():
    """m = s^2 - 1.2, c = 1: the cycles of two steps x, -x are the circle x^2 + s^2 = 0.2."""

    def bubble(s):
        return {"m": {"K": s**2 - 1.2}}

    branch = continuation(cubic(0.0), bubble, (-1.0, 1.0))
    assert kinds(branch) == ["flip", "flip"]
    np.testing.assert_allclose(values(branch), [-np.sqrt(0.2), np.sqrt(0.2)], rtol=0, atol=1e-8)
    two = branch.switch(branch.special[0])
    assert (two.status, two.reason) == ("ok", "the branch is closed")
    np.testing.assert_allclose(two["y"][:, 0] ** 2 + two.values**2, 0.2, atol=1e-10)
    np.testing.assert_allclose(two["y"].sum(1), 0, atol=1e-10)
    assert max(two.values) == pytest.approx(np.sqrt(0.2), abs=1e-3)
    assert min(two["y"][:, 0]) == pytest.approx(-np.sqrt(0.2), abs=1e-3)


@pytest.mark.parametrize("span", [(0.2, 1.8), (0.21, 1.83), (0.0, 2.0), (2.0, 0.5)])
def test_a_pitchfork_is_a_branch_point_with_both_arms(span):
    """m = s, c = -1: x = 0, and x^2 = s - 1 from s = 1 on, which may be a point of the path itself."""
    branch = continuation(cubic(0.0), lambda s: {"m": {"K": s}, "c": {"K": -1.0 + 0 * s}}, span)
    assert kinds(branch) == ["branch point"]
    assert values(branch)[0] == pytest.approx(1, abs=1e-8)
    for side in (1, -1):
        arm = branch.switch(branch.special[0], side)
        np.testing.assert_allclose(arm["y"][:, 0] ** 2, arm.values - 1, atol=1e-10)
        assert (side * arm["y"][:, 0] > 0).all()


@pytest.mark.parametrize("angle", [0.3, 1.0, 2.0, 3.0])
def test_a_blend_of_matrices_has_its_neimark_sacker_point_where_the_radius_is_one(angle):
    """(1 - s) A + s B with A = Q / 2 and B = 2 Q of a rotation Q: the radius is 1 at s = 1/3."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    d = bs.Diagram("squashed")
    h = d.add("h", UnitDelay(np.zeros(2)))
    d.connect(d.add("next", Tanh(), d.add("R", Gain(turn), h)), h)
    d.output("y", h)
    branch = continuation(d, {"R": {"K": (turn / 2, 2 * turn)}})
    assert kinds(branch) == ["Neimark-Sacker"]
    assert values(branch)[0] == pytest.approx(1 / 3, abs=1e-8)
    assert abs(branch.special[0].multiplier - np.exp(1j * angle)) < 1e-8
    assert branch.parameter == "s"
