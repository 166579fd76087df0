"""What a step means, on every engine: phase, order, walls, resuming, batches, records."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_diagrams import Linear, nest, random_lstm

import blocksim as bs
from blocksim.errors import NonFiniteError
from blocksim.library import Bias, Clock, Constant, Gain, Product, Sigmoid, Sum, UnitDelay

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_delay_gives_its_initial_value_first_and_loses_no_sample(run):
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(9.0), d.input("u")))
    result = run(d, {"u": [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(result["y"], [9, 1, 2])
    assert result.final_state["z"] == 3


def test_the_first_tick_is_at_time_zero(run):
    d = bs.Diagram()
    d.output("t", d.add("clock", Clock()))
    result = run(d, steps=4, dt=0.25)
    np.testing.assert_array_equal(result["t"], [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(result.time, result["t"])


def test_coupled_delays_update_at_once(run):
    for first in ("x", "y"):
        d = bs.Diagram()
        nodes = {name: d.add(name, UnitDelay(0.0)) for name in (first, "xy".replace(first, ""))}
        d.connect(d.add("plus", Bias(1.0), nodes["y"]), nodes["x"])
        d.connect(nodes["x"], nodes["y"])
        d.output("out", nodes["x"])
        np.testing.assert_array_equal(run(d, steps=7)["out"], [0, 1, 1, 2, 2, 3, 3])


def test_a_chain_of_delays_shifts_by_its_length(run):
    d = bs.Diagram()
    signal = d.input("u", shape=2)
    for k in range(4):
        signal = d.add(f"z{k}", UnitDelay([-k, -k - 0.5]), signal)
    d.output("y", signal)
    u = np.arange(14.0).reshape(7, 2)
    expected = np.vstack([[[-3 + k, -3.5 + k] for k in range(4)], u[:3]])
    np.testing.assert_array_equal(run(d, {"u": u})["y"], expected)


def test_records_are_those_before_the_update(run):
    d = bs.Diagram()
    z = d.add("z", UnitDelay(1.0))
    d.connect(d.add("double", Gain(2.0), z), z)
    result = run(d, steps=4, record=["z", "double"])
    np.testing.assert_array_equal(result["z"], [1, 2, 4, 8])
    np.testing.assert_array_equal(result["double"], [2, 4, 8, 16])
    assert result.final_state["z"] == 16


@quick
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 12))
def test_the_order_of_insertion_changes_nothing(run, seed, size):
    rng = np.random.default_rng(seed)
    parts, u = Linear.draw(rng, size), rng.normal(size=20)
    first = run(parts.diagram(), {"u": u})
    other = run(parts.diagram(order=list(rng.permutation(size))), {"u": u})
    for k in range(size):
        np.testing.assert_array_equal(first[f"y{k}"], other[f"y{k}"])


@quick
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 12), count=st.integers(1, 3))
def test_subsystems_equal_their_flattened_form(run, seed, size, count):
    rng = np.random.default_rng(seed)
    flat = Linear.draw(rng, size).diagram()
    groups = np.array_split(rng.permutation(list(flat.nodes)), count)
    nested = nest(flat, [[str(name) for name in group] for group in groups])
    u = rng.normal(size=15)
    expected, got, again = (run(d, {"u": u}) for d in (flat, nested, nested.flatten()))
    for name in flat.outputs:
        np.testing.assert_array_equal(got[name], expected[name])
        np.testing.assert_array_equal(again[name], expected[name])


@pytest.mark.parametrize("batch", range(10))
def test_random_linear_diagrams_against_scipy(run, batch):
    """20 diagrams a case, 200 in all."""
    for seed in range(20 * batch, 20 * batch + 20):
        rng = np.random.default_rng(seed)
        parts = Linear.draw(rng, int(rng.integers(2, 25)))
        u = rng.normal(size=40)
        result = run(parts.diagram(), {"u": u})
        A, B, C, D, x0 = parts.state_space()
        _, y, _ = scipy.signal.dlsim((A, B, C, D, 1.0), u, x0=x0)
        got = np.stack([result[f"y{k}"] for k in range(len(parts.kinds))], axis=1)
        # some of these systems are unstable: rounding is relative to the largest signal so far
        scale = np.maximum.accumulate(np.maximum(1.0, np.abs(y).max(axis=1)))
        np.testing.assert_array_less(np.abs(got - y).max(axis=1), 1e-12 * scale)


def test_one_diagram_used_twice_has_two_states(run):
    counter = bs.Diagram("counter")
    step = counter.input("step")
    total = counter.add("total", Sum(), step)
    counter.connect(counter.add("z", UnitDelay(0.0), total), total)
    counter.output("n", total)
    d = bs.Diagram()
    ones = d.add("one", counter, d.add("c1", Constant(1.0)))
    twos = d.add("two", counter, d.add("c2", Constant(2.0)))
    d.output("a", ones)
    d.output("b", twos)
    result = run(d, steps=3)
    np.testing.assert_array_equal(result["a"], [1, 2, 3])
    np.testing.assert_array_equal(result["b"], [2, 4, 6])
    assert set(result.final_state) == {"one/z", "two/z", "@step"}


@pytest.mark.parametrize("cut", [1, 7, 19])
def test_resuming_is_bit_equal_to_an_unbroken_run(run, cut):
    rng = np.random.default_rng(1)
    d = bs.nn.lstm(**random_lstm(rng, 3, 4))
    x = rng.normal(size=(20, 3))
    whole = run(d, {"x": x}, dt=0.1)
    first = run(d, {"x": x[:cut]}, dt=0.1)
    second = run(d, {"x": x[cut:]}, dt=0.1, initial_state=first.final_state)
    np.testing.assert_array_equal(np.vstack([first["h"], second["h"]]), whole["h"])
    np.testing.assert_array_equal(np.concatenate([first.time, second.time]), whole.time)
    for path, state in whole.final_state.items():
        np.testing.assert_array_equal(second.final_state[path], state)


def test_a_batch_is_so_many_single_runs(run):
    rng = np.random.default_rng(2)
    d = bs.nn.lstm(**random_lstm(rng, 2, 3))
    x = rng.normal(size=(4, 6, 2))
    batch = run(d, {"x": x}, record="*/sum")
    for b in range(4):
        single = run(d, {"x": x[b]}, record="*/sum")
        for name in single.signals:
            np.testing.assert_array_equal(batch[name][b], single[name])
        np.testing.assert_array_equal(batch.final_state["cell_state"][b], single.final_state["cell_state"])
    rest = run(d, {"x": x}, initial_state=batch.final_state)
    np.testing.assert_array_equal(rest["h"][3], run(d, {"x": np.vstack([x[3], x[3]])})["h"][6:])


def test_parameters_are_replaced_for_one_run(run):
    d = bs.Diagram()
    d.output("y", d.add("k", Gain(2.0), d.input("u")))
    assert run(d, {"u": [3.0]}, params={"k": {"K": 5.0}})["y"] == 15
    assert run(d, {"u": [3.0]})["y"] == 6


def test_a_float32_run_stays_float32_behind_integers(run):
    d = bs.Diagram()
    k = d.input("k", dtype=int)
    d.output("y", d.add("sum", Sum(), d.add("half", Gain(0.5), k), d.add("one", Constant(1.0))))
    for dtype in ("float32", "float64"):
        result = run(d, {"k": [1, 2, 3]}, dtype=dtype, record="half")
        np.testing.assert_array_equal(result["y"], [1.5, 2, 2.5])
        assert result["y"].dtype == result["half"].dtype == dtype


def test_initial_states_are_parameters_too(run):
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay(1.0), d.input("u")))
    result = run(d, {"u": [5.0, 6.0]}, params={"z": {"initial": 3.0}})
    np.testing.assert_array_equal(result["y"], [3, 5])


def test_only_the_last_row_is_kept(run):
    d = bs.Diagram()
    z = d.add("z", UnitDelay(0.0))
    d.connect(d.add("more", Bias(1.0), z), z)
    d.output("n", z)
    result = run(d, steps=50, keep="last", dt=0.5)
    assert result["n"].tolist() == [49.0]
    assert result.time.tolist() == [24.5]


def test_an_output_may_be_an_input(run):
    d = bs.Diagram()
    d.output("y", d.input("u", shape=2))
    np.testing.assert_array_equal(run(d, {"u": [[1.0, 2.0]]})["y"], [[1, 2]])


def test_the_first_block_and_step_of_a_non_finite_value(run):
    d = bs.Diagram()
    u = d.input("u")
    quotient = d.add("quotient", Product("*/"), d.add("one", Constant(1.0)), u)
    d.output("y", d.add("squashed", Sigmoid(), quotient))
    with pytest.raises(NonFiniteError) as caught:
        run(d, {"u": [1.0, 2.0, 0.0, 1.0]})
    assert (caught.value.path, caught.value.step) == ("quotient", 2)


def test_lstm_against_the_reference(run):
    @settings(max_examples=25, deadline=None)
    @given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**32 - 1))
    def check(m, n, T, seed):
        rng = np.random.default_rng(seed)
        weights = random_lstm(rng, m, n, scale=rng.uniform(0.1, 2.0))
        x = rng.normal(size=(T, m))
        result = run(bs.nn.lstm(**weights), {"x": x})
        h, c = bs.nn.reference.lstm(x, **weights)
        np.testing.assert_allclose(result["h"], h, rtol=0, atol=1e-12)
        np.testing.assert_allclose(result["c"], c, rtol=0, atol=1e-12 * max(1, np.abs(c).max()))

    check()
