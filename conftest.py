"""What all tests run in: one thread for each worker's linear algebra, and memory that is given back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

# Of small matrices, threads that wait for each other cost more than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_dropped() -> Iterator[None]:
    """JAX keeps every function that it has compiled, a few MB each."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
