"""Reading a model: a file, bytes or a ModelProto, verified before anything is made of it."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blocksim.block import Array
from blocksim.errors import FileError, InputError, describe, did_you_mean, user_line

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

Model = "str | PathLike[str] | bytes | ModelProto"
OLDEST = 7
"""The first version of the operators in which shapes are broadcast as NumPy does."""


def require_onnx() -> Any:
    """The package onnx. Raises InputError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            "interop.onnx", "the package onnx", "none that can be imported",
            "pip install 'blocksim[onnx]'", user_line(),
        ) from error  # fmt: skip
    return onnx


def load(model: Any) -> tuple[ModelProto, str]:
    """A whole, valid model with its data, and how errors call it. Raises FileError."""
    onnx = require_onnx()
    place, folder = "the model", None
    if isinstance(model, onnx.ModelProto):
        proto = onnx.ModelProto()
        proto.CopyFrom(model)
    else:
        if not isinstance(model, (bytes, bytearray)):
            model, place, folder = _read(model)
        proto = _parse(onnx, bytes(model), place)
    _check_whole(onnx, proto, place)
    _load_external(onnx, proto, place, folder)
    # inputs and outputs of any shape are no fault, but the checker's
    open_ended = [
        v.type.tensor_type
        for v in [*proto.graph.input, *proto.graph.output]
        if v.type.HasField("tensor_type") and not v.type.tensor_type.HasField("shape")
    ]
    for kind in open_ended:
        kind.shape.SetInParent()
    try:
        onnx.checker.check_model(proto)
        for kind in open_ended:
            kind.ClearField("shape")
        if proto.functions:
            proto = import_module("onnx.inliner").inline_local_functions(proto)
    except Exception as error:  # the checker raises errors of several packages
        found = _unknown(onnx, proto, place)
        raise found or FileError(
            place, "a valid ONNX model", _first_line(error), "Export the model again.", user_line()
        ) from error
    return proto, place


def version(proto: ModelProto) -> int:
    """The version of the operators that the model is written in."""
    return max(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))


def array(tensor: TensorProto, place: str) -> Array:
    """The values of a tensor, floats as float64, integers as int64. Raises FileError."""
    onnx = require_onnx()
    kind(tensor.data_type, f"{place}, tensor {tensor.name!r}")
    try:
        return common(onnx.numpy_helper.to_array(tensor))
    except Exception as error:
        raise FileError(
            f"{place}, tensor {tensor.name!r}", f"values for the shape {tuple(tensor.dims)}",
            _first_line(error), "The file is damaged: export the model again.", user_line(),
        ) from error  # fmt: skip


def common(value: Any) -> Array:
    """The array with the dtype that signals of its kind have here: float64, int64 or bool."""
    found = np.asarray(value)
    return found.astype({"b": np.bool_, "i": np.int64, "u": np.int64}.get(found.dtype.kind, np.float64))


def kind(code: int, where: str) -> np.dtype[Any]:
    """The dtype that signals of an ONNX type have. Raises FileError for text, complex and packed types."""
    types = require_onnx().TensorProto
    name = types.DataType.Name(code) if code in types.DataType.values() else str(code)
    if name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"):
        return np.dtype(np.float64)
    if name == "BOOL":
        return np.dtype(np.bool_)
    if name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"):
        return np.dtype(np.int64)
    raise FileError(
        where, "floats, integers of 8 to 64 bits or booleans", name, "Convert the model to one of these.",
        user_line(),
    )  # fmt: skip


# -- bytes -----------------------------------------------------------------------------------------


def _read(model: Any) -> tuple[bytes, str, Path]:
    if not isinstance(model, (str, PathLike)):
        raise FileError("the model", "a path, bytes or an onnx.ModelProto", describe(model), "", user_line())
    path = Path(model)
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.onnx")] if path.parent.is_dir() else []
        advice = did_you_mean(path.name, near) if near else ""
        got = "a folder" if path.is_dir() else "no such file"
        raise FileError(f"{path}", "an ONNX file", got, advice, user_line())
    return path.read_bytes(), f"{path}", path.parent


def _parse(onnx: Any, data: bytes, place: str) -> ModelProto:
    proto = onnx.ModelProto()
    try:
        if not data:
            raise ValueError("no data")
        proto.ParseFromString(data)
    except Exception as error:
        raise FileError(
            place, "a whole ONNX model (a protobuf)", "an empty file" if not data else "something else",
            "It is cut short, or of another format.", user_line(),
        ) from error  # fmt: skip
    return proto


def _check_whole(onnx: Any, proto: ModelProto, place: str) -> None:
    """That the parts are there which a file that is cut short, or not a model, lacks."""
    parts = {
        "a graph with outputs": len(proto.graph.output) > 0,
        "the version of its format (ir_version)": proto.ir_version > 0,
        "the version of its operators (opset_import)": any(
            o.domain in ("", "ai.onnx") for o in proto.opset_import
        ),
        "names that are text": _is_text(proto),
    }
    missing = [part for part, there in parts.items() if not there]
    if missing:
        raise FileError(
            place, "a whole ONNX model", f"one without {missing[0]}",
            "It is cut short, or of another format.", user_line(),
        )  # fmt: skip
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= version(proto) <= newest:
        raise FileError(
            place, f"a model in versions {OLDEST} to {newest} of the operators", f"version {version(proto)}",
            "Convert it with onnx.version_converter, or install a newer onnx.", user_line(),
        )  # fmt: skip


def _is_text(message: Any) -> bool:
    """Whether all texts of a message are: protobuf gives bytes where they are not UTF-8."""
    for field, value in message.ListFields():
        if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE):
            single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
            for one in [value] if single else value:
                if not (isinstance(one, str) if field.type == field.TYPE_STRING else _is_text(one)):
                    return False
    return True


def _load_external(onnx: Any, proto: ModelProto, place: str, folder: Path | None) -> None:
    """Load data that lies in files beside the model's, and only there."""
    for tensor in onnx.external_data_helper._get_all_tensors(proto):
        if not onnx.external_data_helper.uses_external_data(tensor):
            continue
        location = {e.key: e.value for e in tensor.external_data}.get("location", "")
        where = f"{place}, tensor {tensor.name!r}"
        if folder is None:
            raise FileError(
                where, "its values in the model", f"external data in {location!r}",
                "Give the path of the model's file, beside which its data is.", user_line(),
            )  # fmt: skip
        home = folder.resolve()
        try:
            file = (home / location).resolve()
            there = file.is_file()
        except (OSError, ValueError):  # no name that a file can have
            file, there = home, False
        if not location or Path(location).is_absolute() or home not in file.parents:
            raise FileError(
                where, f"external data within the folder {folder}", f"the location {location!r}",
                "Nothing outside the model's folder is read.", user_line(),
            )  # fmt: skip
        if not there:
            raise FileError(
                where, f"its values in {location!r}, beside the model", "no such file",
                "Copy all files of the model together.", user_line(),
            )  # fmt: skip
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, f"{home}")
        except Exception as error:
            raise FileError(
                where, f"its values in {location!r}", _first_line(error), "Export the model again.",
                user_line(),
            ) from error  # fmt: skip
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _unknown(onnx: Any, proto: ModelProto, place: str) -> FileError | None:
    """What to say of the first node whose operator ONNX does not know."""
    own = {(f.domain, f.name) for f in proto.functions}
    for i, node in enumerate(proto.graph.node):
        known = node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type)
        if not known and (node.domain, node.op_type) not in own:
            return unsupported(node, i, place)
    return None


def unsupported(node: Any, index: int, place: str) -> FileError:
    """The error for a node whose operator cannot be converted."""
    domain = f" of {node.domain!r}" if node.domain not in ("", "ai.onnx") else ""
    return FileError(
        f"{place}, node {node.name or index!r}", "an operator that blocksim knows",
        f"{node.op_type}{domain}",
        "Export the model without it; blocksim.interop.onnx.operators.OPERATORS has those that are known.",
        user_line(),
    )  # fmt: skip


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in f"{error}".splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
