import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import diagram_of, run_alone

import blocksim as bs
from blocksim import library as lib

FINITE = st.floats(-1e6, 1e6)
SIGNALS = array_shapes(min_dims=1, max_dims=4, max_side=3).flatmap(
    lambda s: arrays(float, s, elements=FINITE)
)


def of_one(block, *u):
    """The output of a block for arrays (1, ...) at its ports: one step."""
    ports = block.input_ports(len(u))
    return run_alone(block, dict(zip(ports, u, strict=True)))[0]["y"]


@st.composite
def several(draw, least=1, most=4, elements=FINITE):
    shape = (1, *draw(array_shapes(min_dims=0, max_dims=3, max_side=3)))
    count = draw(st.integers(least, most))
    return [draw(arrays(float, shape, elements=elements)) for _ in range(count)]


@given(several(), st.data())
def test_sum(u, data):
    signs = data.draw(st.text("+-", min_size=len(u), max_size=len(u)))
    expected = sum(v if sign == "+" else -v for sign, v in zip(signs, u, strict=True))
    np.testing.assert_allclose(of_one(lib.Sum(signs), *u), expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(of_one(lib.Sum(), *u), np.sum(u, axis=0), rtol=1e-12, atol=1e-9)


@given(several(elements=st.floats(0.1, 10)), st.data())
def test_product(u, data):
    operators = data.draw(st.text("*/", min_size=len(u), max_size=len(u)))
    powers = [v ** (1 if operator == "*" else -1) for operator, v in zip(operators, u, strict=True)]
    np.testing.assert_allclose(of_one(lib.Product(operators), *u), np.prod(powers, axis=0), rtol=1e-12)
    np.testing.assert_allclose(of_one(lib.Product(), *u), np.prod(u, axis=0), rtol=1e-12)


@given(SIGNALS, FINITE)
def test_gain_and_bias(u, number):
    np.testing.assert_array_equal(of_one(lib.Gain(number), u), [number * v for v in u])
    np.testing.assert_array_equal(of_one(lib.Bias(number), u), [v + number for v in u])
    if u.ndim > 1 and u.ndim != 3:
        np.testing.assert_array_equal(of_one(lib.Gain(u[0]), u), [u[0] * v for v in u])
    np.testing.assert_array_equal(of_one(lib.Bias(u[0]), u), [u[0] + v for v in u])


@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_gain_of_a_matrix(shape):
    rng = np.random.default_rng(0)
    K, u = rng.normal(size=(2, 3)), rng.normal(size=(5, *shape))
    np.testing.assert_allclose(of_one(lib.Gain(K), u), np.einsum("ij,tj...->ti...", K, u), rtol=1e-12)


def test_gain_of_a_vector_widens_a_scalar():
    np.testing.assert_array_equal(of_one(lib.Gain([1.0, 2.0]), np.array([3.0])), [[3.0, 6.0]])


@given(SIGNALS)
def test_abs_and_sign(u):
    np.testing.assert_array_equal(of_one(lib.Abs(), u), np.vectorize(abs)(u))
    np.testing.assert_array_equal(of_one(lib.Sign(), u), np.vectorize(lambda v: math.copysign(v != 0, v))(u))


def test_abs_and_sign_of_integers_are_integers():
    u = np.array([[-3, 0, 4]])
    assert of_one(lib.Abs(), u).tolist() == [[3, 0, 4]]
    assert of_one(lib.Sign(), u).dtype == u.dtype


@given(arrays(float, (1, 5), elements=st.floats(0, 1e300)))
def test_sqrt(u):
    np.testing.assert_array_equal(of_one(lib.Sqrt(), u), np.vectorize(math.sqrt)(u))


def matlab_mod(a, b):
    return a - math.floor(a / b) * b


FUNCTIONS = {
    "exp": math.exp, "log": math.log, "log10": math.log10, "square": lambda v: v * v,
    "reciprocal": lambda v: 1 / v, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh,
    "floor": math.floor, "ceil": math.ceil, "fix": math.trunc,
    "pow": math.pow, "mod": matlab_mod, "rem": math.fmod, "hypot": math.hypot, "atan2": math.atan2,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_math_function(name):
    block, f = lib.MathFunction(name), FUNCTIONS[name]
    rng = np.random.default_rng(0)
    u = [rng.uniform(0.01, 1.0, (50, 2)), rng.uniform(0.1, 3.0, (50, 2))][: len(block.input_ports())]
    np.testing.assert_allclose(of_one(block, *u), np.vectorize(f)(*u), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("name", "signs"), [("mod", [1, -1]), ("rem", [-1, 1])])
def test_the_sign_of_a_remainder(name, signs):
    """Of -7 and 3, and of 7 and -3."""
    y = of_one(lib.MathFunction(name), np.array([-7.0, 7.0]), np.array([3.0, -3.0]))
    expected = {"mod": [2.0, -2.0], "rem": [-1.0, 1.0]}[name]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(np.sign(y), signs)


def test_every_function_is_tested():
    with pytest.raises(bs.errors.ParameterError) as caught:
        lib.MathFunction("gamma")
    assert set(caught.value.expected.split(" or ")) == {repr(name) for name in FUNCTIONS}


@given(several())
def test_min_max(u):
    np.testing.assert_array_equal(of_one(lib.MinMax(), *u), np.min(u, axis=0))
    np.testing.assert_array_equal(of_one(lib.MinMax("max"), *u), np.max(u, axis=0))


@given(several(least=2, most=2))
def test_dot(u):
    expected = [math.fsum((a * b).ravel()) for a, b in zip(*u, strict=True)]
    scale = np.abs(u[0] * u[1]).sum()
    np.testing.assert_allclose(of_one(lib.Dot(), *u), expected, rtol=0, atol=1e-13 * scale)


def test_a_non_finite_result_names_the_block():
    with pytest.raises(bs.errors.NonFiniteError, match=r"block .*step 1, got nan"):
        bs.simulate(diagram_of(lib.Sqrt(), {"u": np.ones(2)}), {"u": [1.0, -1.0]})
