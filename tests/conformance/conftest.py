"""One suite for every engine: `run` is `simulate` on the engine at hand."""

from __future__ import annotations

from functools import partial

import pytest

import blocksim as bs
from blocksim.engines import ENGINES


@pytest.fixture(params=sorted(ENGINES))
def run(request: pytest.FixtureRequest):
    return partial(bs.simulate, engine=request.param)
