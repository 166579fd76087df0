"""Names, wires, paths, and a diagram read as text and as a graph."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.errors import AlgebraicLoopError
from blocksim.library import Gain, Product, Sum, Tanh, UnitDelay


@pytest.fixture
def lstm() -> bs.Diagram:
    return bs.nn.lstm(**random_lstm(np.random.default_rng(0), 4, 3))


def test_the_lstm_has_27_leaf_blocks_and_its_two_loops(lstm):
    graph = lstm.to_networkx()
    blocks = [n for n, kind in graph.nodes(data="kind") if kind == "block"]
    assert len(blocks) == 27
    assert lstm.loops() == [
        ["cell_state", "keep", "c"],
        ["hidden_state", "o/R", "o/sum", "o/activation", "h"],
    ]
    assert not nx.is_directed_acyclic_graph(graph)
    graph.remove_nodes_from(["cell_state", "hidden_state"])
    assert nx.is_directed_acyclic_graph(graph)


def test_edges_carry_ports_and_feedthrough(lstm):
    graph = lstm.to_networkx()
    assert graph.edges["h", "hidden_state", 0] == {"source": "y", "target": "u", "feedthrough": False}
    assert graph.edges["i/R", "i/sum", 0] == {"source": "y", "target": "u2", "feedthrough": True}
    assert set(lstm.to_networkx(flat=False)) >= {"i", "f", "g", "o", "x", "(h)", "(c)"}


def test_parameters_by_path(lstm):
    parameters = lstm.parameters()
    assert parameters["i/W"]["K"].shape == (3, 4)
    assert set(parameters) == {f"{k}/{p}" for k in "ifgo" for p in "WRb"} | {
        "hidden_state",
        "cell_state",
    }
    counts = lstm.parameter_counts()
    n, m = 3, 4
    assert counts[""] == 4 * n * (n + m + 1) + 2 * n
    assert counts["i"] == n * (n + m + 1)


def test_paths_reach_into_subsystems(lstm):
    d = bs.Diagram()
    d.add("layer", lstm, d.input("x", 4))
    assert d["layer/i/W"].block is lstm["i/W"].block
    result = bs.simulate(d, {"x": np.zeros((2, 4))}, record=["layer/*", "layer/i/*", "layer/c"])
    assert {"layer/h", "layer/i/sum", "layer/keep", "layer/i/y"} <= set(result.signals)
    assert "layer/i/sum" not in bs.simulate(d, {"x": np.zeros((2, 4))}, record="layer/*")
    np.testing.assert_array_equal(result["layer/i/y"], result["layer/i/activation"])


def test_printing_shows_the_wiring(lstm):
    text = str(lstm)
    assert "  hidden_state  UnitDelay(initial=3)  u <- h" in text
    assert "    sum         Sum()                 u1 <- W, u2 <- R, u3 <- b" in text
    assert text.splitlines()[-1].split() == ["c", "output", "<-", "c"]
    d = bs.Diagram("half")
    d.add("s", Sum("+-"), d.input("u"))
    assert "u1 <- u, u2 <- nothing" in str(d)


def test_connect_takes_the_next_free_port():
    d = bs.Diagram()
    s = d.add("s", Sum("+-"))
    d.connect(d.input("a"), s)
    d.connect(d.input("b"), s)
    d.output("y", s)
    assert bs.simulate(d, {"a": [5.0], "b": [2.0]})["y"] == 3


def test_sources_by_port_name():
    d = bs.Diagram()
    a, b = d.input("a"), d.input("b")
    d.output("y", d.add("s", Sum("+-"), u2=a, u1=b))
    assert bs.simulate(d, {"a": [5.0], "b": [2.0]})["y"] == -3


@pytest.mark.parametrize("delay", ["cell_state", "hidden_state"])
def test_an_lstm_without_one_of_its_delays_is_an_algebraic_loop(delay):
    """The same cell with a wire in the place of the delay."""
    w = random_lstm(np.random.default_rng(0), 2, 3)
    d = bs.Diagram("lstm")
    x = d.input("x", 2)
    through = {"cell_state": "c", "hidden_state": "h"}
    state = {name: d.add(name, Gain(1.0) if name == delay else UnitDelay(np.zeros(3))) for name in through}
    W, R, b = (np.split(w[k], 4) for k in ("W", "R", "b"))
    i, f, g, o = (
        d.add(k, bs.nn.gate(W[j], R[j], b[j], Tanh()), x, state["hidden_state"]) for j, k in enumerate("ifgo")
    )
    keep, write = d.add("keep", Product(), f, state["cell_state"]), d.add("write", Product(), i, g)
    c = d.add("c", Sum(), keep, write)
    h = d.add("h", Product(), o, d.add("squash", Tanh(), c))
    d.connect(c, state["cell_state"])
    d.connect(h, state["hidden_state"])
    with pytest.raises(AlgebraicLoopError) as caught:
        bs.compile(d)
    expected = {
        "cell_state": {"c", "cell_state", "keep"},
        "hidden_state": {"h", "hidden_state", "o/R", "o/sum", "o/activation"},
    }
    loop = caught.value.loop
    if delay == "cell_state":
        assert set(loop) == expected[delay]
    else:
        assert {"h", "hidden_state"} <= set(loop)
        graph = d.to_networkx()
        assert all(graph.has_edge(a, b) for a, b in zip(loop, loop[1:] + loop[:1], strict=True))
    message = str(caught.value)
    for path in loop:
        assert f"-> {path} (" in message
    assert "test_diagram.py:" in message
    assert "UnitDelay" in message


def test_a_long_nesting_is_flattened():
    d = bs.Diagram("level0")
    d.output("y", d.add("gain", Gain(2.0), d.input("u")))
    for k in range(1, 300):
        outer = bs.Diagram(f"level{k}")
        outer.output("y", outer.add("in", d, outer.input("u")))
        d = outer
    assert bs.simulate(d, {"u": [3.0]})["y"] == 6


def test_a_subsystem_declares_shapes_for_what_is_wired_to_it():
    inner = bs.Diagram("inner")
    inner.output("y", inner.add("z", UnitDelay(False), inner.input("flag", dtype=bool)))
    d = bs.Diagram()
    d.add("inner", inner, d.input("u"))
    with pytest.raises(bs.errors.SignalError, match=r"inner, input flag .* dtype bool"):
        bs.compile(d)


def test_an_output_may_have_the_name_of_an_input():
    """As of a length that goes through layers, each of which may change it; walls keep the two apart."""
    inner = bs.Diagram("inner")
    inner.output("n", inner.add("twice", Gain(2.0), inner.input("n", shape=3)))
    d = bs.Diagram()
    d.output("n", d.add("layer", inner, d.input("n", shape=3)))
    np.testing.assert_array_equal(bs.simulate(d, {"n": np.ones((1, 3))}, record="layer/n")["n"], [[2.0] * 3])
    wrong = bs.Diagram()
    wrong.add("layer", inner, wrong.input("n", shape=2))
    with pytest.raises(bs.errors.SignalError, match="layer, input n"):
        bs.compile(wrong)
