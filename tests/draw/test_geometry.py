"""What must hold in every picture: no faults, few crossings and bends, each wire once, the same each time."""

import importlib.util
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from draw.diagrams import (
    CLASSICS,
    LOOPS,
    biquad,
    flat_lstm,
    lstm,
    mimo,
    observer,
    pid,
    random_diagram,
    rnn,
    stacked,
    two_lstms,
)

import blocksim as bs
from blocksim.draw.layout import layout
from blocksim.draw.quality import report
from blocksim.library import Gain, Tanh

MODELS = sorted(Path(__file__).parents[2].glob("models/*.py"))


def faults(scene):
    return {kind: found for kind, found in report(scene).faults.items() if found}


@pytest.mark.parametrize("depth", [None, 0, 1])
@pytest.mark.parametrize("make", CLASSICS)
def test_classics_have_no_faults(make, depth):
    assert faults(layout(make(), depth)) == {}


@pytest.mark.parametrize("make", [lstm, stacked])
def test_flat_networks_have_no_faults(make):
    assert faults(layout(make().flatten())) == {}


@pytest.mark.parametrize("depth", [None, 0, 1])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_have_no_faults(path, depth):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = report(layout(module.model(), depth))
    assert found.clean, str(found)
    assert found.smallest_text >= 14


@pytest.mark.parametrize("seed", range(200))
def test_random_diagrams_of_5_to_60_blocks_have_no_faults(seed):
    assert faults(layout(random_diagram(seed, 5 + seed * 55 // 199))) == {}


@pytest.mark.parametrize("make", [flat_lstm, lambda: lstm().flatten()])
def test_the_flat_lstm_has_at_most_3_crossings_and_20_bends(make):
    found = report(layout(make()))
    assert found.blocks >= 29
    assert (found.crossings, found.bends) <= (3, 20)
    assert found.bends <= 20


def test_two_nested_lstms_have_at_most_6_crossings_and_33_bends():
    found = report(layout(two_lstms(), {"": 2, "second": 1}))
    assert found.clean
    assert found.crossings <= 6
    assert found.bends <= 33


@pytest.mark.parametrize("make", LOOPS)
def test_the_loops_of_textbooks_have_no_crossings(make):
    found = report(layout(make()))
    assert found.clean
    assert found.crossings == 0


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


def test_no_picture_has_a_wide_empty_band():
    for seed in range(20):
        boxes = layout(random_diagram(seed)).boxes
        spans = sorted((box.y - box.h / 2, box.y + box.h / 2) for box in boxes)
        ends = [max(end for _, end in spans[: i + 1]) for i in range(len(spans))]
        assert max(b[0] - end for end, b in zip(ends, spans[1:], strict=False)) < 200


def test_each_loop_has_its_colour_and_wires_beyond_it_have_none():
    for d in (lstm(), lstm().flatten()):
        wires = {wire.source: wire.loop for wire in layout(d).wires if wire.loop is not None}
        assert {path for (path, _), loop in wires.items() if loop == 0} >= {"h", "hidden_state"}
        assert {path for (path, _), loop in wires.items() if loop == 1} == {"keep", "c", "cell_state"}


def test_colours_go_through_walls_and_the_layers_of_a_stack_look_alike():
    scene = layout(stacked())
    hidden = {wire.source[0] for wire in scene.wires if wire.loop == 0}
    assert {"first/hidden_state", "first/h", "first/o", "second/h", "second/hidden_state"} <= hidden
    assert not hidden & {"first", "dense"}
    assert scene.loops == {0: "hidden_state", 1: "cell_state"}


def test_branches_of_a_loop_are_in_its_colour():
    loops = {wire.source[0]: wire.loop for wire in layout(pid()).wires}
    assert loops["Kp"] == loops["error"] is not None
    gates = {wire.source[0]: wire.loop for wire in layout(lstm()).wires if "/" in wire.source[0]}
    assert set(gates.values()) == {None}


def test_an_algebraic_loop_is_marked_as_an_error():
    from draw.diagrams import algebraic_loop

    scene = layout(algebraic_loop())
    assert {box.path for box in scene.boxes if box.error} == {"total", "K"}
    assert {wire.source[0] for wire in scene.wires if wire.error} == {"total", "K"}


@pytest.mark.parametrize(("make", "most"), [(pid, 0.1), (mimo, 0.05), (observer, 0.05), (biquad, 0.05)])
def test_adding_a_block_moves_little_else(make, most):
    """Of the pairs of blocks one above the other, few change places, wherever a block is added."""
    before, shares = _places(make()), []
    for name in make().nodes:
        diagram = make()
        diagram.add("one more", Tanh(), diagram[name])
        after = _places(diagram)
        pairs = [(a, b) for a, b in combinations(before, 2) if before[a][1] < before[b][1] - 1]
        shares.append(sum(after[a][1] > after[b][1] for a, b in pairs) / len(pairs))
    assert np.median(shares) <= most


@pytest.mark.parametrize("count", range(2, 9))
def test_blocks_that_nothing_else_orders_stand_as_they_were_added(count):
    d = bs.Diagram()
    u = d.input("u")
    for i in range(count):
        d.output(f"y{i}", d.add(f"g{i}", Gain(1.0), u))
    heights = [_places(d)[f"/y{i}"][1] for i in range(count)]
    assert heights == sorted(heights)


def _places(d):
    return {box.path: (box.x, box.y) for box in layout(d).boxes}


def test_large_diagrams_are_laid_out_with_less_search_and_say_so():
    scene = layout(random_diagram(1, 400, nested=False))
    assert faults(scene) == {}
    assert scene.quick
    assert not layout(lstm().flatten()).quick
