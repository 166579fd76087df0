"""The shapes of signals, as far as they can be known without compiling the diagram."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping

import numpy as np

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.node import Inport, Node
from blocksim.scan import Scan

Shapes = dict[tuple[str, str], tuple[int, ...]]


def signal_shapes(flat: Diagram, inputs: Mapping[str, tuple[int, ...]] | None = None) -> Shapes:
    """The shapes of the signals of a flat diagram, by node and output port; what is not known is left out.

    `inputs` are those of inputs that do not declare theirs. Below a Scan, they are those of a step.
    blocksim's own blocks are evaluated once, each when the shapes of all that its output reads are
    known. A user's own code is never called, and nothing raises: a diagram may be drawn before it is right.

    >>> import blocksim as bs, numpy as np
    >>> from blocksim.draw.shapes import signal_shapes
    >>> d = bs.Diagram("d")
    >>> d.output("y", d.add("K", bs.library.Gain(np.ones((3, 2))), d.input("u", shape=2)))
    >>> signal_shapes(d)
    {('u', 'y'): (2,), ('K', 'y'): (3,)}
    """
    known: Shapes = {}
    readers: dict[tuple[str, str], list[Node]] = {}
    for name, node in flat.inputs.items():
        if isinstance(node.block, Inport):
            given = (inputs or {}).get(name, ())
            known[name, "y"] = given if node.block.shape is None else node.block.shape
    for node in flat.nodes.values():
        for origin in node.wires.values():
            readers.setdefault((origin.node.name, origin.name), []).append(node)
    todo = deque(flat.nodes.values())
    while todo:
        node = todo.popleft()
        if (node.name, node.outputs[0] if node.outputs else "") not in known:
            found = _scanned(node, known) if isinstance(node.block, Scan) else _outputs(node, known)
            known |= found
            todo.extend(reader for key in found for reader in readers.get(key, ()))
    return known


def _scanned(node: Node, known: Shapes) -> Shapes:
    """The shapes of a Scan's outputs and, by paths below it, of what it runs."""
    assert isinstance(node.block, Scan)
    inner = node.block.diagram
    origins = {name: node.wires.get(name) for name in inner.inputs}
    given = {name: known.get((o.node.name, o.name)) if o else None for name, o in origins.items()}
    steps = next((shape[0] for shape in given.values() if shape), None)
    if steps is None:
        return {}
    flat = inner.flatten()
    below = signal_shapes(flat, {name: shape[1:] for name, shape in given.items() if shape})
    found = {(f"{node.name}/{path}", port): shape for (path, port), shape in below.items()}
    for name, port in flat.outputs.items():
        if (shape := below.get((port.node.name, port.name))) is not None:
            found[node.name, name] = (steps, *shape)
    for path in node.block.states:
        if (shape := below.get((path, flat.nodes[path].outputs[0]))) is not None:
            found[node.name, path] = shape
    return found


def _outputs(node: Node, known: Shapes) -> Shapes:
    """The shapes of a block's outputs, none where they are not known."""
    block = node.block
    if not isinstance(block, Block) or block.guarded or "output" not in block.contract.methods:
        return {}
    values = {}
    for port in node.inputs:
        origin = node.wires.get(port)
        if block.feedthrough(port):
            shape = known.get((origin.node.name, origin.name)) if origin else None
            if shape is None:
                return {}
            values[port] = np.ones(shape)
    given = []
    for name in block.contract.methods["output"]:
        if name.startswith("*"):
            given += [values[port] for port in node.inputs if port not in block.contract.inputs]
        else:
            reserved = {"xp": lambda: np, "t": lambda: 0.0, "dt": lambda: 1.0, "x": lambda: _state(block)}
            given.append(values[name] if name in values else reserved[name]())
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = block.output(*given)  # pyright: ignore[reportAttributeAccessIssue]
            outputs = result if isinstance(result, tuple) else (result,)
            return {(node.name, p): np.shape(y) for p, y in zip(node.outputs, outputs, strict=True)}
    except Exception:  # the shapes do not fit: to say so is the compiler's part
        return {}


def _state(block: Block) -> object:
    return block.init()  # pyright: ignore[reportAttributeAccessIssue]
