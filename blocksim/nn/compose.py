"""Layers in a row, in both directions, and with a state that lasts from one sequence to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import Concatenate, Last, Selector, UnitDelay
from blocksim.node import Port, Source
from blocksim.plan import compile
from blocksim.scan import Scan

LENGTH = "length"


def sequential(
    layers: Iterable[Diagram],
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
    *,
    name: str = "network",
) -> Diagram:
    """Layers in a row: each reads the first output of the one before it.

    Without `steps` they go along step by step, one sample each: the input is that of the first layer,
    the outputs are those of the last. With `steps` T a signal is a whole sequence: inputs x (T, *shape) and
    its `length`, shape being that of the first layer where it declares one. A layer with the inputs x
    and `length` looks at the sequence; a layer with one input runs along it, inside a `Scan`, until one
    without an output `length` has made a single value of it. Raises ParameterError, naming the layer,
    for one that does not fit into the row, and SignalError where shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> cells = [bs.nn.lstm(np.ones((8, 2)), np.ones((8, 2)), np.zeros(8), name=n) for n in "ab"]
    >>> bs.nn.sequential([*cells, bs.nn.dense(np.ones((1, 2)), [0.0])]).outputs
    {'y': dense}
    >>> bs.nn.sequential(cells, steps=5).inputs
    {'x': <x: input (5, 2)>, 'length': <length: input () int64>}
    """
    row = list(layers)
    for layer in row:
        if not isinstance(layer, Diagram) or not layer.outputs or _kind(layer) is None:
            raise ParameterError(
                f"sequential {name!r}", "diagrams with an output and the input x, or x and length",
                f"{layer!r}, with {', '.join(layer.inputs) or 'no inputs'}" if isinstance(layer, Diagram)
                else describe(layer), "", user_line(),
            )  # fmt: skip
    if steps is not None and (not isinstance(steps, (int, np.integer)) or steps < 1):
        raise ParameterError(
            f"sequential {name!r}, steps", "an integer of at least 1", describe(steps), "", user_line()
        )
    if not row:
        raise ParameterError(f"sequential {name!r}", "at least one layer", "none", "", user_line())
    d = Diagram(name)
    first: Any = next(iter(row[0].inputs.values())).block
    own = (shape,) if isinstance(shape, int) else None if shape is None else tuple(shape)
    if own is None and first.shape is not None:
        own = first.shape if _kind(row[0]) == "step" else first.shape[1:]
    if steps is None:
        key = next(iter(row[0].inputs))
        signal, length = d.input(key, shape=own, dtype=first.dtype), None
    elif own is None:
        raise ParameterError(
            f"sequential {name!r}, shape", "the shape of a step", "None",
            f"The layer {row[0].name!r} takes any: give shape=.", user_line(),
        )  # fmt: skip
    else:
        signal = d.input("x", shape=(steps, *own), dtype=first.dtype)
        length = d.input(LENGTH, shape=(), dtype=int)
    last = None
    for layer in row:
        last, signal, length = _append(d, layer, signal, length, steps is None)
    assert last is not None
    inner = last.block.diagram if isinstance(last.block, Scan) else last.block
    assert isinstance(inner, Diagram)
    for key in inner.outputs:
        if key != LENGTH:
            d.output(key, last[key])
    if length is not None:
        d.output(LENGTH, length)
    if own is not None:
        compile(d)
    return d


def _kind(layer: Diagram) -> str | None:
    """What a layer reads: "step", one signal, or "sequence", one and its length."""
    names = list(layer.inputs)
    if len(names) == 1:
        return "step"
    return "sequence" if len(names) == 2 and names[1] == LENGTH else None


def _append(
    d: Diagram, layer: Diagram, signal: Source, length: Source | None, stepwise: bool
) -> tuple[Any, Source, Source | None]:
    """The node of a layer behind a signal, its first output, and the length that this then has."""
    where = f"sequential {d.name!r}, layer {layer.name!r}"
    if _kind(layer) == "sequence":
        if length is None:
            got = "a step at a time" if stepwise else "a single value, which the layer before made of it"
            advice = "Give steps=, the length of the sequences." if stepwise else "Put it before that layer."
            raise ParameterError(where, "a sequence to look at", got, advice, user_line())
        node = d.add(layer.name, layer, signal, length)
        return node, node, Port(node, LENGTH) if LENGTH in layer.outputs else None
    if length is not None:
        node = d.add(layer.name, Scan(layer, length=True), signal, length)
        return node, node, length
    if not stepwise and _states(layer):
        raise ParameterError(
            where, "a layer without a state, since one value is left of the sequence",
            f"states {', '.join(_states(layer))}", "Put it before the layer that made one value.",
            user_line(),
        )  # fmt: skip
    node = d.add(layer.name, layer, signal)
    return node, node, None


def _states(layer: Diagram) -> list[str]:
    return [p for p, n in layer.walk() if isinstance(n.block, Block) and "update" in n.block.contract.methods]


def bidirectional(
    forward: Diagram, backward: Diagram, *, output: str = "sequence", name: str = "bidirectional"
) -> Diagram:
    """y[k] = [forward's output, backward's output at k], the latter run from the last step to the first.

    Inputs x (T, m) and `length`; outputs y (T, n) and `length`, or with output="last" y (n,): what each
    gives at the end of its run. Schuster and Paliwal 1997. Raises ParameterError for layers without
    exactly one input.

    >>> import blocksim as bs, numpy as np
    >>> cells = [bs.nn.lstm(np.ones((8, 3)), np.ones((8, 2)), np.zeros(8)) for _ in range(2)]
    >>> d = bs.nn.sequential([bs.nn.bidirectional(*cells)], steps=5, shape=3)
    >>> bs.simulate(d, {"x": np.ones((1, 5, 3)), "length": [4]})["y"].shape
    (1, 5, 4)
    """
    if output not in ("sequence", "last"):
        raise ParameterError(
            f"bidirectional {name!r}, output", "'sequence' or 'last'", repr(output), "", user_line()
        )
    d = Diagram(name)
    x, length = d.input("x"), d.input(LENGTH, shape=(), dtype=int)
    ends: list[Source] = []
    for key, layer in (("forward", forward), ("backward", backward)):
        if not isinstance(layer, Diagram) or _kind(layer) != "step" or not layer.outputs:
            raise ParameterError(
                f"bidirectional {name!r}, {key}", "a diagram with one input and an output", describe(layer),
                "", user_line(),
            )  # fmt: skip
        ends.append(d.add(key, Scan(layer, reverse=key == "backward", length=True), x, length))
    if output == "last":
        ends[0] = d.add("last", Last(), ends[0], length)
        ends[1] = d.add("first", Selector(0), ends[1])
    d.output("y", d.add("join", Concatenate(-1), *ends))
    if output == "sequence":
        d.output(LENGTH, length)
    return d


def stateful(layer: Diagram, steps: int, *, name: str | None = None) -> Diagram:
    """The layer run along a sequence a step, its state going on from one sequence to the next.

    Inputs x (T, m), T = `steps`, and `length`; outputs those of the layer, (T, ...). The states pass
    through delays of the names of their paths, with dots. Raises ParameterError for a layer with other
    than one input.

    >>> import blocksim as bs
    >>> inner = bs.Diagram("past")
    >>> inner.output("y", inner.add("z", bs.library.UnitDelay(9.0), inner.input("x", shape=())))
    >>> d = bs.nn.stateful(inner, steps=2)
    >>> bs.simulate(d, {"x": [[1.0, 2.0], [3.0, 4.0]], "length": [2, 2]})["y"]
    array([[9., 1.],
           [2., 3.]])
    """
    if not isinstance(layer, Diagram) or _kind(layer) != "step" or not layer.outputs:
        raise ParameterError(
            "stateful", "a diagram with one input and an output", describe(layer), "", user_line()
        )
    d = Diagram(name or layer.name)
    inport: Any = next(iter(layer.inputs.values())).block
    x = d.input("x", shape=(steps, *(inport.shape or ())), dtype=inport.dtype)
    length = d.input(LENGTH, shape=(), dtype=int)
    states = _states(layer)
    initial = compile(layer).initial_state
    delays = {path: d.add(path.replace("/", "."), UnitDelay(initial[path])) for path in states}
    scan = d.add("scan", Scan(layer, length=True, initial=states), x, length, *delays.values())
    for path, delay in delays.items():
        d.connect(scan[path], delay)
    for key in layer.outputs:
        d.output(key, scan[key])
    return d
