"""Networks that remember their first input: their errors against what they may be at most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocksim as bs
from blocksim.errors import ParameterError
from blocksim.nn import memory_bound, reference

MAKE = {"lstm": bs.nn.memory_lstm, "gru": bs.nn.memory_gru, "rnn": bs.nn.memory_rnn}
STEPS = 1000
X = np.random.default_rng(0).uniform(-1, 1, (6, STEPS, 1))
X[:2, 0] = [[1], [-1]]  # where the error is largest


def errors(cell, scale, x=X, dtype=float, **options):
    """The largest |y - x[1]| over the runs, at each step."""
    y = bs.simulate(MAKE[cell](scale, **options), {"x": x}, dtype=dtype)["y"]
    assert y.dtype == dtype
    return abs(y - x[:, :1].astype(dtype)).max((0, 2))


@pytest.mark.parametrize(
    ("scale", "expected"), [(1e-1, 6.6e-3), (1e-2, 6.7e-5), (1e-3, 6.7e-7), (1e-4, 6.7e-9)]
)
def test_an_lstm_errs_the_same_at_any_length(scale, expected):
    found = errors("lstm", scale)[1:]
    np.testing.assert_allclose(found, expected, rtol=0.01)
    assert np.ptp(found) < 1e-3 * expected


@pytest.mark.parametrize("scale", [1e-1, 1e-2, 1e-3, 1e-4])
def test_a_gru_errs_half_as_much(scale):
    np.testing.assert_allclose(errors("gru", scale)[1:], scale**2 / 3, rtol=0.005)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_in_float64_at_a_scale_of_a_millionth(cell):
    assert errors(cell, 1e-6).max() <= 2e-12


def test_in_float32():
    """Up to a thousand steps."""
    assert errors("lstm", 1e-4, dtype=np.float32).max() <= 1e-6
    assert errors("gru", 1e-4, dtype=np.float32).max() <= 1e-5


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_distractors_change_nothing(cell, dtype):
    x = X.copy()
    x[:, 1:] = 1e12 * np.sign(x[:, 1:])
    found, calm = errors(cell, 1e-4, x, dtype), errors(cell, 1e-4, X, dtype)
    np.testing.assert_allclose(found, calm, rtol=0, atol=1e-10 if dtype is np.float64 else 1e-7)


def test_distractors_of_a_plain_network_change_nothing():
    x = X[:, :100].copy()
    x[:, 1:] = 1e12 * np.sign(x[:, 1:])
    np.testing.assert_allclose(errors("rnn", 1e-4, x)[1:], errors("rnn", 1e-4, X[:, :100])[1:], rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1e-4])
def test_a_plain_network_errs_more_with_every_step(scale):
    """(n + 1) s^2 X^3 / 3 + eps / s, about."""
    found = errors("rnn", scale)
    for n in (2, 10, 100, 1000):
        law = (n + 1) * scale**2 / 3 + np.finfo(float).eps / scale
        assert 0.6 * law < found[n - 1] <= law


def test_a_plain_network_is_rounded_to_eps_over_the_scale():
    found = errors("rnn", 1e-4, dtype=np.float32)[STEPS - 1]
    assert 0.1 < found / (np.finfo(np.float32).eps / 1e-4) < 10


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["lstm", "gru", "rnn"]),
    st.floats(-6, 0),
    st.floats(10, 50),
    st.floats(-3, 3),
    st.floats(-3, 13),
    st.integers(0, 2**32 - 1),
)
def test_no_error_is_above_the_bound(cell, scale, bias, size, others, seed):
    s, X, Y = 10**scale, 10**size, 10**others
    rng = np.random.default_rng(seed)
    x = np.sign(rng.normal(size=(4, 40, 1))) * rng.uniform(0.5, 1, (4, 40, 1)) * Y
    x[:, 0] = X * np.array([[1], [-1], [0.5], [rng.uniform(-1, 1)]])
    found = errors(cell, s, x, bias=bias)
    for n in (2, 3, 10, 40):
        bound = memory_bound(cell, n, s, bias, X, Y)
        assert found[n - 1] <= bound * (1 + 1e-2)  # what e^-K leaves of the flag is left out of it


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_bound_is_that_of_the_first_input_and_of_leaks(cell):
    squashed = {"lstm": 2, "gru": 1}[cell] / 3
    assert memory_bound(cell, 7, 0.1, 40, 2) == pytest.approx(squashed * 0.01 * 8 + 2 * 7 * 2 * np.exp(-40))
    slack = memory_bound(cell, 7, 1e-5, 10, 2), 2 * 7 * 2 * np.exp(-10)
    assert slack[0] == pytest.approx(slack[1], rel=1e-5)


@pytest.mark.parametrize(("cell", "seeds"), [("lstm", 100), ("gru", 100), ("rnn", 20)])
def test_weights_that_are_a_thousandth_off(cell, seeds):
    """Of those networks, the plain one alone forgets everything.

    In the others two weights count, the one that x meets and the one that is read: of x = 1/2 they err
    sqrt(2) / 2 of a thousandth.
    """
    x, d, found = np.full((1, 30 if cell != "rnn" else 100, 1), 0.5), MAKE[cell](1e-4), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        noisy = {
            path: {name: a * (1 + 1e-3 * rng.normal(size=a.shape)) for name, a in fields.items()}
            for path, fields in d.parameters().items()
        }
        found.append(bs.simulate(d, {"x": x}, params=noisy)["y"][0, -1, 0] - 0.5)
    if cell == "rnn":
        assert np.median(np.abs(found)) > 100
    else:
        assert np.sqrt(np.mean(np.square(found))) == pytest.approx(7.07e-4, rel=0.15)


@pytest.mark.parametrize(("cell", "used"), [("lstm", 2), ("gru", 2), ("rnn", 6)])
def test_all_other_units_stay_zero(cell, used):
    d = MAKE[cell]()
    h = bs.simulate(d, {"x": X[:1, :50]}, record=f"{cell}/h")[f"{cell}/h"]
    assert h.shape == (1, 50, 32)
    assert not h[..., used:].any()
    assert h[:, -1, :used].all()
    small = MAKE[cell](units=used)
    y = [bs.simulate(diagram, {"x": X[:1, :50]})["y"] for diagram in (d, small)]
    np.testing.assert_allclose(*y, rtol=0, atol=50 * np.finfo(float).eps / 1e-4)  # sums in another order


def test_the_gates_never_see_the_input():
    for cell, gates in (("lstm", "ifo"), ("gru", "rz")):
        weights = MAKE[cell]().parameters()
        assert all(not weights[f"{cell}/{gate}/W"]["K"].any() for gate in gates)


def test_against_the_vectorized_references():
    for cell, gates in (("lstm", "ifgo"), ("gru", "rzn"), ("rnn", "h")):
        d = MAKE[cell](1e-2)
        p = d.parameters()
        W, R, b = (
            np.concatenate([p[f"{cell}/{gate}/{name}"][field] for gate in gates])
            for name, field in (("W", "K"), ("R", "K"), ("b", "value"))
        )
        h = getattr(reference, cell)(X[:, :50], W, R, b)
        y = (h[0] if cell == "lstm" else h) @ p["read"]["K"].T
        np.testing.assert_allclose(bs.simulate(d, {"x": X[:, :50]})["y"], y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", MAKE)
def test_on_jax(cell):
    y = [bs.simulate(MAKE[cell](1e-2), {"x": X[:, :50]}, engine=e)["y"] for e in ("numpy", "jax")]
    np.testing.assert_allclose(*y, rtol=0, atol=1e-12)


class TestBadInput:
    @pytest.mark.parametrize("cell", MAKE)
    @pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "1"])
    def test_numbers(self, cell, value):
        for name in ("scale", "bias"):
            with pytest.raises(ParameterError, match=rf"memory_{cell} 'memory', {name}.*positive number"):
                MAKE[cell](**{name: value})

    @pytest.mark.parametrize(("cell", "least"), [("lstm", 2), ("gru", 2), ("rnn", 6)])
    def test_units(self, cell, least):
        for units in (least - 1, 2.5, True, None):
            with pytest.raises(ParameterError, match=rf"units.*an integer of at least {least}"):
                MAKE[cell](units=units)

    def test_bounds(self):
        with pytest.raises(ParameterError, match="'lstm', 'gru' or 'rnn'"):
            memory_bound("cnn", 10)
        with pytest.raises(ParameterError, match=r"steps.*at least 2"):
            memory_bound("rnn", 1)
        for name in ("scale", "bias", "size", "others"):
            with pytest.raises(ParameterError, match=f"{name}.*positive number"):
                memory_bound("lstm", 10, **{name: -1.0})
