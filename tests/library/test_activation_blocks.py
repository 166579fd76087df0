import jax
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from library_examples import run_alone

import blocksim as bs
from blocksim import library as lib

SHAPES = array_shapes(min_dims=1, max_dims=4, max_side=3)
SIGNALS = SHAPES.flatmap(lambda s: arrays(float, s, elements=st.floats(-30, 30)))
ALL_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ANY = SHAPES.flatmap(lambda s: arrays(float, (1, *s), elements=ALL_FLOATS))


def elu(u, alpha):
    return np.where(u > 0, u, alpha * np.expm1(u))


REFERENCES = [
    (lib.Sigmoid(), scipy.special.expit),
    (lib.Tanh(), lambda u: 2 * scipy.special.expit(2 * u) - 1),
    (lib.ScaledTanh(1.7159, 2 / 3), lambda u: 1.7159 * (2 * scipy.special.expit(4 / 3 * u) - 1)),
    (lib.Affine(2.5, -0.5), lambda u: np.polyval([2.5, -0.5], u)),
    (lib.HardSigmoid(), lambda u: np.interp(u, [-2.5, 2.5], [0.0, 1.0])),
    (lib.HardSigmoid(1 / 6, 0.5), lambda u: np.interp(u, [-3.0, 3.0], [0.0, 1.0])),
    (lib.Softsign(), lambda u: np.sign(u) * (1 - 1 / (1 + np.abs(u)))),
    (lib.ReLU(), lambda u: (u + np.abs(u)) / 2),
    (lib.LeakyReLU(), lambda u: np.where(u > 0, u, 0.01 * u)),
    (lib.LeakyReLU(0.3), lambda u: np.where(u > 0, u, 0.3 * u)),
    (lib.ThresholdedReLU(), lambda u: u * np.heaviside(u - 1, 0)),
    (lib.ThresholdedReLU(-0.3), lambda u: u * np.heaviside(u + 0.3, 0)),
    (lib.ELU(), lambda u: elu(u, 1.0)),
    (lib.ELU(2.5), lambda u: elu(u, 2.5)),
    (lib.Softplus(), lambda u: -scipy.special.log_expit(-u)),
]


@pytest.mark.parametrize(
    ("block", "reference"), REFERENCES, ids=lambda v: repr(v) if isinstance(v, bs.Block) else ""
)
@given(u=SIGNALS)
def test_values(block, reference, u):
    np.testing.assert_allclose(run_alone(block, {"u": u})[0]["y"], reference(u), rtol=1e-12, atol=1e-14)


@given(u=SHAPES.flatmap(lambda s: arrays(float, (1, *s), elements=st.floats(-800, 800))))
def test_softmax(u):
    y = run_alone(lib.Softmax(), {"u": u})[0]["y"]
    np.testing.assert_allclose(y, scipy.special.softmax(u, axis=-1), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(y.sum(axis=-1), 1.0, rtol=1e-14)


def test_slopes_of_each_element():
    u = np.array([[-1.0, -1.0, 2.0]])
    np.testing.assert_array_equal(
        run_alone(lib.LeakyReLU([0.1, 0.2, 0.3]), {"u": u})[0]["y"], [[-0.1, -0.2, 2.0]]
    )


@pytest.mark.parametrize(
    "block",
    [
        lib.Sigmoid(), lib.Tanh(), lib.ScaledTanh(), lib.Affine(), lib.ThresholdedReLU(),
        lib.HardSigmoid(), lib.Softsign(), lib.ReLU(), lib.LeakyReLU(), lib.ELU(),
        lib.Softplus(), lib.Softmax(), lib.Abs(), lib.Sign(), lib.Saturation(), lib.DeadZone(-1.0, 1.0),
        lib.Lookup1D([-1.0, 2.0], [3.0, 4.0]), lib.Reshape(-1),
    ],
    ids=repr,
)  # fmt: skip
@given(u=ANY)
def test_no_floating_point_flag_for_any_finite_input(block, u):
    """Called without the engine, which sets its own handling of the flags."""
    arguments = {"xp": np, "u": u[0], "*u": u[0]}
    with np.errstate(all="raise", under="ignore"):
        y = block.output(*(arguments[name] for name in block.contract.methods["output"]))
    assert np.isfinite(y).all()


HUGE = np.finfo(float).max


@pytest.mark.parametrize(
    ("block", "u", "expected"),
    [
        (lib.Softmax(), [HUGE, -HUGE], [1.0, 0.0]),
        (lib.DeadZone(-HUGE / 2, HUGE / 2), [HUGE, -HUGE], [HUGE / 2, -HUGE / 2]),
        (lib.ELU(), [1e-20, -1e-20, 800.0, -800.0], [1e-20, -1e-20, 800.0, -1.0]),
        (lib.Sigmoid(), [-1.0, HUGE], [1 / (1 + np.e), 1.0]),
        (lib.Softplus(), [-800.0, 800.0, HUGE], [0.0, 800.0, HUGE]),
        (lib.LeakyReLU(10.0), [HUGE, -1.0], [HUGE, -10.0]),
        (lib.Lookup1D([-1.0, 2.0], [3.0, 4.0]), [-HUGE, HUGE], [3.0, 4.0]),
    ],
    ids=repr,
)
def test_values_at_the_limits(block, u, expected):
    """Where the obvious formula overflows or cancels."""
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(block.output(np, np.array(u)), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [*(b for b, _ in REFERENCES), lib.Softmax()], ids=repr)
def test_slopes_far_out(block, dtype):
    """Also where an activation has saturated its slope is a number: that of its asymptote."""
    d = bs.Diagram()
    d.output("y", d.add("block", block, d.input("u", shape=2)))

    def y(u):
        return run_alone(block, {"u": u[None]})[0]["y"][0]

    with jax.enable_x64(dtype == "float64"):
        slope = jax.jit(jax.jacobian(lambda u: bs.function(d, dtype=dtype)({}, {"u": u[None]})[0]["y"][0]))
        for far in (-1e30, -1000.0, -95.0, -50.0, 50.0, 95.0, 1000.0, 1e30):
            u, h = np.array([far, 3.0]), np.array([1e-3 * abs(far), 0.0])
            expected = (y(u + h) - y(u - h)) / (2 * h[0])
            np.testing.assert_allclose(
                slope(jax.numpy.asarray(u, dtype))[:, 0], expected, rtol=1e-5, atol=1e-10
            )
