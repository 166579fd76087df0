"""ONNX models as diagrams, at the level of tensors: a signal is a whole tensor, one step one evaluation.

`to_diagram` converts a model, `run` evaluates it. Needs the extra `onnx`.
"""

from blocksim.interop.onnx.run import run
from blocksim.interop.onnx.to_diagram import to_diagram

__all__ = ["run", "to_diagram"]
