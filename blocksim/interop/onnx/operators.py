"""All operators that can be converted, by name: importing this module fills the table."""

from blocksim.interop.onnx import elementwise, layers, recurrent, shapes  # noqa: F401
from blocksim.interop.onnx.call import OPERATORS

__all__ = ["OPERATORS"]
