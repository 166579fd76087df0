"""The cells with all their options against the reference, on both engines, and what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cells import OPTIONS, diagram, random_cell, reference

import blocksim as bs
from blocksim.library import Complement

KINDS = list(OPTIONS)
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 20), st.integers(0, 2**32 - 1))


def compare(kind, sizes, options, dtype, engine, tolerance):
    m, n, T, seed = sizes
    rng = np.random.default_rng(seed)
    arguments = random_cell(kind, rng, m, n, **options)
    x = rng.normal(size=(T, m)).astype(dtype)
    run = bs.simulate(diagram(kind, arguments), {"x": x}, dtype=dtype, engine=engine)
    cast = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    expected = reference(kind, x, cast)
    assert list(run.signals) == list(expected)
    for name, rows in expected.items():
        assert run[name].dtype == rows.dtype == dtype
        scale = max(1.0, np.abs(rows).max())
        np.testing.assert_allclose(run[name] / scale, rows / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_against_reference(kind, data, sizes):
    compare(kind, sizes, data.draw(OPTIONS[kind]), np.float64, "numpy", 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_against_reference_in_float32(kind, data, sizes):
    compare(kind, sizes, data.draw(OPTIONS[kind]), np.float32, "numpy", 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_against_reference_compiled(kind, data, sizes):
    compare(kind, sizes, data.draw(OPTIONS[kind]), np.float64, "jax", 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_takes_batches(kind):
    rng = np.random.default_rng(0)
    arguments, x = random_cell(kind, rng, 2, 3), rng.normal(size=(4, 5, 7, 2))
    batch, one = reference(kind, x, arguments), reference(kind, x[1, 2], arguments)
    for name, rows in one.items():
        np.testing.assert_allclose(batch[name][1, 2], rows, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("lstm", {"peephole": True}), ("lstm", {"clip": 0.3}), ("lstm", {"activation": "softsign"}),
        ("lstm", {"gate_activation": "hard_sigmoid"}), ("lstm", {"output_activation": "softsign"}),
        ("gru", {"reset": "before"}), ("gru", {"reset": "recurrent bias"}), ("gru", {"clip": 0.3}),
        ("gru", {"activation": "relu"}), ("gru", {"gate_activation": "hard_sigmoid"}),
        ("rnn", {"activation": "relu"}), ("rnn", {"clip": 0.3}),
    ],
)  # fmt: skip
def test_each_option_changes_the_result(kind, options):
    """Otherwise diagram and reference could agree in ignoring it."""
    plain = random_cell(kind, np.random.default_rng(0), 2, 3)
    other = random_cell(kind, np.random.default_rng(0), 2, 3, **options) | plain
    x = np.random.default_rng(1).normal(size=(5, 2))
    h, changed = (bs.simulate(diagram(kind, a), {"x": x})["h"] for a in (plain, other))
    assert np.abs(h - changed).max() > 1e-3


# -- structure -------------------------------------------------------------------------------------

GATE = ["W", "R", "b", "sum", "activation"]


def blocks(kind, **options):
    cell = diagram(kind, random_cell(kind, np.random.default_rng(0), 2, 3, **options))
    return cell, set(cell.flatten().nodes)


def gates(keys):
    return {f"{key}/{block}" for key in keys for block in GATE}


PLAIN = {
    "lstm": gates("ifgo") | {"hidden_state", "cell_state", "keep", "write", "c", "squash", "h"},
    "gru": gates("rzn") | {"n/reset", "hidden_state", "complement", "keep", "write", "h"},
    "rnn": gates("h") | {"hidden_state"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_cell(kind):
    cell, nodes = blocks(kind)
    assert nodes == PLAIN[kind]
    states = {"hidden_state": (3,)} | ({"cell_state": (3,)} if kind == "lstm" else {})
    assert {path: state.shape for path, state in bs.compile(cell).initial_state.items()} == states
    assert {loop[0] for loop in cell.loops()} == states.keys()
    assert list(cell.inputs) == ["x"]
    assert list(cell.outputs) == (["h", "c"] if kind == "lstm" else ["h"])


def test_the_plain_lstm_has_27_blocks():
    assert len(PLAIN["lstm"]) == 27


@pytest.mark.parametrize(
    ("kind", "options", "more", "fewer"),
    [
        ("lstm", {"peephole": True}, {"i/P", "f/P", "o/P"}, set()),
        ("lstm", {"clip": 1.0}, {"i/clip", "f/clip", "g/clip", "o/clip"}, set()),
        ("lstm", {"projection": 2}, {"show", "projection"}, {"h"}),
        ("lstm", {"coupled": True}, {"i"}, gates("i")),
        ("lstm", {"coupled": True, "peephole": True}, {"i", "f/P", "o/P"}, gates("i")),
        ("gru", {"clip": 1.0}, {"r/clip", "z/clip", "n/clip"}, set()),
        ("gru", {"reset": "before"}, {"reset"}, {"n/reset"}),
        ("gru", {"reset": "recurrent bias"}, {"n/b_r", "n/recurrent"}, set()),
        ("rnn", {"clip": 1.0}, {"h/clip"}, set()),
    ],
)
def test_what_an_option_adds_and_takes_away(kind, options, more, fewer):
    cell, nodes = blocks(kind, **options)
    assert nodes == PLAIN[kind] - fewer | more
    states = {"hidden_state", "cell_state"} if kind == "lstm" else {"hidden_state"}
    assert bs.compile(cell).initial_state.keys() == states


def test_the_output_gate_sees_the_cell_of_this_step_and_the_others_that_of_the_last():
    cell, _ = blocks("lstm", peephole=True)
    assert {key: cell[key].wires["c"].node.name for key in "ifo"} == {
        "i": "cell_state", "f": "cell_state", "o": "c",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), [("lstm", {"coupled": True}), ("gru", {})])
def test_a_complement_has_nothing_to_be_trained(kind, options):
    cell, _ = blocks(kind, **options)
    (path,) = [path for path, node in cell.walk() if isinstance(node.block, Complement)]
    assert path not in cell.parameters()


@pytest.mark.parametrize("reset", ["before", "after"])
def test_an_open_update_gate_keeps_the_state(reset):
    """z = 1 in effect: nothing is written."""
    b = np.array([0.0, 0, 0, 40, 40, 40, 0, 0, 0])
    cell = bs.nn.gru(np.zeros((9, 1)), np.zeros((9, 3)), b, h0=[0.1, -0.2, 0.3], reset=reset)
    h = bs.simulate(cell, {"x": np.ones((50, 1))})["h"]
    np.testing.assert_allclose(h, np.broadcast_to([0.1, -0.2, 0.3], h.shape), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "gates", "options"),
    [
        ("lstm", 4, {"peephole": 0.3 * np.ones(9)}),
        ("lstm", 3, {"coupled": True, "clip": 0.4}),
        ("gru", 3, {"b_r": 0.2 * np.ones(3)}),
        ("gru", 3, {"reset": "before"}),
        ("rnn", 1, {}),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_cell_without_input_is_one_whose_input_has_no_weight(kind, gates, options, engine):
    rng, rows = np.random.default_rng(0), 3 * gates
    R, b, h0 = rng.normal(size=(rows, 3)), rng.normal(size=rows), rng.normal(size=3)
    alone, driven = (getattr(bs.nn, kind)(W, R, b, h0=h0, **options) for W in (None, np.zeros((rows, 2))))
    assert not alone.inputs
    assert alone.parameters().keys() == {path for path in driven.parameters() if not path.endswith("W")}
    h = bs.simulate(alone, steps=20, engine=engine)["h"]
    expected = bs.simulate(driven, {"x": rng.normal(size=(20, 2))})["h"]
    np.testing.assert_allclose(h, expected, rtol=0, atol=1e-14)
