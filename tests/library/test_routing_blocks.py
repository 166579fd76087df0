import itertools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import diagram_of, run_alone

import blocksim as bs
from blocksim import library as lib

FINITE = st.floats(-1e6, 1e6)
SHAPES = array_shapes(min_dims=0, max_dims=3, max_side=3)


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(4, *shape))


def output(block, *u):
    ports = block.input_ports(len(u))
    return run_alone(block, dict(zip(ports, u, strict=True)))[0]["y"]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_mux(sizes):
    """0 stands for a scalar."""
    u = [rows(*([n] if n else []), seed=i) for i, n in enumerate(sizes)]
    expected = np.concatenate([v.reshape(4, -1) for v in u], axis=1)
    np.testing.assert_array_equal(output(lib.Mux(), *u), expected)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_demux(sizes):
    block, u = lib.Demux(sizes), rows(sum(sizes))
    y, _ = run_alone(block, {"u": u})
    assert list(y) == [f"y{i + 1}" for i in range(len(sizes))]
    for part, expected in zip(y.values(), np.split(u, np.cumsum(sizes)[:-1], axis=1), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_demux_and_mux_are_inverse():
    d = bs.Diagram()
    parts = d.add("split", lib.Demux(np.array([1, 3, 2])), d.input("u", 6))
    d.output("y", d.add("join", lib.Mux(), *(parts[i] for i in range(3))))
    np.testing.assert_array_equal(bs.simulate(d, {"u": rows(6)})["y"], rows(6))


@given(st.data(), array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_selector(data, shape):
    index = st.integers(-shape[0], shape[0] - 1)
    one, several = data.draw(index), data.draw(st.lists(index, min_size=1, max_size=6))
    u = rows(*shape)
    np.testing.assert_array_equal(output(lib.Selector(one), u), u[:, one])
    np.testing.assert_array_equal(output(lib.Selector(several), u), u[:, several])
    np.testing.assert_array_equal(output(lib.Selector(np.array(several)), u), u[:, several])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_concatenate(axis):
    shapes = [[2, 3, 4], [2, 3, 4]]
    shapes[1][axis] = 5
    u = [rows(*shape) for shape in shapes]
    expected = np.concatenate(u, axis=axis + 1 if axis >= 0 else axis)
    np.testing.assert_array_equal(output(lib.Concatenate(axis), *u), expected)


@pytest.mark.parametrize(("shape", "becomes"), [
    (6, (6,)), ((3, 2), (3, 2)), (-1, (6,)), ([2, -1], (2, 3)), ((1, -1, 2), (1, 3, 2)),
])  # fmt: skip
def test_reshape(shape, becomes):
    np.testing.assert_array_equal(output(lib.Reshape(shape), rows(2, 3)), rows(2, 3).reshape(4, *becomes))


def test_reshape_to_and_from_a_scalar():
    np.testing.assert_array_equal(output(lib.Reshape(()), rows(1, 1)), rows(1, 1)[:, 0, 0])
    np.testing.assert_array_equal(output(lib.Reshape((1, 1)), rows()), rows()[:, None, None])


@pytest.mark.parametrize("criterion", [">=", ">", "~="])
@given(data=st.data(), shape=SHAPES, threshold=st.sampled_from([-1.0, 0.0, 0.5]))
def test_switch(criterion, data, shape, threshold):
    u1, u3 = (data.draw(arrays(float, (1, *shape), elements=FINITE)) for _ in range(2))
    control_shape = data.draw(st.sampled_from([(1,), (1, *shape)]))
    values = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])
    control = data.draw(arrays(float, control_shape, elements=values))
    on = {">=": control >= threshold, ">": control > threshold, "~=": control != 0}[criterion]
    on = on.reshape(1, *([1] * len(shape))) if control_shape == (1,) else on
    expected = np.where(np.broadcast_to(on, u1.shape), u1, u3)
    np.testing.assert_array_equal(output(lib.Switch(threshold, criterion), u1, control, u3), expected)


def test_switch_takes_integers_through():
    u = np.array([[1, 2]])
    y = output(lib.Switch(criterion="~="), u, np.array([[True, False]]), -u)
    assert y.dtype == u.dtype
    assert y.tolist() == [[1, -2]]


COMPARISONS = {
    "==": operator.eq, "~=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip


@pytest.mark.parametrize("sign", COMPARISONS)
def test_relational_operator(sign):
    pairs = np.array(list(itertools.product([-1.0, 0.0, 2.5], repeat=2)))
    y = output(lib.RelationalOperator(sign), pairs[:, 0], pairs[:, 1])
    assert y.dtype == bool
    assert y.tolist() == [COMPARISONS[sign](a, b) for a, b in pairs.tolist()]


TRUTH = {
    "AND": all, "OR": any, "NAND": lambda v: not all(v), "NOR": lambda v: not any(v),
    "XOR": lambda v: sum(v) % 2 == 1,
}  # fmt: skip


@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
@pytest.mark.parametrize("name", TRUTH)
def test_logical_operator(name, inputs):
    table = np.array(list(itertools.product([False, True], repeat=inputs)))
    expected = [TRUTH[name](row) for row in table.tolist()]
    for kind in (bool, float, int):
        y = output(lib.LogicalOperator(name), *(-2 * table.astype(kind) if kind is not bool else table).T)
        assert y.dtype == bool
        assert y.tolist() == expected


@pytest.mark.parametrize("kind", [bool, float, int])
def test_not(kind):
    y = output(lib.LogicalOperator("NOT"), np.array([[0, 1, 2]]).astype(kind))
    assert y.tolist() == [[True, False, False]]


def test_a_comparison_steers_a_switch():
    d = bs.Diagram()
    u, v = d.input("u"), d.input("v")
    d.output(
        "y", d.add("max", lib.Switch(criterion="~="), u, d.add("more", lib.RelationalOperator(">"), u, v), v)
    )
    a, b = rows(), rows(seed=1)
    np.testing.assert_array_equal(bs.simulate(d, {"u": a, "v": b})["y"], np.maximum(a, b))


def test_wires_into_a_demux_are_named_in_the_result():
    result = bs.simulate(diagram_of(lib.Demux([1, 1]), {"u": rows(2)}), {"u": rows(2)}, record="**")
    np.testing.assert_array_equal(result["block/y2"], rows(2)[:, 1:])
