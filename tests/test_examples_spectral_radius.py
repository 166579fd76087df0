"""The spectral radius along training, on digits and on small files of the formats that it reads."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(EXAMPLES))

import loaders  # noqa: E402  # pyright: ignore[reportMissingImports]
import spectral_radius  # noqa: E402  # pyright: ignore[reportMissingImports]

TEXT = " the cat sat on the mat \n the <unk> sat \n\n a dog saw the cat on N mats \n"


# -- files -------------------------------------------------------------------------------------------


def write_idx(path: Path, array: np.ndarray, compress: bool = False) -> Path:
    kind = {"u1": 8, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}[array.dtype.str[1:]]
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if compress else data)
    return path


def number(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.insert(0, value & 0x7F | 0x80)
    return bytes(found)


def track(events: list[tuple[int, bytes]]) -> bytes:
    """Events at their times, with the end of the track."""
    data, before = b"", 0
    for time, event in [*events, (events[-1][0] if events else 0, b"\xff\x2f\x00")]:
        data += number(time - before) + event
        before = time
    return b"MTrk" + struct.pack(">I", len(data)) + data


def header(tracks: int, division: int = 96) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, division)


def midi(path: Path, *tracks: bytes, division: int = 480) -> Path:
    path.write_bytes(header(len(tracks), division) + b"".join(tracks))
    return path


def tune(path: Path, pitches: list[int], division: int = 96) -> Path:
    """A quarter for each pitch, the eighths between them with the lower octave."""
    events = []
    for k, pitch in enumerate(pitches):
        at = k * division
        events += [(at, bytes([0x90, pitch, 80])), (at + division // 2, bytes([0x90, pitch - 12, 70]))]
        events += [(at + division, bytes([0x80, pitch, 0])), (at + division, bytes([0x80, pitch - 12, 0]))]
    return midi(path, track([(0, b"\xff\x51\x03\x07\xa1\x20")]), track(events), division=division)


class TestIdx:
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("dtype", ["u1", "<i4", "<f4", "<f8"])
    def test_arrays(self, tmp_path, dtype, compress):
        array = (np.arange(24).reshape(2, 3, 4) * 7 % 250).astype(dtype)
        found = loaders.idx(write_idx(tmp_path / "a", array, compress))
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "not an IDX file"),
            (b"\x89PNG....", "begins with 89 50 4e 47"),
            (b"\0\0\x08\x03\0\0\0\1", "ends within"),
            (b"\0\0\x08\x01\0\0\0\5abc", "3 bytes"),
        ],
    )
    def test_bad_files(self, tmp_path, data, said):
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(ValueError, match=f"{tmp_path / 'a'}: .*{said}"):
            loaders.idx(tmp_path / "a")

    def test_lengths_whose_product_overflows(self, tmp_path):
        (tmp_path / "a").write_bytes(b"\0\0\x08\x03" + bytes([0x80, 0, 0, 0]) * 2 + bytes([0, 0, 0, 4]))
        with pytest.raises(ValueError, match="but 0 bytes"):
            loaders.idx(tmp_path / "a")

    def test_damaged_gzip_files(self, tmp_path):
        whole = write_idx(tmp_path / "a", np.arange(99, dtype="u1"), compress=True).read_bytes()
        for data in (
            whole[:40],
            whole[:-1],
            whole[:60] + b"\0\0\0" + whole[63:],
            whole[:2] + b"\x07" + whole[3:],
        ):
            (tmp_path / "a").write_bytes(data)
            with pytest.raises(ValueError, match=f"{tmp_path / 'a'}: not a whole gzip file"):
                loaders.idx(tmp_path / "a")


class TestWords:
    def test_numbers_and_words(self, tmp_path):
        (tmp_path / "a.txt").write_text(TEXT)
        found, known = loaders.words(tmp_path / "a.txt")
        text = [known[i] for i in found]
        assert " ".join(text) == (
            "the cat sat on the mat <eos> the <unk> sat <eos> a dog saw the cat on N mats <eos>"
        )
        assert known[0] == "the"
        assert known[1] == "<eos>"
        assert len(known) == len(set(text))

    def test_rare_words_are_unknown(self, tmp_path):
        (tmp_path / "a.txt").write_text(TEXT)
        found, known = loaders.words(tmp_path / "a.txt", vocabulary=4)
        assert set(known) == {"the", "<eos>", "cat", "<unk>"}
        assert " ".join(known[i] for i in found[:7]) == "the cat <unk> <unk> the <unk> <eos>"

    def test_bytes_that_are_not_text(self, tmp_path):
        (tmp_path / "a.txt").write_bytes("\ufeffthe cat".encode())
        assert loaders.words(tmp_path / "a.txt")[1] == ["<eos>", "cat", "the"]
        (tmp_path / "a.txt").write_bytes("the café".encode("latin1"))
        with pytest.raises(ValueError, match=r"a\.txt: not text in UTF-8, .* at 7"):
            loaders.words(tmp_path / "a.txt")

    def test_nothing(self, tmp_path):
        (tmp_path / "a.txt").write_text("\n \n")
        with pytest.raises(ValueError, match=r"a\.txt: no words"):
            loaders.words(tmp_path / "a.txt")


class TestMidi:
    def test_notes(self, tmp_path):
        file = tune(tmp_path / "a.mid", [60, 64, 67])
        found, division = loaders.notes(file)
        assert division == 96
        assert found == sorted(
            note
            for k, p in enumerate([60, 64, 67])
            for note in [(96 * k, 96 * (k + 1), p), (96 * k + 48, 96 * (k + 1), p - 12)]
        )

    def test_what_events_there_are(self, tmp_path):
        events = [
            (0, b"\xff\x03\x04name"),
            (0, b"\xc0\x05"),  # a program: one byte
            (0, b"\xb0\x07\x64"),
            (0, b"\x90\x3c\x40"),
            (100, b"\x3e\x40"),  # the same status
            (100, b"\x3c\x00"),  # off, as on without velocity
            (150, b"\xf0\x03\x01\x02\xf7"),
            (200, b"\xe0\x00\x40"),
            (300, b"\x80\x3e\x00"),
            (300, b"\x99\x24\x60"),  # drums
            (20000, b"\x91\x48\x40"),  # a time of three bytes; sounds to the end
            (20100, b"\x91\x48\x40"),  # struck again
            (20200, b"\xff\x01\x00"),
        ]
        found, _ = loaders.notes(midi(tmp_path / "a.mid", track(events)))
        assert found == [(0, 100, 60), (100, 300, 62), (20000, 20100, 72), (20100, 20200, 72)]

    def test_tracks_sound_together_at_any_tempo(self, tmp_path):
        tempo = [
            (0, b"\xff\x51\x03\x07\xa1\x20"),
            (50, b"\xff\x51\x03\x01\xa1\x20"),
            (70, b"\xff\x51\x03\x0f\0\0"),
        ]
        one = [(0, b"\x90\x3c\x40"), (100, b"\x80\x3c\x00")]
        two = [(40, b"\x91\x3c\x40"), (90, b"\x91\x3c\x00")]
        found, _ = loaders.notes(midi(tmp_path / "a.mid", track(tempo), track(one), track(two)))
        assert found == [(0, 100, 60), (40, 90, 60)]

    def test_piano_rolls(self, tmp_path):
        files = [tune(tmp_path / "a.mid", [60, 64]), tune(tmp_path / "b.mid", [50], division=480)]
        rolls, pitches = loaders.piano_rolls(files)
        assert pitches == range(38, 65)
        assert [roll.shape for roll in rolls] == [(4, 27), (2, 27)]
        sounding = [[pitches[i] for i in np.flatnonzero(row)] for row in rolls[0]]
        assert sounding == [[60], [48, 60], [64], [52, 64]]
        assert rolls[0].max() == 1

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"RIFF" + bytes(20), "not a MIDI file, it begins with b'RIFF'"),
            (header(2) + track([]), "ends too soon"),
            (header(1, 0xE728) + track([]), "times in frames"),
            (header(1, 0) + track([]), "times in frames"),
            (header(1) + b"RIFF" + bytes(4), "no MTrk header"),
            (header(1) + b"MTrk\0\0\0\2\0\x3c", "running status"),
            (header(1) + b"MTrk\0\0\0\3\0\x90\x3c", "ends too soon"),
            (header(1) + b"MTrk\0\0\0\4\0\x90\x3c\xff", "data byte"),
            (header(1) + b"MTrk\0\0\0\7\0\xff\x59\2\x7f\x7f\0", "key"),
        ],
    )
    def test_bad_files(self, tmp_path, data, said):
        (tmp_path / "a.mid").write_bytes(data)
        with pytest.raises(ValueError, match=rf"a\.mid: .*{said}"):
            loaders.notes(tmp_path / "a.mid")

    def test_a_file_cut_anywhere(self, tmp_path):
        whole = tune(tmp_path / "a.mid", [60, 64]).read_bytes()
        for end in range(len(whole)):
            (tmp_path / "a.mid").write_bytes(whole[:end])
            with pytest.raises(ValueError, match=r"a\.mid: not a (whole )?MIDI file, it (ends|begins)"):
                loaders.notes(tmp_path / "a.mid")

    def test_nothing_to_read(self, tmp_path):
        with pytest.raises(ValueError, match=r"a\.mid: no notes"):
            loaders.piano_rolls([midi(tmp_path / "a.mid", track([]))])
        with pytest.raises(ValueError, match="no MIDI files"):
            loaders.piano_rolls([])


# -- training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_training_on_digits_raises_the_radius(seed):
    rows = spectral_radius.follow(spectral_radius.digits(), stored=1, seed=seed)
    assert [step for step, *_ in rows] == [0, 600]
    assert rows[0][1] == pytest.approx(np.log(10), abs=0.1)
    assert rows[-1][1] < 0.1
    radii = [abs(found).max() for *_, found in rows]
    assert 0.5 < radii[0] < 0.75
    assert radii[-1] >= radii[0] + 0.11


def test_the_jacobian_is_that_of_the_trained_layer():
    *_, (_, _, weights) = spectral_radius.train(spectral_radius.digits(), steps=60, stored=1)
    layer = spectral_radius.autonomous(weights)
    parameters = layer.parameters()
    for gate in "ifgo":
        np.testing.assert_array_equal(
            parameters[f"{gate}/R"]["K"], np.asarray(weights[f"lstm/{gate}/R"]["K"])
        )
        assert parameters[f"{gate}/b"]["value"].any()
    assert not layer.inputs


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 7, 5)).astype("u1")
    write_idx(tmp_path / "images", images, compress=True)
    write_idx(tmp_path / "labels", rng.integers(0, 3, 30).astype("u1"))
    (tmp_path / "ptb.train.txt").write_text(TEXT * 12)
    (tmp_path / "songs").mkdir()
    for k in range(2):
        tune(tmp_path / "songs" / f"{k}.mid", rng.integers(60, 72, 80).tolist())
    return tmp_path


def test_tasks_from_files(files):
    task = spectral_radius.mnist(files / "images", files / "labels", units=8, count=20)
    assert (task.x.shape, task.inputs, task.outputs) == ((20, 7, 5), 5, 3)
    assert task.x.max() == 1
    task = spectral_radius.text(files / "ptb.train.txt", units=8, steps=5)
    np.testing.assert_array_equal(task.x[:, 1:], task.target[:, :-1])
    np.testing.assert_array_equal(task.x[1:, 0], task.target[:-1, -1])
    task = spectral_radius.music([files / "songs"], units=8, steps=20)
    np.testing.assert_array_equal(task.x[:, 1:], task.target[:, :-1])
    assert task.x.shape == (14, 20, task.inputs)


@pytest.mark.parametrize("name", ["mnist", "text", "music"])
def test_networks_learn_from_files(files, name):
    task = {
        "mnist": lambda: spectral_radius.mnist(files / "images", files / "labels", units=8),
        "text": lambda: spectral_radius.text(files / "ptb.train.txt", units=8, steps=10),
        "music": lambda: spectral_radius.music([files / "songs"], units=8, steps=20),
    }[name]()
    rows = list(spectral_radius.train(task, steps=60, rate=1e-2, stored=2))
    assert [k for k, *_ in rows] == [0, 30, 60]
    assert rows[-1][1] < rows[0][1]
    found = spectral_radius.eigenvalues(rows[-1][2])
    assert found.shape == (16,)


def run(*arguments):
    command = [sys.executable, str(EXAMPLES / "spectral_radius.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_script(files):
    songs = [files / "songs" / name for name in ("0.mid", "1.mid")]
    ran = run("midi", *songs, "--steps", "2", "--runs", "2", "--out", files)
    assert ran.returncode == 0, ran.stderr
    assert "in 2 runs" in ran.stdout
    for name in ("spectral_radius_midi.png", "eigenvalues_midi.png"):
        assert (files / name).read_bytes().startswith(b"\x89PNG")


def test_the_script_says_what_is_wrong(files):
    for arguments, said in (
        (["mnist", files / "images"], "mnist takes 2 files"),
        (["mnist", files / "labels", files / "images"], "images (N, rows, columns)"),
        (["text", files / "none.txt"], "No such file"),
        (["midi", files / "ptb.train.txt"], "not a MIDI file"),
    ):
        ran = run(*arguments)
        assert ran.returncode == 2
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr
