"""What holds of every block of the library, by one table of examples."""

import copy

import numpy as np
import pytest
from library_examples import DT, EXAMPLES, STATEFUL, STEPS, diagram_of, run_alone

import blocksim as bs
from blocksim.plan.code import Code
from blocksim.plan.tree import leaves

CALLED = {"Cast", "Clock", "Function", "Gather", "Selector"}
"""The blocks of which not all can be written out: a dtype, a number, a user's code, a NaN, an index array."""

DELAYED = {
    "UnitDelay", "UnitDelay of integers", "Delay", "Delay of booleans", "DiscreteIntegrator",
    "DiscreteTransferFcn", "DiscreteStateSpace",
}  # fmt: skip
"""The examples whose input is not direct feedthrough."""


def exported():
    found = {name: value for name, value in vars(bs.library).items() if isinstance(value, type)}
    return {name for name, value in found.items() if issubclass(value, bs.Block)}


def same_bits(a, b):
    return all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for x, y in zip(map(np.asarray, leaves(a)), map(np.asarray, leaves(b)), strict=True)
    )


def test_every_exported_block_has_an_example():
    assert exported() == {type(block).__name__ for block, _ in EXAMPLES.values()}


def test_names_begin_with_the_class():
    for name, (block, _) in EXAMPLES.items():
        assert name.split()[0] == type(block).__name__
        assert repr(block).startswith(type(block).__name__ + "(")


@pytest.mark.parametrize("name", EXAMPLES)
def test_ports_are_those_of_the_table(name):
    block, inputs = EXAMPLES[name]
    assert block.input_ports(len(inputs)) == tuple(inputs)
    assert {p for p in inputs if not block.feedthrough(p)} == ({"u"} if name in DELAYED else set())


@pytest.mark.parametrize("name", EXAMPLES)
def test_float32_stays_float32(name):
    block, inputs = EXAMPLES[name]
    double, result64 = run_alone(block, inputs)
    single, result32 = run_alone(block, inputs, dtype=np.float32)
    for port, y in double.items():
        assert single[port].dtype == (np.float32 if y.dtype == np.float64 else y.dtype)
        np.testing.assert_allclose(single[port], y, rtol=1e-4, atol=1e-5)
    for wide, narrow in zip(leaves(result64.final_state), leaves(result32.final_state), strict=True):
        wide, narrow = np.asarray(wide), np.asarray(narrow)
        assert narrow.dtype == (np.float32 if wide.dtype == np.float64 else wide.dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_code_equals_the_methods(name, dtype, monkeypatch):
    block, inputs = EXAMPLES[name]
    written, result = run_alone(block, inputs, dtype=dtype)
    monkeypatch.setattr(Code, "_trace", lambda *args: None)
    called, result_called = run_alone(block, inputs, dtype=dtype)
    assert same_bits(written, called)
    assert same_bits(result.final_state, result_called.final_state)


@pytest.mark.parametrize("name", EXAMPLES)
def test_methods_are_made_of_xp_alone(name):
    """What can be recorded on symbols uses nothing but operators and functions of xp."""
    block, inputs = EXAMPLES[name]
    if type(block).__name__ not in CALLED:
        assert not bs.compile(diagram_of(block, inputs)).code.called


@pytest.mark.parametrize("first", [1, 5, STEPS - 1])
@pytest.mark.parametrize("name", EXAMPLES)
def test_resuming_is_bit_equal(name, first):
    block, inputs = EXAMPLES[name]
    whole, end = run_alone(block, inputs)
    head, middle = run_alone(block, {p: rows[:first] for p, rows in inputs.items()}, steps=first)
    tail, end_resumed = run_alone(
        block, {p: rows[first:] for p, rows in inputs.items()},
        steps=STEPS - first, initial_state=middle.final_state,
    )  # fmt: skip
    for port in whole:
        assert same_bits(whole[port], np.concatenate([head[port], tail[port]]))
    assert same_bits(end.final_state, end_resumed.final_state)


@pytest.mark.parametrize("name", sorted(set(STATEFUL) - {"DiscreteFIR of one coefficient"}))
def test_the_state_is_needed_to_resume(name):
    """Otherwise the test above would hold of blocks that forget."""
    block, inputs = EXAMPLES[name]
    whole, _ = run_alone(block, inputs)
    tail, _ = run_alone(block, {p: rows[4:] for p, rows in inputs.items()}, steps=STEPS - 4)
    assert not same_bits(whole["y"][4:], tail["y"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_copies_are_the_same_block(name):
    block, inputs = EXAMPLES[name]
    twin = copy.deepcopy(block)
    assert type(twin) is type(block)
    assert repr(twin) == repr(block)
    assert same_bits(run_alone(twin, inputs)[0], run_alone(block, inputs)[0])


def test_time_of_the_table():
    y, result = run_alone(*EXAMPLES["Clock"])
    assert same_bits(y["y"], result.time)
    assert result.time[1] == DT
