"""LSTM, GRU and RNN: for each direction a cell in a Scan over time, in a Scan over the batch.

What ONNX's text leaves open is done as onnxruntime does it: with input_forget f = 1 - i, and clip
limits what goes into f and g, not what goes into the activation of the cell's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim import library as lib
from blocksim import nn
from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.interop.onnx.call import Call, Tensor, operator
from blocksim.scan import Scan

ACTIVATIONS: dict[str, tuple[type[Block], tuple[float | None, float | None]]] = {
    "affine": (lib.Affine, (1.0, 0.0)),
    "elu": (lib.ELU, (1.0, None)),
    "hardsigmoid": (lib.HardSigmoid, (0.2, 0.5)),
    "leakyrelu": (lib.LeakyReLU, (0.01, None)),
    "relu": (lib.ReLU, (None, None)),
    "scaledtanh": (lib.ScaledTanh, (1.0, 1.0)),
    "sigmoid": (lib.Sigmoid, (None, None)),
    "softplus": (lib.Softplus, (None, None)),
    "softsign": (lib.Softsign, (None, None)),
    "tanh": (lib.Tanh, (None, None)),
    "thresholdedrelu": (lib.ThresholdedReLU, (1.0, None)),
}
"""By name: the block, and the defaults of alpha and beta; None for one that it does not have."""


@dataclass(frozen=True)
class Weights:
    """The weights of one direction, with rows in blocksim's order."""

    W: Any
    R: Any
    b: Any
    b_r: Any
    """The recurrent part of the bias."""
    peephole: Any
    activations: list[Block]
    clip: float | None


@operator("LSTM", known=(1, 2, 3, 7))
def lstm(call: Call) -> list[Tensor | None]:
    coupled = "input" if call.attribute("input_forget") else False

    def cell(w: Weights) -> Diagram:
        f, g, h = w.activations
        rows = [0, 2, 3] if coupled else [0, 1, 2, 3]
        W, R, b = (_blocks(a, 4, rows) for a in (w.W, w.R, w.b + w.b_r))
        peephole = None if w.peephole is None else _blocks(w.peephole, 3, [0, 2] if coupled else [0, 1, 2])
        return nn.lstm(
            W, R, b, peephole=peephole, coupled=coupled, clip=w.clip,
            gate_activation=f, activation=g, output_activation=h,
        )  # fmt: skip

    # i, o, f, c there; i, f, g, o here
    return _layer(call, [0, 2, 3, 1], ["Sigmoid", "Tanh", "Tanh"], {"hidden_state": 5, "cell_state": 6}, cell)


@operator("GRU", known=(1, 2, 3))
def gru(call: Call) -> list[Tensor | None]:
    after = bool(call.attribute("linear_before_reset", 0))

    def cell(w: Weights) -> Diagram:
        f, g = w.activations
        n = len(w.b) // 3
        inside = w.b_r * (np.arange(3 * n) >= 2 * n) if after else np.zeros(3 * n)
        return nn.gru(
            w.W, w.R, w.b + w.b_r - inside, inside[2 * n :] if after else None,
            reset="after" if after else "before", gate_activation=f, activation=g, clip=w.clip,
        )  # fmt: skip

    # z, r, h there; r, z, n here
    return _layer(call, [1, 0, 2], ["Sigmoid", "Tanh"], {"hidden_state": 5}, cell)


@operator("RNN", known=(1, 2, 3))
def rnn(call: Call) -> list[Tensor | None]:
    def cell(w: Weights) -> Diagram:
        return nn.rnn(w.W, w.R, w.b + w.b_r, activation=w.activations[0], clip=w.clip)

    return _layer(call, [0], ["Tanh"], {"hidden_state": 5}, cell)


def _layer(
    call: Call,
    order: list[int],
    activations: list[str],
    states: dict[str, int],
    cell: Callable[[Weights], Diagram],
) -> list[Tensor | None]:
    """The outputs Y, Y_h (and Y_c). `order`: of the gates' rows; `states`: the inputs of initial values."""
    batch_first = bool(call.attribute("layout", 0))
    x = call[0] if batch_first else call.transpose(call[0], (1, 0, 2))
    runs, steps, inputs = x.shape
    weights = list(_weights(call, order, activations, inputs))
    count, n = len(weights), weights[0].R.shape[-1]
    lengths = call.get(4)
    starts = {path: call.get(i) for path, i in states.items()}

    each = Diagram("sequence")
    sources = [each.input("x", (steps, inputs))]
    tensors = [x]
    if lengths is not None:
        _expect(call, 4, (runs,))
        tensors.append(lengths)
        sources.append(each.input("length", (), int))
    initial = {}
    for path, start in starts.items():
        if start is not None:
            _expect(call, states[path], (runs, count, n) if batch_first else (count, runs, n))
            tensors.append(start if batch_first else call.transpose(start, (1, 0, 2)))
            initial[path] = each.input(f"initial_{path[0]}", (count, n))
    scans = []
    directions = ["forward", "reverse"] if count == 2 else [call.attribute("direction")]
    for k, (direction, w) in enumerate(zip(directions, weights, strict=True)):
        own = [each.add(f"{direction}_{path}", lib.Selector(k), node) for path, node in initial.items()]
        scan = Scan(
            cell(w), reverse=direction == "reverse", length=lengths is not None, initial=tuple(initial)
        )
        scans.append(each.add(direction, scan, *sources, *own))
    wanted = [i for i in range(1 + len(states)) if call.wants(i)]
    ports = ["h", *states]
    names = ["Y", "Y_h", "Y_c"]
    for i in wanted:
        found = [scan[ports[i]] for scan in scans]
        joined = each.add(names[i], lib.Concatenate(-1), *found) if count > 1 else found[0]
        each.output(names[i], joined)

    width = count * n
    signals = [Signal((runs, steps, width) if i == 0 else (runs, width), x.signal.dtype) for i in wanted]
    found = call.apply(Scan(each), *tensors, name="batch", fold=False, signals=signals)
    outputs: list[Tensor | None] = [None] * 3
    for i, y in zip(wanted, found if isinstance(found, list) else [found], strict=True):
        y = call.reshape(y, (*y.shape[:-1], count, n))
        axes = (1, 2, 0, 3) if i == 0 else (1, 0, 2)
        outputs[i] = y if batch_first else call.transpose(y, axes)
    return outputs


def _expect(call: Call, i: int, shape: tuple[int, ...]) -> None:
    if call[i].shape != shape:
        call.fail(f"input {call.formal(i)} of shape {shape}", f"{call[i].shape}")


# -- weights ---------------------------------------------------------------------------------------


def _blocks(a: Any, count: int, order: list[int]) -> Any:
    """The rows of an array of `count` equal blocks, the blocks in another order."""
    parts = np.split(a, count)
    return np.concatenate([parts[k] for k in order])


def _weights(call: Call, order: list[int], defaults: list[str], inputs: int) -> Iterator[Weights]:
    """The weights of each direction."""
    direction = call.attribute("direction")
    if direction not in ("forward", "reverse", "bidirectional"):
        call.fail("the direction forward, reverse or bidirectional", repr(direction))
    count, gates = 2 if direction == "bidirectional" else 1, len(order)
    W, R, B = (call.values(i) for i in (1, 2, 3))
    assert W is not None
    assert R is not None
    n = R.shape[-1] if R.ndim else 0
    _expect(call, 1, (count, gates * n, inputs))
    _expect(call, 2, (count, gates * n, n))
    B = np.zeros((count, 2 * gates * n)) if B is None else B
    if call.get(3) is not None:
        _expect(call, 3, (count, 2 * gates * n))
    if call.attribute("hidden_size") not in (None, n):
        call.fail(f"hidden_size {n}, as R {R.shape} has it", f"{call.attribute('hidden_size')}")
    P = call.values(7) if call.node.op_type == "LSTM" else None
    if P is not None:
        _expect(call, 7, (count, 3 * n))
    kinds = _activations(call, defaults * count)
    for k in range(count):
        b, b_r = np.split(B[k], 2)
        rows = [_blocks(a, gates, order) for a in (W[k], R[k], b, b_r)]
        # i, o, f there; i, f, o here
        peephole = None if P is None else _blocks(P[k], 3, [0, 2, 1])
        own = kinds[k * len(defaults) : (k + 1) * len(defaults)]
        yield Weights(rows[0], rows[1], rows[2], rows[3], peephole, own, call.attribute("clip"))


def _activations(call: Call, defaults: list[str]) -> list[Block]:
    """The blocks of the activations. alpha and beta are consumed by those that have them, in order."""
    names = call.attributes.get("activations")
    names = defaults if names is None else [name.decode() for name in names]
    if len(names) != len(defaults):
        call.fail(f"{len(defaults)} activations", f"{len(names)}: {', '.join(names)}")
    given = [iter(call.attribute(f"activation_{which}", [])) for which in ("alpha", "beta")]
    blocks = []
    for name in names:
        if name.casefold() not in ACTIVATIONS:
            call.fail("activations that ONNX knows", repr(name), f"There is {', '.join(ACTIVATIONS)}.")
        kind, own = ACTIVATIONS[name.casefold()]
        blocks.append(
            kind(*(next(it, value) for it, value in zip(given, own, strict=True) if value is not None))
        )
    return blocks
