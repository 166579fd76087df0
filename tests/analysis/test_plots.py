"""Pictures of dynamics: what they show, and what they say of bad arguments. How they look is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.analysis import (
    StateSpace,
    eigenvalues,
    equilibria,
    plot_eigenvalues,
    plot_phase,
    plot_poles_zeros,
    plot_spectral_radius,
)
from blocksim.errors import AnalysisError, DiagramError, FileError, InputError

# the input-free LSTM of one unit with three equilibria, and its two states
LAYER = bs.nn.lstm(np.zeros((4, 1)), [[0.0], [0.0], [3.0], [0.0]], [2.0, 2.0, 0.3, 2.0])


def points(axis, label):
    line = next(line for line in axis.lines if line.get_label() == label)
    return np.column_stack(line.get_data())


def test_eigenvalues_are_drawn_where_they_are(tmp_path):
    spectrum = eigenvalues(bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3)))
    figure = plot_eigenvalues({"a": spectrum, "b": [0.5, 0.1j]}, tmp_path / "e.png", theme="dark", title="$x")
    axis = figure.axes[0]
    np.testing.assert_allclose(points(axis, "a") @ [1, 1j], spectrum.values)
    assert points(axis, "b").tolist() == [[0.5, 0.0], [0.0, 0.1]]
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    found = equilibria(LAYER, starts=4)
    assert len(plot_eigenvalues(found[0]).axes[0].lines) == 4


def test_poles_and_zeros_are_drawn_where_they_are(tmp_path):
    model = StateSpace([[0.5]], [[1.0]], [[1.0]], [[2.0]])
    axis = plot_poles_zeros(model, tmp_path / "p.svg").axes[0]
    assert points(axis, "poles").tolist() == [[0.5, 0.0]]
    np.testing.assert_allclose(points(axis, "zeros"), [[0.0, 0.0]], atol=1e-12)
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")


def test_marks_that_lie_on_each_other_are_counted():
    delays = StateSpace(np.eye(5, k=-1) * 1.0, np.eye(5)[:, :1], np.eye(5)[4:], np.zeros((1, 1)))
    axis = plot_poles_zeros(delays).axes[0]
    assert [(text.get_text(), text.xy) for text in axis.texts] == [("5", (0.0, 0.0))]
    pair = StateSpace(np.diag([0.5, 0.5004, -0.5]), np.ones((3, 1)), np.ones((1, 3)), [[0.0]])
    counted = {text.get_text() for text in plot_poles_zeros(pair).axes[0].texts}
    assert counted == {"2"}


@pytest.mark.parametrize("size", [1, 9, 40])
def test_legends_overlap_nothing_and_are_not_cut(size):
    names = [f"after {k} steps of a training with $\\alpha$ = {k}" for k in range(size)]
    figure = plot_eigenvalues({name: [0.1 * k] for k, name in enumerate(names)}, title="a title " * 4)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    legend, axis = figure.legends[0].get_window_extent(renderer), figure.axes[0]
    plane = axis.get_tightbbox(renderer)
    assert plane is not None
    assert not legend.overlaps(plane)
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    assert axis.get_window_extent(renderer).height > 250


def test_a_phase_portrait_holds_the_orbits_and_the_equilibria(tmp_path):
    found = equilibria(LAYER, starts=32)
    starts = np.random.default_rng(0).normal(size=(3, 2))
    figure = plot_phase(
        LAYER, "cell_state[0]", "hidden_state[0]", tmp_path / "f.png",
        starts=starts, steps=20, equilibria=found,
    )  # fmt: skip
    axis = figure.axes[0]
    order = [bs.analysis.System(LAYER).states.index(f"{p}[0]") for p in ("cell_state", "hidden_state")]
    for k, start in enumerate(starts):
        c, h = start[order]
        state = {"cell_state": [c], "hidden_state": [h]}
        run = bs.simulate(LAYER, {"x": np.zeros((20, 1))}, initial_state=state)
        orbit = np.column_stack(axis.lines[2 * k].get_data())
        np.testing.assert_allclose(orbit[1:], np.hstack([run["c"], run["h"]]), atol=1e-12)
    at = [np.column_stack(line.get_data())[0] for line in axis.lines[2 * len(starts) :]]
    np.testing.assert_allclose(
        at, [[p.state[s].item() for s in ("cell_state", "hidden_state")] for p in found]
    )
    assert sum("equilibrium" in str(line.get_label()) for line in axis.lines) == 2
    assert (tmp_path / "f.png").exists()


def test_spectral_radii_are_drawn_over_the_steps():
    axis = plot_spectral_radius({"a": [0.5, 0.9], "b": [0.6, 1.1]}, steps=[0, 200]).axes[0]
    assert points(axis, "b").tolist() == [[0, 0.6], [200, 1.1]]


@pytest.mark.parametrize(
    ("call", "kind", "fragment"),
    [
        (lambda: plot_eigenvalues("x"), InputError, "a vector of finite numbers, or what has eigenvalues"),
        (lambda: plot_eigenvalues({"a": [np.nan]}), InputError, "plot_eigenvalues, 'a'"),
        (lambda: plot_eigenvalues([0.5], "e.xyz"), FileError, "a file name that ends in"),
        (lambda: plot_eigenvalues([0.5], theme="drak"), DiagramError, "Did you mean 'dark'"),
        (lambda: plot_poles_zeros([0.5]), InputError, "a StateSpace"),  # type: ignore
        (lambda: plot_phase(LAYER, "h", "cell_state[0]"), InputError, "state 'h' .*the name of a state"),
        (lambda: plot_phase(LAYER, *[NAME] * 2, starts=0), InputError, "starts .*at least 1"),
        (lambda: plot_phase(LAYER, *[NAME] * 2, starts=np.ones(3)), InputError, r"an array \(S, 2\)"),
        (lambda: plot_phase(LAYER, *[NAME] * 2, equilibria=[3]), AnalysisError, "points that were found"),
        (lambda: plot_spectral_radius([0.5], steps=[1, 2]), InputError, "steps of the same length"),
    ],
)
def test_what_is_wrong_is_said(call, kind, fragment):
    with pytest.raises(kind, match=fragment):
        call()


NAME = "cell_state[0]"
