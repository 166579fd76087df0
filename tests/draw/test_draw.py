import subprocess
import sys

import numpy as np
import pytest
from draw.diagrams import CLASSICS, lstm
from matplotlib.image import imread

import blocksim as bs
from blocksim.draw.layout import layout
from blocksim.draw.render import render
from blocksim.draw.signals import plot_signals
from blocksim.errors import DiagramError, FileError, InputError


@pytest.mark.parametrize("make", CLASSICS)
def test_every_diagram_is_written_in_its_size(make, tmp_path):
    d = make()
    path = bs.draw(d, tmp_path / "x.png", depth=0)
    scene = layout(d, 0)
    height, width, _ = imread(path).shape
    assert (width, height) == pytest.approx((scene.width * 1.5, scene.height * 1.5), abs=2)


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_formats_are_chosen_by_the_ending_and_deterministic(ending, start, tmp_path):
    a, b = (bs.draw(lstm(), tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
    assert a.startswith(start)
    assert a == b


def test_both_loops_of_an_lstm_are_seen_in_their_colours(tmp_path):
    image = np.rint(255 * imread(bs.draw(lstm(), tmp_path / "x.png"))[..., :3])
    for colour in ([0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00]):
        assert (np.abs(image - colour).max(axis=-1) < 3).sum() > 1000


def test_depth_opens_so_many_levels():
    network = bs.Diagram("network")
    network.output("h", network.add("cell", lstm(), network.input("x", 4))["h"])
    frames = [
        {b.path for b in layout(network, depth).boxes if b.shape == "frame"} for depth in (0, 1, 2, None)
    ]
    gates = {"cell/i", "cell/f", "cell/g", "cell/o"}
    assert frames == [set(), {"cell"}, {"cell"} | gates, {"cell"} | gates]


def test_text_is_large_enough_and_names_are_not_read_as_tex():
    d = bs.Diagram("names")
    d.output("$y_1$", d.add("a_b$", bs.library.Gain(1.0), d.input("x^2")))
    figure = render(layout(d))
    texts = {text.get_text(): text for text in figure.axes[0].texts}
    assert {"$y_1$", "a_b$", "x^2"} <= set(texts)
    assert all(not text.get_parse_math() and text.get_fontsize() * 150 / 72 >= 14 for text in texts.values())


def test_texts_are_no_wider_than_the_layout_takes_them_to_be():
    d = bs.Diagram("wide")
    for name in ("WWW", "mmm mmm", "ILLINOIS", "hidden_state", "x" * 40, "αβγ 12", "Ä/ö".replace("/", "|")):
        d.add(name, bs.library.UnitDelay(0.0), d.add(f"K{name}", bs.library.Gain(1.0)))
        d.add(f"sub{name}", bs.Diagram())
    scene = layout(d)
    figure = render(scene)
    figure.set_dpi(800)  # pixels an inch: fine enough that the font's hinting does not count
    figure.canvas.draw()
    widths = {text.get_text(): text.get_window_extent().width / 8 for text in figure.axes[0].texts}
    labels = {label.text: label.width() for box in scene.boxes for label in box.labels if not label.math}
    assert {text: (widths[text], w) for text, w in labels.items() if widths[text] > w} == {}


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.png.txt"])
def test_other_endings_are_refused(name, tmp_path):
    with pytest.raises(FileError, match=r"\.png, \.svg, \.pdf"):
        bs.draw(lstm(), tmp_path / name)


def test_a_loop_of_wires_alone_is_drawn(tmp_path):
    inner, d = bs.Diagram("inner"), bs.Diagram()
    inner.output("out", inner.input("in"))
    one = d.add("one", inner)
    d.connect(d.add("two", inner, one), one)
    assert bs.draw(d, tmp_path / "x.png").stat().st_size > 1000


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(FileError, match="can be written"):
        bs.draw(lstm(), tmp_path / "nowhere" / "x.png")


@pytest.mark.parametrize("depth", [-1, 1.5, "all", True])
def test_depth_is_a_count(depth, tmp_path):
    with pytest.raises(DiagramError, match="depth"):
        bs.draw(lstm(), tmp_path / "x.png", depth=depth)


@pytest.mark.parametrize("first", ["import blocksim.draw.signals", "import blocksim as bs; bs.draw", "pass"])
def test_draw_is_callable_however_it_was_loaded_and_leaves_pyplot_alone(first, tmp_path):
    code = (
        f"{first}\nimport sys, os, blocksim as bs\n"
        f"for i in range(2): bs.draw(bs.Diagram(), {str(tmp_path / 'x.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'MPLBACKEND' not in os.environ"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_blocksim_loads_no_matplotlib():
    subprocess.run(
        [sys.executable, "-c", "import sys, blocksim; assert 'matplotlib' not in sys.modules"], check=True
    )


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
