"""The checks object to each fault that is planted in a good picture, and the measures are right."""

import copy
from dataclasses import replace

import pytest
from draw.diagrams import lstm

from blocksim.draw.layout import layout
from blocksim.draw.quality import CHECKS, report
from blocksim.draw.scene import Box, Label, Scene, Stroke, Wire

GOOD = layout(lstm())


@pytest.fixture
def scene():
    return copy.deepcopy(GOOD)


def box(scene, path):
    return next(box for box in scene.boxes if box.path == path)


def wire(scene, path):
    return next(wire for wire in scene.wires if wire.source[0] == path)


def through_a_block(scene):
    keep = box(scene, "keep")
    wire(scene, "squash").pieces.append(((keep.x - 60, keep.y + 3), (keep.x + 60, keep.y + 3)))
    return "runs through keep"


def on_another_wire(scene):
    a, b = wire(scene, "x").pieces[0]
    wire(scene, "squash").pieces.append(((a[0] + 2, a[1]), (b[0] - 2, b[1])))
    return "lies on"


def too_close(scene):
    (x0, y), (x1, _) = next(p for p in wire(scene, "x").pieces if p[0][1] == p[1][1])
    wire(scene, "squash").pieces.append(((x0 + 2, y + 4), (x1 - 2, y + 4)))
    return "too near"


def oblique(scene):
    pieces = wire(scene, "squash").pieces
    i = next(i for i, (a, b) in enumerate(pieces) if a[1] == b[1])
    pieces[i] = ((pieces[i][0][0], pieces[i][0][1] + 3), pieces[i][1])
    return "oblique"


def block_on_block(scene):
    keep, write = box(scene, "keep"), box(scene, "write")
    keep.x, keep.y = write.x + 10, write.y
    return "keep and write overlap|write and keep overlap"


def out_of_its_frame(scene):
    box(scene, "i/W").x -= 90
    return "i and i/W overlap"


def off_its_port(scene):
    wire(scene, "squash").targets = [("write", ("in", "u1"))]
    return "does not reach its port"


def torn(scene):
    wire(scene, "x").pieces.remove(next(p for p in wire(scene, "x").pieces if p[0][0] == p[1][0]))
    return "torn"


def text_on_text(scene):
    label = box(scene, "cell_state").labels[1]
    other = box(scene, "hidden_state")
    at = box(scene, "cell_state").x - other.x + 4, box(scene, "cell_state").y + label.at[1] - other.y
    other.labels[1] = replace(other.labels[1], at=at)
    return "'cell_state' and 'hidden_state' overlap|'hidden_state' and 'cell_state' overlap"


def text_on_a_wire(scene):
    label = wire(scene, "keep").labels[0]
    wire(scene, "keep").labels[0] = label.moved(0, 8)
    return "stands on the wire from keep"


def text_on_its_own_curve(scene):
    box(scene, "squash").labels[0] = Label("tanh", (0, 5), 9.5)
    return "line of the symbol of squash"


def label_on_a_block(scene):
    keep = box(scene, "keep")
    wire(scene, "x").labels[0] = Label("x", (keep.x, keep.y))
    return "stands on keep"


def label_too_long_for_its_block(scene):
    box(scene, "i/W").labels[0] = Label("a long name", (-9, 0), 11)
    return "stands on i/W"


def label_on_a_wall(scene):
    frame = box(scene, "i")
    scene.labels.append(Label("note", (frame.x, frame.y - frame.h / 2)))
    return "stands on the wall of i"


def clipped(scene):
    scene.labels.append(Label("note", (scene.width - 3, 10)))
    return "cut off"


def outside(scene):
    scene.width /= 2
    return "outside of the picture"


def through_a_frame(scene):
    frame = box(scene, "i")
    y = frame.y - frame.h / 2 + 5
    wire(scene, "squash").pieces.append(((frame.x - frame.w, y), (frame.x + frame.w, y)))
    return "runs through the frame i"


def along_a_wall(scene):
    frame = box(scene, "i")
    x = frame.x + frame.w / 2
    wire(scene, "squash").pieces.append(((x, frame.y + 40), (x, frame.y + 60)))
    return "runs along the wall of i"


PLANTED = {
    "wire through a block": [through_a_block],
    "wire on another net's wire": [on_another_wire],
    "wires too close": [too_close],
    "diagonals": [oblique],
    "block overlap": [block_on_block, out_of_its_frame],
    "wire end off its port": [off_its_port, torn],
    "text on text": [text_on_text],
    "text on a wire": [text_on_a_wire, text_on_its_own_curve],
    "label on a block": [label_on_a_block, label_too_long_for_its_block, label_on_a_wall],
    "clipped text": [clipped],
    "outside the picture": [outside],
    "wire through a frame": [through_a_frame, along_a_wall],
}


def test_the_good_picture_is_clean_and_a_fault_of_each_kind_is_planted():
    assert report(GOOD).clean, str(report(GOOD))
    assert PLANTED.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("kind", "plant"), [(kind, plant) for kind, found in PLANTED.items() for plant in found]
)
def test_a_planted_fault_is_found_and_named(kind, plant, scene):
    words = plant(scene).split("|")
    found = report(scene)
    assert any(word in text for text in found.faults[kind] for word in words), str(found)
    assert not found.clean
    assert f"{kind}: " in str(found)


def test_measures_of_a_tiny_picture():
    """Two nets that cross once; one bends twice, the other branches at a dot, which is no bend."""
    scene = Scene(300, 200)
    for i, (x, y) in enumerate([(20, 50), (280, 50), (280, 150), (20, 150)]):
        key = ("out" if x == 20 else "in", "p")
        scene.boxes.append(
            Box(f"b{i}", "box", 20, 20, [Label("b", size=12)], {key: (10 if x == 20 else -10, 0)})
        )
        scene.boxes[-1].x, scene.boxes[-1].y = x, y
    bent = [((30, 50), (100, 50)), ((100, 50), (100, 150)), ((100, 150), (270, 150))]
    scene.wires = [
        Wire(("b0", ("out", "p")), [("b2", ("in", "p"))], bent, [], []),
        Wire(
            ("b3", ("out", "p")),
            [("b1", ("in", "p"))],
            [((30, 150), (60, 150)), ((60, 50.5), (60, 150))],
            [],
            [],
        ),
    ]
    scene.wires[1].pieces[1] = ((60, 100), (60, 150))
    scene.wires[1].pieces += [((60, 100), (150, 100)), ((150, 50), (150, 100)), ((150, 50), (270, 50))]
    scene.wires[1].dots = [(150, 100)]
    found = report(scene)
    assert (found.blocks, found.wires, found.labels) == (4, 2, 4)
    assert (found.crossings, found.bends) == (1, 2 + 3)
    assert found.length == pytest.approx(70 + 100 + 170 + 30 + 50 + 90 + 50 + 120)
    assert found.smallest_text == pytest.approx(12 * 0.73 * 150 / 72)
    assert found.clean, str(found)


def test_an_empty_picture_is_clean():
    assert report(Scene(10, 10)).clean


def test_strokes_beside_a_label_are_no_fault():
    scene = Scene(100, 100)
    scene.boxes.append(
        Box("b", "box", 80, 80, [Label("sat", (0, -30), 9.5)], strokes=[Stroke([(-30, 10), (30, 10)])])
    )
    scene.boxes[0].x = scene.boxes[0].y = 50
    assert report(scene).clean
