"""Signals over time."""

import time
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import blocksim as bs
from blocksim.draw.signals import COLUMNS, plot_signals, thin
from blocksim.draw.themes import theme
from blocksim.errors import DiagramError, FileError, InputError
from blocksim.library import Gain


class TestSignals:
    time = np.arange(5) * 0.5

    def test_few_components_are_steps_that_hold(self):
        rows = np.arange(40.0).reshape(5, 2, 4)
        (axis,) = plot_signals(self.time, {"i/W": rows}).axes
        assert axis.get_title(loc="left") == "i/W  2×4"
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

    def test_units_come_from_names_and_time_is_in_the_unit_that_reads_best(self):
        figure = plot_signals(self.time / 1000, {"car/speed [m/s]": self.time, "$x_1$": self.time})
        first, last = figure.axes
        assert (first.get_title("left"), first.get_ylabel()) == ("car/speed", "m/s")
        assert last.get_xlabel() == "time (ms)"
        assert last.get_title("left") == "$x_1$"
        assert not last._left_title.get_parse_math()
        np.testing.assert_allclose(last.lines[0].get_xdata()[:5], self.time)
        for span, unit in ((1e-4, "µs"), (10.0, "s"), (3000.0, "min"), (1e6, "h")):
            (axis,) = plot_signals([0.0, span], {"y": [1.0, 2.0]}).axes
            assert axis.get_xlabel() == f"time ({unit})"

    def test_the_themes(self):
        for name in ("light", "dark"):
            figure = plot_signals(self.time, {"a": self.time}, theme=name)
            assert figure.axes[0].lines[0].get_color() == theme(name).loops[0]
        with pytest.raises(DiagramError, match="dark"):
            plot_signals(self.time, {}, theme="drak")

    def test_too_many_signals_are_refused(self):
        with pytest.raises(InputError, match="names="):
            plot_signals(self.time, {f"s{i}": self.time for i in range(41)})

    def test_text_is_large_enough(self):
        figure = plot_signals(self.time, {"a": np.ones((5, 3)), "b": np.ones((5, 20))})
        figure.canvas.draw()
        texts = [
            text for axis in figure.axes for text in axis.findobj(match=lambda a: hasattr(a, "get_fontsize"))
        ]
        assert min(text.get_fontsize() for text in texts if text.get_text()) * 0.73 * 150 / 72 >= 14

    def test_long_signals_are_drawn_quickly_and_keep_their_peaks(self, tmp_path):
        t = np.arange(1_000_000) * 1e-3
        signals = {f"s{i}": np.sin(t * (i + 1)) for i in range(4)}
        signals["s0"][123_456] = 7.0
        begin = time.process_time()
        figure = plot_signals(t, signals, tmp_path / "s.png")
        assert time.process_time() - begin < 20
        assert max(figure.axes[0].lines[0].get_ydata()) == 7.0


@given(arrays(float, st.integers(1, 20_000), elements=st.floats(-10, 10)), st.integers(0, 10**6))
def test_thinning_keeps_order_ends_and_extremes_of_every_column(values, at):
    values[at % len(values)] = 11.0
    t, shown = thin(np.arange(len(values), dtype=float), values)
    assert (np.diff(t) > 0).all()
    assert len(t) <= max(2 * COLUMNS, len(values) if len(values) <= 2 * COLUMNS else 0) + 2
    np.testing.assert_array_equal(values[t.astype(int)], shown)
    assert (t[0], t[-1]) == (0, len(values) - 1)
    assert (shown.min(), shown.max()) == (values.min(), values.max())


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)

    def handle_data(self, data):
        self.text.append(data)


class TestResults:
    def run(self, rows, name="K"):
        d = bs.Diagram()
        d.output("y", d.add(name, Gain(2.0), d.input("u")))
        return bs.simulate(d, {"u": rows}, record=name)

    def test_names_are_paths_or_globs(self):
        d = bs.nn.lstm(np.ones((4, 1)), np.ones((4, 1)), np.zeros(4))
        result = bs.simulate(d, {"x": np.ones((3, 1))}, record="**")
        titles = [axis.get_title("left") for axis in result.plot(names=["?/sum", "h"]).axes]
        assert sorted(titles) == ["f/sum", "g/sum", "h", "i/sum", "o/sum"]
        with pytest.raises(InputError, match="squash"):
            result.plot(names=["sqush"])

    def test_of_a_batch_one_run_is_drawn_and_named(self):
        result = self.run(np.arange(6.0).reshape(2, 3))
        figure = result.plot(run=1)
        assert figure.get_suptitle() == "run 1 of 2"
        np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata()[:3], [6.0, 8.0, 10.0])
        for run in (2, -1, True, "a"):
            with pytest.raises(InputError, match="run"):
                result.plot(run=run)

    @pytest.mark.parametrize(("name", "error"), [("x.jpg", FileError), ("no/where/x.png", FileError)])
    def test_paths_that_cannot_be_written(self, name, error, tmp_path):
        with pytest.raises(error):
            self.run(np.ones(3)).plot(tmp_path / name)

    def test_a_notebook_shows_a_table_and_a_picture(self):
        tags = _Tags()
        tags.feed(self.run(np.ones(4), "<b>")._repr_html_())
        assert tags.found.count("tr") == 3
        assert "img" in tags.found
        assert "b" not in tags.found
        assert "<b>" in tags.text

    def test_a_notebook_shows_batches_and_nothing_at_all(self):
        assert "2 runs" in self.run(np.ones((2, 3)))._repr_html_()
        assert "<img" not in bs.simulate(bs.Diagram(), steps=3)._repr_html_()
