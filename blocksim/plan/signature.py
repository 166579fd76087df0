"""What two plans share that differ in nothing but the values of parameters and states."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np

from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.plan.plan import Plan
from blocksim.plan.tree import tree_map


def signature(plan: Plan) -> Hashable:
    """The blocks, wires and forms of a plan.

    >>> import blocksim as bs
    >>> def gain(k):
    ...     d = bs.Diagram()
    ...     d.output("y", d.add("k", bs.library.Gain(k), d.input("u")))
    ...     return signature(bs.compile(d))
    >>> gain(1.0) == gain(2.0), gain(1.0) == gain([1.0, 2.0])
    (True, False)
    """
    wires = tuple((op.path, op.method, op.reads, op.writes) for op in [*plan.operations, *plan.updates])
    blocks = tuple((path, _block(block)) for path, block in plan.blocks.items())
    states = tuple((path, _plain(tree_map(_form, state))) for path, state in plan.initial_state.items())
    return wires, blocks, states, tuple(plan.slot_signals.items()), plan.scalars, tuple(plan.flat.inputs)


def _block(block: Block) -> Hashable:
    fields = dataclasses.fields(block)  # pyright: ignore[reportArgumentType]
    values = [(f.name, bool(f.metadata.get("param")), getattr(block, f.name)) for f in fields]
    return type(block), tuple((name, _form(v) if param else _plain(v)) for name, param, v in values)


def _form(array: Any) -> Signal:
    return Signal(np.shape(array), np.asarray(array).dtype)


def _plain(value: Any) -> Hashable:
    """The value as something to compare: by content where it is plain data, else by identity."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype, value.tobytes()
    if isinstance(value, (tuple, list)):
        return type(value), tuple(map(_plain, value))
    if isinstance(value, dict):
        return tuple((key, _plain(v)) for key, v in value.items())
    if isinstance(value, Diagram):
        return _diagram(value.flatten())
    if isinstance(value, (str, bytes, int, float, bool, complex, type(None), np.generic, Signal)):
        return type(value), value
    return _Same(value)


def _diagram(flat: Diagram) -> Hashable:
    nodes = [*flat.inputs.items(), *flat.nodes.items()]
    wires = tuple((name, port, o.node.name, o.name) for name, n in nodes for port, o in n.wires.items())
    outputs = tuple((name, o.node.name, o.name) for name, o in flat.outputs.items())
    blocks = tuple(
        (name, _block(n.block) if isinstance(n.block, Block) else repr(n.block)) for name, n in nodes
    )
    return blocks, wires, outputs


class _Same:
    """Equal to what holds the same object, which stays alive with it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)
