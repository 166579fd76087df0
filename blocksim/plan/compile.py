"""`compile`: a diagram becomes a plan, or an error that says what is wrong with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from blocksim.diagram import Diagram
from blocksim.errors import InputError, describe, user_line
from blocksim.plan.check import check_parameters, check_wires
from blocksim.plan.infer import infer
from blocksim.plan.plan import Plan
from blocksim.plan.schedule import schedule


def compile(diagram: Diagram, dtype: DTypeLike | None = None) -> Plan:
    """Flatten, check, schedule and infer: everything that can be known of a diagram before it runs.

    `dtype` is the float type of the run, float64 unless given as float32. Raises DiagramError,
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
    check_wires(diagram)
    flat = diagram.flatten()
    check_parameters(flat)
    order = schedule(flat)
    return Plan(flat, order, infer(flat, order, chosen), chosen)
