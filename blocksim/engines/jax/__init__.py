"""The JAX engine: a diagram compiled once for all values of its parameters, inputs and states."""

from blocksim.engines.jax.run import compilations, run

__all__ = ["compilations", "run"]
