import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from library_examples import diagram_of, run_alone

import blocksim as bs
from blocksim import library as lib
from blocksim.errors import NonFiniteError, ParameterError, SignalError


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(3, *shape))


def output(block, *u, **options):
    ports = block.input_ports(len(u))
    return run_alone(block, dict(zip(ports, u, strict=True)), **options)[0]["y"]


ENGINES = pytest.mark.parametrize("engine", ["numpy", "jax"])


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_transpose(axes):
    u = rows(2, 3, 4)
    y = output(lib.Transpose(axes), u)
    for index in np.ndindex(2, 3, 4):
        np.testing.assert_array_equal(y[:, *(index[a] for a in axes)], u[:, *index])


@pytest.mark.parametrize(
    ("shape", "to"), [((), (2,)), ((3,), (2, 3)), ((2, 1, 3), (4, 2, 5, 3)), ((1,), (0,))]
)
def test_expand(shape, to):
    u = rows(*shape)
    expected = [[v + np.zeros(to)] for v in u]
    np.testing.assert_array_equal(output(lib.Expand(to), u), np.concatenate(expected))


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ((2, 3), (3, 4), "tij,tjk->tik"), ((3,), (3, 4), "tj,tjk->tk"), ((2, 3), (3,), "tij,tj->ti"),
        ((3,), (3,), "tj,tj->t"), ((5, 2, 3), (5, 3, 4), "tbij,tbjk->tbik"),
        ((5, 2, 3), (3,), "tbij,tj->tbi"),
    ],
)  # fmt: skip
def test_matrix_multiply(a, b, rule):
    u, v = rows(*a), rows(*b, seed=1)
    np.testing.assert_allclose(output(lib.MatrixMultiply(), u, v), np.einsum(rule, u, v), rtol=1e-13)


@ENGINES
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather(axis, engine):
    u, indices = rows(4, 4, 4), np.random.default_rng(2).integers(-4, 4, (3, 2, 3))
    y = output(lib.Gather(axis), u, indices, engine=engine)
    for t in range(3):
        np.testing.assert_array_equal(y[t], np.take(u[t], indices[t], axis=axis))


def test_gradients_of_gather_are_finite():
    def total(u):
        return lib.Gather().output(jnp, u, jnp.array([2, 0, 2])).sum()

    np.testing.assert_array_equal(jax.grad(total)(jnp.ones(3)), [1, 0, 2])


@ENGINES
@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_is_not_a_number(index, engine):
    inputs = {"u": rows(3), "indices": np.array([0, index, 0])}
    with pytest.raises(NonFiniteError, match="step 1"):
        run_alone(lib.Gather(), inputs, engine=engine)


@pytest.mark.parametrize(
    ("block", "cut"),
    [
        (lib.Slice([1], [3]), np.s_[:, 1:3]),
        (lib.Slice([None, -1], [None, None], [None, -2]), np.s_[:, :, ::-2]),
        (lib.Slice((0, 2, 0), (9, 2, -1), (2, 1, 1)), np.s_[:, 0:9:2, 2:2, 0:-1]),
    ],
)
def test_slice(block, cut):
    np.testing.assert_array_equal(output(block, rows(4, 4, 4)), rows(4, 4, 4)[cut])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [None, [0], [1], [0, 2]])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min"])
def test_reduce(name, axes, keepdims):
    u = rows(2, 3, 4)
    over = tuple(range(3) if axes is None else axes)
    kept = [i for i in range(3) if i not in over]
    parts = np.transpose(u, (0, *(i + 1 for i in kept), *(i + 1 for i in over)))
    parts = parts.reshape(*parts.shape[: 1 + len(kept)], -1)
    folds = {"sum": sum, "max": max, "min": min, "prod": np.prod, "mean": lambda v: sum(v) / len(v)}
    expected = np.apply_along_axis(lambda v: folds[name](v.tolist()), -1, parts)
    if keepdims:
        expected = expected.reshape(3, *(1 if i in over else n for i, n in enumerate((2, 3, 4))))
    np.testing.assert_allclose(output(lib.Reduce(name, axes, keepdims), u), expected, rtol=1e-12)


@ENGINES
def test_cast(engine):
    u = np.array([-1.7, 0.0, 2.9])
    for to, source, expected, kind in [
        ("int", u, [-1, 0, 2], np.int64), ("bool", u, [True, False, True], np.bool_),
        ("float", np.array([1, 0, 2]), [1.0, 0.0, 2.0], np.float64), ("float", u != 0, [1, 0, 1], np.float64),
        ("int", u != 0, [1, 0, 1], np.int64), ("float", u, u, np.float64),
    ]:  # fmt: skip
        y = output(lib.Cast(to), source, engine=engine)
        assert y.dtype == kind
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: lib.Transpose((0, 2)), "Transpose, axes.*each of the axes 0, 1"),
        (lambda: lib.Expand((-1,)), "Expand, shape"),
        (lambda: lib.Gather(-1), "Gather, axis"),
        (lambda: lib.Slice([1], [2, 3]), "Slice, stops.*as many as starts, 1"),
        (lambda: lib.Slice([1], [2], [0]), "Slice, steps.*other than 0"),
        (lambda: lib.Slice([1.5], [2]), "Slice, starts"),
        (lambda: lib.Reduce("median"), "Reduce, function"),
        (lambda: lib.Reduce("sum", [1, 1]), "Reduce, axes.*once"),
        (lambda: lib.Cast("text"), "Cast, to"),
    ],
)
def test_bad_fields(make, match):
    with pytest.raises(ParameterError, match=match):
        make()


@pytest.mark.parametrize(
    ("block", "u", "match"),
    [
        (lib.Transpose((1, 0)), [rows(3)], "2 axes"),
        (lib.Expand((2, 3)), [rows(2)], "widened to"),
        (lib.Expand((2,)), [rows(1, 2)], "widened to"),
        (lib.MatrixMultiply(), [rows(2, 3), rows(2, 3)], "u2.*rows for the 3 columns"),
        (lib.MatrixMultiply(), [rows(5, 2, 3), rows(4, 3, 2)], "u2.*nothing is broadcast"),
        (lib.MatrixMultiply(), [rows(), rows(3)], "u1.*a vector"),
        (lib.Gather(1), [rows(3), np.zeros(3, int)], "elements along its axis 1"),
        (lib.Gather(), [rows(3), rows()], "indices.*integers"),
        (lib.Slice([0, 0], [1, 1]), [rows(3)], "at least 2 axes"),
        (lib.Reduce("sum", [1]), [rows(3)], r"axes \(1,\)"),
        (lib.Reduce("max"), [rows(0)], "elements to take the max of"),
    ],
)
def test_bad_signals(block, u, match):
    inputs = dict(zip(block.input_ports(len(u)), u, strict=True))
    with pytest.raises(SignalError, match=match):
        bs.compile(diagram_of(block, inputs))
