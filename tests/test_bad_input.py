"""Bad input: each message says where, what was expected, what came and what to do.

A case is a function that must raise, and the fragments that its message must hold in this order.
`LINE` stands for the place in this file that added the block.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import blocksim as bs
from blocksim.errors import BlocksimError
from blocksim.library import Constant, Gain, Product, Sum, Tanh, UnitDelay

LINE = r"\(.*test_bad_input\.py:\d+\)"
CASES: dict[str, tuple[Callable[[], Any], list[str]]] = {}


def case(*fragments: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """The decorated function is a case; its docstring may hold nothing, its name is the test's."""

    def keep(f: Callable[[], Any]) -> Callable[[], Any]:
        CASES[f.__name__] = (f, list(fragments))
        return f

    return keep


def gain(shape: tuple[int, ...] | int = 3) -> bs.Diagram:
    d = bs.Diagram("amplifier")
    d.output("y", d.add("twice", Gain(2.0), d.input("u", shape=shape)))
    return d


def counter() -> bs.Diagram:
    d = bs.Diagram("counter")
    d.add("z", UnitDelay(0.0))
    d.connect(d["z"], d["z"])
    d.output("n", d["z"])
    return d


# -- names and wires ----------------------------------------------------------------------------


@case(
    "twice",
    LINE,
    "expected a name that is new in diagram 'amplifier'",
    "duplicate, first used at test_bad",
    "name of its own",
)
def duplicate_name():
    gain().add("twice", Gain(1.0))


@case("name 'a/b'", LINE, "expected text without /", "str 'a/b'", "A path joins names")
def name_with_a_slash():
    bs.Diagram().add("a/b", Gain(1.0))


@case("output y", LINE, "expected a new name", "in use in diagram 'amplifier'", "another name")
def duplicate_output():
    d = gain()
    d.output("y", d["twice"])


@case("s, input u2", LINE, "expected a wire", "got none", "connect(source, node, 'u2')")
def unconnected_port():
    d = bs.Diagram()
    d.add("s", Sum("+-"), d.input("u"))
    bs.compile(d)


@case("inner/z, input u", LINE, "expected a wire", "got none")
def unconnected_port_inside_a_subsystem():
    inner, d = bs.Diagram("inner"), bs.Diagram()
    inner.add("z", UnitDelay(0.0))
    d.add("inner", inner)
    bs.compile(d)


@case("inner, input x", LINE, "expected a wire", "got none")
def unconnected_subsystem():
    inner, d = bs.Diagram("inner"), bs.Diagram()
    inner.output("y", inner.input("x"))
    d.add("inner", inner)
    bs.compile(d)


@case("total", LINE, "expected at least one wire", "got none", "Sum() combines its inputs")
def sum_of_nothing():
    d = bs.Diagram()
    d.add("total", Sum())
    bs.compile(d)


@case(
    "twice, input u",
    LINE,
    "expected one wire into a port",
    "a second one from c; the first comes from u",
    "Switch",
)
def two_wires_into_one_port():
    d = gain()
    d.connect(d.add("c", Constant(1.0)), d["twice"], "u")


@case("d", LINE, "expected at most 2 wires, to u1, u2", "one more, from u", "takes no more inputs")
def too_many_sources():
    d = bs.Diagram()
    u = d.input("u")
    d.add("d", Sum("+-"), u, u, u)


@case("twice, input v", LINE, "expected a port of the block", "none of that name", "There is 'u'")
def unknown_port():
    d = gain()
    d.connect(d["u"], d["twice"], "v")


@case("s, input u3", LINE, "a port of the block", "Did you mean 'u2'?")
def unknown_port_of_a_sum():
    d = bs.Diagram()
    d.add("s", Sum("+-"), u3=d.input("u"))


@case("lstm['hh']", LINE, "expected an output port", "none of that name or number", "Did you mean 'h'?")
def unknown_output_port():
    d = bs.Diagram()
    d.add("lstm", bs.nn.lstm(np.ones((4, 1)), np.ones((4, 1)), np.ones(4)), d.input("x", 1))["hh"]


@case("path 'twise'", LINE, "expected a node of diagram 'amplifier'", "Did you mean 'twice'?")
def unknown_path():
    gain()["twise"]


@case("source 2.0", LINE, "a node or port of diagram", "float 2.0", "Constant(value)")
def number_as_source():
    d = bs.Diagram()
    d.add("s", Sum(), d.input("u"), 2.0)  # type: ignore[arg-type]


@case("source", LINE, "a node or port of diagram 'other'", "one of diagram 'amplifier'", "of this diagram")
def source_of_another_diagram():
    bs.Diagram("other").add("t", Tanh(), gain()["twice"])


@case("connect to u", LINE, "a node of diagram 'amplifier'", "the input 'u', which only gives a signal")
def wire_into_an_input():
    d = gain()
    d.connect(d["twice"], d["u"])


@case("g", LINE, "expected a block or a diagram", "Gain", "Write Gain(...)")
def class_instead_of_a_block():
    bs.Diagram().add("g", Gain)  # type: ignore[arg-type]


@case("again", LINE, "a diagram that does not contain this one", "cannot be inside itself")
def diagram_inside_itself():
    outer, inner = bs.Diagram("outer"), bs.Diagram("inner")
    outer.add("in", inner)
    inner.add("again", outer)


@case(
    "expected every loop to pass through a block with a state", "got an algebraic loop",
    "Put a UnitDelay on one of these wires", r"-> a", LINE, r"-> b", LINE, r"-> a",
)  # fmt: skip
def algebraic_loop():
    d = bs.Diagram()
    a = d.add("a", Gain(0.5))
    d.connect(d.add("b", Tanh(), a), a)
    bs.compile(d)


@case("got an algebraic loop", r"-> one", LINE, r"-> two", LINE, r"-> one")
def loop_of_wires_through_walls():
    inner, d = bs.Diagram("inner"), bs.Diagram()
    inner.output("out", inner.input("in"))
    one = d.add("one", inner)
    d.connect(d.add("two", inner, one), one)
    bs.compile(d)


# -- parameters ---------------------------------------------------------------------------------


@case("Gain, parameter K", LINE, "a real number or an array", "str 'abc'", "Pass a float")
def text_as_parameter():
    Gain("abc")  # type: ignore[arg-type]


@case("Gain, parameter K", LINE, "rows of the same length", r"[[1.0], [1.0, 2.0]]")
def ragged_parameter():
    Gain([[1.0], [1.0, 2.0]])  # type: ignore[arg-type]


@case("W, parameter K", LINE, "finite numbers", "nan at index [1, 0]", "1 of 4 values are not finite")
def nan_in_a_parameter():
    d = bs.Diagram()
    d.add("W", Gain([[1.0, 2.0], [np.nan, 0.0]]), d.input("u", 2))
    bs.compile(d)


@case("Sum, signs", LINE, "a text of + and -", "'+x'")
def unknown_sign():
    Sum("+x")


@case("lstm 'first', W", LINE, "4n rows, those of the gates i, f, g, o", "got 6")
def lstm_rows():
    bs.nn.lstm(np.ones((6, 2)), np.ones((6, 2)), np.ones(6), name="first")


@case("lstm 'first', R", LINE, r"an array of shape (8, 2)", r"shape (8, 3)", "Rows are units")
def lstm_shapes_disagree():
    bs.nn.lstm(np.ones((8, 2)), np.ones((8, 3)), np.ones(8), name="first")


@case("params['twise']", "the path of a block with parameters", "Did you mean 'twice'?")
def replaced_parameter_path():
    bs.simulate(gain(), {"u": np.ones((2, 3))}, params={"twise": {"K": 1.0}})


@case("params['twice']['k']", LINE, "a parameter of Gain(K=2)", "Did you mean 'K'?")
def replaced_parameter_field():
    bs.simulate(gain(), {"u": np.ones((2, 3))}, params={"twice": {"k": 1.0}})


@case("params['twice']['K']", LINE, "real numbers of shape (), or with a leading axis", "list [[1.0, 2.0]]")
def replaced_parameter_shape():
    bs.simulate(gain(), {"u": np.ones((2, 3))}, params={"twice": {"K": [[1.0, 2.0]]}})


# -- shapes and dtypes --------------------------------------------------------------------------


@case(
    "W, input u",
    LINE,
    r"expected a signal (2,) for K (3, 2)",
    r"got (4,) float64 from u",
    "one column for each element",
)
def wrong_shape_at_a_port():
    d = bs.Diagram()
    d.add("W", Gain(np.ones((3, 2))), d.input("u", 4))
    bs.compile(d)


@case(
    "mix",
    LINE,
    "inputs of one shape",
    r"shapes (2,), ()",
    "u1 (2,) float64 from u, u2 () float64 from bias",
    "Nothing is broadcast",
)
def silent_broadcast():
    d = bs.Diagram()
    d.add("mix", Product(), d.input("u", 2), d.add("bias", Constant(1.0)))
    bs.compile(d)


@case(
    "z, next state",
    LINE,
    "() float64, as the initial state fixes it",
    r"(3,) float64 (u from x)",
    "Make the initial value",
)
def delay_of_another_shape():
    d = bs.Diagram()
    d.add("z", UnitDelay(0.0), d.input("x", 3))
    bs.compile(d)


@case(
    "cell, input x",
    LINE,
    r"a signal of shape (2,)",
    r"(3,) float64 from data",
    "The subsystem declares it so",
)
def wrong_shape_at_a_subsystem():
    d = bs.Diagram()
    cell = bs.nn.dense(np.ones((1, 2)), [0.0])
    d.add("cell", cell, d.input("data", 3))
    bs.compile(d)


@case("f, output y", LINE, "a real array or number", "str 'text'", "Return an array")
def block_returns_text():
    d = bs.Diagram()
    d.add("f", Returns("text"), d.input("u"))
    bs.compile(d)


@case("f", LINE, "expected 1 outputs, y", "2 from output()", "a tuple with one signal for each")
def block_returns_too_much():
    d = bs.Diagram()
    d.add("f", Returns((1.0, 2.0)), d.input("u"))
    bs.compile(d)


@case(
    "grow",
    LINE,
    "its output to keep the shape and dtype that it had at compile",
    r"(2,)",
    "at step 1",
    "cannot depend on its value",
)
def block_changes_shape():
    d = bs.Diagram()
    d.output("y", d.add("grow", Positive(), d.input("u", 2)))
    bs.simulate(d, {"u": [[1.0, 2.0], [-1.0, 2.0], [0.5, 0.5]]})


@case(
    "f",
    LINE,
    "to accept its inputs in output()",
    "ZeroDivisionError: integer division or modulo by zero",
    "u () float64 from u",
)
def block_raises():
    d = bs.Diagram()
    d.add("f", Raises(), d.input("u"))
    bs.compile(d)


@case("f", LINE, "finite signal at step 1", "nan at index [0] in its output", "check_finite=False")
def block_returns_nan_that_nobody_records():
    d = bs.Diagram()
    d.add("f", NanBelowZero(), d.input("u", 1))
    bs.simulate(d, {"u": [[1.0], [-1.0]]})


# -- data of a run ------------------------------------------------------------------------------


@case("input 'u'", LINE, r"values, each of shape (3,)", "got nothing", "needs its data")
def missing_input():
    bs.simulate(gain(), {})


@case("input 'v'", LINE, "an input of diagram 'amplifier'", "There is 'u'")
def unknown_input():
    bs.simulate(gain(), {"v": np.ones((2, 3))})


@case("input 'u'", LINE, r"an array (T, 3)", r"an array of shape (5, 2)", "Time is the first axis")
def input_of_the_wrong_shape():
    bs.simulate(gain(), {"u": np.ones((5, 2))})


@case("input 'u'", LINE, r"an array (T, 3) of dtype float64", "list ['a', 'b']", "Give real numbers")
def input_of_the_wrong_dtype():
    bs.simulate(gain(), {"u": ["a", "b"]})


@case("inputs", LINE, "the same T for all", r"a (5,), b (4,)")
def inputs_of_different_lengths():
    d = bs.Diagram()
    d.output("y", d.add("s", Sum(), d.input("a"), d.input("b")))
    bs.simulate(d, {"a": np.ones(5), "b": np.ones(4)})


@case("steps", LINE, "5, the length of the inputs", "got 6")
def steps_and_inputs_disagree():
    bs.simulate(gain(()), {"u": np.ones(5)}, steps=6)


@case("steps", LINE, "the number of steps, since the diagram has no inputs", "steps=100")
def no_steps():
    bs.simulate(counter())


@case("steps", LINE, "an integer of at least 1", "int 0")
def zero_steps():
    bs.simulate(counter(), steps=0)


@case("input 'u'", LINE, "finite numbers", "nan at index [1, 2]")
def nan_in_an_input():
    u = np.ones((2, 3))
    u[1, 2] = np.nan
    bs.simulate(gain(), {"u": u})


@case("record 'twicee'", LINE, "the path of a signal", "no match", "Did you mean 'twice'?")
def record_of_nothing():
    bs.simulate(gain(), {"u": np.ones((2, 3))}, record="twicee")


@case("result['twice']", LINE, "one that was not recorded", "record=['twice']")
def result_not_recorded():
    bs.simulate(gain(), {"u": np.ones((2, 3))})["twice"]


@case("initial_state['zz']", LINE, "a block with a state", "Did you mean 'z'?")
def state_of_nothing():
    bs.simulate(counter(), steps=2, initial_state={"zz": 0.0})


@case("initial_state['z']", LINE, r"float64 of shape ()", r"an array of shape (2,)")
def state_of_the_wrong_shape():
    bs.simulate(counter(), steps=2, initial_state={"z": np.zeros(2)})


@case("dt", LINE, "a positive number of seconds", "float -0.1")
def negative_step():
    bs.simulate(counter(), steps=2, dt=-0.1)


@case("engine", LINE, "the name of an engine", "'numpi'", "Did you mean 'numpy'?")
def unknown_engine():
    bs.simulate(counter(), steps=2, engine="numpi")


@case("dtype", LINE, "float64 or float32", "str 'int8'")
def unknown_dtype():
    bs.simulate(counter(), steps=2, dtype="int8")


@case("compile", LINE, "a Diagram", "str 'lstm'")
def no_diagram():
    bs.simulate("lstm", steps=2)  # type: ignore[arg-type]


@case("more", LINE, "a finite signal at step 2", "inf in its output", "check_finite=False")
def overflow_in_a_loop():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(1e40))
    d.connect(d.add("more", Squared(), z), z)
    bs.simulate(d, steps=5)


@case("z", LINE, "a finite signal at step 1", "inf in its next state")
def overflow_in_a_state():
    d = bs.Diagram()
    d.add("z", SquaredLater(), d.input("u"))
    bs.simulate(d, {"u": [1e10, 1e200, 0.0]})


@bs.block
class Returns(bs.Block):
    value: Any

    def output(self, u):
        return self.value


@bs.block
class Positive(bs.Block):
    def output(self, u):
        return u[u > 0]


@bs.block
class Raises(bs.Block):
    def output(self, u):
        return 1 // int(u - 1)


@bs.block
class NanBelowZero(bs.Block):
    def output(self, xp, u):
        return xp.where(u < 0, np.nan, u)


@bs.block
class Squared(bs.Block):
    def output(self, u):
        return u * u


@bs.block
class SquaredLater(bs.Block):
    def init(self):
        return 0.0

    def output(self, x):
        return x

    def update(self, u):
        return u * u


@pytest.mark.parametrize("name", CASES)
def test_message(name):
    act, fragments = CASES[name]
    with pytest.raises(BlocksimError) as caught:
        act()
    message = str(caught.value)
    rest = message
    for fragment in fragments:
        pattern = fragment if fragment is LINE else re.escape(fragment)
        found = re.search(pattern, rest)
        assert found, f"{fragment!r} is missing, or too early, in:\n{message}"
        rest = rest[found.end() :]
    assert "expected" in message
    assert "got" in message


def test_a_failed_add_leaves_the_diagram_as_it_was():
    d = gain()
    with pytest.raises(BlocksimError):
        d.add("s", Sum("+-"), d["u"], v=d["u"])
    assert list(d.nodes) == ["twice"]
    d.add("s", Sum("+-"), d["u"], d["u"])


def test_a_failed_step_leaves_the_simulator_as_it_was():
    d = bs.Diagram()
    z = d.add("z", UnitDelay(2.0), d.input("u"))
    d.output("y", d.add("inverse", Product("/"), z))
    sim = bs.Simulator(d)
    sim.step(u=0.0)
    for _ in range(2):
        with pytest.raises(BlocksimError, match="inverse"):
            sim.step(u=1.0)
        assert sim.state == {"z": 0.0, "@step": 1}


def test_check_finite_can_be_turned_off():
    d = bs.Diagram()
    d.output("y", d.add("inverse", Product("/"), d.input("u")))
    result = bs.simulate(d, {"u": [1.0, 0.0, 2.0]}, check_finite=False)
    np.testing.assert_array_equal(result["y"], [1.0, np.inf, 0.5])


@pytest.mark.parametrize("value", [[1.0, 2.0], (1.0, 2.0), {"a": 1.0}, None, "text"])
def test_a_block_that_returns_something_else_later(value):
    @bs.block
    class Fickle(bs.Block):
        def output(self, u):
            return u if u < 2 else value

    d = bs.Diagram()
    d.add("fickle", Fickle(), d.input("u"))
    with pytest.raises(BlocksimError, match=r"fickle .* its output to keep the shape"):
        bs.simulate(d, {"u": [1.0, 3.0]})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"initial_state": [1]}, r"initial_state .*: expected a dictionary by name, got list \[1\]"),
        ({"initial_state": {3: 1}}, r"initial_state\[3\] .*: expected the path of a block with a state"),
        ({"initial_state": {"z": [[1], [1, 2]]}}, r"initial_state\['z'\] .*: expected float64 of shape \(\)"),
        (
            {"params": {"z": {"initial": [[1], [1, 2]]}}},
            r"params\['z'\]\['initial'\] .*real numbers of shape",
        ),
        ({"params": {"z": {"initial": 1j}}}, r"params\['z'\]\['initial'\] .*real numbers of shape"),
        ({"initial_state": {"@step": -3.5}}, r"'@step'\] .*: expected the number of a step, 0 or more"),
        ({"initial_state": {"z": "a"}}, r"initial_state\['z'\] .*: expected float64 of shape \(\)"),
        ({"initial_state": {"z": np.nan}}, r"initial_state\['z'\] .*: expected finite numbers"),
        ({"params": [1]}, r"params: expected a dictionary by name, got list \[1\]"),
        ({"params": {"z": 3}}, r"params\['z'\]: expected a dictionary by name, got int 3"),
        (
            {"params": {"z": {"initial": 1e300}}, "dtype": "float32"},
            r"z, parameter initial .*: expected finite numbers, got inf",
        ),
        ({"record": 3}, r"record .*: expected paths or patterns, as text, got int 3"),
        ({"record": ["z", 3]}, r"record .*: expected paths or patterns, as text"),
        ({"steps": True}, r"steps .*: expected an integer of at least 1, got bool True"),
        ({"engine": None}, r"engine .*: expected the name of an engine, got None"),
        ({"inputs": [1.0]}, r"inputs .*: expected a dictionary by name, got list"),
        ({"keep": "first"}, r"keep .*: expected 'all' or 'last', got 'first'"),
        ({"dt": "fast"}, r"dt .*: expected a positive number of seconds, got str 'fast'"),
    ],
)
def test_arguments_of_the_wrong_kind(keywords, message):
    with pytest.raises(BlocksimError, match=message):
        bs.simulate(counter(), **({"steps": 2} | keywords))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"shape": -1}, r"input u .*: expected a shape of integers >= 0, got int -1"),
        ({"shape": 2.5}, r"input u .*: expected a shape of integers >= 0, got float 2.5"),
        ({"shape": "ab"}, r"input u .*: expected a shape of integers >= 0, got str 'ab'"),
        ({"dtype": "foo"}, r"input u .*: expected a dtype of floats, integers or booleans, got str 'foo'"),
        ({"dtype": complex}, r"input u .*: expected a dtype of floats, integers or booleans"),
    ],
)
def test_inputs_of_the_wrong_kind(keywords, message):
    with pytest.raises(BlocksimError, match=message):
        bs.Diagram().input("u", **keywords)


@pytest.mark.parametrize(
    ("dtype", "value"), [(np.int8, 300), (np.uint8, -1), (np.int32, 2.5), (np.bool_, 2), (np.int64, 2**63)]
)
def test_integers_that_a_dtype_cannot_hold_are_refused_everywhere(dtype, value):
    d = bs.Diagram()
    u = d.input("u", dtype=dtype)
    d.output("y", d.add("z", UnitDelay(dtype(1)), u))
    with pytest.raises(BlocksimError, match=r"input 'u' .*expected an array \(T,\) of dtype"):
        bs.simulate(d, {"u": [value]})
    good = {"u": np.ones(1, dtype)}
    with pytest.raises(BlocksimError, match=r"initial_state\['z'\] .*expected u?(int|bool)"):
        bs.simulate(d, good, initial_state={"z": value})
    with pytest.raises(BlocksimError, match=r"params\['z'\]\['initial'\] .*expected u?(int|bool)"):
        bs.simulate(d, good, params={"z": {"initial": value}})


@pytest.mark.parametrize(
    ("block", "values", "message"),
    [
        (bs.library.Saturation(), {"lower": 5.0}, r"params\['b'\], Saturation, lower .*at most upper = 1"),
        (bs.library.Quantizer(), {"interval": -1.0}, r"Quantizer, interval .*a positive number"),
        (bs.library.Lookup1D([0, 1], [0, 1]), {"breakpoints": [1, 0]}, r"breakpoints .*increasing"),
        (bs.library.Saturation(), {"upper": [2.0, -3.0]}, r"Saturation, lower .*at most upper = -3"),
    ],
)
def test_replaced_parameters_are_judged_by_their_block(block, values, message):
    d = bs.Diagram()
    d.output("y", d.add("b", block, d.input("u")))
    with pytest.raises(BlocksimError, match=message):
        bs.simulate(d, {"u": [1.0]}, params={"b": values})


def test_code_that_changes_what_it_is_given_is_refused():
    def grow(u):
        u += 1
        return u

    @bs.block
    class Forgetful(bs.Block):
        def init(self):
            return {"n": np.zeros(2)}

        def output(self, x):
            return x["n"]

        def update(self, x, u):
            x["n"] += u
            return x

    for block in (bs.library.Function(grow), Forgetful()):
        d = bs.Diagram()
        d.output("y", d.add("b", block, d.add("g", Gain(1.0), d.input("u", shape=2))))
        with pytest.raises(BlocksimError, match=r"b .*read-only"):
            bs.simulate(d, {"u": np.ones((3, 2))})


def test_numbers_of_a_function_keep_the_kind_that_they_had_at_compile():
    def run(f):
        d = bs.Diagram()
        d.output("y", d.add("f", bs.library.Function(f), d.input("u")))
        return bs.simulate(d, {"u": [1.0, -1.0]})["y"].tolist()

    assert run(lambda u: u if u > 0 else 0.0) == [1, 0]
    assert run(lambda u: 1.0 if u > 0 else 0) == [1, 0]
    for other in (0.3, "7", None):
        with pytest.raises(BlocksimError, match=r"f .*where a number of dtype bool was found"):
            run(lambda u, other=other: True if u > 0 else other)


@pytest.mark.parametrize("engine", ["numpy", "jax", "bdsim"])
def test_of_a_value_that_is_not_finite_the_block_that_made_it_is_named(engine):
    d = bs.Diagram()
    quotient = d.add("quotient", Product("*/"), d.add("one", Constant(1.0)), d.input("u"))
    d.output("y", d.add("twice", bs.library.Function(lambda u: 2 * u), quotient))
    with pytest.raises(BlocksimError, match=r"quotient .*at step 1"):
        bs.simulate(d, {"u": [1.0, 0.0]}, engine=engine)


@pytest.mark.parametrize("W", ["a", [[1.0], [1.0, 2.0]], 1j, [None]])
def test_weights_that_are_no_numbers(W):
    with pytest.raises(BlocksimError, match=r"lstm 'lstm', W .*expected an array"):
        bs.nn.lstm(W, np.ones((4, 1)), np.ones(4))


def test_a_parameter_that_float32_cannot_hold():
    d = bs.Diagram()
    d.output("y", d.add("g", Gain(1e300), d.input("u")))
    assert bs.simulate(d, {"u": [1.0]})["y"] == 1e300
    with pytest.raises(BlocksimError, match=r"g, parameter K .*: expected finite numbers, got inf"):
        bs.simulate(d, {"u": [1.0]}, dtype="float32")
