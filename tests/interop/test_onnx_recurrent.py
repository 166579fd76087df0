"""LSTM, GRU and RNN with every attribute, against onnxruntime and ONNX's equations in plain NumPy.

Where onnxruntime 1.31 differs from ONNX's text, found by experiment, the equations alone are the
reference: it refuses layout=1; without activation_alpha and activation_beta it takes 0 for those of
Affine, ScaledTanh and ThresholdedRelu, instead of the operators' defaults; and of a sequence of length 0
it gives final states of zero, instead of the initial ones. Where the text leaves a choice, what it does
is followed: input_forget means f = 1 - i, and clip leaves the cell before its output activation alone.
"""

import numpy as np
import onnx
import pytest
from onnx_models import (
    ACTIVATIONS,
    FUNCTIONS,
    GATES,
    ORDER,
    TAKES,
    feeds_of,
    layer,
    node_tests,
    ort,
    transcribed,
)

import blocksim as bs
from blocksim.errors import BlocksimError, FileError
from blocksim.interop.onnx import run, to_diagram

OPERATORS = list(GATES)
SEEDS = range(40)
CASES = [(operator, seed) for operator in OPERATORS for seed in SEEDS]


def draw(operator, seed, layout=0):
    """A layer with random options of all kinds; alpha and beta given to all activations that have them."""
    rng = np.random.default_rng([seed, *map(ord, operator)])
    direction = ["forward", "reverse", "bidirectional"][seed % 3]
    attributes = {"direction": direction, "layout": layout}
    count = 1 + (direction == "bidirectional")
    if rng.random() < 0.4:
        attributes["clip"] = float(np.float32(rng.uniform(0.2, 1.5)))
    if rng.random() < 0.7:
        names = rng.choice(list(FUNCTIONS), count * ACTIVATIONS[operator]).tolist()
        attributes["activations"] = names
        for i, key in enumerate(("activation_alpha", "activation_beta"), 1):
            values = rng.uniform(0.1, 0.9, sum(TAKES.get(name, 0) >= i for name in names))
            if len(values):
                attributes[key] = [float(np.float32(v)) for v in values]
    if operator == "LSTM" and rng.random() < 0.4:
        attributes["input_forget"] = 1
    if operator == "GRU" and rng.random() < 0.5:
        attributes["linear_before_reset"] = 1
    optional = [name for name in ORDER[operator][3:] if rng.random() < 0.5]
    sizes = {"steps": int(rng.integers(1, 7)), "runs": int(rng.integers(1, 4)), "inputs": 2, "units": 3}
    attributes = {key: value for key, value in attributes.items() if value != 0}
    return (*layer(operator, rng, optional=optional, attributes=attributes, scale=0.4, **sizes), attributes)


def assert_close(found, expected, tolerance):
    for y, z in zip(found, expected, strict=True):
        assert y.shape == z.shape
        np.testing.assert_allclose(y, z, rtol=tolerance, atol=tolerance)


def recurrent_node_tests():
    return [case for name in ("lstm", "gru", "rnn") for case in node_tests(name)]


def test_onnx_has_18_cases():
    assert len({case.name for case in recurrent_node_tests()}) == 18


@pytest.mark.parametrize("case", recurrent_node_tests(), ids=lambda case: case.name)
def test_cases_of_onnx(case):
    ((feeds, expected),) = feeds_of(case)
    found = run(case.model, feeds)
    assert [y.dtype for y in found] == [z.dtype for z in expected]
    assert_close(found, expected, 1e-6)


@pytest.mark.parametrize(("operator", "seed"), CASES)
def test_random_layers_are_those_of_onnxruntime(operator, seed):
    model, feeds, _, _ = draw(operator, seed)
    assert_close(run(model, feeds), ort(model, feeds), 1e-5)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize(("operator", "seed"), CASES)
def test_random_layers_are_those_of_the_equations(operator, seed, layout):
    model, feeds, arrays, attributes = draw(operator, seed, layout)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE  # to see all digits
    found = run(model, feeds)
    expected = transcribed(operator, arrays, attributes)
    assert_close(found[:1], expected[:1], 1e-12)
    assert_close(found[1:], expected[1:], 1e-6)


@pytest.mark.parametrize("engine", ["jax", "bdsim"])
@pytest.mark.parametrize(
    ("operator", "seed"), [(operator, seed) for operator in OPERATORS for seed in (2, 4)]
)
def test_engines(operator, seed, engine):
    model, feeds, _, _ = draw(operator, seed)
    assert_close(run(model, feeds, engine=engine), run(model, feeds), 1e-6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_float32(operator):
    model, feeds, _, _ = draw(operator, 2)
    assert_close(run(model, feeds, dtype=np.float32), ort(model, feeds), 1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_default_alpha_and_beta(operator, name):
    attributes = {"activations": [name] * ACTIVATIONS[operator]}
    model, feeds, arrays = layer(operator, np.random.default_rng(1), attributes=attributes, scale=0.3)
    found = run(model, feeds)
    assert_close(found, transcribed(operator, arrays, attributes), 1e-6)
    if name not in ("Affine", "ScaledTanh", "ThresholdedRelu"):
        assert_close(found, ort(model, feeds), 1e-5)


def test_names_of_activations_in_any_case():
    model, feeds, arrays = layer("RNN", np.random.default_rng(1), attributes={"activations": ["reLU"]})
    assert_close(run(model, feeds), transcribed("RNN", arrays, {"activations": ["Relu"]}), 1e-6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_sequence_of_length_zero_keeps_its_states(operator):
    optional = ["sequence_lens", "initial_h", "initial_c"]
    model, feeds, arrays = layer(operator, np.random.default_rng(0), optional=optional, runs=3)
    arrays["sequence_lens"][:] = 0, 5, 3
    Y, Y_h, *_ = found = run(model, feeds)
    assert_close(found, transcribed(operator, arrays, {}), 1e-6)
    assert not Y[:, :, 0].any()
    np.testing.assert_array_equal(Y_h[:, 0], arrays["initial_h"][:, 0])


@pytest.mark.parametrize("operator", OPERATORS)
def test_outputs_that_are_left_out(operator):
    model, feeds, _ = layer(operator, np.random.default_rng(0))
    whole = run(model, feeds)
    del model.graph.node[0].output[1:], model.graph.output[1:]
    assert_close(run(model, feeds), whole[:1], 0)
    model, feeds, _ = layer(operator, np.random.default_rng(0))
    model.graph.node[0].output[0] = ""
    del model.graph.node[0].output[2:], model.graph.output[2:], model.graph.output[0]
    assert_close(run(model, feeds), whole[1:2], 0)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_size_can_be_left_out(operator):
    model, feeds, _ = layer(operator, np.random.default_rng(0))
    whole = run(model, feeds)
    kept = [a for a in model.graph.node[0].attribute if a.name != "hidden_size"]
    del model.graph.node[0].attribute[:]
    model.graph.node[0].attribute.extend(kept)
    assert_close(run(model, feeds), whole, 0)


def test_the_layer_is_a_scan_over_the_batch_of_scans_over_time():
    model, _, _ = layer("LSTM", np.random.default_rng(0), attributes={"direction": "bidirectional"})
    batch = to_diagram(model)["layer/batch"].block
    assert isinstance(batch, bs.Scan)
    cells = [batch.diagram[name].block for name in ("forward", "reverse")]
    assert [cell.reverse for cell in cells] == [False, True]
    assert cells[0].diagram.loops() == bs.nn.lstm(np.ones((4, 1)), np.ones((4, 1)), np.ones(4)).loops()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("length", [-1, 6])
def test_a_length_that_no_sequence_has(length, engine):
    model, feeds, _ = layer("GRU", np.random.default_rng(0), optional=["sequence_lens"])
    feeds["sequence_lens"][1] = length
    with pytest.raises(BlocksimError, match=rf"layer.*length {length} where the sequence has 5 steps"):
        run(model, feeds, engine=engine)


def changed(name, shape, operator="LSTM"):
    """A layer one of whose weights has another shape."""
    model, _, _ = layer(operator, np.random.default_rng(0), optional=ORDER[operator][3:])
    (found,) = [t for t in model.graph.initializer if t.name == name]
    found.CopyFrom(onnx.numpy_helper.from_array(np.ones(shape, np.float32), name))
    return model


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: changed("W", (1, 16, 3)),
            r"'layer' \(LSTM\).*input W of shape \(1, 16, 2\), got \(1, 16, 3\)",
        ),
        (lambda: changed("W", (16, 2)), r"'layer' \(LSTM\).*input W of shape"),
        (lambda: changed("R", (2, 16, 4)), r"'layer' \(LSTM\).*input R of shape \(1, 16, 4\)"),
        (lambda: changed("B", (1, 16)), r"'layer' \(LSTM\).*input B of shape \(1, 32\)"),
        (lambda: changed("P", (1, 16)), r"'layer' \(LSTM\).*input P of shape \(1, 12\)"),
        (lambda: changed("R", (1, 12, 5), "GRU"), r"'layer' \(GRU\).*input W of shape \(1, 15, 2\)"),
    ],
)
def test_shapes_of_weights(make, match):
    with pytest.raises(FileError, match=match):
        to_diagram(make())


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"direction": "both"}, "forward, reverse or bidirectional"),
        ({"activations": ["Sigmoid", "Tanh"]}, "3 activations, got 2"),
        ({"activations": ["Sigmoid", "Tanh", "Sine"]}, "'Sine'"),
        ({"clip": -1.0}, "a positive number"),
    ],
)
def test_attributes(attributes, match):
    with pytest.raises(FileError, match=rf"'layer' \(LSTM\).*{match}"):
        to_diagram(layer("LSTM", np.random.default_rng(0), attributes=attributes)[0])


def test_the_size_must_be_that_of_the_weights():
    model, _, _ = layer("LSTM", np.random.default_rng(0))
    next(a for a in model.graph.node[0].attribute if a.name == "hidden_size").i = 7
    with pytest.raises(FileError, match=r"hidden_size 4, as R \(1, 16, 4\) has it, got 7"):
        to_diagram(model)
