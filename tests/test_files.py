"""Weights and inputs from files: what is read, and what is said of files that cannot be."""

from __future__ import annotations

import json
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from blocksim import Signal
from blocksim.errors import FileError
from blocksim.files import load_weights, read_inputs, write_outputs

FLOAT = np.dtype(np.float64)
SCALAR, VECTOR, MATRIX = (Signal(shape, FLOAT) for shape in [(), (2,), (2, 2)])
WEIGHTS = {"W": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.float32)}


def fragments_in_order(message: str, *fragments: str) -> bool:
    return re.search(".*".join(map(re.escape, fragments)), message, re.DOTALL) is not None


# -- weights ------------------------------------------------------------------------------------


def test_weights_come_in_the_order_asked_for_with_their_dtypes(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    found = load_weights(tmp_path / "w.safetensors", "b", "W")
    assert list(found) == ["b", "W"]
    for name, array in found.items():
        assert array.dtype == WEIGHTS[name].dtype
        np.testing.assert_array_equal(array, WEIGHTS[name])


def test_all_weights_come_if_none_is_named(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    assert load_weights(tmp_path / "w.safetensors").keys() == WEIGHTS.keys()


def bfloat16() -> bytes:
    header = json.dumps({"W": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0\0"


FOREIGN = {
    "truncated": save(WEIGHTS)[:-5],
    "header alone": save(WEIGHTS)[:20],
    "pickle": pickle.dumps(WEIGHTS),
    "text": b"these are no weights",
    "bfloat16": bfloat16(),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_not_whole_safetensors(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(FileError) as caught:
        load_weights(file, "W")
    assert fragments_in_order(
        str(caught.value), str(file), "expected a whole safetensors file", "got ", "save_file"
    )


def test_weights_that_are_not_there(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    (tmp_path / "empty.safetensors").touch()
    for path, fragments in {
        "weight.safetensors": ("expected a file", "no such file", "Did you mean 'weights.safetensors'?"),
        "empty.safetensors": ("expected data", "an empty file"),
        ".": ("expected a file", "a folder"),
        "absent/w.safetensors": ("no such file", f"There is no folder {tmp_path / 'absent'}"),
    }.items():
        with pytest.raises(FileError) as caught:
            load_weights(tmp_path / path)
        assert fragments_in_order(str(caught.value), str(tmp_path / path), "test_files.py:", *fragments)
    with pytest.raises(FileError, match=r"expected an array 'w', got a file with W, b\. Did you mean 'W'"):
        load_weights(tmp_path / "weights.safetensors", "W", "w")


# -- inputs -------------------------------------------------------------------------------------


def read(path: Path, content: str | bytes, **inputs: Signal) -> dict[str, np.ndarray]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_inputs(path, inputs)


@pytest.mark.parametrize(
    ("content", "inputs", "expected"),
    [
        ("u\n1\n2.5\n", {"u": SCALAR}, {"u": [1, 2.5]}),
        ("1\n-2e3\n", {"u": SCALAR}, {"u": [1, -2000]}),
        ("1,2\n3,4\n\n", {"x": VECTOR}, {"x": [[1, 2], [3, 4]]}),
        ("x[1], u, x[0]\n1,2,3\n", {"u": SCALAR, "x": VECTOR}, {"u": [2], "x": [[3, 1]]}),
        ("A[0][0],A[0][1],A[1][0],A[1][1]\r\n1,2,3,4\r\n", {"A": MATRIX}, {"A": [[[1, 2], [3, 4]]]}),
        ("1,2,3,4", {"A": MATRIX}, {"A": [[[1, 2], [3, 4]]]}),
        ("\ufeffu\n7", {"u": SCALAR}, {"u": [7]}),
        ("7\n8", {"7": SCALAR}, {"7": [8]}),
    ],
)
def test_csv(tmp_path, content, inputs, expected):
    found = read(tmp_path / "in.csv", content, **inputs)
    assert list(found) == list(inputs)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], np.array(values, float))


def test_csv_in_the_dtype_of_the_input(tmp_path):
    inputs = {"n": Signal((), np.dtype(np.int32)), "on": Signal((), np.dtype(bool))}
    found = read(tmp_path / "in.csv", "n,on\n3,1\n-4,false\n", **inputs)
    assert found["n"].dtype == np.int32
    assert found["n"].tolist() == [3, -4]
    assert found["on"].tolist() == [True, False]


BOTH = {"u": SCALAR, "x": VECTOR}


@pytest.mark.parametrize(
    ("content", "inputs", "fragments"),
    [
        ("u\n1\ntwo\n", {"u": SCALAR}, ["line 3, column u", "a number (float64)", "'two'", "0.5"]),
        ("1,2\n3,\n", {"x": VECTOR}, ["line 2, column x[1]", "a number", "an empty cell"]),
        ("1,2\n3\n", {"x": VECTOR}, ["line 2", "2 columns, x[0], x[1]", "got 1", "commas"]),
        ("1,2\n\n3,4\n", {"x": VECTOR}, ["line 2", "2 columns, x[0], x[1]", "a blank line"]),
        ("1,2\n,\n3,4\n", {"x": VECTOR}, ["line 2, column x[0]", "a number", "an empty cell"]),
        ("1\n\n3\n", {"u": SCALAR}, ["line 2", "1 columns, u", "a blank line"]),
        ("1_0\n", {"u": SCALAR}, ["line 1", "'1_0'"]),
        ("1,2,3\n", {"x": VECTOR}, ["line 1", "2 columns", "got 3"]),
        ("u,y\n1,2\n", {"u": SCALAR}, ["line 1", "the columns u", "a column 'y'", "There is 'u'"]),
        ("u,x[0],x[2]\n", BOTH, ["line 1", "a column 'x[2]'", "Did you mean"]),
        ("u,x[0]\n1,2\n", BOTH, ["the columns u, x[0], x[1]", "none named 'x[1]'", "all its columns"]),
        ("u,u\n1,2\n", {"u": SCALAR}, ["each column once", "'u' 2 times"]),
        ("u,\n1,2\n", {"u": SCALAR}, ["a column without a name"]),
        ("1,2,3\n", BOTH, ["line 1", "a header with the columns u, x[0], x[1]", "numbers", "one input"]),
        ("u\n", {"u": SCALAR}, ["a row of numbers", "a header alone"]),
        ("\n,\n", {"u": SCALAR}, ["a row of numbers", "blank lines"]),
        ("", {"u": SCALAR}, ["expected data", "an empty file"]),
        (b"\xff\xfe\x00", {"u": SCALAR}, ["text, comma-separated", "codec"]),
        ("n\n1.5\n", {"n": Signal((), np.dtype(np.int32))}, ["column n", "a number (int32)", "'1.5'"]),
        ("n\n3000000000\n", {"n": Signal((), np.dtype(np.int32))}, ["line 2", "(int32)", "'3000000000'"]),
        ("on\n2\n", {"on": Signal((), np.dtype(bool))}, ["column on", "(bool)", "'2'"]),
        ("1\n", {}, ["a diagram that reads inputs", "one without any"]),
    ],
)
def test_csv_that_does_not_fit(tmp_path, content, inputs, fragments):
    with pytest.raises(FileError) as caught:
        read(tmp_path / "in.csv", content, **inputs)
    assert fragments_in_order(str(caught.value), str(tmp_path / "in.csv"), *fragments)


def test_arrays_keep_the_axis_of_a_batch(tmp_path):
    x = np.arange(12.0).reshape(2, 3, 2)
    np.save(tmp_path / "in.npy", x)
    np.savez(tmp_path / "in.npz", x=x, u=x[..., 0])
    np.testing.assert_array_equal(read_inputs(tmp_path / "in.npy", {"x": VECTOR})["x"], x)
    found = read_inputs(tmp_path / "in.npz", BOTH)
    assert list(found) == ["u", "x"]
    np.testing.assert_array_equal(found["x"], x)


def test_arrays_that_do_not_fit(tmp_path):
    objects = np.array([{}], object)
    np.save(tmp_path / "one.npy", np.ones(3))
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", u=objects)
    np.savez(tmp_path / "u.npz", u=np.ones(3))
    np.savez(tmp_path / "more.npz", u=np.ones(3), v=np.ones(3))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "one.npy").read_bytes()[:-4])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "u.npz").read_bytes()[:-40])
    (tmp_path / "array.npz").write_bytes((tmp_path / "one.npy").read_bytes())
    (tmp_path / "archive.npy").write_bytes((tmp_path / "u.npz").read_bytes())
    (tmp_path / "text.npy").write_text("1,2,3")
    (tmp_path / "steps.txt").write_text("1,2,3")
    (tmp_path / "empty.npy").touch()
    pickle_free = "NumPy's format"
    for name, inputs, fragments in [
        ("one.npy", BOTH, ["each of the inputs u, x", "a single one", "savez"]),
        ("objects.npy", {"u": SCALAR}, [pickle_free, "numpy.save"]),
        ("objects.npz", {"u": SCALAR}, [pickle_free]),
        ("cut.npy", {"u": SCALAR}, [pickle_free]),
        ("cut.npz", {"u": SCALAR}, [pickle_free]),
        ("text.npy", {"u": SCALAR}, [pickle_free]),
        ("array.npz", {"u": SCALAR}, ["an .npz archive", "one array", ".npy"]),
        ("archive.npy", {"u": SCALAR}, ["one array", "an .npz archive", ".npz"]),
        ("u.npz", BOTH, ["an array 'x'", "the arrays u"]),
        ("more.npz", {"u": SCALAR}, ["named as the inputs", "one named 'v'", "There is 'u'"]),
        ("steps.txt", {"u": SCALAR}, [".csv, .npy or .npz", ".txt"]),
        ("steps", {"u": SCALAR}, [".csv, .npy or .npz", "no extension"]),
        ("two.npy", {"u": SCALAR}, ["expected a file", "no such file", "Did you mean"]),
        ("empty.npy", {"u": SCALAR}, ["expected data", "an empty file"]),
    ]:
        with pytest.raises(FileError) as caught:
            read_inputs(tmp_path / name, inputs)
        assert fragments_in_order(str(caught.value), str(tmp_path / name), *fragments), caught.value


# -- outputs ------------------------------------------------------------------------------------


def test_outputs_are_read_back_under_any_name(tmp_path):
    outputs = {"file": np.arange(3), "allow_pickle": np.ones((3, 2)), "y 1": np.zeros(3, bool)}
    write_outputs(tmp_path / "out.npz", 0.1 * np.arange(3), outputs)
    with np.load(tmp_path / "out.npz") as archive:
        assert set(archive.files) == {"time", *outputs}
        for name, array in outputs.items():
            np.testing.assert_array_equal(archive[name], array)


def test_an_output_cannot_take_the_name_of_time(tmp_path):
    with pytest.raises(FileError, match="other names than 'time'"):
        write_outputs(tmp_path / "out.npz", np.arange(3), {"time": np.arange(3)})
