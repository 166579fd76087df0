"""A Scan is drawn as a frame around what it runs."""

from __future__ import annotations

import numpy as np
import pytest

import blocksim as bs
from blocksim.draw.layout import layout
from blocksim.draw.opened import opened
from blocksim.draw.quality import report
from blocksim.draw.shapes import signal_shapes


def lstm(m: int, n: int, name: str = "lstm") -> bs.Diagram:
    return bs.nn.lstm(np.ones((4 * n, m)), np.ones((4 * n, n)), np.zeros(4 * n), name=name)


def bidirectional() -> bs.Diagram:
    layers = [bs.nn.bidirectional(lstm(2, 3), lstm(2, 3)), bs.nn.dense(np.ones((2, 6)), np.zeros(2))]
    return bs.nn.sequential(layers, steps=7, shape=2)


def stateful() -> bs.Diagram:
    return bs.nn.stateful(bs.nn.gru(np.ones((6, 2)), np.ones((6, 2)), np.ones(6)), 5)


def nested() -> bs.Diagram:
    return bs.nn.stateful(bs.nn.sequential([lstm(2, 3, "a"), lstm(3, 2, "b")]), 5)


@pytest.mark.parametrize("depth", [0, 1, 2, None])
@pytest.mark.parametrize("make", [bidirectional, stateful, nested])
def test_pictures_have_no_faults(make, depth):
    assert {kind: found for kind, found in report(layout(make(), depth)).faults.items() if found} == {}


def test_frames_say_how_they_run():
    scene = layout(bidirectional())
    titles = {box.labels[0].text for box in scene.boxes if box.shape == "frame"}
    assert {"forward: each step", "backward: each step, from the last", "dense: each step"} <= titles


def test_final_states_are_led_out_through_walls_and_starts_lead_in():
    view = opened(nested())["scan"].block
    assert isinstance(view, bs.Diagram)
    assert list(view.inputs) == [
        "x", "length", "a/hidden_state(0)", "a/cell_state(0)", "b/hidden_state(0)", "b/cell_state(0)",
    ]  # fmt: skip
    flat = view.flatten()
    assert flat.outputs["b/cell_state"].node.name == "b/cell_state"


def test_shapes_are_those_of_sequences_outside_and_of_steps_inside():
    shapes = signal_shapes(bidirectional().flatten())
    assert shapes["bidirectional/forward", "h"] == (7, 3)
    assert shapes["bidirectional/forward/i/W", "y"] == (3,)
    assert shapes["dense", "y"] == (7, 2)


def test_a_diagram_without_scans_is_drawn_as_it_is():
    d = lstm(2, 3)
    assert opened(d) is d


def test_depth_by_path_knows_scans(tmp_path):
    bs.draw(bidirectional(), tmp_path / "a.png", depth={"": 0, "dense": 1})
    with pytest.raises(bs.errors.DiagramError, match="dense"):
        bs.draw(bidirectional(), tmp_path / "a.png", depth={"dens": 1})
