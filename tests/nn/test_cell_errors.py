"""What a cell cannot be made of: the message names the layer, the argument, what was expected and got."""

from __future__ import annotations

import re

import numpy as np
import pytest

import blocksim as bs
from blocksim.errors import ParameterError
from blocksim.library import Tanh

M, N = 2, 3
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def call(kind, **changes):
    rows = GATES[kind] * N
    good = {"W": np.ones((rows, M)), "R": np.ones((rows, N)), "b": np.ones(rows), "name": "mine"}
    return getattr(bs.nn, kind)(**good | changes)


WRONG = [
    *((kind, "R", np.ones((GATES[kind] * N, 4)), f"({GATES[kind] * N}, 3)", r"\(\d+, 4\)") for kind in GATES),
    *((kind, "b", np.ones((GATES[kind] * N, 1)), f"({GATES[kind] * N},)", r"\(\d+, 1\)") for kind in GATES),
    *((kind, "W", np.ones(5), "(any, any)", r"\(5,\)") for kind in GATES),
    *((kind, "h0", np.ones(2), "(3,)", r"\(2,\)") for kind in GATES),
    *((kind, "h0", "zero", "real numbers", "str 'zero'") for kind in GATES),
    *((kind, "activation", "tanh", "a block", "str 'tanh'") for kind in GATES),
    *((kind, "activation", Tanh, "a block", "Tanh") for kind in GATES),
    *((kind, "clip", value, "a positive number", ".*") for kind in GATES for value in (0, -1.0, "1", True)),
    ("lstm", "W", np.ones((13, M)), "4n rows, those of the gates i, f, g, o", "13"),
    ("gru", "W", np.ones((8, M)), "3n rows, those of the gates r, z, n", "8"),
    ("rnn", "W", np.ones((0, M)), "rows", "0"),
    ("lstm", "c0", np.ones(4), "(3,)", r"\(4,\)"),
    ("lstm", "peephole", np.ones(6), "(9,)", r"\(6,\)"),
    ("lstm", "projection", np.ones((2, 4)), "(any, 3)", r"\(2, 4\)"),
    ("lstm", "gate_activation", "sigmoid", "a block", "str 'sigmoid'"),
    ("lstm", "output_activation", 1.0, "a block", "float 1.0"),
    ("gru", "gate_activation", "sigmoid", "a block", "str 'sigmoid'"),
    ("gru", "b_r", np.ones(9), "(3,)", r"\(9,\)"),
    ("gru", "reset", "later", "'before' or 'after'", "str 'later'"),
]


@pytest.mark.parametrize(("kind", "argument", "value", "expected", "got"), WRONG)
def test_wrong_argument(kind, argument, value, expected, got):
    place = rf"{kind} 'mine', {argument} \(.*test_cell_errors\.py:\d+\): "
    with pytest.raises(ParameterError, match=rf"^{place}expected .*{re.escape(expected)}.*, got .*{got}"):
        call(kind, **{argument: value})


def test_coupled_gates_have_three_blocks_of_rows():
    with pytest.raises(ParameterError, match=r"lstm 'mine', W .*3n rows, those of the gates f, g, o, got 10"):
        call("lstm", W=np.ones((10, M)), coupled=True)
    with pytest.raises(ParameterError, match=r"lstm 'mine', peephole .*\(8,\), got shape \(12,\)"):
        call("lstm", coupled=True, R=np.ones((12, 4)), peephole=np.ones(12))


def test_a_projection_makes_the_hidden_state_smaller():
    projected = {"projection": np.ones((2, N)), "R": np.ones((12, 2))}
    with pytest.raises(ParameterError, match=r"lstm 'mine', R .*\(12, 2\), got shape \(12, 3\)"):
        call("lstm", projection=np.ones((2, N)))
    with pytest.raises(ParameterError, match=r"lstm 'mine', h0 .*\(2,\), got shape \(3,\)"):
        call("lstm", **projected, h0=np.ones(3))
    assert bs.simulate(call("lstm", **projected), {"x": np.ones((1, M))})["h"].shape == (1, 2)


def test_without_an_input():
    with pytest.raises(
        ParameterError, match=r"lstm 'mine', b .*4n rows, those of the gates i, f, g, o, got 13"
    ):
        call("lstm", W=None, b=np.ones(13))
    with pytest.raises(ParameterError, match=r"lstm 'mine', R .*\(12, 3\), got shape \(12, 2\)"):
        call("lstm", W=None, R=np.ones((12, 2)))
    layer = call("lstm", W=None)
    with pytest.raises(ParameterError, match=r"with an input, got <Diagram 'mine'"):
        bs.interop.matlab.save(layer, "none.mat")
    with pytest.raises(ParameterError, match=r"weights of one LSTM with an input, got 0"):
        bs.nn.linear_system_from_lstm(layer)


def test_a_recurrent_bias_needs_the_reset_after_the_product():
    with pytest.raises(ParameterError, match=r"gru 'mine', b_r .*no recurrent bias with reset 'before'"):
        call("gru", reset="before", b_r=np.ones(N))


@pytest.mark.parametrize("argument", ["W", "R", "b", "peephole"])
def test_gate(argument):
    good = {"W": np.ones((N, M)), "R": np.ones((N, 4)), "b": np.ones(N), "peephole": np.ones(N)}
    with pytest.raises(ParameterError, match=rf"gate 'z', {argument} .*got shape \(1, 1, 1\)"):
        bs.nn.gate(**good | {argument: np.ones((1, 1, 1))}, activation=Tanh(), name="z")


@pytest.mark.parametrize("argument", ["W", "R", "b", "b_r"])
def test_reset_gate(argument):
    good = {"W": np.ones((N, M)), "R": np.ones((N, 4)), "b": np.ones(N), "b_r": np.ones(N)}
    with pytest.raises(ParameterError, match=rf"gate 'n', {argument} .*got shape \(1, 1, 1\)"):
        bs.nn.reset_gate(**good | {argument: np.ones((1, 1, 1))}, activation=Tanh(), name="n")


def test_an_activation_of_an_unknown_name():
    with pytest.raises(ParameterError, match=r"activation .*got str 'tahn'.*Did you mean 'tanh'"):
        bs.nn.reference.rnn(np.ones((2, 1)), [[1.0]], [[1.0]], [0.0], activation="tahn")
