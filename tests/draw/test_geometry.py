import copy
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from draw.diagrams import CLASSICS, biquad, lstm, pid, random_diagram, rnn, stacked
from draw.geometry import faults

from blocksim.draw.layout import layout


@pytest.mark.parametrize("depth", [None, 0, 1])
@pytest.mark.parametrize("make", CLASSICS)
def test_classics_have_no_faults(make, depth):
    assert faults(layout(make(), depth)) == []


@pytest.mark.parametrize("make", [lstm, stacked])
def test_flat_networks_have_no_faults(make):
    assert faults(layout(make().flatten())) == []


@pytest.mark.parametrize("seed", range(100))
def test_random_diagrams_have_no_faults(seed):
    assert faults(layout(random_diagram(seed))) == []


@pytest.mark.parametrize("make", [lstm, pid, biquad, rnn])
def test_every_wire_of_the_diagram_is_drawn_once(make):
    d = make()
    drawn = [
        (wire.source[0], wire.source[1][1], target, key[1])
        for wire in layout(d, 0).wires
        for target, key in wire.targets
    ]
    wires = [
        (origin.node.name, origin.name, name, port)
        for name, node in d.nodes.items()
        for port, origin in node.wires.items()
    ]
    wires += [(origin.node.name, origin.name, f"/{name}", "u") for name, origin in d.outputs.items()]
    assert sorted(drawn) == sorted(wires)


def test_layout_is_the_same_in_every_process():
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from draw.diagrams import *; from blocksim.draw.layout import layout\n"
        "print([layout(d) for d in [stacked(), pid(), *map(random_diagram, range(5))]])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    ]
    assert runs[0].startswith(b"[Scene(")
    assert runs[0] == runs[1] == runs[2]


def test_signs_stand_at_the_ports_they_belong_to():
    box = next(box for box in layout(pid()).boxes if box.path == "error")
    minus = next(label for label in box.labels if label.text == "−")
    assert minus.at == pytest.approx([0.55 * v for v in box.ports["in", "u2"]])


def test_each_state_of_the_lstm_has_the_colour_of_its_loop_at_both_sides():
    for d in (lstm(), lstm().flatten()):
        scene = layout(d)
        for number, state in enumerate(["cell_state", "hidden_state"]):
            around = [
                wire.loop
                for wire in scene.wires
                if state in {wire.source[0], *(path for path, _ in wire.targets)}
            ]
            assert around == [number, number]


def test_a_loop_is_coloured_through_the_walls_of_subsystems():
    scene = layout(stacked())
    hidden = {wire.source[0] for wire in scene.wires if wire.loop == 1}
    assert {"first/hidden_state", "first/h", "first/o", "first/o/R", "first/o/sum"} <= hidden
    assert not any(path.startswith("second") for path in hidden)


def test_input_and_output_terminals_are_at_the_left_and_right():
    scene = layout(pid())
    places = {box.path: box.x for box in scene.boxes}
    assert places["r"] == min(places.values())
    assert places["/y"] == max(places.values())


def test_an_lstm_is_laid_out_with_few_crossings():
    """Both loops open from the gates: at most one crossing for each fan-out past another."""
    scene = layout(lstm().flatten())
    assert _crossings(scene) <= 8


def _crossings(scene):
    pieces = [(i, *piece) for i, wire in enumerate(scene.wires) for piece in wire.pieces]
    return sum(
        i != j and a[0] < c[0] < b[0] and c[1] < a[1] < d[1]
        for i, a, b in pieces
        if a[1] == b[1]
        for j, c, d in pieces
        if c[0] == d[0]
    )


def test_no_picture_has_a_wide_empty_band():
    for seed in range(20):
        boxes = layout(random_diagram(seed)).boxes
        spans = sorted((box.y - box.h / 2, box.y + box.h / 2) for box in boxes)
        ends = [max(end for _, end in spans[: i + 1]) for i in range(len(spans))]
        assert max(b[0] - end for end, b in zip(ends, spans[1:], strict=False)) < 200


def test_layout_times():
    start = time.process_time()
    layout(lstm().flatten())
    assert time.process_time() - start < 2
    start = time.process_time()
    assert faults(layout(random_diagram(1, 400, nested=False))) == []
    assert time.process_time() - start < 20


class TestTheChecksObject:
    """To a fault that is planted in a good scene."""

    @pytest.fixture
    def scene(self):
        scene = copy.deepcopy(layout(lstm()))
        assert faults(scene) == []
        return scene

    def box(self, scene, path):
        return next(box for box in scene.boxes if box.path == path)

    def wire(self, scene, path):
        return next(wire for wire in scene.wires if wire.source[0] == path)

    def test_a_block_on_another(self, scene):
        keep, write = self.box(scene, "keep"), self.box(scene, "write")
        keep.x, keep.y = write.x + 10, write.y
        assert "keep and write overlap" in "\n".join(faults(scene)).replace(
            "write and keep", "keep and write"
        )

    def test_a_block_out_of_its_frame(self, scene):
        self.box(scene, "i/W").x -= 60
        assert any("i/W" in f and "overlap" in f for f in faults(scene))

    def test_a_diagonal_wire(self, scene):
        wire = self.wire(scene, "squash")
        (a, b), *rest = wire.pieces
        wire.pieces = [((a[0] + 3, a[1] + 3), b), *rest]
        assert any("not straight" in f for f in faults(scene))

    def test_a_wire_through_a_block(self, scene):
        box = self.box(scene, "keep")
        self.wire(scene, "squash").pieces.append(((box.x - 60, box.y), (box.x + 60, box.y)))
        assert any("runs through keep" in f for f in faults(scene))

    def test_a_wire_through_a_frame(self, scene):
        box = self.box(scene, "i")
        y = box.y - box.h / 2 + 5
        self.wire(scene, "squash").pieces.append(((box.x - box.w, y), (box.x + box.w, y)))
        assert any("runs through the frame i" in f for f in faults(scene))

    def test_a_wire_along_a_wall(self, scene):
        box = self.box(scene, "i")
        x = box.x + box.w / 2
        self.wire(scene, "squash").pieces.append(((x, box.y), (x, box.y + 20)))
        assert any("along the wall of i" in f for f in faults(scene))

    def test_a_wire_on_another(self, scene):
        self.wire(scene, "squash").pieces.append(self.wire(scene, "x").pieces[0])
        assert any("lie on each other" in f for f in faults(scene))

    def test_a_wire_off_its_port(self, scene):
        wire = self.wire(scene, "squash")
        wire.targets = [("write", ("in", "u1"))]
        found = faults(scene)
        assert any("loose end" in f for f in found)
        assert any("does not reach" in f for f in found)

    def test_a_torn_wire(self, scene):
        wire = self.wire(scene, "x")
        upright = next(piece for piece in wire.pieces if piece[0][0] == piece[1][0])
        wire.pieces.remove(upright)
        assert any("torn" in f for f in faults(scene))

    def test_a_caption_on_a_wire(self, scene):
        box = self.box(scene, "keep")
        y = box.y + box.h / 2 + 10
        self.wire(scene, "squash").pieces.append(((box.x - 30, y), (box.x + 30, y)))
        assert any("caption keep lies on the wire" in f for f in faults(scene))

    def test_a_picture_that_is_too_small(self, scene):
        scene.width /= 2
        assert any("outside" in f for f in faults(scene))
