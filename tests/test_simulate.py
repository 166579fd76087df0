"""`simulate`, `Simulator` and `Result` beyond what the conformance suite holds of every engine."""

from __future__ import annotations

import numpy as np
import pytest
from random_diagrams import random_lstm

import blocksim as bs
from blocksim.errors import InputError
from blocksim.library import Gain, UnitDelay


@pytest.fixture
def lstm() -> bs.Diagram:
    return bs.nn.lstm(**random_lstm(np.random.default_rng(0), 2, 3))


def test_the_simulator_steps_as_simulate_does(lstm):
    x = np.random.default_rng(1).normal(size=(5, 2))
    run = bs.simulate(lstm, {"x": x}, record="**", dt=0.5)
    sim = bs.Simulator(lstm, dt=0.5)
    for _ in range(2):
        for k in range(5):
            assert sim.time == run.time[k]
            outputs = sim.step(x=x[k])
            assert list(outputs) == ["h", "c"]
            np.testing.assert_array_equal(outputs["h"], run["h"][k])
            for name in run.signals:
                np.testing.assert_array_equal(sim.signals[name], run[name][k])
        for path, state in run.final_state.items():
            np.testing.assert_array_equal(sim.state[path], state)
        sim.reset()


def test_a_simulator_resumes_a_run(lstm):
    x = np.random.default_rng(1).normal(size=(5, 2))
    first = bs.simulate(lstm, {"x": x[:4]})
    sim = bs.Simulator(lstm, initial_state=first.final_state)
    np.testing.assert_array_equal(sim.step(x=x[4])["h"], bs.simulate(lstm, {"x": x})["h"][4])


def test_float32_runs_stay_float32(lstm):
    x = np.random.default_rng(1).normal(size=(5, 2))
    run = bs.simulate(lstm, {"x": x}, record="**", dtype=np.float32)
    assert {a.dtype for a in run.signals.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(run["h"], bs.simulate(lstm, {"x": x})["h"], atol=1e-6)


def test_some_states_may_be_given(lstm):
    x = np.zeros((1, 2))
    run = bs.simulate(lstm, {"x": x}, record="cell_state", initial_state={"cell_state": [1, 2, 3]})
    assert run["cell_state"].tolist() == [[1, 2, 3]]


def test_patterns_match_within_a_level_or_all(lstm):
    x = np.zeros((1, 2))

    def names(*record: str) -> set[str]:
        return set(bs.simulate(lstm, {"x": x}, record=record).signals) - {"h", "c"}

    assert names() == set()
    assert names("i/*") == {"i/W", "i/R", "i/b", "i/sum", "i/activation", "i/y"}
    assert names("?/sum") == {f"{k}/sum" for k in "ifgo"}
    assert names("**/W") == {f"{k}/W" for k in "ifgo"}
    assert {"x", "i", "i/sum", "keep"} <= names("**")


def test_inputs_are_not_changed_and_not_aliased():
    @bs.block
    class Rude(bs.Block):
        def output(self, u):
            u += 1
            return u

    d = bs.Diagram()
    d.output("y", d.add("rude", Rude(), d.input("u", 2)))
    u = np.zeros((2, 2))
    with pytest.raises(bs.errors.BlockError, match=r"rude .*read-only"):
        bs.simulate(d, {"u": u})
    assert (u == 0).all()


def test_progress_is_told_of_every_step(lstm):
    told: list[tuple[int, int]] = []
    bs.simulate(lstm, {"x": np.zeros((2, 1500, 2))}, progress=lambda *at: told.append(at))
    assert told == [(1000, 3000), (1500, 3000), (2500, 3000), (3000, 3000)]
    bs.simulate(lstm, {"x": np.zeros((3, 2))}, progress=True)


def test_a_saturated_sigmoid_is_no_error():
    """exp overflows on the way to a finite value: the flag is raised, the step is inspected, all is well."""
    weights = {"W": np.zeros((4, 1)), "R": np.zeros((4, 1)), "b": np.array([-1e4, 1e4, 0.0, 1e4])}
    run = bs.simulate(bs.nn.lstm(**weights, c0=[0.5]), {"x": np.zeros((3, 1))})
    assert run["c"].tolist() == [[0.5]] * 3


def test_a_result_knows_its_rows(lstm):
    run = bs.simulate(lstm, {"x": np.zeros((4, 2))}, dt=0.1)
    assert "h" in run
    assert "i/sum" not in run
    assert repr(run) == "<Result: 4 steps of 0.1 s\n  h: (4, 3) float64\n  c: (4, 3) float64>"


def test_a_result_as_xarray(lstm):
    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    run = bs.simulate(lstm, {"x": x}, dt=0.1)
    data = run.to_xarray()
    assert data["h"].dims == ("batch", "time", "h_0")
    np.testing.assert_array_equal(data["h"].isel(batch=1).values, run["h"][1])
    np.testing.assert_array_equal(data.time.values, run.time)


def test_a_result_is_plotted(lstm, tmp_path):
    run = bs.simulate(lstm, {"x": np.zeros((4, 2))})
    run.plot(tmp_path / "h.png", ["h"])
    assert (tmp_path / "h.png").stat().st_size > 1000
    with pytest.raises(InputError, match="record="):
        run.plot(names=["i/sum"])


def test_mixed_batches_are_refused():
    d = bs.Diagram()
    a, b = d.input("a"), d.input("b", 2)
    d.output("y", d.add("k", Gain(1.0), a))
    d.output("z", b)
    with pytest.raises(InputError, match=r"input 'a' .*\(B, T\)"):
        bs.simulate(d, {"a": np.zeros(3), "b": np.zeros((4, 3, 2))})


def test_what_a_simulator_gives_is_not_its_state():
    d = bs.Diagram()
    d.output("y", d.add("z", UnitDelay([1.0, 2.0]), d.input("u", shape=2)))
    sim = bs.Simulator(d)
    for given in (sim.step(u=[3.0, 4.0])["y"], sim.signals["z"], sim.state["z"]):
        given[:] = 99
    np.testing.assert_array_equal(sim.step(u=[5.0, 6.0])["y"], [3, 4])


def test_integer_and_boolean_signals_keep_their_dtype():
    d = bs.Diagram()
    d.output("n", d.add("z", UnitDelay(np.array(7)), d.input("k", dtype=int)))
    d.output("b", d.add("was", UnitDelay(False), d.input("flag", dtype=bool)))
    run = bs.simulate(d, {"k": [1, 2], "flag": [True, True]}, dtype="float32")
    assert run["n"].dtype == int
    assert run["n"].tolist() == [7, 1]
    assert run["b"].tolist() == [False, True]
    with pytest.raises(InputError, match="dtype int64"):
        bs.simulate(d, {"k": [1.5, 2], "flag": [True, True]})
