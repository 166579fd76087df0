"""blocksim: block diagrams that are drawn, checked and stepped from one source of truth."""

from __future__ import annotations

from blocksim import analysis, errors, interop, library, nn
from blocksim.block import Array, Block, Signal, block, param
from blocksim.diagram import Diagram
from blocksim.draw import draw
from blocksim.errors import BlocksimError
from blocksim.files import load_weights
from blocksim.function import function
from blocksim.plan import Plan, compile
from blocksim.predict import Activations, Predictor, activations, closed_loop, forecast, predict
from blocksim.result import Result
from blocksim.scan import Scan
from blocksim.simulate import Simulator, simulate, stream

__version__ = "0.1.0"
__all__ = [
    "Activations",
    "Array",
    "Block",
    "BlocksimError",
    "Diagram",
    "Plan",
    "Predictor",
    "Result",
    "Scan",
    "Signal",
    "Simulator",
    "activations",
    "analysis",
    "block",
    "closed_loop",
    "compile",
    "draw",
    "errors",
    "forecast",
    "function",
    "interop",
    "library",
    "load_weights",
    "nn",
    "param",
    "predict",
    "simulate",
    "stream",
]
