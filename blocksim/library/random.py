"""Random sources that give the same numbers on every engine: a counter is encrypted at each step."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod
from typing import Any

import numpy as np

from blocksim.block import Array, Block, block, param
from blocksim.library._check import as_integers, is_integer, one_shape, require

__all__ = ["RandomNumber", "UniformRandomNumber"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(xp: Any, key: tuple[int, int], a: Any, b: Any) -> tuple[Any, Any]:
    """The words (a, b), uint32 arrays, encrypted with a key of two words in 20 rounds.

    Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = a + xp.uint32(schedule[0]), b + xp.uint32(schedule[1])
    for group in range(1, 6):
        for bits in _ROTATIONS[(group - 1) % 2]:
            a = a + b
            b = (b << bits | b >> 32 - bits) ^ a
        a = a + xp.uint32(schedule[group % 3])
        b = b + xp.uint32((schedule[(group + 1) % 3] + group) % 2**32)
    return a, b


def _uniform(xp: Any, seed: int, step: Any, count: int, dtype: str) -> Any:
    """`count` numbers of [0, 1), of 24 random bits, or 53 in float64 that begin with the same ones."""
    key = seed % 2**32, seed // 2**32
    high, low = threefry2x32(xp, key, xp.arange(count, dtype="uint32"), xp.full(count, step))
    unit = xp.asarray(high >> 8, dtype) * 2.0**-24
    return unit + xp.asarray(low >> 3, dtype) * 2.0**-53 if dtype == "float64" else unit


def _check(block: Any) -> None:
    ok = is_integer(block.seed, 0) and block.seed < 2**64
    require(ok, block, "seed", "an integer from 0 to 2**64 - 1")
    as_integers(block, "shape", 0)
    one_shape(block, block.shape)


@block
class UniformRandomNumber(Block):
    """y = random numbers, uniform between low and high, of the given shape.

    low <= high: scalars or of that shape. The seed fixes the sequence: blocks that should be
    independent need different seeds. The state counts the steps.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("noise", bs.library.UniformRandomNumber(seed=1, low=-1.0)))
    >>> y = bs.simulate(d, steps=1000)["y"]
    >>> bool(abs(y.mean()) < 0.1), bool(-1 <= y.min() < y.max() <= 1)
    (True, True)
    """

    seed: int = 0
    low: Array = param(default=0.0)
    high: Array = param(default=1.0)
    shape: Sequence[int] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        require(np.all(self.low <= self.high), self, "low", f"at most high = {self.high}")

    def init(self) -> Any:
        return np.uint32(0)

    def output(self, xp: Any, x: Any) -> Any:
        unit = _uniform(xp, self.seed, x, prod(self.shape), self.low.dtype.name)
        return self.low + (self.high - self.low) * xp.reshape(unit, self.shape)

    def update(self, x: Any) -> Any:
        return x + 1


@block
class RandomNumber(Block):
    """y = random numbers, normal with the given mean and standard deviation, of the given shape.

    mean, std >= 0: scalars or of that shape. The seed fixes the sequence: blocks that should be
    independent need different seeds. The state counts the steps.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("noise", bs.library.RandomNumber(seed=1, std=2.0)))
    >>> y = bs.simulate(d, steps=1000)["y"]
    >>> bool(abs(y.mean()) < 0.2), bool(1.9 < y.std() < 2.1)
    (True, True)
    """

    seed: int = 0
    mean: Array = param(default=0.0)
    std: Array = param(default=1.0)
    shape: Sequence[int] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        require(np.all(self.std >= 0), self, "std", "a number of at least 0")

    def init(self) -> Any:
        return np.uint32(0)

    def output(self, xp: Any, x: Any) -> Any:
        count = prod(self.shape)
        unit = _uniform(xp, self.seed, x, 2 * count, self.std.dtype.name)
        radius = xp.sqrt(-2 * xp.log(1 - unit[:count]))  # Box and Muller
        normal = radius * xp.cos(2 * pi * unit[count:])
        return self.mean + self.std * xp.reshape(normal, self.shape)

    def update(self, x: Any) -> Any:
        return x + 1
