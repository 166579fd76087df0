"""ONNX: models as diagrams, and diagrams as models. It needs the extra `onnx`, at the first use.

`to_diagram` converts a model, at the level of tensors: a signal is a whole tensor, one step one
evaluation; `run` evaluates it. `to_onnx` writes a diagram as a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocksim.interop.onnx.run import run
from blocksim.interop.onnx.to_diagram import to_diagram

if TYPE_CHECKING:
    from blocksim.interop.onnx.export import to_onnx

__all__ = ["run", "to_diagram", "to_onnx"]


def __getattr__(name: str) -> Any:
    if name == "to_onnx":
        from blocksim.interop.onnx.export import to_onnx

        return to_onnx
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
