"""Data files as arrays: MNIST's IDX, text of a Penn Treebank kind, and MIDI. What is read is a path.

Each function raises ValueError, with the file and the place in it, for a file that is not what it reads.
"""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

IDX = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
END, UNKNOWN = "<eos>", "<unk>"


def idx(path: str | Path) -> np.ndarray:
    """The array of an IDX file, compressed by gzip or not: MNIST's images (N, 28, 28), its labels (N,).

    Format: two zeros, a type, the number of axes; the length of each axis, 4 bytes; the values, big-endian.
    """
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX:
        raise ValueError(f"{path}: not an IDX file, it begins with {data[:4].hex(' ')}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError(f"{path}: {data[3]} axes, but the file ends within their lengths")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    dtype = np.dtype(IDX[data[2]])
    if len(data) - start != dtype.itemsize * int(np.prod(shape)):
        raise ValueError(
            f"{path}: an array {shape} of {dtype.itemsize} bytes each, but {len(data) - start} bytes"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def words(path: str | Path, vocabulary: int | None = None) -> tuple[np.ndarray, list[str]]:
    """The words of a text as numbers (T,), and the words by number, the most frequent first.

    A line is a sentence, words are parted by spaces, as in the files ptb.*.txt: each line ends with <eos>.
    vocabulary: how many words are kept; the others are <unk>.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    text = [word for line in lines if line.split() for word in (*line.split(), END)]
    if not text:
        raise ValueError(f"{path}: no words")
    counts = Counter(text)
    if vocabulary is not None and vocabulary < len(counts):
        counts = Counter({w: n for w, n in counts.items() if w != UNKNOWN})
        kept = {w for w, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: vocabulary - 1]}
        text = [word if word in kept else UNKNOWN for word in text]
        counts = Counter(text)
    known = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    number = {word: i for i, word in enumerate(known)}
    return np.array([number[word] for word in text]), known


# -- MIDI --------------------------------------------------------------------------------------------


def notes(path: str | Path) -> tuple[list[tuple[int, int, int]], int]:
    """The notes (start, end, pitch) of a MIDI file, in ticks, by their starts, and the ticks of a quarter.

    All tracks and channels but the tenth, that of drums. A note that does not end, ends with its track.
    """
    data = Path(path).read_bytes()
    if data[:4] != b"MThd" or len(data) < 14:
        raise ValueError(f"{path}: not a MIDI file, it begins with {data[:4]!r}")
    length, _, tracks, division = struct.unpack(">IHHH", data[4:14])
    if division & 0x8000 or not division:
        raise ValueError(f"{path}: times in frames, not in parts of a quarter")
    found: list[tuple[int, int, int]] = []
    at, seen = 8 + length, 0
    while at + 8 <= len(data) and seen < tracks:
        kind, size = struct.unpack(">4sI", data[at : at + 8])
        if at + 8 + size > len(data):
            raise ValueError(f"{path}: a track of {size} bytes at {at}, but the file ends at {len(data)}")
        if kind == b"MTrk":
            found += _track(data[at + 8 : at + 8 + size], f"{path}, track {seen}")
            seen += 1
        at += 8 + size
    if seen < tracks:
        raise ValueError(f"{path}: {tracks} tracks in the header, {seen} in the file")
    return sorted(found), division


def _track(data: bytes, where: str) -> Iterator[tuple[int, int, int]]:
    """The notes of a track. An event is the time since the last, a status, unless it is as before, data."""
    at = time = status = 0
    sounding: dict[tuple[int, int], int] = {}

    def number() -> int:
        """Seven bits a byte, the highest bit set in all but the last."""
        nonlocal at
        value = 0
        for _ in range(4):
            byte = data[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise ValueError(f"{where}: a number of more than four bytes at {at}")

    try:
        while at < len(data):
            time += number()
            if data[at] >= 0x80:
                status = data[at]
                at += 1
            elif not 0x80 <= status < 0xF0:
                raise ValueError(f"{where}: data without a status at {at}")
            if status == 0xFF:
                kind = data[at]
                at += 1
                at = number() + at  # number() moves on first
                if kind == 0x2F:
                    break
            elif status >= 0xF0:
                at = number() + at
            else:
                channel, kind = status & 0x0F, status >> 4
                size = 1 if kind in (0xC, 0xD) else 2
                pitch, velocity = data[at], data[at + size - 1]
                at += size
                if kind not in (0x8, 0x9) or channel == 9:
                    continue
                start = sounding.pop((channel, pitch), None)
                if start is not None and time > start:
                    yield start, time, pitch
                if kind == 0x9 and velocity:
                    sounding[channel, pitch] = time
    except IndexError:
        raise ValueError(f"{where}: it ends within an event") from None
    for (_, pitch), start in sounding.items():
        if time > start:
            yield start, time, pitch


def piano_rolls(paths: Iterable[str | Path], per_quarter: int = 2) -> tuple[list[np.ndarray], range]:
    """For each MIDI file what sounds (T, pitches), 0 or 1, at so many steps a quarter; and the pitches.

    The pitches go from the lowest to the highest of all files. A note sounds for a step at least.
    """
    songs = []
    for path in paths:
        found, division = notes(path)
        if not found:
            raise ValueError(f"{path}: no notes")
        step = division / per_quarter
        songs.append([(round(a / step), max(round(b / step), round(a / step) + 1), p) for a, b, p in found])
    if not songs:
        raise ValueError("no MIDI files")
    pitches = [p for song in songs for _, _, p in song]
    span = range(min(pitches), max(pitches) + 1)
    rolls = []
    for song in songs:
        roll = np.zeros((max(b for _, b, _ in song), len(span)))
        for a, b, pitch in song:
            roll[a:b, pitch - span.start] = 1
        rolls.append(roll)
    return rolls, span
