"""Modules of torch as diagrams, against torch itself, and weights back into modules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import blocksim as bs
from blocksim.library import HardSigmoid, Tanh

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
T, m, n = 9, 3, 4
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
RECURRENT = [
    (kind, {"num_layers": layers, "bias": bias, **more})
    for kind, several in {
        "LSTM": ({}, {"proj_size": 2}),
        "GRU": ({},),
        "RNN": ({"nonlinearity": "tanh"}, {"nonlinearity": "relu"}),
    }.items()
    for layers, bias, more in itertools.product((1, 2), (True, False), several)
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def module_of(kind, **options):
    return getattr(torch.nn, kind)(m, n, **options)


def outputs(module, x):
    """What a module gives for one sequence (T, m)."""
    with torch.no_grad():
        return module.eval()(x)


def named(case):
    return "-".join(map(str, [case[0], *case[1].values()])) if isinstance(case, tuple) else None


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", RECURRENT, ids=named)
def test_recurrent_modules(case, dtype):
    kind, options = case
    module = module_of(
        kind, **options, dtype=dtype, batch_first=True, dropout=0.5 * (options["num_layers"] > 1)
    )
    x = torch.randn(T, m, dtype=dtype)
    y, final = outputs(module, x)
    d = bs.interop.torch.to_diagram(module)
    assert next(iter(d.outputs)) == "h"
    for engine in ("numpy", "jax"):
        run = bs.simulate(d, {"x": x.numpy()}, dtype=x.numpy().dtype, engine=engine)
        np.testing.assert_allclose(run["h"], y, rtol=0, atol=TOLERANCE[dtype])
    names = [f"l{k}/" for k in range(options["num_layers"])] if options["num_layers"] > 1 else [""]
    h = final[0] if kind == "LSTM" else final
    for k, name in enumerate(names):
        np.testing.assert_allclose(
            bs.simulate(d, {"x": x.numpy()}, record=f"{name}h")[f"{name}h"][-1],
            h[k],
            rtol=0,
            atol=TOLERANCE[dtype],
        )


@pytest.mark.parametrize("case", RECURRENT, ids=named)
def test_recurrent_modules_both_ways(case):
    kind, options = case
    module = module_of(kind, **options, bidirectional=True, dtype=torch.float64)
    x = torch.randn(T, m, dtype=torch.float64)
    d = bs.interop.torch.to_diagram(module, steps=T)
    for length in (T, 4):
        y, _ = outputs(module, x[:length])
        run = bs.simulate(d, {"x": x.numpy()[None], "length": [length]})
        np.testing.assert_allclose(run["y"][0, :length], y, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(run["y"][0, length:], 0)
    other = module_of(kind, **options, bidirectional=True, dtype=torch.float64)
    for source in (d, d.parameters()):
        bs.interop.torch.to_module(source, other, steps=T)
        np.testing.assert_allclose(outputs(other, x)[0], outputs(module, x)[0], rtol=0, atol=1e-12)


def test_both_ways_in_jax_and_float32():
    module = torch.nn.LSTM(m, n, num_layers=2, bidirectional=True)
    x = torch.randn(T, m)
    d = bs.interop.torch.to_diagram(module, steps=T)
    run = bs.simulate(d, {"x": x.numpy()[None], "length": [T]}, dtype=np.float32, engine="jax")
    np.testing.assert_allclose(run["y"][0], outputs(module, x)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", RECURRENT, ids=named)
def test_there_and_back(case):
    kind, options = case
    x = torch.randn(T, m)
    module, one, two = (module_of(kind, **options) for _ in range(3))
    d = bs.interop.torch.to_diagram(module)
    y = outputs(module, x)[0]
    assert bs.interop.torch.to_module(d, one) is one
    np.testing.assert_allclose(outputs(one, x)[0], y, rtol=0, atol=1e-6)
    bs.interop.torch.to_module(d.parameters(), two)
    np.testing.assert_allclose(outputs(two, x)[0], y, rtol=0, atol=1e-6)
    for name, tensor in one.named_parameters():
        if name.startswith("bias_hh") and kind != "GRU":
            assert not tensor.any()


def test_trained_parameters_go_back():
    """A module, then gradient steps on its diagram in JAX, then the module again."""
    jax = pytest.importorskip("jax")
    module = torch.nn.GRU(m, n, dtype=torch.float64)
    d = bs.interop.torch.to_diagram(module)
    x = torch.randn(T, m, dtype=torch.float64)
    trained = jax.tree.map(lambda a: np.asarray(a) * 1.1, d.parameters())  # keys sorted, as jax leaves them
    y = bs.simulate(d, {"x": x.numpy()}, params=trained)["h"]
    for source, more in ((trained, {}), (d, {"params": trained})):
        other = bs.interop.torch.to_module(source, torch.nn.GRU(m, n, dtype=torch.float64), **more)
        np.testing.assert_allclose(outputs(other, x)[0], y, rtol=0, atol=1e-12)


def test_layers_of_a_network_by_path():
    lstm, linear = torch.nn.LSTM(m, n, dtype=torch.float64), torch.nn.Linear(n, 2, dtype=torch.float64)
    d = bs.interop.torch.to_diagram(torch.nn.Sequential(lstm, linear))
    x = torch.randn(T, m, dtype=torch.float64)
    y = outputs(linear, outputs(lstm, x)[0])
    np.testing.assert_allclose(bs.simulate(d, {"x": x.numpy()})["y"], y, rtol=0, atol=1e-12)
    other, last = torch.nn.LSTM(m, n, dtype=torch.float64), torch.nn.Linear(n, 2, dtype=torch.float64)
    bs.interop.torch.to_module(d, other, path="lstm0")
    bs.interop.torch.to_module(d.parameters(), last, path="linear1")
    np.testing.assert_allclose(outputs(last, outputs(other, x)[0]), y, rtol=0, atol=1e-12)


def test_a_gru_without_recurrent_bias_fits_a_module_with_one():
    rng = np.random.default_rng(0)
    d = bs.nn.gru(rng.normal(size=(3 * n, m)), rng.normal(size=(3 * n, n)), rng.normal(size=3 * n))
    module = bs.interop.torch.to_module(d, torch.nn.GRU(m, n, dtype=torch.float64))
    x = rng.normal(size=(T, m))
    y = outputs(module, torch.from_numpy(x))[0]
    np.testing.assert_allclose(bs.simulate(d, {"x": x})["h"], y, rtol=0, atol=1e-12)


# -- other modules ---------------------------------------------------------------------------------


def ready(module):
    """The module with random weights, statistics of a batch among them."""
    module = module.double().eval()
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(
                torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor) / 2
            )
    return module


def stack(*modules):
    return torch.nn.Sequential(*modules)


STEPS = {  # what takes (N, m) in torch and is a step here
    "linear": lambda: torch.nn.Linear(m, 5),
    "no bias": lambda: torch.nn.Linear(m, 5, bias=False),
    "mlp": lambda: stack(
        torch.nn.Linear(m, 5), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.BatchNorm1d(5),
        torch.nn.LayerNorm(5), torch.nn.Linear(5, 4), torch.nn.Softmax(dim=-1),
    ),
    "no affine": lambda: stack(torch.nn.BatchNorm1d(m, affine=False), torch.nn.Linear(m, 2)),
    "nested": lambda: stack(stack(torch.nn.Linear(m, 4), torch.nn.Tanh()), torch.nn.Linear(4, 2)),
    **{
        kind: lambda kind=kind: stack(torch.nn.Linear(m, 6), getattr(torch.nn, kind)())
        for kind in ("ReLU", "Tanh", "Sigmoid", "Softsign", "Hardsigmoid", "LeakyReLU", "ELU", "Identity")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
def test_modules_of_a_step(case):
    module, other = ready(STEPS[case]()), ready(STEPS[case]())
    x = torch.randn(T, m, dtype=torch.float64)
    y = outputs(module, x)
    d = bs.interop.torch.to_diagram(module)
    for engine in ("numpy", "jax"):
        np.testing.assert_allclose(
            bs.simulate(d, {"x": x.numpy()}, engine=engine)["y"], y, rtol=0, atol=1e-12
        )
    bs.interop.torch.to_module(d, other)
    np.testing.assert_allclose(outputs(other, x), y, rtol=0, atol=1e-12)


CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False},
    {"kernel_size": 4, "padding": "same", "dilation": 2},
    {"kernel_size": 2, "padding": "valid", "groups": 2},
]
SEQUENCES = {  # what takes (N, m, T) in torch and a whole sequence here
    **{
        f"conv{k}": lambda options=options: torch.nn.Conv1d(4, 6, **options)
        for k, options in enumerate(CONVOLUTIONS)
    },
    "cnn": lambda: stack(
        torch.nn.Conv1d(4, 6, 3, padding=1), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.MaxPool1d(2),
        torch.nn.Conv1d(6, 5, 2), torch.nn.AvgPool1d(2, stride=1, padding=1), torch.nn.Flatten(),
        torch.nn.Linear(20, 3),
    ),
    "average": lambda: torch.nn.AvgPool1d(3, padding=1, count_include_pad=False, ceil_mode=True),
    "global": lambda: stack(
        torch.nn.Conv1d(4, 6, 3), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(), torch.nn.Linear(6, 2)
    ),
    "softmax": lambda: stack(torch.nn.Conv1d(4, 6, 3), torch.nn.Softmax(dim=1)),
}  # fmt: skip


@pytest.mark.parametrize("case", SEQUENCES)
def test_modules_of_sequences(case):
    module, other = ready(SEQUENCES[case]()), ready(SEQUENCES[case]())
    x = torch.randn(1, 4, T, dtype=torch.float64)
    y = outputs(module, x).numpy()[0]
    d = bs.interop.torch.to_diagram(module, steps=T, shape=4)
    run = bs.simulate(d, {"x": x.numpy().swapaxes(1, 2), "length": [T]})["y"][0]
    np.testing.assert_allclose(run, y.T if y.ndim == 2 else y, rtol=0, atol=1e-12)
    bs.interop.torch.to_module(d, other)
    np.testing.assert_allclose(outputs(other, x)[0], y, rtol=0, atol=1e-12)


IMAGES = {  # what takes (N, 3, 8, 8) in torch and a frame (8, 8, 3) a step here
    "conv": lambda: torch.nn.Conv2d(3, 5, (3, 2), stride=(1, 2), padding=(0, 1), dilation=(2, 1)),
    "cnn": lambda: stack(
        torch.nn.Conv2d(3, 4, 3, padding="same"), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Conv2d(4, 4, 3, groups=2), torch.nn.AvgPool2d(2, stride=1),
        torch.nn.Flatten(), torch.nn.Linear(4, 3),
    ),
    "flat": lambda: stack(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 3)),
}  # fmt: skip


@pytest.mark.parametrize("case", IMAGES)
def test_modules_of_images(case):
    module, other = ready(IMAGES[case]()), ready(IMAGES[case]())
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    y = outputs(module, x).numpy()
    frames = np.moveaxis(x.numpy(), 1, -1)
    d = bs.interop.torch.to_diagram(module, shape=(8, 8, 3))
    run = bs.simulate(d, {"x": frames})["y"]
    np.testing.assert_allclose(run, np.moveaxis(y, 1, -1) if y.ndim == 4 else y, rtol=0, atol=1e-12)
    bs.interop.torch.to_module(d, other)
    np.testing.assert_allclose(outputs(other, x), y, rtol=0, atol=1e-12)
    video = bs.interop.torch.to_diagram(module, steps=4, shape=(8, 8, 3))
    np.testing.assert_allclose(
        bs.simulate(video, {"x": frames[None], "length": [4]})["y"][0], run, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("steps", [None, T])
def test_words(steps):
    words, lstm, linear = torch.nn.Embedding(11, m, padding_idx=0), torch.nn.LSTM(m, n), torch.nn.Linear(n, 2)
    words, lstm, linear = words.double(), lstm.double(), linear.double()
    x = torch.randint(0, 11, (T,))
    y = outputs(linear, outputs(lstm, outputs(words, x))[0])
    d = bs.interop.torch.to_diagram(stack(words, lstm, linear), steps=steps)
    feed = {"x": x.numpy()} if steps is None else {"x": x.numpy()[None], "length": [T]}
    run = bs.simulate(d, feed)["y"]
    np.testing.assert_allclose(run if steps is None else run[0], y, rtol=0, atol=1e-12)
    other = torch.nn.Embedding(11, m).double()
    bs.interop.torch.to_module(d, other, path="embedding0")
    assert torch.equal(other.weight, words.weight)


# -- bad input -------------------------------------------------------------------------------------


class Own(torch.nn.Module):
    pass


class Changed(torch.nn.GRU):
    def forward(self, x):
        return super().forward(-x)


def cell(**options):
    return bs.nn.lstm(np.ones((4 * n, m)), np.ones((4 * n, n)), np.ones(4 * n), **options)


def to(source, module, **options):
    return lambda: bs.interop.torch.to_module(source(), module(), **options)


def diagram(make, **options):
    return lambda: bs.interop.torch.to_diagram(make(), **options)


def lstm():
    return torch.nn.LSTM(m, n)


BAD = {
    "own module": (diagram(Own), r"to_diagram, Own .*one of .*LSTM.*got .*test_torch\.Own.*interop\.onnx"),
    "subclass": (diagram(lambda: Changed(m, n)), r"Changed .*got .*test_torch\.Changed"),
    "no module": (diagram(lambda: 3), "to_diagram, int"),
    "inside": (diagram(lambda: stack(torch.nn.GELU())), "to_diagram, GELU"),
    "empty": (diagram(stack), "a layer at least"),
    "no steps": (diagram(lambda: module_of("GRU", bidirectional=True)), r"length of a sequence.*steps=T"),
    "conv first": (
        diagram(lambda: stack(torch.nn.Conv1d(3, 4, 2), torch.nn.Linear(4, 2)), steps=T),
        "Linear .*channels last.*channels before the axis of time",
    ),
    "padding": (
        diagram(lambda: torch.nn.Conv1d(3, 4, 3, padding=1, padding_mode="circular"), steps=T),
        "padding_mode='zeros', got padding_mode='circular'",
    ),
    "statistics": (
        diagram(lambda: torch.nn.BatchNorm1d(3, track_running_stats=False)), "track_running_stats=True"
    ),
    "complex": (diagram(lambda: torch.nn.Linear(2, 2, dtype=torch.complex64)), "real numbers .*complex64"),
    "sizes": (to(cell, lambda: torch.nn.LSTM(m, n + 1)), r"i/W/K .*shape \(5, 3\), got .*shape \(4, 3\)"),
    "layers": (to(cell, lambda: torch.nn.LSTM(m, n, num_layers=2)), "LSTM"),
    "kind": (to(cell, lambda: torch.nn.GRU(m, n)), "for torch.nn.GRU.* expected"),
    "peephole": (to(lambda: cell(peephole=np.ones(3 * n)), lstm), "for torch.nn.LSTM"),
    "gates": (
        to(lambda: cell(gate_activation=HardSigmoid()), lstm),
        r"i/activation for torch\.nn\.LSTM .*expected Sigmoid\(\), got HardSigmoid",
    ),
    "before": (
        to(
            lambda: bs.nn.gru(np.ones((3 * n, m)), np.ones((3 * n, n)), np.ones(3 * n), reset="before"),
            lambda: torch.nn.GRU(m, n),
        ),
        "for torch.nn.GRU",
    ),
    "bias": (to(cell, lambda: torch.nn.LSTM(m, n, bias=False)), "i/b/value .*expected 0.*no place"),
    "start": (to(lambda: cell(h0=np.ones(n)), lstm), "hidden_state/initial .*initial state in the call"),
    "tree": (to(lambda: {"i/W": {"K": np.ones((n, m))}}, lstm), "an array for 'f/W/K', got none"),
    "wrong name": (to(lambda: {"i/V": {"K": 1.0}}, lstm), "'i/V/K'.*Did you mean 'i/W/K'"),
    "wrong params": (to(cell, lstm, params={"i/V": {"K": 1.0}}), "'i/V/K'.*Did you mean 'i/W/K'"),
    "no tree": (to(lambda: 3, lstm), "a Diagram, or a tree .* got int 3"),
    "text": (to(cell, lstm, params={"i/W": {"K": "big"}}), r"i/W/K .*finite numbers of shape \(4, 3\), got"),
    "NaN": (to(cell, lstm, params={"i/W": {"K": np.full((n, m), np.nan)}}), "i/W/K .*finite numbers"),
    "path": (to(cell, lstm, path="j"), "path 'j'"),
    "block": (to(cell, lstm, path="c"), "path 'c' .*a subsystem, got the block Sum"),
    "dense": (
        to(lambda: bs.nn.dense(np.ones((2, 2)), np.ones(2), Tanh()), lambda: torch.nn.Linear(2, 2)),
        "the nodes W, b, sum, got W, b, sum, activation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(bs.BlocksimError, match=message) as caught:
        act()
    assert "test_torch.py:" in str(caught.value)


def test_nothing_is_loaded_by_half():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, bias=False))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    layers = [bs.nn.dense(np.eye(2), np.ones(2), name=name) for name in "ab"]
    with pytest.raises(bs.BlocksimError, match="no place"):
        bs.interop.torch.to_module(bs.nn.sequential(layers), module)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_shared_modules():
    layer = torch.nn.Linear(2, 2)
    module = stack(layer, torch.nn.Tanh(), layer)
    x = torch.randn(5, 2)
    d = bs.interop.torch.to_diagram(module)
    y = outputs(module, x)
    np.testing.assert_allclose(bs.simulate(d, {"x": x.numpy()})["y"], y, rtol=0, atol=1e-6)
    bs.interop.torch.to_module(d, module)
    np.testing.assert_allclose(outputs(module, x), y, rtol=0, atol=1e-6)
    with pytest.raises(bs.BlocksimError, match="shared by layers with other weights"):
        bs.interop.torch.to_module(d, module, params={"linear0/W": {"K": np.zeros((2, 2))}})


def test_without_torch(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(bs.BlocksimError, match=r"torch to be installed.*pip install 'blocksim\[torch\]'"):
        bs.interop.torch.to_diagram(None)
