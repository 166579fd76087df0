"""Shapes of signals that are known before compiling are those that the compiler finds."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from draw.diagrams import CLASSICS

import blocksim as bs
from blocksim.draw.shapes import signal_shapes
from blocksim.library import Gain, Sum, UnitDelay

MODELS = sorted(Path(__file__).parents[2].glob("models/*.py"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_all_shapes_of_a_model_are_known_and_right(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    d = module.model()
    flat, plan = d.flatten(), bs.compile(d)
    found = signal_shapes(flat)
    for name, node in flat.nodes.items():
        for port in node.outputs:
            path = name if len(node.outputs) == 1 else f"{name}/{port}"
            assert found[name, port] == plan.signals[path].shape


@pytest.mark.parametrize("make", [make for make in CLASSICS if make.__name__ != "through"])
def test_no_diagram_is_refused(make):
    signal_shapes(make().flatten())


def test_users_own_code_is_not_called_and_what_follows_is_unknown():
    @bs.block
    class Mine(bs.Block):
        def output(self, u):
            raise AssertionError("called")

    d = bs.Diagram("d")
    mine = d.add("mine", Mine(), d.input("u", shape=3))
    d.add("K", Gain(2.0), mine)
    assert signal_shapes(d) == {("u", "y"): (3,)}


def test_shapes_that_do_not_fit_are_left_out_and_delays_stop_the_doubt():
    d = bs.Diagram("d")
    total = d.add("bad", Sum(), d.input("a", shape=3), d.input("b", shape=2))
    d.add("K", Gain(np.ones((4, 2))), d.add("z", UnitDelay(np.zeros(2)), total))
    assert signal_shapes(d) == {("a", "y"): (3,), ("b", "y"): (2,), ("z", "y"): (2,), ("K", "y"): (4,)}
