"""ONNX models as diagrams: reading, names and shapes, PyTorch's exporter."""

import io
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import X, Y, model, ort, rows, small

import blocksim as bs
from blocksim.errors import FileError
from blocksim.interop.onnx import run, to_diagram

FLOAT = TensorProto.FLOAT


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


def test_what_blocksim_exports_comes_back():
    layer = bs.nn.gru(rows(9, 2), rows(9, 3, seed=1), rows(9, seed=2))
    x = rows(2, seed=3)
    h, state = run(bs.interop.onnx.to_onnx(layer, scan=False), {"x": x})
    np.testing.assert_allclose(h, bs.simulate(layer, {"x": x[None]})["h"][0], rtol=1e-6)
    np.testing.assert_array_equal(h, state)
