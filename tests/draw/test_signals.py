"""Signals over time."""

import numpy as np
import pytest

import blocksim as bs
from blocksim.draw.signals import plot_signals
from blocksim.errors import InputError


class TestSignals:
    time = np.arange(5) * 0.5

    def test_few_components_are_steps_that_hold(self):
        rows = np.arange(40.0).reshape(5, 2, 4)
        (axis,) = plot_signals(self.time, {"i/W": rows}).axes
        assert axis.get_title(loc="left") == "i/W"
        assert [line.get_drawstyle() for line in axis.lines] == ["steps-post"] * 8
        held = rows.reshape(5, 8)[[0, 1, 2, 3, 4, 4], 5]
        np.testing.assert_array_equal(axis.lines[5].get_ydata(), held)
        np.testing.assert_array_equal(axis.lines[5].get_xdata(), np.arange(6) * 0.5)

    def test_many_components_are_a_map_with_a_colour_bar(self):
        rows = np.arange(45.0).reshape(5, 9)
        axis, bar = plot_signals(self.time, {"h": rows}).axes
        (mesh,) = axis.collections
        np.testing.assert_array_equal(np.ravel(mesh.get_array()), rows.T.ravel())
        assert len(bar.get_images()) + len(bar.collections) > 0

    def test_axes_share_the_time_and_scalars_and_booleans_are_drawn(self, tmp_path):
        signals = {"a": self.time**2, "b": self.time > 1, "none": np.zeros((5, 0))}
        figure = plot_signals(self.time, signals, tmp_path / "s.png")
        figure.axes[0].set_xlim(0, 1)
        assert [axis.get_xlim() for axis in figure.axes] == [(0, 1)] * 3
        assert (tmp_path / "s.png").stat().st_size > 1000

    def test_one_step_and_no_signals(self, tmp_path):
        plot_signals([0.0], {"wide": np.ones((1, 20))}, tmp_path / "s.png")
        plot_signals([], {}, tmp_path / "s.png")

    def test_lengths_must_agree(self):
        with pytest.raises(InputError, match="5 instants"):
            plot_signals(self.time, {"a": np.zeros(4)})

    def test_a_result_plots_itself(self, tmp_path):
        d = bs.Diagram()
        d.output("y", d.add("K", bs.library.Gain(2.0), d.input("u")))
        bs.simulate(d, {"u": np.ones(4)}).plot(tmp_path / "r.svg")
        assert (tmp_path / "r.svg").exists()
