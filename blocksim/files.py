"""What a run reads from files and leaves in one: weights, inputs, outputs. Never a pickle."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from blocksim.block import Array, Signal
from blocksim.errors import FileError, did_you_mean, user_line

Place = str | PathLike[str]


def load_weights(path: Place, *names: str) -> dict[str, Array]:
    """The named arrays of a safetensors file, in this order; all of them if none is named.

    Raises FileError for a file that is missing, cut short or of another format, and for a missing name.

    >>> import numpy as np, tempfile
    >>> from safetensors.numpy import save_file
    >>> from blocksim.files import load_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"W": np.eye(2), "b": np.ones(2)}, f"{folder}/layer.safetensors")
    ...     load_weights(f"{folder}/layer.safetensors", "b")
    {'b': array([1., 1.])}
    """
    from safetensors import SafetensorError, safe_open

    _check_exists(path)
    try:
        with safe_open(path, framework="numpy") as file:
            known = list(file.keys())
            for name in names:
                if name not in known:
                    raise FileError(
                        f"{path}", f"an array {name!r}", f"a file with {', '.join(known) or 'none'}",
                        did_you_mean(name, known), user_line(),
                    )  # fmt: skip
            arrays = {name: file.get_tensor(name) for name in names or known}
            for name, array in arrays.items():
                if array.dtype.isbuiltin != 1:  # another package may have taught NumPy more dtypes
                    raise TypeError(f"{name} is of dtype {array.dtype}")
            return arrays
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: a dtype that NumPy lacks
        raise FileError(
            f"{path}", "a whole safetensors file of NumPy's dtypes", f"{error}".rstrip("."),
            "Write it with safetensors.numpy.save_file({name: array}, path).", user_line(),
        ) from error  # fmt: skip


def read_inputs(path: Place, inputs: Mapping[str, Signal]) -> dict[str, Array]:
    """The data of a diagram's inputs, `{name: array (T, *shape)}`, from a .csv, .npy or .npz file.

    .csv: a row for each step, with the header `x` for a scalar input x, `x[0],x[1]` for a vector,
    `x[0][0],...` for a matrix, in any order; a diagram with one input needs no header. .npy: the one
    input's array. .npz: an array by the name of each input. Arrays may have the axis of a batch in
    front. Raises FileError with the line and column of what cannot be read.

    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from blocksim import Signal
    >>> from blocksim.files import read_inputs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "steps.csv")
    ...     _ = file.write_text("x[1],x[0]\\n2,1\\n4,3\\n")
    ...     read_inputs(file, {"x": Signal((2,), np.dtype(float))})
    {'x': array([[1., 2.],
           [3., 4.]])}
    """
    readers = {".csv": _read_csv, ".npy": _read_npy, ".npz": _read_npz}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise FileError(
            f"{path}", "a file of inputs, .csv, .npy or .npz", Path(path).suffix or "no extension",
            "Save the data in one of these formats.", user_line(),
        )  # fmt: skip
    if not inputs:
        raise FileError(
            f"{path}", "a diagram that reads inputs", "one without any", "Leave the file out.", user_line()
        )
    _check_exists(path)
    return reader(path, inputs)


def write_outputs(path: Place, time: Array, outputs: Mapping[str, Array]) -> None:
    """Save `time` (T,) and each output by its name to an .npz file, for numpy.load."""
    if "time" in outputs:
        raise FileError(
            f"{path}", "outputs with other names than 'time'", "one of that name",
            "Rename the output in the diagram.",
        )  # fmt: skip
    with ZipFile(path, "w") as archive:  # numpy.savez cannot save an array named "file"
        for name, array in ({"time": time} | dict(outputs)).items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _check_exists(path: Place) -> None:
    file = Path(path)
    if not file.is_file():
        got = "a folder" if file.is_dir() else "no such file"
        near = (other.name for other in file.parent.iterdir()) if file.parent.is_dir() else ()
        advice = did_you_mean(file.name, sorted(near)) if near else f"There is no folder {file.parent}."
        raise FileError(f"{path}", "a file", got, advice, user_line())
    if not file.stat().st_size:
        raise FileError(f"{path}", "data", "an empty file", "Write the file again.", user_line())


# -- arrays -------------------------------------------------------------------------------------


def _read_npy(path: Place, inputs: Mapping[str, Signal]) -> dict[str, Array]:
    array = _load(path)
    if isinstance(array, dict):
        raise FileError(f"{path}", "one array", "an .npz archive", "Rename it to .npz.", user_line())
    if len(inputs) > 1:
        raise FileError(
            f"{path}", f"an array for each of the inputs {', '.join(inputs)}", "a single one",
            "Save them together with numpy.savez(path, name=array, ...).", user_line(),
        )  # fmt: skip
    return {next(iter(inputs)): array}


def _read_npz(path: Place, inputs: Mapping[str, Signal]) -> dict[str, Array]:
    arrays = _load(path)
    if not isinstance(arrays, dict):
        raise FileError(f"{path}", "an .npz archive", "one array", "Rename it to .npy.", user_line())
    for name in inputs:
        if name not in arrays:
            raise FileError(
                f"{path}", f"an array {name!r}", f"the arrays {', '.join(arrays) or '(none)'}",
                "Name each array as the input that it is for.", user_line(),
            )  # fmt: skip
    for name in arrays:
        if name not in inputs:
            raise FileError(
                f"{path}", "arrays named as the inputs", f"one named {name!r}",
                did_you_mean(name, inputs), user_line(),
            )  # fmt: skip
    return {name: arrays[name] for name in inputs}


def _load(path: Place) -> Array | dict[str, Array]:
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise FileError(
            f"{path}", "a whole file of numbers in NumPy's format", f"{error}".rstrip("."),
            "Write it with numpy.save or numpy.savez, as an array of numbers.", user_line(),
        ) from error  # fmt: skip


# -- text ---------------------------------------------------------------------------------------


def _read_csv(path: Place, inputs: Mapping[str, Signal]) -> dict[str, Array]:
    columns = {
        f"{name}{''.join(f'[{i}]' for i in index)}": (name, index)
        for name, signal in inputs.items()
        for index in itertools.product(*map(range, signal.shape))
    }
    rows = _rows(path)
    header = [cell.strip() for cell in rows[0][1]]
    if not columns.keys().isdisjoint(header) or not any(_is_number(cell) for cell in header):
        _check_header(path, rows[0][0], header, list(columns))
        del rows[0]
    elif len(inputs) == 1:
        header = list(columns)
    else:
        raise FileError(
            f"{path}, line {rows[0][0]}", f"a header with the columns {_few(columns)}", "numbers",
            "Only a diagram with one input needs no header.", user_line(),
        )  # fmt: skip
    if not rows:
        raise FileError(f"{path}", "a row of numbers for each step", "a header alone", "", user_line())
    arrays = {name: np.empty((len(rows), *s.shape), s.dtype) for name, s in inputs.items()}
    for k, (line, cells) in enumerate(rows):
        if len(cells) != len(header):
            raise FileError(
                f"{path}, line {line}", f"{len(header)} columns, {_few(header)}",
                f"{len(cells)}" if cells else "a blank line", "Columns are separated by commas.", user_line(),
            )  # fmt: skip
        for column, cell in zip(header, cells, strict=True):
            name, index = columns[column]
            try:
                arrays[name][k, *index] = _parse(cell, arrays[name].dtype)
            except (ValueError, KeyError, OverflowError):
                raise FileError(
                    f"{path}, line {line}, column {column}", f"a number ({arrays[name].dtype})",
                    repr(cell.strip()) if cell.strip() else "an empty cell",
                    "Numbers are written as 0.5 or 5e-1.", user_line(),
                ) from None  # fmt: skip
    return arrays


def _rows(path: Place) -> list[tuple[int, list[str]]]:
    """The rows, each with its line number, without blank lines before the first and after the last."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}", "text, comma-separated", f"{error}", "", user_line()) from error
    full = [i for i, (_, row) in enumerate(rows) if any(cell.strip() for cell in row)]
    if not full:
        raise FileError(f"{path}", "a row of numbers for each step", "blank lines", "", user_line())
    return rows[full[0] : full[-1] + 1]


def _check_header(path: Place, line: int, header: list[str], known: list[str]) -> None:
    where = f"{path}, line {line}"
    for column, count in Counter(header).items():
        if column not in known:
            got = f"a column {column!r}" if column else "a column without a name"
            raise FileError(
                where, f"the columns {_few(known)}", got, did_you_mean(column, known), user_line()
            )
        if count > 1:
            raise FileError(where, "each column once", f"{column!r} {count} times", "", user_line())
    for column in known:
        if column not in header:
            raise FileError(
                where, f"the columns {_few(known)}", f"none named {column!r}",
                "Each input needs all its columns.", user_line(),
            )  # fmt: skip


def _few(names: Mapping[str, Any] | list[str]) -> str:
    shown = list(names)
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "...", shown[-1]])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parse(cell: str, dtype: np.dtype[Any]) -> float | int | bool:
    if "_" in cell:  # which Python would take as part of a number
        raise ValueError
    if dtype.kind == "f":
        return float(cell)
    if dtype.kind == "b":
        return {"0": False, "1": True, "false": False, "true": True}[cell.strip().lower()]
    return int(cell)
