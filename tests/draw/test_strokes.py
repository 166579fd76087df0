"""Lines to draw: corners, hops and gaps."""

from itertools import pairwise

import pytest

from blocksim.draw.scene import Label, Point, Scene, Wire
from blocksim.draw.strokes import breaks, lines


def wire(name: str, *points: Point) -> Wire:
    return Wire((name, ("out", "y")), [], list(pairwise(points)), [], [])


def crossing(*others: float, bend: float = 100.0, label: Label | None = None) -> Scene:
    """A horizontal wire from 0 to `bend`, then down, and vertical wires across it."""
    wires = [wire("a", (0.0, 0.0), (bend, 0.0), (bend, 80.0))]
    wires += [wire(f"v{x}", (x, -60.0), (x, 60.0)) for x in others]
    if label:
        wires[0].labels.append(label)
    return Scene(wires=wires)


@pytest.mark.parametrize(
    ("scene", "kinds"),
    [
        (crossing(50.0), ["hop"]),
        (crossing(20.0, 80.0), ["hop", "hop"]),
        (crossing(50.0, bend=56.0), ["gap"]),  # a corner too near
        (crossing(46.0, 54.0), ["gap", "gap"]),  # no room for two arcs
        (crossing(50.0, label=Label("x", (50.0, -9.0))), ["gap"]),  # a text where the arc would be
        (crossing(50.0, label=Label("x", (50.0, 30.0))), ["hop"]),
    ],
)
def test_a_wire_hops_where_there_is_room_and_has_a_gap_elsewhere(scene, kinds):
    assert list(breaks(scene)[0].values()) == kinds


def test_gaps_that_meet_are_one():
    scene = crossing(46.0, 54.0)
    (line,) = lines(scene.wires[0], breaks(scene)[0])
    assert [move[0] for move in line.moves] == ["to", "gap", "to", "corner", "to"]
    assert line.moves[:2] == [("to", (42.0, 0.0)), ("gap", (58.0, 0.0))]


def test_a_line_from_right_to_left_hops_the_same_way():
    scene = Scene(wires=[wire("a", (100.0, 0.0), (0.0, 0.0)), crossing(50.0).wires[1]])
    (line,) = lines(scene.wires[0], breaks(scene)[0])
    assert line.start == (100.0, 0.0)
    assert line.moves == [("to", (55.0, 0.0)), ("hop", (50.0, 0.0), (45.0, 0.0)), ("to", (0.0, 0.0))]


def test_a_corner_shrinks_beside_a_gap():
    scene = crossing(50.0, bend=56.0)
    (line,) = lines(scene.wires[0], breaks(scene)[0])
    corner = next(i for i, move in enumerate(line.moves) if move[0] == "corner")
    assert line.moves[corner - 1] == ("to", (54.0, 0.0))
