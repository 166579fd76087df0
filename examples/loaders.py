"""Data files as arrays: MNIST's IDX, text of a Penn Treebank kind, and MIDI. What is read is a path.

MIDI is read by mido, which `pip install "blocksim[train]"` brings. Each function raises ValueError, with the
file and what is wrong in it, for a file that is not what it reads.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import mido
import numpy as np

IDX = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DRUMS = 9
END, UNKNOWN = "<eos>", "<unk>"


def idx(path: str | Path) -> np.ndarray:
    """The array of an IDX file, compressed by gzip or not: MNIST's images (N, 28, 28), its labels (N,).

    Format: two zeros, a type, the number of axes; the length of each axis, 4 bytes; the values, big-endian.
    """
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: not a whole gzip file, {error}") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX:
        raise ValueError(f"{path}: not an IDX file, it begins with {data[:4].hex(' ')}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError(f"{path}: {data[3]} axes, but the file ends within their lengths")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    dtype = np.dtype(IDX[data[2]])
    if len(data) - start != dtype.itemsize * math.prod(shape):
        raise ValueError(
            f"{path}: an array {shape} of {dtype.itemsize} bytes each, but {len(data) - start} bytes"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def words(path: str | Path, vocabulary: int | None = None) -> tuple[np.ndarray, list[str]]:
    """The words of a text as numbers (T,), and the words by number, the most frequent first.

    A line is a sentence, words are parted by spaces, as in the files ptb.*.txt: each line ends with <eos>.
    vocabulary: how many words are kept; the others are <unk>.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8, {error.reason} at {error.start}") from None
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
    """The notes (start, end, pitch) of a MIDI file, by their starts, and the ticks of a quarter.

    All tracks and channels but the tenth, that of drums. Times are in ticks, which follow the score: changes
    of tempo do not matter. A note that does not end, ends with its track.
    """
    data = Path(path).read_bytes()
    if data[:4] != b"MThd":
        raise ValueError(f"{path}: not a MIDI file, it begins with {data[:4]!r}")
    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except EOFError:
        raise ValueError(f"{path}: not a whole MIDI file, it ends too soon") from None
    except Exception as error:  # mido has errors of all kinds for data that are not MIDI
        raise ValueError(f"{path}: not a MIDI file, {str(error) or type(error).__name__}") from None
    if file.ticks_per_beat <= 0:
        raise ValueError(f"{path}: times in frames, not in parts of a quarter")
    found = []
    for track in file.tracks:
        time, sounding = 0, {}
        for message in track:
            time += message.time
            if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
                continue
            start = sounding.pop((message.channel, message.note), time)
            found.append((start, time, message.note))
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.channel, message.note] = time
        found += [(start, time, pitch) for (_, pitch), start in sounding.items()]
    return sorted(note for note in found if note[0] < note[1]), file.ticks_per_beat


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
