"""The engine `bdsim`: a diagram rebuilt in bdsim, whose own scheduler then orders and runs it.

It is a cross-check of schedule and arithmetic: bdsim's blocks are used where they mean the same, the
others are written a second time, and blocksim's own blocks take no part.
"""

from blocksim.interop.bdsim.run import mapping, run

__all__ = ["mapping", "run"]
