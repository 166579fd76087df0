"""What is refused, of inputs and of models: each error says where, what was expected, what came."""

import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import X, model, rows, small

import blocksim as bs
from blocksim.errors import BlocksimError, FileError, InputError, NonFiniteError
from blocksim.interop.onnx import run, to_diagram

FLOAT = TensorProto.FLOAT

# -- what is refused: inputs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({}, "input 'x'.*an array, got nothing"),
        ({"X": X}, "input 'X'.*none of that name. Did you mean 'x'?"),
        ([X, X], "arrays by name, or a list of 1: x"),
        (X, "arrays by name"),
        ({"x": X[0]}, r"the shape \(n, 3\), got \(3,\)"),
        ({"x": X[:, :2]}, r"the shape \(n, 3\), got \(4, 2\)"),
        ({"x": X.astype(str)}, "real numbers, got an array of shape .* and dtype <U"),
        ({"x": X * 1j}, "real numbers"),
        ({"x": [[1.0], [2.0, 3.0]]}, "real numbers"),
        ({"x": X * np.nan}, "finite numbers, got nan"),
    ],
)
def test_bad_inputs(inputs, match):
    with pytest.raises(InputError, match=match):
        run(small(), inputs)


def test_kinds_of_numbers():
    made = model(
        [helper.make_node("Where", ["c", "i", "i"], ["y"])],
        {"c": np.array([True]), "i": np.array([1])}, {"y": TensorProto.INT64},
    )  # fmt: skip
    for inputs in ([np.array([1]), np.array([1])], [np.array([True]), np.array([1.0])]):
        with pytest.raises(InputError, match=r"an array of (integers|booleans)"):
            run(made, inputs)


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        (None, r"the sizes of its dynamic axes, of shape \(n, 3\).*Give shapes=\{'x': \(...\)\}"),
        ({"x": (4,)}, r"the shape \(n, 3\), got \(4,\)"),
        ({"x": "n3"}, r"the shape \(n, 3\), got n3"),
        ({"x": (-1, 3)}, r"the shape \(n, 3\), got \(-1, 3\)"),
        ({"y": (4, 3)}, r"shapes\['y'\].*There is 'x'"),
    ],
)
def test_bad_shapes(shapes, match):
    with pytest.raises(InputError, match=match):
        to_diagram(small(), shapes)


def test_one_size_for_each_named_axis():
    made = model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": X, "b": X}, {"y": FLOAT})
    for value in made.graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    with pytest.raises(InputError, match=r"input 'b'.*4 along the axis 'n', as input 'a' has it, got 1"):
        run(made, [X, X[:1]])


def test_a_non_finite_result_names_its_block():
    made = model([helper.make_node("Log", ["x"], ["y"], name="log")], {"x": X}, {"y": FLOAT})
    with pytest.raises(NonFiniteError, match="log"):
        run(made, [-abs(X)])
    with np.errstate(invalid="ignore"):
        assert np.isnan(run(made, [-abs(X)], check_finite=False)[0]).all()


# -- what is refused: models -----------------------------------------------------------------------


def test_a_file_cut_short_at_any_place(tmp_path):
    data = small().SerializeToString()
    path = tmp_path / "small.onnx"
    for size in range(0, len(data), 3):
        path.write_bytes(data[:size])
        with pytest.raises(FileError, match=r"small\.onnx"):
            run(path, [X])


@pytest.mark.parametrize("seed", range(30))
def test_bytes_changed_anywhere_give_a_result_or_an_error(seed):
    data = bytearray(small().SerializeToString())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(data), 5):
        data[place] = rng.integers(256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(BlocksimError):
            run(bytes(data), {"x": X}, check_finite=False)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04 a zip archive", "another format"),
        (np.random.default_rng(0).bytes(500), "another format"),
        (3, "a path, bytes or an onnx.ModelProto, got int 3"),
        ("nowhere/model.onnx", r"nowhere/model\.onnx.*an ONNX file, got no such file"),
        (".", "got a folder"),
        (onnx.ModelProto(), "a graph with outputs"),
    ],
)
def test_what_is_no_model(source, match):
    with pytest.raises(FileError, match=match):
        run(source, [X])


def test_a_name_that_is_nearly_that_of_a_file(tmp_path):
    onnx.save(small(), tmp_path / "small.onnx")
    with pytest.raises(FileError, match=r"Did you mean 'small\.onnx'"):
        run(tmp_path / "smal.onnx", [X])


def unknown(name, domain=""):
    made = small()
    made.graph.node[2].op_type, made.graph.node[2].domain = name, domain
    if domain:
        made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


@pytest.mark.parametrize("name", ["Erf", "Frobnicate", "IsNaN"])
def test_an_operator_that_is_not_supported(name, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(unknown(name).SerializeToString())
    with pytest.raises(FileError, match=rf"m\.onnx, node 2 .*got {name}"):
        run(path, [X])


def test_an_operator_of_another_domain():
    with pytest.raises(FileError, match=r"node 2 .*got Relu of 'com\.microsoft'"):
        run(unknown("Relu", "com.microsoft"), [X])


@pytest.mark.parametrize(("version", "match"), [(5, "version 5"), (9999, "version 9999")])
def test_versions(version, match):
    made = small()
    made.opset_import[0].version = version
    with pytest.raises(FileError, match=match):
        run(made, [X])


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"W": rows(4, 2)}, r"'product' \(MatMul\).*rows for the 3 columns"),
        ({"b": rows(3)}, r"'model\.add' \(Add\).*widened to one, got \(4, 2\), \(3,\)"),
        ({"W": np.ones((3, 2), complex)}, "tensor 'W'.*COMPLEX128"),
        ({"W": np.array([["a"] * 2] * 3)}, "tensor 'W'.*STRING"),
        ({"b": np.array([1.0, np.inf], np.float32)}, r"model\.add/B.*finite numbers, got inf"),
    ],
)
def test_weights_that_do_not_fit(arrays, match):
    with pytest.raises(BlocksimError, match=match):
        run(small(**arrays), {"x": X})


def test_weights_with_data_for_another_shape():
    made = small()
    made.graph.initializer[0].dims[0] = 30
    with pytest.raises(FileError, match=r"the model"):
        run(made, [X])


def test_a_missing_tensor():
    made = small()
    made.graph.node[0].input[0] = "elsewhere"
    with pytest.raises(FileError, match="elsewhere"):
        run(made, [X])


def external(path, location):
    made = small()
    onnx.external_data_helper.set_external_data(made.graph.initializer[0], location)
    made.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(made.SerializeToString())
    return made


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret", "link", "", "a" * 5000])
def test_external_data_outside_of_the_folder_is_not_read(location, tmp_path):
    (tmp_path / "secret").write_bytes(rows(3, 2).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    external(folder / "m.onnx", location)
    with pytest.raises(FileError, match=r"tensor 'W'.*external data within the folder"):
        run(folder / "m.onnx", [X])


def test_external_data_that_is_missing(tmp_path):
    made = external(tmp_path / "m.onnx", "weights")
    with pytest.raises(FileError, match=r"tensor 'W'.*'weights', beside the model, got no such file"):
        run(tmp_path / "m.onnx", [X])
    with pytest.raises(FileError, match="Give the path of the model's file"):
        run(made, [X])
    (tmp_path / "weights").write_bytes(b"short")
    with pytest.raises(FileError, match=r"raw_data size \(5 bytes\) is too small"):
        run(tmp_path / "m.onnx", [X])


def test_sparse_initializers():
    made = small()
    dense = made.graph.initializer.pop(0)
    indices = numpy_helper.from_array(np.arange(6), "")
    values = numpy_helper.from_array(numpy_helper.to_array(dense).ravel(), "W")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3, 2]))
    with pytest.raises(FileError, match="dense initializers"):
        run(made, [X])


def test_without_onnx(tmp_path):
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import blocksim as bs\n"
        "try:\n bs.interop.onnx.run('a.onnx', [])\n"
        "except bs.errors.InputError as error:\n print(error)"
    )
    root = Path(bs.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert "pip install 'blocksim[onnx]'" in done.stdout


def test_a_tensor_too_large_for_the_memory():
    node = onnx.helper.make_node("ConstantOfShape", ["s"], ["y"], name="fill")
    made = model([node], {}, {"y": onnx.TensorProto.FLOAT}, {"s": np.array([10**7, 10**8])})
    with pytest.raises(FileError, match=r"node 'fill' .*Unable to allocate"):
        run(made, {})
