"""The contract of a block: what its signatures say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import blocksim as bs
from blocksim.library import Gain, Sum, UnitDelay


def test_ports_come_from_signatures_in_order():
    @bs.block
    class Held(bs.Block):
        def init(self):
            return 0.0

        def output(self, xp, t, x, reset):
            return x

        def update(self, dt, x, u, reset, enable):
            return u

    assert Held.contract.inputs == ("reset", "u", "enable")
    block = Held()
    assert [block.feedthrough(p) for p in ("reset", "u", "enable")] == [True, False, False]


def test_variadic_ports_are_numbered_from_one():
    assert Sum("+-+").input_ports() == ("u1", "u2", "u3")
    assert Sum().input_ports(2) == ("u1", "u2")
    assert Sum().feedthrough("u7")


def test_a_sink_has_no_outputs():
    @bs.block
    class Counter(bs.Block):
        def init(self):
            return 0.0

        def update(self, x, u):
            return x + u

    d = bs.Diagram()
    d.add("count", Counter(), d.input("u"))
    assert d["count"].outputs == ()
    assert bs.simulate(d, {"u": [1.0, 2.0]}).final_state["count"] == 3
    with pytest.raises(bs.errors.DiagramError, match="a source with an output"):
        d.output("y", d["count"])


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"update": lambda self, u: u}, r"needs init\(\)"),
        ({"init": lambda self: 0.0, "output": lambda self, x: x}, "one of update"),
        ({"output": lambda self, x: x}, "reads the state x"),
        ({"output": lambda self, u=1: u}, "must be a plain name"),
        ({"output": lambda self, **u: u}, "must be a plain name"),
        (
            {"init": lambda self: 0.0, "output": lambda self, *u: u, "update": lambda self, *v: v},
            "two variadic ports",
        ),
        ({}, "needs an output"),
    ],
)
def test_signatures_that_are_no_contract(methods, message):
    with pytest.raises(TypeError, match=message):
        bs.block(type("Wrong", (bs.Block,), methods))


def test_blocks_are_immutable():
    gain = Gain([1.0, 2.0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        gain.K = np.ones(2)  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        gain.K[0] = 5.0
    K = np.ones(2)
    kept = Gain(K)
    K[0] = 7.0
    assert kept.K[0] == 1.0


def test_parameters_become_floats_unless_they_are_signals():
    assert Gain(2).K.dtype == np.float64
    assert Gain(np.arange(3)).K.dtype == np.float64
    assert UnitDelay(0).initial.dtype == np.float64
    assert UnitDelay(np.array(0)).initial.dtype.kind == "i"
    assert UnitDelay([True, False]).initial.dtype == bool


def test_a_state_may_be_a_pytree():
    @bs.block
    class Fibonacci(bs.Block):
        def init(self):
            return {"a": 0.0, "b": (1.0,)}

        def output(self, x):
            return x["a"]

        def update(self, x):
            return {"a": x["b"][0], "b": (x["a"] + x["b"][0],)}

    d = bs.Diagram()
    d.output("y", d.add("f", Fibonacci()))
    result = bs.simulate(d, steps=8)
    assert result["y"].tolist() == [0, 1, 1, 2, 3, 5, 8, 13]
    more = bs.simulate(d, steps=2, initial_state=result.final_state)
    assert more["y"].tolist() == [21, 34]
    assert bs.simulate(d, steps=2, dtype="float32")["y"].dtype == np.float32


def test_a_block_with_two_outputs():
    @bs.block
    class Polar(bs.Block):
        outputs = ("r", "phi")

        def output(self, xp, u):
            return xp.hypot(u[0], u[1]), xp.arctan2(u[1], u[0])

    d = bs.Diagram()
    polar = d.add("polar", Polar(), d.input("u", 2))
    d.output("angle", polar["phi"])
    d.output("radius", polar[0])
    result = bs.simulate(d, {"u": [[3.0, 4.0]]}, record=["polar", "polar/phi"])
    assert result["radius"] == result["polar"] == 5.0
    assert result["angle"] == result["polar/phi"] == np.arctan2(4, 3)


def test_numbers_returned_by_a_block_become_arrays():
    @bs.block
    class Parity(bs.Block):
        def output(self, t):
            return 1 if int(t) % 2 else 0

    d = bs.Diagram()
    d.output("y", d.add("p", Parity()))
    result = bs.simulate(d, steps=3, dtype="float32")
    assert result["y"].tolist() == [0, 1, 0]
    assert result["y"].dtype == np.float32


def test_a_continuous_state_is_refused():
    @bs.block
    class Integrator(bs.Block):
        def init(self):
            return 0.0

        def output(self, x):
            return x

        def derivative(self, u):
            return u

    d = bs.Diagram()
    d.add("i", Integrator(), d.input("u"))
    with pytest.raises(bs.errors.BlockError, match=r"i .*expected a discrete state"):
        bs.compile(d)
