import numpy as np
import pytest
import scipy.stats
from library_examples import run_alone

from blocksim import library as lib
from blocksim.library.random import threefry2x32

FULL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((FULL, FULL), (FULL, FULL), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers_of_random123(key, counter, expected):
    words = threefry2x32(np, key, *(np.array([c], np.uint32) for c in counter))
    assert tuple(w.item() for w in words) == expected
    assert {w.dtype.name for w in words} == {"uint32"}


def python_threefry(key, counter):
    """The cipher with Python's integers, word by word."""
    rotations = [13, 15, 26, 6, 17, 29, 16, 24]
    keys = [*key, key[0] ^ key[1] ^ 0x1BD11BDA]
    a, b = ((c + k) & FULL for c, k in zip(counter, keys, strict=False))
    for i in range(20):
        a = (a + b) & FULL
        r = rotations[i % 8]
        b = (((b << r) | (b >> (32 - r))) & FULL) ^ a
        if i % 4 == 3:
            n = i // 4 + 1
            a, b = (a + keys[n % 3]) & FULL, (b + keys[(n + 1) % 3] + n) & FULL
    return a, b


def test_uniform_numbers_are_the_words_of_the_cipher():
    seed = 0x0123456789ABCDEF
    y = run_alone(lib.UniformRandomNumber(seed, shape=(2, 2)), {}, steps=3)[0]["y"]
    for k in range(3):
        for i, value in enumerate(y[k].ravel()):
            high, low = python_threefry((seed & FULL, seed >> 32), (i, k))
            assert value == ((high >> 8) * 2**29 + (low >> 3)) / 2**53


def draws(block, steps, **options):
    return run_alone(block, {}, steps=steps, **options)[0]["y"]


def test_moments_and_distribution():
    """Of 200,000 draws; the bounds are five standard errors."""
    n = 200_000
    u = draws(lib.UniformRandomNumber(3, -1.0, 3.0, (1000,)), 200).ravel()
    assert abs(u.mean() - 1) < 5 * 4 / np.sqrt(12 * n)
    assert abs(u.var() / (16 / 12) - 1) < 5 * np.sqrt(0.8 / n)
    assert -1 <= u.min() < u.max() < 3
    assert scipy.stats.kstest((u + 1) / 4, "uniform").pvalue > 1e-4
    z = draws(lib.RandomNumber(3, 2.0, 0.5, (1000,)), 200).ravel()
    assert abs(z.mean() - 2) < 5 * 0.5 / np.sqrt(n)
    assert abs(z.var() / 0.25 - 1) < 5 * np.sqrt(2 / n)
    assert scipy.stats.kstest((z - 2) / 0.5, "norm").pvalue > 1e-4


def test_steps_and_elements_are_uncorrelated():
    z = draws(lib.RandomNumber(0, shape=(100,)), 400)
    bound = 5 / np.sqrt(z.size)
    assert abs((z[1:] * z[:-1]).mean()) < bound
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < bound
    assert len(np.unique(z)) == z.size


@pytest.mark.parametrize("kind", [lib.RandomNumber, lib.UniformRandomNumber])
def test_the_seed_fixes_the_sequence(kind):
    np.testing.assert_array_equal(draws(kind(5), 50), draws(kind(5), 50))
    other = draws(kind(6), 50)
    assert not np.isin(draws(kind(5), 50), other).any()
    assert not np.isin(draws(kind(5 + 2**32), 50), other).any()


def test_float32_begins_with_the_same_bits():
    single = draws(lib.UniformRandomNumber(5, shape=1000), 20, dtype=np.float32)
    double = draws(lib.UniformRandomNumber(5, shape=1000), 20)
    np.testing.assert_array_equal(single, np.floor(double * 2**24) / 2**24)


@pytest.mark.parametrize(("dtype", "accuracy"), [(np.float64, 1e-14), (np.float32, 1e-5)])
def test_normal_numbers_are_made_of_pairs_of_uniform_ones(dtype, accuracy):
    """By Box and Muller, of the first and the second half of twice as many."""
    uniform = draws(lib.UniformRandomNumber(5, shape=2000), 20, dtype=dtype).astype(np.float64)
    radius = np.sqrt(-2 * np.log1p(-uniform[:, :1000]))
    expected = 1 + 2 * radius * np.cos(2 * np.pi * uniform[:, 1000:])
    z = draws(lib.RandomNumber(5, 1.0, 2.0, 1000), 20, dtype=dtype)
    np.testing.assert_allclose(z, expected, rtol=0, atol=accuracy)


def test_elements_of_their_own_mean():
    z = draws(lib.RandomNumber(0, [0.0, 100.0], [1.0, 0.0], (2,)), 10)
    np.testing.assert_array_equal(z[:, 1], 100.0)
    assert draws(lib.RandomNumber(0, shape=(2, 0)), 3).shape == (3, 2, 0)
