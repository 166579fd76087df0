"""ONNX: diagrams to models."""

from blocksim.interop.onnx.export import to_onnx

__all__ = ["to_onnx"]
