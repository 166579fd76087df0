"""The LSTM of 27 blocks, compiled by the JAX engine, against kernels written by hand and other simulators.

Run: python examples/benchmarks/jax_engine.py

Needs torch beside the test extra. All figures of a comparison are measured in turn within one run; the
medians are printed, and their ratio to the fastest of the others.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import onnxruntime
import torch
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from onnx import TensorProto, helper, numpy_helper

import blocksim as bs

SIZES = ((8, 8), (8, 32), (32, 128), (128, 512))
"""Inputs and units."""
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
}
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weights(m: int, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) / math.sqrt(n) for shape in ((4 * n, m), (4 * n, n), (4 * n,))]


def medians(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each, taken in turn after two calls, once the others' threads are at rest."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for k in range(-2, rounds):
        for name, work in works.items():
            time.sleep(0.02)
            start = time.perf_counter()
            work()
            if k >= 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def ratio(title: str, found: dict[str, float], steps: int, ours: str = "blocksim") -> float:
    """Print microseconds a step, and the ratio of ours to the fastest of the others."""
    peers = {name: t for name, t in found.items() if not name.startswith("blocksim")}
    value = found[ours] / min(peers.values())
    texts = ", ".join(f"{name} {t / steps * 1e6:.2f}" for name, t in found.items())
    print(f"  {title:<28} {texts} us/step: ratio {value:.2f}", flush=True)
    return value


def rows(a: Any, order: str, theirs: str) -> np.ndarray:
    """The blocks of rows of a gated layer in another order of the gates."""
    blocks = dict(zip(order, np.split(a, len(order)), strict=True))
    return np.concatenate([blocks[gate] for gate in theirs])


def onnx_session(model: str, net: Any, threads: int, layers: int = 1, ways: int = 1) -> Any:
    """A recurrent layer of torch, or a stack of them, in onnxruntime."""
    order, theirs = {"LSTM": ("ifgo", "iofg"), "GRU": ("rzn", "zrn")}[model]
    own = {name: p.detach().numpy() for name, p in net.named_parameters()}
    units = own["weight_hh_l0"].shape[1]
    options = {"LSTM": {}, "GRU": {"linear_before_reset": 1}}[model]
    options |= {"hidden_size": units, "direction": "bidirectional" if ways == 2 else "forward"}
    tensors, nodes, source = {"shape": np.array([0, 0, ways * units])}, [], "x"
    for k in range(layers):
        ends = [f"l{k}{end}" for end in ("", "_reverse")[:ways]]

        def stacked(name: str, ends: list[str] = ends) -> np.ndarray:
            return np.stack([rows(own[f"{name}_{end}"], order, theirs) for end in ends])

        tensors[f"W{k}"], tensors[f"R{k}"] = stacked("weight_ih"), stacked("weight_hh")
        tensors[f"B{k}"] = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], 1)
        nodes.append(helper.make_node(model, [source, f"W{k}", f"R{k}", f"B{k}"], [f"y{k}"], **options))
        nodes.append(helper.make_node("Transpose", [f"y{k}"], [f"t{k}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"t{k}", "shape"], [f"z{k}"]))
        source = f"z{k}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", own["weight_ih_l0"].shape[1]])
    y = helper.make_tensor_value_info(source, TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in tensors.items()]
    graph = helper.make_graph(nodes, model, [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(made.SerializeToString(), settings)


def torch_lstm(W: Any, R: Any, b: Any, dtype: Any) -> Any:
    """The same layer in torch, whose rows are ordered i, f, g, o too."""
    net = torch.nn.LSTM(W.shape[1], R.shape[1], batch_first=True).to(dtype)
    with torch.no_grad():
        for own, value in zip(net.parameters(), (W, R, b, 0 * b), strict=True):
            own.copy_(torch.tensor(value))
    return net


def lstm(net: Any, m: int, n: int, steps: int) -> bs.Diagram:
    W, R, b, b_h = (p.detach().numpy() for p in net.parameters())
    return bs.nn.lstm(W, R, b + b_h)


def gru(net: Any, m: int, n: int, steps: int) -> bs.Diagram:
    W, R, b, b_h = (p.detach().numpy() for p in net.parameters())
    return bs.nn.gru(W, R, b + np.concatenate([b_h[: 2 * n], 0 * b_h[2 * n :]]), b_h[2 * n :])


def bidirectional(net: Any, m: int, n: int, steps: int) -> bs.Diagram:
    own = {name: p.detach().numpy() for name, p in net.named_parameters()}

    def cell(end: str) -> bs.Diagram:
        W, R, b, b_h = (own[f"{name}_{end}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        return bs.nn.lstm(W, R, b + b_h)

    layers = [bs.nn.bidirectional(cell(f"l{k}"), cell(f"l{k}_reverse"), name=f"layer{k}") for k in range(2)]
    return bs.nn.sequential(layers, steps=steps, shape=m)


def one_run(kind: str, dtype: Any, goal: str, steps: int = 1000) -> None:
    """Batch 1 on one thread: a compiled function, as it is called again and again, against its peers."""
    model, layers, ways, make = {
        "LSTM": ("LSTM", 1, 1, lstm),
        "GRU": ("GRU", 1, 1, gru),
        "bidirectional LSTM of two layers": ("LSTM", 2, 2, bidirectional),
    }[kind]
    print(f"{kind}, one run, {np.dtype(dtype).name}, {steps} steps, one thread ({goal})")
    torch.set_num_threads(1)
    ratios = []
    for m, n in SIZES:
        net: Any = getattr(torch.nn, model)(m, n, num_layers=layers, bidirectional=ways == 2)
        net = net.to(getattr(torch, np.dtype(dtype).name))
        diagram, x = make(net, m, n, steps), np.random.default_rng(1).normal(size=(steps, m)).astype(dtype)
        session = onnx_session(model, net, 1, layers, ways) if dtype == np.float32 else None
        with jax.enable_x64(dtype == np.float64):
            f = jax.jit(bs.function(diagram, dtype=dtype))
            params = jax.tree.map(lambda a: jax.numpy.asarray(a, dtype), diagram.parameters())
            data = {"x": jax.numpy.asarray(x)}
            if ways == 2:
                data = {"x": data["x"][None], "length": jax.numpy.asarray([steps])}

            def ours(f: Any = f, params: Any = params, data: Any = data) -> Any:
                return jax.block_until_ready(f(params, data))

            tensor = torch.tensor(x)[:, None]

            def theirs(net: Any = net, tensor: Any = tensor) -> Any:
                with torch.no_grad():
                    return net(tensor)

            works: dict[str, Callable[[], Any]] = {"blocksim": ours, "torch": theirs}
            if session is not None:
                works["onnxruntime"] = lambda s=session, x=x: s.run(None, {"x": x[:, None]})
            expected, found = theirs()[0][:, 0].numpy(), ours()[0][next(iter(diagram.outputs))]
            error = abs(np.asarray(found).reshape(expected.shape) - expected).max()
            assert error < (1e-5 if dtype == np.float32 else 1e-12), error
            ratios.append(ratio(f"{m} inputs, {n} units", medians(works, 25 if n < 500 else 9), steps))
    print(
        f"  geometric mean {math.exp(statistics.mean(map(math.log, ratios))):.2f}, largest {max(ratios):.2f}"
    )


def many_runs(batch: int = 32, steps: int = 200) -> None:
    """A batch on all cores, through `simulate`."""
    print(f"Batch {batch}, float32, {steps} steps, {CORES} cores (goal: mean 1.0, none above 1.5)")
    torch.set_num_threads(CORES)
    ratios = []
    for m, n in SIZES[2:]:
        W, R, b = weights(m, n)
        x = np.random.default_rng(1).normal(size=(batch, steps, m)).astype(np.float32)
        diagram, net = bs.nn.lstm(W, R, b), torch_lstm(W, R, b, torch.float32)
        session = onnx_session("LSTM", net, 0)
        time_first = np.ascontiguousarray(x.swapaxes(0, 1))

        def theirs(net: Any = net, tensor: Any = torch.tensor(x)) -> Any:  # noqa: B008
            with torch.no_grad():
                return net(tensor)

        works: dict[str, Callable[[], Any]] = {
            "blocksim": lambda d=diagram, x=x: bs.simulate(d, {"x": x}, engine="jax", dtype="float32"),
            "torch": theirs,
            "onnxruntime": lambda s=session, x=time_first: s.run(None, {"x": x}),
        }
        assert abs(works["blocksim"]()["h"] - theirs()[0].numpy()).max() < 1e-5
        ratios.append(ratio(f"{m} inputs, {n} units", medians(works, 9), steps))
    print(
        f"  geometric mean {math.exp(statistics.mean(map(math.log, ratios))):.2f}, largest {max(ratios):.2f}"
    )


def gradient(batch: int = 32, steps: int = 200, m: int = 32, n: int = 128) -> None:
    """The gradient of a loss in all parameters, float32: the batch spread over a JAX device for each core."""
    print(f"Gradient of a loss, batch {batch}, {steps} steps, {n} units, float32 (goal 1.0)")
    torch.set_num_threads(CORES)
    W, R, b = weights(m, n)
    x = np.random.default_rng(1).normal(size=(batch, steps, m)).astype(np.float32)
    diagram = bs.nn.lstm(W, R, b)
    f = bs.function(diagram, dtype="float32")
    params = jax.tree.map(lambda a: jax.numpy.asarray(a, "float32"), diagram.parameters())
    data = jax.numpy.asarray(x)

    def loss(params: Any, x: Any) -> Any:
        return (jax.vmap(lambda x: f(params, {"x": x})[0]["h"])(x) ** 2).mean()

    mesh = Mesh(np.array(jax.devices()), ("batch",))

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P(), check_vma=False)
    def compiled(params: Any, x: Any) -> Any:
        return jax.lax.pmean(jax.grad(loss)(params, x), "batch")

    params = jax.device_put(params, NamedSharding(mesh, P()))
    data = jax.device_put(data, NamedSharding(mesh, P("batch")))
    net, tensor = torch_lstm(W, R, b, torch.float32), torch.tensor(x)

    def theirs() -> Any:
        net.zero_grad()
        (net(tensor)[0] ** 2).mean().backward()
        return net.weight_hh_l0.grad

    found = compiled(params, data)
    stacked = np.concatenate([np.asarray(found[f"{gate}/R"]["K"]) for gate in "ifgo"])
    assert abs(stacked - theirs().numpy()).max() < 1e-5
    works = {"blocksim": lambda: jax.block_until_ready(compiled(params, data)), "torch": theirs}
    ratio("all parameters", medians(works, 9), steps)


def stepping(m: int = 8, n: int = 32) -> None:
    """Other simulators of block diagrams; jaxonomy and pathsim are not installed here."""
    print(f"Simulators, {n} units, float64 (goal: 1/100 of bdsim's)")
    diagram = bs.nn.lstm(*weights(m, n))
    x = np.random.default_rng(1).normal(size=(10_000, m))
    works = {"blocksim": lambda: bs.simulate(diagram, {"x": x}, engine="jax")}
    ours = medians(works, 7)["blocksim"] / len(x)
    few = x[:200]
    theirs = medians({"bdsim": lambda: bs.simulate(diagram, {"x": few}, engine="bdsim")}, 3)["bdsim"] / len(
        few
    )
    print(f"  blocksim {ours * 1e6:.2f}, bdsim {theirs * 1e6:.0f} us/step: ratio 1/{theirs / ours:.0f}")


FIRST = """
import time
start = time.perf_counter()
import numpy as np, blocksim as bs
W, R, b = np.ones((128, 8)), np.ones((128, 32)), np.zeros(128)
x = np.ones((100, 8))
bs.simulate(bs.nn.lstm(W, R, b), {"x": x}, engine="jax")
first = time.perf_counter()
bs.simulate(bs.nn.lstm(2 * W, R, b), {"x": x}, engine="jax")
print(first - start, time.perf_counter() - first)
"""
LARGE = """
import time
start = time.perf_counter()
import numpy as np, blocksim as bs
from blocksim.library import Gain, Sum, Tanh, UnitDelay
rng = np.random.default_rng(0)
d = bs.Diagram("large")
sources = [d.input("u")]
late = []
for k in range(1000):
    if k % 10 == 0:
        sources.append(d.add(f"n{k}", UnitDelay(0.0)))
        late.append(sources[-1])
    elif k % 3:
        block = Tanh() if k % 2 else Gain(0.5)
        sources.append(d.add(f"n{k}", block, sources[-rng.integers(1, min(20, len(sources)) + 1)]))
    else:
        other = sources[-rng.integers(1, min(20, len(sources)) + 1)]
        sources.append(d.add(f"n{k}", Sum("+-"), sources[-1], other))
for delay in late:
    d.connect(sources[rng.integers(1, len(sources))], delay)
d.output("y", sources[-1])
bs.simulate(d, {"u": np.ones(100)}, engine="jax")
print(time.perf_counter() - start)
"""


def first_calls() -> None:
    """In processes of their own, the import of everything included."""

    def fresh(code: str) -> list[float]:
        runs = [
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            for _ in range(3)
        ]
        return [
            statistics.median(column) for column in zip(*(map(float, r.split()) for r in runs), strict=True)
        ]

    first, second = fresh(FIRST)
    print("First calls, import included")
    print(f"  one LSTM {first:.2f} s (goal 2.5), a second diagram of its shapes {second:.3f} s (goal 0.05)")
    print(f"  1,000 blocks {fresh(LARGE)[0]:.2f} s (goal 10)")


if __name__ == "__main__":
    if "--one-thread" in sys.argv:
        one_run("LSTM", np.float32, "goal: mean 1.0, none above 1.3")
        one_run("LSTM", np.float64, "goal 0.6")
        one_run("GRU", np.float32, "goal 1.2")
        one_run("bidirectional LSTM of two layers", np.float32, "goal 1.2")
    elif "--gradient" in sys.argv:
        jax.config.update("jax_num_cpu_devices", CORES)
        gradient()
    else:
        packages = (jax, torch, onnxruntime, np)
        print(
            f"{platform.processor() or platform.machine()}, {CORES} cores, Python {platform.python_version()}"
        )
        print(", ".join(f"{p.__name__} {p.__version__}" for p in packages))
        subprocess.run([sys.executable, __file__, "--one-thread"], check=True, env=os.environ | ONE_THREAD)
        many_runs()
        subprocess.run([sys.executable, __file__, "--gradient"], check=True)
        stepping()
        first_calls()
