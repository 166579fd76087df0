import os
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from draw.diagrams import CLASSICS, algebraic_loop, lstm, rnn, stacked
from matplotlib.image import imread

import blocksim as bs
from blocksim.draw import picture
from blocksim.draw.highlight import highlight as light
from blocksim.draw.layout import layout
from blocksim.draw.quality import report
from blocksim.draw.render import render
from blocksim.draw.text import typeset
from blocksim.draw.themes import theme
from blocksim.errors import DiagramError, FileError
from blocksim.library import Gain


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


@pytest.mark.parametrize("name", ["light", "dark"])
def test_both_loops_of_an_lstm_are_seen_in_their_colours(name, tmp_path):
    image = np.rint(255 * imread(bs.draw(lstm(), tmp_path / "x.png", theme=name))[..., :3])
    for colour in theme(name).loops[:2]:
        assert (np.abs(image - list(bytes.fromhex(colour[1:]))).max(axis=-1) < 3).sum() > 1000
    assert (image[0, 0] == list(bytes.fromhex(theme(name).background[1:]))).all()


def test_an_algebraic_loop_is_drawn_in_red(tmp_path):
    image = np.rint(255 * imread(bs.draw(algebraic_loop(), tmp_path / "x.png"))[..., :3])
    assert (np.abs(image - list(bytes.fromhex(theme("light").error[1:]))).max(axis=-1) < 3).sum() > 1000


def test_settings_of_matplotlib_do_not_change_a_picture(tmp_path):
    before = bs.draw(lstm(), tmp_path / "a.png").read_bytes()
    with matplotlib.rc_context(
        {"font.family": "monospace", "mathtext.fontset": "cm", "lines.linewidth": 9, "savefig.dpi": 30}
    ):
        assert bs.draw(lstm(), tmp_path / "b.png").read_bytes() == before
        assert matplotlib.rcParams["lines.linewidth"] == 9


def test_depth_opens_so_many_levels():
    network = bs.Diagram("network")
    network.output("h", network.add("cell", lstm(), network.input("x", 4))["h"])
    frames = [
        {b.path for b in layout(network, depth).boxes if b.shape == "frame"} for depth in (0, 1, 2, None)
    ]
    gates = {"cell/i", "cell/f", "cell/g", "cell/o"}
    assert frames == [set(), {"cell"}, {"cell"} | gates, {"cell"} | gates]


def test_depth_by_path_opens_some_and_closes_others():
    frames = {
        tuple(sorted(depth)): {b.path for b in layout(stacked(), depth).boxes if b.shape == "frame"}
        for depth in ({"": 0, "first": 1}, {"second": 0})
    }
    assert frames["", "first"] == {"first"}
    assert frames[("second",)] == {"first", *(f"first/{g}" for g in "ifgo"), "dense"}


def test_names_with_tex_characters_are_drawn_as_they_are():
    names = {"a_b$": False, "x^2": False, r"\frac{": False, "$y_1$": True, "h_t": True, "50 % {#&~}": False}
    d = bs.Diagram("names")
    for name in names:
        d.add(name, bs.library.UnitDelay(0.0))
    figure = render(layout(d))
    figure.canvas.draw()
    shown = {text.get_text(): text.get_parse_math() for text in figure.axes[0].texts}
    captions = {name: math for name, math in shown.items() if "z" not in name}
    assert captions == dict.fromkeys(names, False)
    d = bs.Diagram("names")
    for name in names:
        d.input(name)
    shown = {text.get_text(): text.get_parse_math() for text in render(layout(d)).axes[0].texts}
    assert {typeset(name)[0]: math for name, math in names.items()} == shown


def test_very_long_names_are_shortened_and_control_characters_replaced(tmp_path):
    d = bs.Diagram("names")
    d.output("y" * 200, d.add("K" * 300, bs.library.Gain(1.0), d.input("\ud800u\t" * 50)))
    scene = layout(d)
    assert report(scene).clean
    assert scene.width < 1200
    bs.draw(d, tmp_path / "x.png")


@pytest.mark.parametrize(
    "name", ["WWW", "mmm mmm", "ILLINOIS", "hidden_state", "x" * 40, "αβγ 12", "Ä|ö", "h_t", "W_{1}"]
)
def test_texts_are_as_large_as_the_layout_takes_them_to_be(name):
    d = bs.Diagram("wide")
    d.add(name, bs.library.UnitDelay(0.0), d.add(f"K{name}", bs.library.Gain(np.ones((3, 4)))))
    d.add(f"sub{name}", bs.Diagram())
    scene = layout(d)
    figure = render(scene)
    figure.set_dpi(800)  # pixels an inch: fine enough that the font's hinting does not count
    figure.draw_without_rendering()
    drawn = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    for label, _, area in scene.texts():
        box = drawn[label.text]
        assert box.width / 8 == pytest.approx(area[2] - area[0], rel=0.02, abs=1.5), label.text
        assert box.height / 8 <= area[3] - area[1] + 1.5, label.text


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
    alone = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    subprocess.run([sys.executable, "-c", code], check=True, env=alone)


def test_importing_blocksim_loads_no_matplotlib():
    subprocess.run(
        [sys.executable, "-c", "import sys, blocksim; assert 'matplotlib' not in sys.modules"], check=True
    )


class TestHighlight:
    def test_what_fits_stands_out_and_the_rest_is_pale(self, tmp_path):
        scene = light(layout(lstm()), ["f", "keep"])
        bright = {box.path for box in scene.boxes if not box.dim}
        assert bright == {"f", "keep", *(f"f/{name}" for name in ("W", "R", "b", "sum", "activation"))}
        wires = {wire.source[0] for wire in scene.wires if not wire.dim}
        assert wires == {"f", *(f"f/{name}" for name in ("W", "R", "b", "sum", "activation"))}
        bs.draw(lstm(), tmp_path / "x.svg", highlight=["f", "keep"])

    def test_of_a_branching_wire_only_the_way_to_what_stands_out_does(self):
        before = next(wire for wire in layout(lstm(), 0).wires if wire.source[0] == "x")
        scene = light(layout(lstm(), 0), ["x", "f"])
        pale, bright = (wire for wire in scene.wires if wire.source[0] == "x")
        assert (pale.dim, bright.dim) == (True, False)
        assert bright.targets == [("f", ("in", "x"))]
        length = [
            sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in w.pieces) for w in (before, pale, bright)
        ]
        assert length[0] == pytest.approx(length[1] + length[2])
        assert 0 < length[2] < length[0]

    def test_a_mapping_gives_a_sheet_with_titles(self, tmp_path):
        scene = picture(lstm(), 0, {"forget": ["f"], "write": ["i", "g"], "output": "o"})
        assert {"forget", "write", "output"} <= {label.text for label in scene.labels}
        one = picture(lstm(), 0)
        assert scene.width == pytest.approx(2 * one.width + 36)
        assert scene.height > 2 * one.height
        bs.draw(lstm(), tmp_path / "x.png", 0, highlight={"forget": ["f"]})

    @pytest.mark.parametrize("make", CLASSICS)
    def test_every_picture_can_be_highlighted_and_loses_no_wire(self, make):
        scene = layout(make())
        if not scene.boxes:
            return
        whole = light(scene, ["*"])
        assert not any(wire.dim for wire in whole.wires)
        first = next(box.path for box in scene.boxes).lstrip("/")
        assert sum(_length(w) for w in light(scene, [first]).wires) == pytest.approx(
            sum(_length(w) for w in scene.wires)
        )

    @pytest.mark.parametrize("highlight", [{}, 5, [3], [None], {"a": 5}, {3: ["f"]}, []])
    def test_other_values_are_refused(self, highlight, tmp_path):
        with pytest.raises(DiagramError, match=r"draw, highlight .*expected a list of paths"):
            bs.draw(lstm(), tmp_path / "x.png", highlight=highlight)

    def test_an_unknown_path_is_an_error_with_the_nearest(self, tmp_path):
        with pytest.raises(DiagramError, match="squash"):
            bs.draw(lstm(), tmp_path / "x.png", highlight=["sqush"])


def _length(wire):
    return sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in wire.pieces)


@pytest.mark.parametrize("diagram", [None, Gain(1.0), 3])
def test_only_diagrams_are_drawn(diagram, tmp_path):
    with pytest.raises(DiagramError, match=r"draw .*expected a Diagram"):
        bs.draw(diagram, tmp_path / "x.png")


@pytest.mark.parametrize("path", [None, 3, b"x.png", "a\0.png"])
def test_only_names_of_files_are_paths(path):
    with pytest.raises(FileError, match="the name of a file"):
        bs.draw(lstm(), path)


def test_unknown_themes_and_depths_of_unknown_paths_are_errors_with_the_nearest(tmp_path):
    with pytest.raises(DiagramError, match="dark"):
        bs.draw(lstm(), tmp_path / "x.png", theme="drak")
    with pytest.raises(DiagramError, match="'light' or 'dark'"):
        bs.draw(lstm(), tmp_path / "x.png", theme=["dark"])
    with pytest.raises(DiagramError, match="first"):
        bs.draw(stacked(), tmp_path / "x.png", depth={"frist": 1})


def test_a_notebook_shows_the_picture():
    for d in (lstm(), bs.Diagram()):
        root = ElementTree.fromstring(d._repr_svg_())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert lstm()._repr_svg_() == lstm()._repr_svg_()


def test_many_texts_of_a_stack_come_with_a_legend_and_one_loop_with_none():
    assert [label.text for _, _, label in layout(stacked()).legend] == [
        "loop through hidden_state",
        "loop through cell_state",
    ]
    assert layout(rnn()).legend == []
