"""blocksim: block diagrams that are drawn, checked and stepped from one source of truth."""

from __future__ import annotations

from blocksim import errors, interop, library, nn
from blocksim.block import Array, Block, Signal, block, param
from blocksim.diagram import Diagram
from blocksim.draw import draw
from blocksim.errors import BlocksimError
from blocksim.files import load_weights
from blocksim.function import function
from blocksim.plan import Plan, compile
from blocksim.result import Result
from blocksim.scan import Scan
from blocksim.simulate import Simulator, simulate, stream

__version__ = "0.1.0"
__all__ = [
    "Array",
    "Block",
    "BlocksimError",
    "Diagram",
    "Plan",
    "Result",
    "Scan",
    "Signal",
    "Simulator",
    "block",
    "compile",
    "draw",
    "errors",
    "function",
    "interop",
    "library",
    "load_weights",
    "nn",
    "param",
    "simulate",
    "stream",
]
