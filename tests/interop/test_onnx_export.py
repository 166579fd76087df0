"""Diagrams as ONNX models, run by onnxruntime against `simulate`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_examples import DT, EXAMPLES, STEPS, diagram_of
from random_cells import OPTIONS, random_cell
from random_cells import diagram as cell_of
from random_diagrams import Linear, nest
from random_networks import random_network

import blocksim as bs
from blocksim.errors import BlockError, DiagramError, FileError, InputError
from blocksim.interop.onnx import to_onnx
from blocksim.library import (
    ELU,
    Clock,
    Constant,
    Function,
    Gain,
    HardSigmoid,
    LeakyReLU,
    ReLU,
    Sine,
    Sum,
    UniformRandomNumber,
    UnitDelay,
)
from blocksim.plan.tree import leaves
from blocksim.script import Case, Script

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
DTYPES = list(TOLERANCE)
MODELS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "models").glob("*.py"))}
REFUSED: dict[str, str] = {}
"""The examples of the library that ONNX cannot express, and what the error says."""


def run_model(model, feed):
    """The outputs by name, of data in any float type."""
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it says of each initial state that it is an input with a default
    # what it does beyond rounds the factors of products to float32
    if any(i.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for i in model.graph.input):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    types = {i.name: i.type for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(bool)": np.bool_}
    given = {n: np.asarray(a, kinds.get(types[n], np.asarray(a).dtype)) for n, a in feed.items()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))


def integers(diagram, data):
    """The data, integers as the model takes them."""
    inputs = bs.compile(diagram).inputs
    return {n: np.asarray(a, inputs[n].dtype) for n, a in data.items()}


def hold(found, expected, dtype, largest=1.0):
    """Equal in shape and dtype, and within the tolerance, of the largest value, or of that of all signals."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    scale = max(largest, np.abs(expected.astype(float)).max(initial=0))
    np.testing.assert_allclose(
        found.astype(float) / scale, expected.astype(float) / scale, rtol=0, atol=TOLERANCE[dtype]
    )


def compare(diagram, data, dtype, dt=1.0, steps=None, **options):
    """The model's outputs and final states are those of a run; the outputs of the model."""
    expected = bs.simulate(diagram, data, steps=None if data else steps, dt=dt, dtype=dtype)
    model = to_onnx(diagram, dt=dt, dtype=dtype, **options)
    found = run_model(model, integers(diagram, data) if data else {"steps": np.array(steps)})
    names = list(found)
    # an output may be the small difference of large ones
    largest = max([1.0, *(np.abs(expected[name].astype(float)).max(initial=0) for name in diagram.outputs)])
    for name, key in zip(diagram.outputs, names, strict=False):
        hold(found[key], expected[name], dtype, largest)
    states = [leaf for path, s in expected.final_state.items() if path != "@step" for leaf in leaves(s)]
    names = [name for name in names[len(diagram.outputs) :] if name != "@step"]
    for key, state in zip(names, states, strict=True):
        hold(found[key], state, dtype)
    return found


# -- every block, every model, random diagrams ----------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_blocks(name, dtype):
    block, data = EXAMPLES[name]
    diagram = diagram_of(block, data)
    if name in REFUSED:
        with pytest.raises(BlockError, match=REFUSED[name]):
            to_onnx(diagram, dtype=dtype)
        return
    compare(diagram, data, dtype, DT, STEPS)


def test_what_is_refused_is_in_the_library():
    assert REFUSED.keys() <= EXAMPLES.keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_models(name, dtype, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    case = Case.prepare(Script(MODELS[name])).first(3)
    compare(case.diagram, case.inputs, dtype, case.dt, case.steps, batch=case.batch is not None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(40))
def test_random_networks(seed, dtype):
    compare(*random_network(seed), dtype)


@pytest.mark.parametrize("seed", range(20))
def test_random_linear_diagrams(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 12))
    d = Linear.draw(rng, size).diagram()
    u = {"u": rng.normal(size=20)}
    whole = compare(d, u, "float64")
    names = rng.permutation(list(d.nodes)).tolist()
    inside = compare(nest(d, [names[: size // 2], names[size // 2 :]]), u, "float64")
    for name in d.outputs:
        np.testing.assert_allclose(inside[name], whole[name], atol=1e-12)


RNG = np.random.default_rng(0)
M, N, P = 3, 4, 2
W = {n: RNG.normal(size=(n * N, M)) for n in (1, 3, 4)}
R = {n: RNG.normal(size=(n * N, N)) for n in (1, 3, 4)}
B = {n: RNG.normal(size=n * N) for n in (1, 3, 4)}
H = RNG.normal(size=N)
CELLS = {
    "lstm": bs.nn.lstm(W[4], R[4], B[4], H, -H),
    "lstm peephole": bs.nn.lstm(W[4], R[4], B[4], peephole=B[3]),
    "lstm coupled": bs.nn.lstm(W[3], R[3], B[3], coupled=True),
    "lstm projection": bs.nn.lstm(W[4], R[4][:, :P], B[4], projection=R[1][:P]),
    "lstm activations": bs.nn.lstm(
        W[4], R[4], B[4], activation=ELU(0.5), gate_activation=HardSigmoid(), output_activation=LeakyReLU(),
        clip=0.7,
    ),
    "gru": bs.nn.gru(W[3], R[3], B[3], B[1], H),
    "gru before": bs.nn.gru(W[3], R[3], B[3], reset="before", clip=0.5),
    "rnn": bs.nn.rnn(W[1], R[1], B[1], H),
    "rnn relu": bs.nn.rnn(W[1], 0.1 * R[1], B[1], activation=ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_cells(name, dtype):
    compare(CELLS[name], {"x": np.random.default_rng(1).normal(size=(25, M))}, dtype)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["lstm", "gru", "rnn"]), st.data(), st.integers(0, 2**16))
def test_random_cells(kind, data, seed):
    rng = np.random.default_rng(seed)
    arguments = random_cell(kind, rng, M, N, **data.draw(OPTIONS[kind]))
    compare(cell_of(kind, arguments), {"x": rng.normal(size=(12, M))}, "float64")


# -- states, batches, single steps ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_a_run_in_parts_is_the_whole(name):
    x = np.random.default_rng(1).normal(size=(11, M))
    model = to_onnx(CELLS[name])
    whole = run_model(model, {"x": x})
    first = run_model(model, {"x": x[:4]})
    states = [n for n in first if n not in CELLS[name].outputs]
    assert states == list(bs.compile(CELLS[name]).initial_state)
    rest = run_model(model, {"x": x[4:]} | {f"{n}/initial": first[n] for n in states})
    for n in whole:
        expected = np.concatenate([first[n], rest[n]]) if n in CELLS[name].outputs else rest[n]
        assert np.array_equal(whole[n], expected)


def test_time_goes_on():
    d = bs.Diagram("sources")
    d.output("wave", d.add("sine", Sine(frequency=3.0)))
    d.output("noise", d.add("random", UniformRandomNumber(seed=3)))
    model = to_onnx(d, dt=0.25, dtype="float64")
    first = run_model(model, {"steps": np.array(5)})
    assert first["@step"] == 5
    assert first["random"].dtype == np.uint32
    resumed = {"@step/initial": first["@step"], "random/initial": first["random"]}
    rest = run_model(model, {"steps": np.array(3)} | resumed)
    expected = bs.simulate(d, steps=8, dt=0.25)
    for name in d.outputs:
        np.testing.assert_allclose(np.concatenate([first[name], rest[name]]), expected[name], atol=1e-14)


def test_a_batch_with_states_for_each_run_or_for_all():
    d, rng = CELLS["lstm"], np.random.default_rng(2)
    x = rng.normal(size=(4, 6, M))
    compare(d, {"x": x}, "float32", batch=True)
    states = {"hidden_state": rng.normal(size=(4, N)), "cell_state": rng.normal(size=(4, N))}
    feed = {f"{path}/initial": a for path, a in states.items()}
    found = run_model(to_onnx(d, batch=True), {"x": x} | feed)
    expected = bs.simulate(d, {"x": x}, initial_state=states, dtype="float32")
    hold(found["h"], expected["h"], "float32")
    hold(found["cell_state"], expected.final_state["cell_state"], "float32")
    clock = bs.Diagram()
    clock.output("y", clock.add("sum", Sum(), clock.input("u"), clock.add("t", Clock())))
    found = compare(clock, {"u": np.zeros((2, 5))}, "float64", dt=0.5, batch=True)
    assert found["@step"] == 5


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_single_steps(name):
    model = to_onnx(CELLS[name], scan=False)
    assert not [n for n in model.graph.node if n.op_type == "Scan"]
    x = np.random.default_rng(1).normal(size=(5, M))
    expected = bs.simulate(CELLS[name], {"x": x}, dtype="float32")
    states: dict[str, np.ndarray] = {}
    for k in range(5):
        found = run_model(model, {"x": x[k]} | states)
        hold(found["h"], expected["h"][k], "float32")
        states = {f"{n}/initial": a for n, a in found.items() if n not in CELLS[name].outputs}
    each = run_model(to_onnx(CELLS[name], scan=False, batch=True), {"x": x})
    hold(each["h"], bs.simulate(CELLS[name], {"x": x[:, None]}, dtype="float32")["h"][:, 0], "float32")


def test_states_of_several_arrays():
    @bs.block
    class Pair(bs.Block):
        start: bs.Array = bs.param()

        def init(self):
            return {"sum": self.start, "last": (np.zeros(2, int), np.False_)}

        def output(self, xp, x, u):
            return x["sum"] * u

        def update(self, xp, x, u):
            return {"sum": x["sum"] + u, "last": (x["last"][0] + 1, u[0] > 0)}

    d = bs.Diagram()
    d.output("y", d.add("pair", Pair([1.0, 2.0]), d.input("u", shape=2)))
    found = compare(d, {"u": np.array([[1.0, 2.0], [-3.0, 4.0]])}, "float32")
    assert list(found) == ["y", "pair/0", "pair/1", "pair/2"]
    assert found["pair/1"].tolist() == [2, 2]


# -- sequences --------------------------------------------------------------------------------------------


def around(inner, steps, **options):
    """A diagram with nothing but a Scan of another, all its ports led out."""
    d, scan, plan = bs.Diagram("around"), bs.Scan(inner, **options), bs.compile(inner)
    sources = []
    for name in scan.arity():
        if name == "length":
            sources.append(d.input(name, shape=(), dtype=int))
        elif name in inner.inputs:
            sources.append(d.input(name, shape=(steps, *plan.inputs[name].shape)))
        else:
            sources.append(d.input(f"from {name}", shape=plan.initial_state[name].shape))
    node = d.add("scan", scan, *sources)
    for i, name in enumerate(scan.outputs):
        d.output(f"out{i} {name.replace('/', '.')}", node[i])
    return d


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_scans(seed, reverse):
    inner, inputs = random_network(seed)
    data = {name: np.stack([(1 + i) * a for i in range(4)]) for name, a in inputs.items()}
    compare(around(inner, 30, reverse=reverse), data, "float64")
    lengths = {"length": np.array([30, 11, 1, 0])}
    compare(around(inner, 30, reverse=reverse, length=True), data | lengths, "float32")


@pytest.mark.parametrize("reverse", [False, True])
def test_scans_with_states_and_time(reverse):
    inner = bs.Diagram("inner")
    memory = inner.add("memory", UnitDelay(0.5))
    total = inner.add("total", Sum("+++"), inner.input("u"), memory, inner.add("t", Clock()))
    inner.connect(total, memory)
    inner.output("y", total)
    d = around(inner, 5, reverse=reverse, length=True, initial=["memory"])
    data = {
        "u": np.arange(10.0).reshape(2, 5),
        "length": np.array([3, 5]),
        "from memory": np.array([1.0, 2.0]),
    }
    compare(d, data, "float64", dt=0.25)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scans_of_scans(dtype):
    inner = around(CELLS["lstm"], 5, length=True)
    d = bs.Diagram("outer")
    node = d.add("each", bs.Scan(inner), d.input("x", (4, 5, M)), d.input("length", 4, int))
    d.output("h", node)
    x = np.random.default_rng(1).normal(size=(2, 4, 5, M))
    data = {"x": x, "length": np.array([[5, 2, 0, 3], [1, 5, 5, 4]])}
    compare(d, data, dtype)
    model = to_onnx(d, dtype=dtype)
    assert "each/scan/i/W/K" in [t.name for t in model.graph.initializer]


@pytest.mark.parametrize("scan", [False, True])
def test_sequence_networks(scan):
    both = bs.nn.bidirectional(bs.nn.lstm(W[4], R[4], B[4]), bs.nn.gru(W[3], R[3], B[3]))
    d = bs.nn.sequential([both, bs.nn.dense(RNG.normal(size=(2, 2 * N)), [0.1, -0.1])], steps=6, shape=M)
    data = {"x": np.random.default_rng(1).normal(size=(2, 6, M)), "length": np.array([6, 4])}
    if scan:
        compare(d, data, "float32")
        return
    model = to_onnx(d, scan=False)
    assert [o.name for o in model.graph.output][:2] == ["y", "length/output"]
    expected = bs.simulate(d, data, dtype="float32")
    found = run_model(model, {"x": data["x"][0], "length": data["length"][0]})
    hold(found["y"], expected["y"][0], "float32")


# -- functions of xp --------------------------------------------------------------------------------------

C = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
EDGES, HEIGHTS = np.array([-1.0, 0.0, 1.5]), np.array([2.0, 1.0, 5.0])
PAIR = np.array([0, 1])
FUNCTIONS = {
    "numbers": lambda xp, u, v: (u + 1) * 2 - v / 3 + (-u) ** 2 + abs(v) + 2.0**v,
    "in place": lambda xp, u, v: _in_place(u, v),
    "rounding": lambda xp, u, v: xp.floor(u) + xp.ceil(v) + xp.trunc(3 * u) + xp.rint(v) + xp.round(u, 1),
    "division": lambda xp, u, v: u // v + 7 * (u % v) + 3 * xp.fmod(u, v),
    "expm1": lambda xp, u, v: xp.expm1(u) + xp.log1p(xp.abs(v)) + xp.expm1(1e-6 * u) * 1e6,
    "logarithms": lambda xp, u, v: xp.log2(abs(u)) + xp.log10(abs(v)) + xp.exp2(u) + xp.logaddexp(u, v),
    "roots": lambda xp, u, v: xp.hypot(u, v) + xp.cbrt(u) + xp.square(v) + xp.reciprocal(u),
    "arcs": lambda xp, u, v: xp.arcsin(u / 4) + xp.arccos(v / 4) + xp.arctan(u) + xp.arctan(1e6 * v),
    "the ends of arcs": lambda xp, u, v: xp.arcsin(xp.sign(u)) + xp.arccos(xp.sign(v)),
    "arctan2": lambda xp, u, v: xp.arctan2(u, v) + xp.arctan2(v, 1.0),
    "arctan2 on the axes": lambda xp, u, v: (
        xp.arctan2(u, v * 0) + xp.arctan2(abs(u) * 0, v) + xp.arctan2(abs(u) * 0, abs(v) * 0)
    ),
    "hyperbolas": lambda xp, u, v: xp.sinh(u) + xp.cosh(v) + xp.sinh(1e-5 * u) * 1e5 + xp.tanh(v),
    "inverse hyperbolas": lambda xp, u, v: xp.arcsinh(u) + xp.arccosh(1 + abs(v)) + xp.arctanh(u / 4),
    "comparisons": lambda xp, u, v: (u < v) | (u > 1) & ~(v >= 0) ^ (u != v),
    "logic": lambda xp, u, v: xp.logical_and(u, v > 0) | xp.logical_not(xp.logical_xor(u > 0, v > 0)),
    "finite": lambda xp, u, v: xp.isfinite(u / (v - v)) | xp.isnan(u),
    "choices": lambda xp, u, v: xp.where(u > 0, v, 0.0) + xp.clip(u, -0.5, abs(v)) + xp.maximum(u, 0),
    "booleans chosen": lambda xp, u, v: xp.where(u > 0, v > 0, u < -1),
    "integers": lambda xp, u, v: xp.int64(u * 10) // 3 + xp.asarray(v * 10, "int64") % -4,
    "small integers": lambda xp, u, v: (u * 40).astype("int8") * (v * 40).astype("int8"),
    "bits": lambda xp, u, v: (xp.uint32(u + 9) << 30) ^ xp.uint32(v + 9) | xp.uint32(u + 5) >> 1 & 3,
    "integers in bits": lambda xp, u, v: ~xp.int64(u * 9) & 5 | xp.int64(v * 9),
    "counts": lambda xp, u, v: xp.sum(u > 0, axis=0) + xp.argmax(v, axis=0) + xp.argmin(u),
    "sums": lambda xp, u, v: u.sum() + v.mean(axis=0) + xp.prod(u, axis=-1, keepdims=True),
    "extremes": lambda xp, u, v: u.max(axis=1) - xp.min(v) + xp.amax(u, axis=(0, 1)),
    "all and any": lambda xp, u, v: xp.any(u > 1, axis=0) | xp.all(v > -1, axis=0, keepdims=True),
    "spread": lambda xp, u, v: xp.var(u, axis=1, keepdims=True) + xp.std(v, ddof=1),
    "running sums": lambda xp, u, v: xp.cumsum(u, axis=1) + xp.cumsum(v)[:3],
    "products": lambda xp, u, v: u @ v.T + xp.dot(u, xp.transpose(v)) + xp.inner(u, v) + u @ C.T,
    "vectors": lambda xp, u, v: u @ v[0] + xp.vdot(u, v) + xp.outer(u[:, 0], v[:, 1]) @ xp.ones(2),
    "tensordot": lambda xp, u, v: xp.tensordot(u, v, 2) + xp.tensordot(u, v, ((0,), (0,))),
    "einsum": lambda xp, u, v: xp.einsum("ij,kj->ik", u, v) + xp.einsum("ij,ij", u, v),
    "slices": lambda xp, u, v: u[:, 1:] - v[:, :-1] + u[::-1, ::2] + v[-1, None, 0] + u[..., -1:],
    "indices": lambda xp, u, v: u[:, [2, 0]] + v[[1, 0]][:, PAIR] + u[PAIR, PAIR + 1],
    "a signal as index": lambda xp, u, v: u[:, xp.int64(abs(v[0]))] + v[xp.int64(u[0] > 0)][:2],
    "taken": lambda xp, u, v: xp.take(v, xp.argmax(u, axis=1), axis=1) + xp.take(u, xp.argmin(v)),
    "along an axis": lambda xp, u, v: xp.take_along_axis(u, xp.argmax(v, axis=1)[:, None], axis=1),
    "taken from the ends": lambda xp, u, v: xp.take(u, xp.int64(v * 3), axis=1, mode="clip"),
    "joins": lambda xp, u, v: xp.concatenate([u, v, C[:1]]) @ xp.stack([u[0], v[1]], axis=1),
    "piles": lambda xp, u, v: xp.vstack([u, v])[:1] + xp.hstack([u[0], v[0]])[:3],
    "shapes": lambda xp, u, v: u.reshape(3, 2) + xp.reshape(v, (-1, 2)) + xp.squeeze(u[None], 0).ravel()[:2],
    "axes": lambda xp, u, v: xp.swapaxes(u, 0, 1) + v.T + xp.moveaxis(u[None], 0, -1)[..., 0].transpose(1, 0),
    "order": lambda xp, u, v: xp.flip(u, 1) + xp.roll(v, 1, axis=0) + xp.repeat(u[:1], 2, axis=0),
    "pieces": lambda xp, u, v: xp.split(u, 3, axis=1)[1] + xp.diagonal(v) + xp.tile(v[:, :1], 2),
    "edges": lambda xp, u, v: (
        xp.pad(u, ((1, 0), (0, 2)), constant_values=0.5) + xp.pad(v, 1, mode="edge")[1:]
    ),
    "triangles": lambda xp, u, v: xp.tril(u) + xp.triu(v, 1),
    "forms": lambda xp, u, v: xp.zeros_like(u) + xp.full_like(v, 2.0) + xp.broadcast_to(u[0], (2, 3)),
    "filled": lambda xp, u, v: xp.full((2, 1), u[0, 0]) + v * xp.ones(xp.shape(v)) + xp.ndim(u),
    "tables": lambda xp, u, v: xp.interp(u, EDGES, HEIGHTS) + xp.searchsorted(EDGES, v),
    "iteration": lambda xp, u, v: sum(row * (i + 1) for i, row in enumerate(u)) + len(v),
    "numpy itself": lambda u, v: np.sin(u) + np.where(v > 0, v, np.exp(v)) * C,
    "an array of signals": lambda xp, u, v: xp.array([u[0, 0], v[1, 1]]),
}


def _in_place(u, v):
    y = u * 1
    y += v
    y *= u
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, dtype):
    d = bs.Diagram()
    d.output("y", d.add("f", Function(FUNCTIONS[name]), d.input("u", (2, 3)), d.input("v", (2, 3))))
    rng = np.random.default_rng(3)
    data = {n: rng.choice([-1, 1], (20, 2, 3)) * rng.uniform(0.05, 2.5, (20, 2, 3)) for n in "uv"}
    data = {n: a.astype(np.float32).astype(float) for n, a in data.items()}
    expected = bs.simulate(d, data, dtype=dtype, check_finite=False)["y"]
    found = run_model(to_onnx(d, dtype=dtype), data)["y"]
    hold(found, expected, dtype)


# -- the form of a model ----------------------------------------------------------------------------------


def test_the_form_of_a_model(tmp_path):
    d = CELLS["lstm"]
    model = to_onnx(d, tmp_path / "lstm.onnx")
    assert onnx.load(tmp_path / "lstm.onnx") == model
    assert model.producer_name == "blocksim"
    (scan,) = model.graph.node
    body = {name for node in scan.attribute[0].g.node for name in node.output}
    assert {"i/sum[k]", "c[k]", "h[k]"} <= body
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    parameters = d.parameters()
    assert set(stored) == {f"{path}/{f}" for path, arrays in parameters.items() for f in arrays}
    for path, arrays in parameters.items():
        for f, array in arrays.items():
            np.testing.assert_array_equal(stored[f"{path}/{f}"], array.astype(np.float32))
    shapes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    ]
    assert shapes == [["T", M], [N], [N], ["T", N], ["T", N], [N], [N]]
    notes = {p.key: p.value for p in model.metadata_props}
    assert '"hidden_state": {"initial": "hidden_state/initial", "final": "hidden_state"}' in notes["states"]


def test_what_is_constant_is_done_once():
    d = bs.Diagram()
    twice = d.add("twice", Gain(2.0), d.add("one", Constant([1.0, 2.0])))
    d.output("y", d.add("sum", Sum(), twice, d.input("u", shape=2)))
    model = to_onnx(d)
    assert [n.op_type for n in model.graph.node] == ["Mul", "Scan"]
    assert [n.op_type for n in model.graph.node[1].attribute[0].g.node] == ["Add", "Identity"]


def test_names_are_taken_once():
    d = bs.Diagram("steps")
    x = d.add("x", UnitDelay(1.0), d.input("steps"))
    d.output("x", x)
    d.output("again", x)
    found = compare(d, {"steps": np.array([2.0, 3.0])}, "float64")
    assert list(found) == ["x", "again", "x/final"]


# -- errors -----------------------------------------------------------------------------------------------


def refused(f, **options):
    d = bs.Diagram()
    inside = bs.Diagram("inside")
    inside.output("y", inside.add("f", Function(f), inside.input("u", shape=2)))
    d.output("y", d.add("part", inside, d.input("u", shape=2)))
    with pytest.raises(BlockError) as caught:
        to_onnx(d, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda xp, u: xp.sort(u), "the function sort"),
        (lambda xp, u: xp.linalg.norm(u) * u, "the function linalg.norm"),
        (lambda xp, u: xp.nextafter(u, 1), "the function nextafter"),
        (lambda xp, u: xp.add.reduce(u) * u, "the function add.reduce"),
        (lambda xp, u: xp.add(u, 1, dtype=u.dtype), "the function add with dtype"),
        (lambda xp, u: u if u[0] > 0 else -u, "the value of a signal.*xp.where"),
        (lambda xp, u: u * float(u[0]), "the value of a signal.*xp.asarray"),
        (lambda xp, u: np.asarray(u) + 1, "the value of a signal"),
        (lambda xp, u: u[u > 0].sum() + u, "an index.*xp.where"),
        (lambda xp, u: u + u.item(0), "the attribute .item of a signal"),
        (lambda xp, u: (u * 4).astype(int) << 2, "left_shift of signed integers.*powers of 2"),
    ],
)  # fmt: skip
def test_what_onnx_cannot_express(f, words):
    message = refused(f)
    assert re.search(
        r"part/f \(.*test_onnx_export.py:\d+\): expected .* to be what ONNX can express", message
    )
    assert re.search(words, message)
    assert message.endswith(".")


def test_assignments_are_refused():
    def f(xp, u):
        y = u * 1
        y[0] = 2
        return y

    assert "an assignment to elements of a signal, in output(). Use xp.where" in refused(f)


def test_other_errors(tmp_path):
    d = bs.Diagram("nothing")
    d.input("u")
    with pytest.raises(DiagramError, match=r"to_onnx of 'nothing'.*an output or a state, got none"):
        to_onnx(d)
    d.output("y", d.add("k", Gain(1.0), d.inputs["u"]))
    with pytest.raises(FileError, match="a file that can be written"):
        to_onnx(d, tmp_path / "no" / "folder.onnx")
    with pytest.raises(InputError, match=r"dtype .*: expected float64 or float32, got str 'float16'"):
        to_onnx(d, dtype="float16")
    with pytest.raises(InputError, match="dt"):
        to_onnx(d, dt=0)


def test_without_onnx():
    code = (
        "import sys; sys.modules['onnx'] = None; import blocksim as bs\n"
        "try: bs.interop.onnx.to_onnx\n"
        "except bs.BlocksimError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'blocksim[onnx]'" in done.stdout
