"""The path follower on curves that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from blocksim.analysis.newton import newton
from blocksim.analysis.path import Control, follow


def circle(x, t):
    return x**2 + t**2 - 1, np.diag(2 * x), np.array([2 * t])


def pitchfork(x, t):
    return t * x - x**3, np.diag(t - 3 * x**2), x.copy()


def test_a_path_turns_at_its_fold_and_arrives():
    path = follow(circle, [0.6], 0.8, target=-0.5, direction=1)
    assert path.status == "ok"
    assert path.x.item() == pytest.approx(-np.sqrt(0.75), abs=1e-14)
    assert len(path.folds) == 1
    assert path.points[path.folds[0]].t == pytest.approx(1, abs=0.05)
    assert path.direction == 1


def test_every_point_is_on_the_path_and_the_sign_stays():
    path = follow(circle, [0.6], 0.8, target=None, direction=1, until=lambda p: p.t < -0.9)
    assert path.status == "ok"
    assert max(abs(p.x.item() ** 2 + p.t**2 - 1) for p in path.points) < 1e-12
    assert len({p.sign for p in path.points}) == 1
    assert {p.index for p in path.points} == {1, -1}


def test_both_directions_start_on_opposite_tangents():
    ends = [follow(circle, [0.6], 0.8, target=0.0, direction=d).x.item() for d in (1, -1)]
    assert ends == pytest.approx([-1, 1], abs=1e-14)
    along = follow(circle, [0.6], 0.8, target=0.0, tangent=([-0.8], 0.6))
    assert along.x.item() == pytest.approx(-1, abs=1e-14)


def test_the_default_direction_is_the_sign_of_the_determinant():
    assert follow(circle, [0.6], 0.8, target=0.0).direction == 1
    assert follow(circle, [-0.6], 0.8, target=0.0).direction == -1


def test_a_branch_point_stops_a_path_unless_it_may_be_crossed():
    stopped = follow(pitchfork, [0.0], -1.0, direction=1)
    assert stopped.status == "step failed"
    assert "sign of the bordered determinant" in stopped.reason
    crossed = follow(pitchfork, [0.0], -1.0, direction=1, control=Control(crossing=0.02))
    assert crossed.status == "ok"
    assert len(crossed.branch_points) == 1
    assert abs(crossed.points[crossed.branch_points[0]].t) < 0.02


def test_a_start_on_a_fold_is_singular():
    path = follow(circle, [0.0], 1.0, target=0.0)
    assert (path.status, path.steps, path.direction) == ("singular start", 0, 0)


def test_a_path_that_leaves_or_does_not_end_says_so():
    def line(x, t):
        return x - t, np.eye(1), np.array([-1.0])

    assert follow(line, [0.0], direction=-1, t_range=(-3, 3)).status == "left"
    assert follow(line, [0.0], target=None, x_bound=2).status == "left"
    assert (
        follow(line, [0.0], target=None, t_range=(-1e9, 1e9), control=Control(max_steps=5)).status
        == "max steps"
    )

    def broken(x, t):
        return (x - t if t < 0.5 else x * np.nan), np.eye(1), np.array([-1.0])

    assert follow(broken, [0.0]).status == "step failed"


def test_steps_never_move_t_by_more_than_a_quarter():
    path = follow(lambda x, t: (x - t, np.eye(1), np.array([-1.0])), [0.0], target=5.0)
    assert max(np.abs(np.diff([p.t for p in path.points]))) <= 0.25 + 1e-12


def test_newton_finds_a_root_and_says_where_it_does_not():
    x, _, converged = newton(lambda x: (np.cos(x) - x, np.diag(-np.sin(x) - 1)), [0.7])
    assert converged
    assert x.item() == pytest.approx(0.7390851332151607, abs=1e-15)
    assert not newton(lambda x: (x**2 + 1, np.diag(2 * x)), [0.5])[2]
    assert not newton(lambda x: (x, np.zeros((1, 1))), [0.5])[2]
