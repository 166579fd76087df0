"""Reading .mat files, of versions 5 to 7. Never code: numbers, texts and structs alone."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from blocksim.errors import FileError, user_line

MATRIX, COMPRESSED = 14, 15
NUMERIC = {4, *range(6, 16)}  # classes of arrays: text, and the kinds of numbers
NUMBERS = {*range(1, 8), 9, 12, 13, 16, 17, 18}  # types of data


def read_mat(path: str | PathLike[str]) -> Mapping[str, Any]:
    """The variables of a .mat file. Raises FileError for a file that is missing, spoiled or not one."""
    from scipy.io import loadmat

    try:
        data = Path(path).read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise ValueError("a file without the header of one")
        if data[124:126] not in (b"\x00\x02", b"\x02\x00"):  # version 7.3, which scipy refuses by name
            _check(data[128:], order)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return loadmat(io.BytesIO(data))
    except Exception as error:  # of any kind: it is what the bytes lead the reader to
        raise FileError(
            f"{path}", "a whole .mat file of version 5 to 7", f"{error}".rstrip(".") or type(error).__name__,
            "Write it in MATLAB with save(file, '-v7', ...).", user_line(),
        ) from error  # fmt: skip


def _check(data: bytes, order: str) -> None:
    """Raise ValueError unless arrays hold what they say: scipy's reader trusts it and may crash."""
    for kind, content in _elements(data, order):
        if kind == COMPRESSED:
            _check(zlib.decompress(content), order)
        elif kind == MATRIX and content:
            parts = list(_elements(content, order))
            (flags,) = struct.unpack(f"{order}I", parts[0][1][:4])
            head = [(kind, len(part)) for kind, part in parts[:2]]
            if head[0] != (6, 8) or (head[1:] and (head[1][0] != 5 or head[1][1] < 8)):
                raise ValueError("an array without its shape")
            held = 1 + (flags >> 11 & 1)  # a real and an imaginary part
            kinds = [kind for kind, _ in parts[3:]]
            if flags & 0xFF in NUMERIC and (len(kinds) != held or not NUMBERS.issuperset(kinds)):
                raise ValueError("an array without its numbers")
            for kind, part in parts:
                if kind == MATRIX:
                    _check(struct.pack(f"{order}II", kind, len(part)) + part, order)


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The type and the bytes of each element."""
    at = 0
    while at < len(data):
        kind, size, start = *struct.unpack_from(f"{order}II", data, at), at + 8
        if kind >> 16:  # a short one, all in eight bytes
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > len(data) or (start == at + 4 and size > 4):
            raise ValueError("a file cut short")
        yield kind, data[start : start + size]
        at = at + 8 if start == at + 4 else start + (size if kind == COMPRESSED else -(-size // 8) * 8)
