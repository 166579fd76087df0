"""ONNX: diagrams to models. It needs the extra `onnx`, at the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocksim.interop.onnx.export import to_onnx

__all__ = ["to_onnx"]


def __getattr__(name: str) -> Any:
    if name == "to_onnx":
        from blocksim.interop.onnx.export import to_onnx

        return to_onnx
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
