"""ONNX models as diagrams: reading, names and shapes, PyTorch's exporter, and what is refused."""

import io
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import model, ort

import blocksim as bs
from blocksim.errors import BlocksimError, FileError, InputError, NonFiniteError
from blocksim.interop.onnx import run, to_diagram

FLOAT = TensorProto.FLOAT


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small(shape=("n", 3), **arrays):
    """y = relu(x W + b)."""
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["xW"], name="product"),
        helper.make_node("Add", ["xW", "b"], ["s"], name="/model/add"),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    weights = {"W": rows(3, 2), "b": rows(2, seed=1)} | arrays
    made = model(nodes, {"x": rows(4, 3)}, {"y": FLOAT}, weights)
    made.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", FLOAT, shape))
    return made


X = rows(4, 3, seed=2)
Y = np.maximum(X @ rows(3, 2) + rows(2, seed=1), 0)


# -- reading ---------------------------------------------------------------------------------------


def test_a_path_bytes_or_a_proto(tmp_path):
    made = small()
    path = tmp_path / "small.onnx"
    onnx.save(made, path)
    for source in (path, str(path), made, made.SerializeToString()):
        (y,) = run(source, {"x": X})
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, Y, rtol=1e-6)
    assert bs.interop.onnx.run is run


def test_the_model_is_left_as_it_is():
    made = small()
    before = made.SerializeToString()
    run(made, {"x": X})
    assert made.SerializeToString() == before


def test_inputs_by_name_or_in_order():
    np.testing.assert_array_equal(run(small(), [X])[0], run(small(), {"x": X})[0])


def test_external_data(tmp_path):
    onnx.save(small(), tmp_path / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=0)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", [X])[0], Y, rtol=1e-6)


def test_initializers_that_are_inputs_can_be_replaced():
    made = small()
    made.graph.input.append(helper.make_tensor_value_info("b", FLOAT, (2,)))
    np.testing.assert_allclose(run(made, {"x": X})[0], Y, rtol=1e-6)
    expected = np.maximum(X @ rows(3, 2) + 1, 0)
    np.testing.assert_allclose(run(made, {"x": X, "b": np.ones(2)})[0], expected, rtol=1e-6)


# -- the diagram -----------------------------------------------------------------------------------


def test_names_shapes_and_parameters():
    d = to_diagram(small(), {"x": (4, 3)})
    assert list(d.inputs) == ["x"]
    assert list(d.nodes) == ["product", "model.add", "Relu"]
    assert list(d.outputs) == ["y"]
    assert {path: a["value"].shape for path, a in d.parameters().items()} == {
        "product/B": (3, 2), "model.add/B": (2,),
    }  # fmt: skip
    result = bs.simulate(d, {"x": X[None]}, record="product")
    np.testing.assert_allclose(result["y"][0], Y, rtol=1e-6)
    np.testing.assert_allclose(result["product"][0], X @ rows(3, 2), rtol=1e-6)


def test_parameters_can_be_replaced_and_differentiated():
    jax = pytest.importorskip("jax")
    d = to_diagram(small(), {"x": (4, 3)})
    result = bs.simulate(d, {"x": X[None]}, params={"model.add/B": {"value": np.full(2, 9.0)}})
    np.testing.assert_allclose(result["y"][0], np.maximum(X @ rows(3, 2) + 9, 0), rtol=1e-6)
    f = bs.function(d, dtype=np.float32)
    gradient = jax.grad(lambda p: f(p, {"x": X[None]})[0]["y"].sum())(d.parameters())
    np.testing.assert_allclose(gradient["model.add/B"]["value"], (Y > 0).sum(axis=0))


def test_values_fix_inputs():
    made = model(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"x": X, "shape": np.array([2, -1])},
        {"y": FLOAT},
    )
    d = to_diagram(made, values={"shape": [2, -1]})
    assert list(d.inputs) == ["x"]
    np.testing.assert_array_equal(bs.simulate(d, {"x": X[None]})["y"][0], X.reshape(2, -1))
    np.testing.assert_array_equal(run(made, {"x": X, "shape": np.array([3, 4])})[0], X.reshape(3, 4))
    with pytest.raises(FileError, match=r"'Reshape' \(Reshape\).*values of shape \('shape'\).*in `values`"):
        to_diagram(made)


def test_an_output_that_is_an_input_or_a_constant():
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["W"], ["z"])]
    made = model(nodes, {"x": X}, {"y": FLOAT, "z": FLOAT}, {"W": rows(2)})
    y, z = run(made, [X])
    np.testing.assert_array_equal(y, X)
    np.testing.assert_array_equal(z, rows(2))


def test_names_with_signs_and_names_twice():
    nodes = [
        helper.make_node("Neg", ["in/put:0"], ["a"], name="n/1"),
        helper.make_node("Neg", ["a"], ["b"], name="n.1"),
        helper.make_node("Exp", ["b"], ["out put*"], name="in.put:0"),
    ]
    made = model(nodes, {"in/put:0": X}, {"out put*": FLOAT})
    d = to_diagram(made)
    assert [*d.inputs, *d.nodes, *d.outputs] == ["in.put:0", "n.1", "n.1_2", "in.put:0_2", "out.put"]
    np.testing.assert_allclose(run(made, {"in/put:0": X})[0], np.exp(X), rtol=1e-6)


def test_the_picture_shows_the_graph(tmp_path):
    bs.draw(to_diagram(small((4, 3))), tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size > 1000


# -- PyTorch's exporter ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["LSTM", "GRU", "RNN"])
def exported(request):
    """Two recurrent layers in both directions and a linear one, from torch.onnx.export."""
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            cell = getattr(torch.nn, request.param)
            self.layers = cell(3, 4, num_layers=2, bidirectional=True, batch_first=True)
            self.linear = torch.nn.Linear(8, 2)

        def forward(self, x):
            y, state = self.layers(x)
            return torch.softmax(self.linear(y), -1), state[0]

    torch.manual_seed(0)
    network, x, file = Network().eval(), torch.randn(2, 6, 3), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (x,), file, input_names=["x"], output_names=["y", "h"], dynamo=False,
            dynamic_axes={"x": {0: "runs", 1: "steps"}},
        )  # fmt: skip
    return network, file.getvalue()


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("shape", [(2, 6, 3), (1, 9, 3)])
def test_networks_of_torch(exported, shape, engine):
    torch = pytest.importorskip("torch")
    network, data = exported
    x = rows(*shape)
    y, state = network(torch.from_numpy(x))
    found = run(data, {"x": x}, engine=engine)
    expected = y.detach().numpy(), (state if isinstance(state, torch.Tensor) else state[0]).detach().numpy()
    for a, b, c in zip(found, expected, ort(onnx.load_from_string(data), {"x": x}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)


def test_the_form_of_the_newer_exporter_of_torch():
    """An LSTM as {LSTM, Transpose, Reshape, MatMul, Add}."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["xt", "W", "R", "B", "", "h0", "h0"], ["Y", "", ""], hidden_size=4),
        helper.make_node("Transpose", ["Y"], ["Yt"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["Yt", "target"], ["flat"], allowzero=1),
        helper.make_node("MatMul", ["flat", "V"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["y"]),
    ]
    weights = {
        "W": rows(1, 16, 3), "R": rows(1, 16, 4, seed=1), "B": rows(1, 32, seed=2), "V": rows(4, 2, seed=3),
        "b": rows(2, seed=4), "h0": np.zeros((1, 2, 4), np.float32), "target": np.array([2, 5, 4]),
    }  # fmt: skip
    made = model(nodes, {"x": rows(2, 5, 3)}, {"y": FLOAT}, weights)
    np.testing.assert_allclose(run(made, [rows(2, 5, 3)])[0], ort(made, {"x": rows(2, 5, 3)})[0], atol=1e-6)


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


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret", "link", ""])
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
