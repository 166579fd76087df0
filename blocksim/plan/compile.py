"""`compile`: a diagram becomes a plan, or an error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from blocksim.block import Signal
from blocksim.diagram import Diagram
from blocksim.errors import InputError, describe, user_line
from blocksim.plan.check import check_parameters, check_wires
from blocksim.plan.infer import infer
from blocksim.plan.plan import Plan
from blocksim.plan.schedule import schedule


def compile(
    diagram: Diagram, dtype: DTypeLike | None = None, inputs: Mapping[str, Signal] | None = None
) -> Plan:
    """Flatten, check, schedule and infer: everything that can be known of a diagram before it runs.

    `dtype` is the float type of the run, float64 unless given as float32; `inputs` are the forms of
    inputs that do not declare theirs. Raises DiagramError,
    AlgebraicLoopError, ParameterError, SignalError or BlockError.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("twice", bs.library.Gain(2.0), d.input("u", shape=3)))
    >>> bs.compile(d).signals["twice"].shape
    (3,)
    """
    if not isinstance(diagram, Diagram):
        raise InputError("compile", "a Diagram", describe(diagram), line=user_line())
    try:
        chosen = np.dtype(np.float64 if dtype is None else dtype)
    except TypeError:
        chosen = np.dtype(object)
    if chosen not in (np.float64, np.float32):
        raise InputError("dtype", "float64 or float32", describe(dtype), line=user_line())
    size = _size(diagram)
    forms = dict(inputs or {})
    key = chosen, tuple(forms.items())
    known, plan = diagram.plans.get(key, (0, None))
    if plan is None or known != size:
        check_wires(diagram)
        flat = diagram.flatten()
        check_parameters(flat)
        order = schedule(flat)
        plan = Plan(flat, order, infer(flat, order, chosen, forms), chosen)
        diagram.plans[key] = size, plan
    return plan


def _size(diagram: Diagram) -> int:
    """Nodes, wires, inputs and outputs in all. Diagrams only grow: one of the same size has not changed."""
    inner = [node.block for _, node in diagram.walk() if isinstance(node.block, Diagram)]
    wires = sum(1 + len(node.wires) for _, node in diagram.walk())
    return wires + sum(len(d.inputs) + len(d.outputs) for d in [diagram, *inner])
