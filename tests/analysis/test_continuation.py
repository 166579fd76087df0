"""Branches against closed forms, roots found one by one, and long simulations."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import blocksim as bs
from blocksim.analysis.attractors import bifurcation_diagram
from blocksim.analysis.bifurcation_plots import plot_branches
from blocksim.analysis.continuation import continuation
from blocksim.analysis.equilibrium import equilibrium
from blocksim.errors import AnalysisError, BlocksimError, DiagramError, InputError, ParameterError
from blocksim.library import Complement, Constant, Gain, Product, ReLU, Sum, Tanh, UnitDelay

EXAMPLE = Path(bs.__file__).parents[1] / "examples" / "bifurcations.py"


def quadratic(x0=1.0):
    """x+ = x + r - x^2."""
    d = bs.Diagram("quadratic")
    x, r = d.add("x", UnitDelay(x0)), d.add("r", Constant(1.0))
    d.connect(d.add("next", Sum("++-"), x, r, d.add("square", Product(), x, x)), x)
    d.output("y", x)
    return d


def scaled(size):
    """z+ = z + (r - z^2) / 2 of z = x / size."""
    d = bs.Diagram("scaled")
    x, r = d.add("x", UnitDelay(size)), d.add("r", Constant(1.0))
    z = d.add("z", Gain(1 / size), x)
    change = d.add("change", Sum("+-"), r, d.add("square", Product(), z, z))
    d.connect(d.add("next", Sum(), x, d.add("grown", Gain(size / 2), change)), x)
    d.output("y", x)
    return d


def logistic(x0=0.3):
    """x+ = r x (1 - x)."""
    d = bs.Diagram("logistic")
    x = d.add("x", UnitDelay(x0))
    d.connect(d.add("r", Gain(2.0), d.add("p", Product(), x, d.add("room", Complement(), x))), x)
    d.output("y", x)
    return d


def delayed():
    """x+ = r x (1 - y), y+ = x."""
    d = bs.Diagram("delayed")
    x, y = d.add("x", UnitDelay(0.3)), d.add("y", UnitDelay(0.3))
    d.connect(d.add("r", Gain(1.5), d.add("p", Product(), x, d.add("room", Complement(), y))), x)
    d.connect(x, y)
    d.output("population", x)
    return d


def squashed(R, x0=None):
    """h+ = tanh(R h)."""
    d = bs.Diagram("squashed")
    h = d.add("h", UnitDelay(np.zeros(len(R)) if x0 is None else x0))
    d.connect(d.add("next", Tanh(), d.add("R", Gain(R), h)), h)
    d.output("y", h)
    return d


def kinds(branch):
    return [point.kind for point in branch.special]


def test_a_fold_where_the_branch_turns_back():
    branch = continuation(quadratic(), "r/value", (1.0, -1.0))
    assert (branch.status, branch.reason) == ("ok", "back at 1")
    assert kinds(branch) == ["fold"]
    fold = branch.special[0]
    assert abs(fold.value) < 1e-8
    assert abs(fold.multiplier - 1) < 1e-8
    np.testing.assert_allclose(branch.vectors[:, 0] ** 2, branch.values, atol=1e-12)
    np.testing.assert_allclose(branch.eigenvalues[:, 0], 1 - 2 * branch.vectors[:, 0], atol=1e-12)
    np.testing.assert_allclose(branch.vectors[[0, -1], 0], [1.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(np.sort(branch.at(0.25)[:, 0]), [-0.5, 0.5], atol=1e-13)
    assert [stable for _, stable in branch.pieces] == [True, False]
    assert branch.pieces[1][0].start == fold.position
    assert fold.state["x"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1e-2, 1.0, 100.0, 1e4])
def test_the_size_of_the_states_does_not_matter(size):
    branch = continuation(scaled(size), "r/value", (1.0, -1.0))
    assert (branch.reason, kinds(branch)) == ("back at 1", ["fold"])
    assert abs(branch.special[0].value) < 1e-8
    np.testing.assert_allclose((branch["y"][:, 0] / size) ** 2, branch.values, atol=1e-10)
    assert len(branch) < 100


def test_a_hairpin_is_not_jumped():
    """Both sides of a fold closer than a step: a branch that ends early, or one that is right."""
    assert continuation(scaled(1e-5), "r/value", (1.0, -1.0)).status == "step failed"
    right = continuation(scaled(1e-5), "r/value", (1.0, -1.0), scale=1e-5)
    assert (right.reason, kinds(right)) == ("back at 1", ["fold"])


def test_the_cascade_of_the_logistic_map():
    branch = continuation(logistic(), "r/K", (2.0, 4.0))
    assert kinds(branch) == ["flip"]
    assert abs(branch.special[0].value - 3) < 1e-8
    np.testing.assert_allclose(branch["y"][:, 0], 1 - 1 / branch.values, atol=1e-12)
    two = branch.switch(branch.special[0])
    assert (two.period, kinds(two)) == (2, ["flip"])
    assert abs(two.special[0].value - (1 + np.sqrt(6))) < 1e-8
    r = two.values
    np.testing.assert_allclose(two["y"].sum(1), (r + 1) / r, atol=1e-11)
    np.testing.assert_allclose(two["y"].prod(1), (r + 1) / r**2, atol=1e-11)
    np.testing.assert_allclose(two.eigenvalues[:, 0], 4 + 2 * r - r**2, atol=1e-9)
    four = two.switch(two.special[0])
    assert four.period == 4
    assert four.special[0].value == pytest.approx(3.5440903595519, abs=1e-8)


def test_cycles_by_their_period():
    two = continuation(logistic(), "r/K", (3.2, 4.0), period=2)
    assert abs(two.special[0].value - (1 + np.sqrt(6))) < 1e-8
    assert np.all(np.abs(two["y"][:, 0] - two["y"][:, 1]) > 0.1)
    window = continuation(logistic(0.5), "r/K", (3.84, 3.8), period=3)
    fold = window.special[kinds(window).index("fold")]
    assert abs(fold.value - (1 + np.sqrt(8))) < 1e-8


def test_a_neimark_sacker_point():
    branch = continuation(delayed(), "r/K", (1.5, 2.5))
    assert kinds(branch) == ["Neimark-Sacker"]
    point = branch.special[0]
    assert abs(point.value - 2) < 1e-8
    assert abs(point.multiplier - np.exp(1j * np.pi / 3)) < 1e-8
    np.testing.assert_allclose(branch["population"][:, 0], 1 - 1 / branch.values, atol=1e-12)


def test_branch_points_and_the_branches_through_them():
    transcritical = continuation(logistic(0.0), "r/K", (0.5, 2.0))
    assert kinds(transcritical) == ["branch point"]
    assert abs(transcritical.special[0].value - 1) < 1e-8
    other = transcritical.switch(transcritical.special[0])
    np.testing.assert_allclose(other["y"][:, 0], 1 - 1 / other.values, atol=1e-11)

    trivial = continuation(squashed([[0.5]]), ("R", "K", 0, 0), (0.5, 2.0))
    assert kinds(trivial) == ["branch point"]
    for side in (1, -1):
        arm = trivial.switch(trivial.special[0], side)
        assert np.all(side * arm["y[0]"] > 0)
    both = continuation(squashed([[2.0]], [1.0]), ("R", "K", 0, 0), (2.0, 0.5))
    assert (kinds(both), both.reason) == (["branch point"], "back at 2")
    assert abs(both.special[0].value - 1) < 1e-8
    assert np.sign(both["y[0]"][[0, -1], 0]).tolist() == [1, -1]
    assert all(stable for _, stable in both.pieces)


def test_every_crossing_of_a_random_network_is_found_and_named():
    R = np.random.default_rng(4).normal(size=(9, 9)) / 3
    branch = continuation(squashed(R), lambda s: {"R": {"K": s * R}}, (0.3, 6.0), max_step=0.05)
    eigenvalues = np.linalg.eigvals(R)
    crossing = eigenvalues[(eigenvalues.imag >= 0) & (1 / np.abs(eigenvalues) < 6)]
    crossing = crossing[np.argsort(-np.abs(crossing))]
    expected = ["Neimark-Sacker" if z.imag else "flip" if z.real < 0 else "branch point" for z in crossing]
    assert len(set(expected)) == 3
    assert kinds(branch) == expected
    np.testing.assert_allclose([p.value for p in branch.special], 1 / np.abs(crossing), rtol=0, atol=1e-8)


def unit(b_g):
    b = [[2.0], [2.0], [b_g], [2.0]]
    return bs.nn.lstm(np.zeros((4, 1)), [[0.0], [0.0], [3.0], [0.0]], np.ravel(b))


def roots(b_g):
    """Of h = o tanh(i g (1 + e^z_f)) with all gates at 2, each by bisection."""
    s = 1 / (1 + np.exp(-2.0))

    def gap(h):
        return s * np.tanh(s * np.tanh(3 * h + b_g) * (1 + np.exp(2.0))) - h

    grid = np.linspace(-1, 1, 4001) + 1e-5
    pairs = zip(pairwise(grid), pairwise(gap(grid)), strict=True)
    return [brentq(gap, a, b, xtol=1e-15) for (a, b), (p, q) in pairs if p * q < 0]


def test_an_lstm_over_a_bias():
    branch = continuation(unit(-3.5), ("g/b", "value", 0), (-3.5, 3.5))
    assert (branch.status, branch.reason) == ("ok", "arrived at 3.5")
    assert kinds(branch) == ["fold", "fold"]
    assert [stable for _, stable in branch.pieces] == [True, False, True]
    h = [name for name in branch.names if name.startswith("hidden_state")]
    at = branch._cycles.system.states.index(h[0])
    for b_g in (-3.0, -1.1, 0.3, 2.0, 3.0):
        np.testing.assert_allclose(np.sort(branch.at(b_g)[:, at]), roots(b_g), atol=1e-11)
    np.testing.assert_allclose(np.sort(branch.at(0.3)[:, at]), [-0.8808, -0.1054, 0.8808], atol=5e-5)

    # b_g as a function of h turns where the branch does
    s = 1 / (1 + np.exp(-2.0))
    turn = minimize_scalar(
        lambda h: 3 * h - np.arctanh(np.arctanh(h / s) / (s * (1 + np.exp(2.0)))),
        bounds=(-0.87, -0.5), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    np.testing.assert_allclose([p.value for p in branch.special], [-turn.fun, turn.fun], atol=1e-8)


def network(seed, n=6):
    rng = np.random.default_rng(seed)
    W, R = rng.normal(size=(4 * n, 2)), 0.8 * rng.normal(size=(4 * n, n)) / np.sqrt(n)
    return bs.nn.lstm(W, R, 0.5 * rng.normal(size=4 * n))


def test_a_blend_of_two_networks():
    one, other = network(1), network(2)
    arrays, more = one.parameters(), other.parameters()
    blend = {
        path: {name: (array, more[path][name]) for name, array in fields.items()}
        for path, fields in arrays.items()
    }
    x = [0.3, -0.2]
    branch = continuation(one, blend, inputs={"x": x})
    assert (branch.status, branch.reason, branch.special) == ("ok", "arrived at 1", [])
    assert branch.stable.all()
    for s in (0.0, 0.37, 1.0):
        mixed = {
            path: {name: (1 - s) * np.asarray(a) + s * np.asarray(b) for name, (a, b) in fields.items()}
            for path, fields in blend.items()
        }
        run = bs.simulate(one, {"x": np.tile(x, (500, 1))}, params=mixed, keep="last")
        (found,) = branch.at(s)
        expected = np.concatenate([run.final_state[path].ravel() for path in branch.states])
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_a_constant_input_is_a_parameter():
    branch = continuation(network(1), ("x", 1), (-1.0, 1.0), inputs={"x": [0.3, 0.0]})
    run = bs.simulate(network(1), {"x": np.tile([0.3, 0.5], (500, 1))}, keep="last")
    expected = np.concatenate([run.final_state[path].ravel() for path in branch.states])
    np.testing.assert_allclose(branch.at(0.5)[0], expected, atol=1e-10)
    assert branch.parameter == "x[1]"


def corner(before, after):
    """x+ = r + before * x for x < 0, r + after * x for x > 0."""
    d = bs.Diagram("corner")
    x = d.add("x", UnitDelay(-1.0))
    bent = d.add("bent", Gain(after - before), d.add("positive", ReLU(), x))
    d.connect(d.add("next", Sum(), d.add("r", Constant(0.0)), d.add("a", Gain(before), x), bent), x)
    d.output("y", x)
    return d


def test_a_corner_is_named_so():
    branch = continuation(corner(0.2, -1.1), "r/value", (-0.5, 0.53))
    assert (branch.status, kinds(branch)) == ("ok", ["border collision"])
    assert abs(branch.special[0].value) < 1e-8
    sharp = continuation(corner(0.5, -2.0), "r/value", (-1.0, 1.03))
    assert sharp.status == "step failed"
    assert "at r/value = -" in sharp.reason
    assert abs(sharp.values[-1]) < 1e-5


def test_a_start_that_takes_a_homotopy():
    R = np.random.default_rng(5).normal(size=(32, 8)) * 3 / np.sqrt(8)  # Newton and simulation find none
    b = 0.5 * np.random.default_rng(6).normal(size=32)
    layer = bs.nn.lstm(np.zeros((32, 1)), R, b)
    found = equilibrium(layer)
    branch = continuation(layer, ("g/b", "value", 0), (float(b[16]), float(b[16]) + 0.2))
    np.testing.assert_allclose(branch.vectors[0], found.vector, atol=1e-10)
    given = continuation(layer, ("g/b", "value", 0), (float(b[16]), float(b[16]) + 0.2), start=found)
    np.testing.assert_allclose(given.vectors[0], found.vector, atol=1e-10)


def test_an_attractor_lies_on_the_stable_branch(tmp_path):
    d = logistic()
    found = bifurcation_diagram(d, "r/K", (2.5, 5.0), points=26, settle=2000, keep=8)
    assert found.names == ["y"]
    assert found["y"].shape == (26, 8)
    stable = found.values < 2.95
    np.testing.assert_allclose(
        found["y"][stable], np.tile(1 - 1 / found.values[stable], (8, 1)).T, atol=1e-12
    )
    assert np.isnan(found["y"][found.values > 4.05]).all()  # they diverge
    cycle = found["y"][np.isclose(found.values, 3.2)][0]
    two = continuation(d, "r/K", (3.1, 3.4), period=2).at(3.2)[0]
    assert np.min(np.abs(cycle - two)) < 1e-12
    branch = continuation(d, "r/K", (2.5, 4.0))
    figure = found.plot(tmp_path / "a.png", branches=[branch, branch.switch(branch.special[0])])
    axis = figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("r/K", "y")
    styles = [line.get_linestyle() for line in axis.lines if len(line.get_xdata())]
    assert {"-", "--"} <= set(styles)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        "stable equilibria",
        "unstable equilibria",
        "stable 2-cycles",
        "unstable 2-cycles",
        "flip",
    ]
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_attractors_over_an_input():
    found = bifurcation_diagram(network(1), ("x", 0), (-1.0, 1.0), points=3, settle=500, keep=2)
    branch = continuation(network(1), ("x", 0), (-1.0, 1.0))
    expected = branch["h[1]"][[0, -1], 0]
    np.testing.assert_allclose(found["h[1]"][[0, -1], 0], expected, atol=1e-10)


@pytest.mark.parametrize(
    ("parameter", "span", "options", "error", "words"),
    [
        ("r/k", (0, 1), {}, DiagramError, "Did you mean 'r/K'?"),
        ("nothing", (0, 1), {}, DiagramError, "none of that name"),
        (("r", "K", 0), (0, 1), {}, InputError, "no index, it is a number"),
        (3, (0, 1), {}, InputError, "a path and a field"),
        ((), (0, 1), {}, InputError, "a path and a field"),
        ("r/K", (1, 1), {}, InputError, "two different finite numbers"),
        ("r/K", (1, np.inf), {}, InputError, "two different finite numbers"),
        ("r/K", 3, {}, InputError, "two different finite numbers"),
        ("r/K", (2, 3), {"period": 0}, InputError, "at least 1"),
        ("r/K", (2, 3), {"start": [1.0, 2.0]}, InputError, "a vector of 1 numbers"),
        ("r/K", (2, 3), {"start": {"z": 1.0}}, InputError, "unknown 'z'"),
        ("r/K", (2, 3), {"max_step": -1}, InputError, "a positive number"),
        ("r/K", (2.5, 3), {"period": 2}, AnalysisError, "a cycle of 2 steps at the start of the range, 2.5"),
        ({"r": {"K": 3.0}}, (0, 1), {}, InputError, r"a pair \(from, to\)"),
        ({"r": 3.0}, (0, 1), {}, InputError, r"{field: \(from, to\)}"),
        ({"r": {"K": (1.0, [2.0])}}, (0, 1), {}, ParameterError, "shape"),
        (lambda s: {"q": {"K": s}}, (0, 1), {}, DiagramError, "none of that name"),
        (lambda s: s, (0, 1), {}, InputError, "a function that gives"),
    ],
)
def test_bad_input_is_named(parameter, span, options, error, words):
    with pytest.raises(error, match=words) as caught:
        continuation(logistic(), parameter, span, **options)
    assert isinstance(caught.value, BlocksimError)


def test_what_cannot_be_continued_says_so():
    with pytest.raises(AnalysisError, match="an equilibrium at the start of the range, -1"):
        continuation(quadratic(), "r/value", (-1.0, 1.0))
    with pytest.raises(InputError, match="an index into its shape"):
        continuation(squashed(np.eye(2)), "R/K")
    with pytest.raises(InputError, match="an index into its shape"):
        continuation(squashed(np.eye(2)), ("R", "K", 0, 2))
    d = bs.Diagram()
    d.output("y", d.add("k", Gain(2.0), d.input("u")))
    with pytest.raises(AnalysisError, match="a block with a state"):
        continuation(d, "k/K")
    short = continuation(logistic(), "r/K", (2.0, 4.0), max_steps=3)
    assert short.status == "max steps"
    assert len(short) == 4
    fold = continuation(quadratic(0.0), "r/value", (0.0, 1.0))
    assert fold.status == "singular start"
    assert "an eigenvalue is +1 at r/value = 0" in fold.reason
    assert (len(fold), fold["y"].shape, fold.pieces) == (0, (0, 1), [])
    branch = continuation(quadratic(), "r/value", (1.0, -1.0))
    with pytest.raises(AnalysisError, match="a flip or a branch point, got a fold"):
        branch.switch(branch.special[0])
    with pytest.raises(InputError, match="Did you mean 'y'"):
        branch["Y"]
    with pytest.raises(InputError, match="branches, attractors"):
        plot_branches([])


def test_the_example_runs(tmp_path):
    files = runpy.run_path(str(EXAMPLE))["draw"](tmp_path)
    assert all(file.stat().st_size > 10_000 for file in files)
