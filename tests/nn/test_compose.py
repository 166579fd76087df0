"""Layers in a row, in both directions and with a lasting state, against the references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.errors import ParameterError, SignalError
from blocksim.library import Gather, UnitDelay
from blocksim.nn import reference

ENGINES = ("numpy", "jax")


def cell(seed: int, m: int, n: int, name: str = "lstm") -> tuple[bs.Diagram, dict]:
    W = random_lstm(np.random.default_rng(seed), m, n)
    return bs.nn.lstm(**W, name=name), W


def last(name: str = "last") -> bs.Diagram:
    """A layer that makes one value of a sequence."""
    d = bs.Diagram(name)
    x, length = d.input("x"), d.input("length", shape=(), dtype=int)
    one = d.add("one", bs.library.Constant(np.array(1)))
    d.output("y", d.add("pick", Gather(), x, d.add("k", bs.library.Sum("+-"), length, one)))
    return d


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**16))
def test_a_bidirectional_layer(engine, m, n, steps, seed):
    (a, A), (b, B) = cell(seed, m, n), cell(seed + 1, m, n + 1)
    layers = {k: bs.nn.bidirectional(a, b, output=k) for k in ("sequence", "last")}
    x = np.random.default_rng(seed).normal(size=(3, steps, m))
    lengths = [steps, max(1, steps - 1), 1]
    both = {
        k: bs.simulate(
            bs.nn.sequential([layer], steps=steps, shape=m), {"x": x, "length": lengths}, engine=engine
        )["y"]
        for k, layer in layers.items()
    }
    for i, length in enumerate(lengths):
        rows = x[i, :length]
        forward, backward = reference.lstm(rows, **A)[0], reference.lstm(rows[::-1], **B)[0]
        expected = np.concatenate([forward, backward[::-1]], 1)
        np.testing.assert_allclose(both["sequence"][i, :length], expected, atol=1e-12)
        assert not both["sequence"][i, length:].any()
        np.testing.assert_allclose(both["last"][i], np.concatenate([forward[-1], backward[-1]]), atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_classifier(engine):
    lstm, W = cell(0, 3, 4)
    K, k = np.random.default_rng(1).normal(size=(2, 4)), np.array([0.5, -0.5])
    d = bs.nn.sequential([lstm, last(), bs.nn.dense(K, k)], steps=6)
    x, lengths = np.random.default_rng(2).normal(size=(4, 6, 3)), [6, 1, 3, 5]
    found = bs.simulate(d, {"x": x, "length": lengths}, engine=engine)["y"]
    for i, length in enumerate(lengths):
        h, _ = reference.lstm(x[i, :length], **W)
        np.testing.assert_allclose(found[i], reference.dense(h[-1], K, k), atol=1e-12)


def test_a_row_is_a_layer_of_a_longer_one():
    (a, A), (b, B) = cell(0, 3, 4, "first"), cell(1, 4, 2, "second")
    inner = bs.nn.sequential([a], steps=5, name="inner")
    d = bs.nn.sequential([inner, b], steps=5, shape=3)
    x = np.random.default_rng(2).normal(size=(1, 5, 3))
    found = bs.simulate(d, {"x": x, "length": [4]})
    expected = reference.lstm(reference.lstm(x[0, :4], **A)[0], **B)[0]
    np.testing.assert_allclose(found["h"][0, :4], expected, atol=1e-12)
    assert found["length"] == [4]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_lasts_from_one_sequence_to_the_next(engine):
    lstm, W = cell(0, 2, 3)
    x = np.random.default_rng(1).normal(size=(4, 5, 2))
    found = bs.simulate(bs.nn.stateful(lstm, 5), {"x": x, "length": [5, 2, 5, 4]}, engine=engine)["h"]
    rows = np.concatenate([x[0], x[1, :2], x[2], x[3, :4]])
    whole = reference.lstm(rows, **W)[0]
    np.testing.assert_allclose(
        np.concatenate([found[0], found[1, :2], found[2], found[3, :4]]), whole, atol=1e-12
    )


class TestBadInput:
    def test_a_layer_of_sequences_step_by_step(self):
        with pytest.raises(ParameterError, match=r"layer 'last'.*a step at a time.*steps="):
            bs.nn.sequential([cell(0, 2, 3)[0], last()])

    def test_a_layer_of_sequences_behind_a_value(self):
        with pytest.raises(ParameterError, match=r"layer 'again'.*single value"):
            bs.nn.sequential([cell(0, 2, 3)[0], last(), last("again")], steps=4)

    def test_a_state_behind_a_value(self):
        with pytest.raises(ParameterError, match=r"layer 'late'.*hidden_state"):
            bs.nn.sequential([cell(0, 2, 3)[0], last(), cell(0, 3, 3, "late")[0]], steps=4)

    def test_no_shape(self):
        layer = bs.nn.bidirectional(cell(0, 2, 3)[0], cell(0, 2, 3)[0])
        with pytest.raises(ParameterError, match=r"'bidirectional' takes any: give shape="):
            bs.nn.sequential([layer], steps=4)

    @pytest.mark.parametrize("steps", [None, 4])
    def test_shapes_that_disagree_name_the_layer(self, steps):
        with pytest.raises(SignalError, match=r"wrong, input x.*5,?\)"):
            bs.nn.sequential([cell(0, 2, 3)[0], cell(0, 5, 3, "wrong")[0]], steps=steps)

    def test_other_inputs(self):
        d = bs.Diagram("two")
        d.output("y", d.add("sum", bs.library.Sum(), d.input("a"), d.input("b")))
        with pytest.raises(ParameterError, match="x and length"):
            bs.nn.sequential([d])
        with pytest.raises(ParameterError, match="backward"):
            bs.nn.bidirectional(cell(0, 2, 3)[0], d)
        with pytest.raises(ParameterError, match="one input"):
            bs.nn.stateful(d, 3)

    def test_output(self):
        with pytest.raises(ParameterError, match="'sequence' or 'last'"):
            bs.nn.bidirectional(cell(0, 2, 3)[0], cell(0, 2, 3)[0], output="first")

    def test_steps(self):
        for steps in (0, -1, 2.5, "3"):
            with pytest.raises(ParameterError, match="steps"):
                bs.nn.sequential([cell(0, 2, 3)[0]], steps=steps)


def test_a_delay_of_integers_lasts_too():
    inner = bs.Diagram("past")
    inner.output("y", inner.add("z", UnitDelay(np.array(9)), inner.input("x", shape=(), dtype=int)))
    found = bs.simulate(bs.nn.stateful(inner, 2), {"x": [[1, 2], [3, 4]], "length": [2, 2]})["y"]
    np.testing.assert_array_equal(found, [[9, 1], [2, 3]])
