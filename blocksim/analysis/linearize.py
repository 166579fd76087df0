"""`linearize`: a diagram near an operating point as x+ = A x + B u, y = C x + D u."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from blocksim.analysis.equilibrium import Equilibrium, equilibrium
from blocksim.analysis.point import operating_point
from blocksim.analysis.statespace import StateSpace
from blocksim.analysis.surgery import part
from blocksim.analysis.system import Parameters, System, Vector, elements
from blocksim.arguments import as_signal
from blocksim.diagram import Diagram
from blocksim.errors import DiagramError, InputError, describe, user_line


def linearize(
    diagram: Diagram,
    at: Any = None,
    inputs: Sequence[str] | Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    within: str | None = None,
    step: int = -1,
    run: int = 0,
    params: Parameters | None = None,
    dt: float | None = None,
) -> StateSpace:
    """dx+ = A dx + B du, dy = C dx + D du near an operating point, with exact derivatives.

    at: the operating point of the whole diagram: states by path and inputs by name in a dictionary (a
    final_state, say); an Equilibrium; or a Result, of which `step` is the row and `run` the run of a
    batch. What is not given is the initial state, and zero for inputs.
    inputs: the names of the inputs, those of the diagram unless given. The path of any other signal
    cuts its wire: what read it reads the new input, and as an output it is what the wire was fed: with
    inputs=["e"], outputs=["e"] this is the loop, opened at e. A dictionary gives inputs and their values.
    outputs: paths of signals, the diagram's outputs unless given.
    within: the path of a subsystem, to linearize it alone; its inputs and outputs are named by path.
    params, dt: parameters to replace, and the step in seconds; those of `at`, if it is an Equilibrium or a
    Result, else none and 1.

    Blocks that nothing reads any more after a cut are left out. Raises the errors of `compile`;
    DiagramError for an unknown path; InputError for a point that does not fit; AnalysisError for a
    diagram without states, whose step depends on the time, or with derivatives that are not finite.
    Compare Simulink's `linmod` and `dlinmod`.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> error = d.add("error", bs.library.Sum("+-"), d.input("target"))
    >>> y = d.add("y", bs.library.DiscreteIntegrator(0.0), d.add("gain", bs.library.Gain(0.2), error))
    >>> d.connect(y, error)
    >>> d.output("out", y)
    >>> bs.analysis.linearize(d).poles
    array([0.8])
    >>> loop = bs.analysis.linearize(d, inputs=["error"], outputs=["error"])
    >>> loop.poles, loop.B, loop.C
    (array([1.]), array([[0.2]]), array([[-1.]]))
    """
    given = dict(inputs) if isinstance(inputs, Mapping) else {}
    wanted = None if inputs is None else _names("inputs", inputs)
    shown = None if outputs is None else _names("outputs", outputs)
    point = operating_point(diagram, at, step=step, run=run, params=params, dt=dt)
    key = "linear", within, *(None if names is None else tuple(names) for names in (wanted, shown))
    made = point.system(diagram, key, lambda: _made(diagram, within, wanted, shown, point.dt))
    system, columns, sources = made

    point = point.with_inputs(given)
    signals = point.signals() if sources.keys() != point.inputs.keys() else {}
    values = {n: point.inputs[n] if not signals else signals[at] for n, at in sources.items()}
    values |= {name: given[name] for name in given if name in sources}
    asked = {columns.get(name, name): name for name in values}
    x = system.pack({path: point.state[path] for path in system.state_forms})
    u = system.inputs_as_vector(
        {
            inner: as_signal(asked[inner], values[asked[inner]], form, ())
            for inner, form in system.input_forms.items()
        }
    )
    (A, B), (C, D) = system.compiled("linear at", lambda: _derivatives(system))(
        point.parameters(system), x, u
    )
    model = StateSpace(A, B, C, D, point.dt, system.states, system.inputs, system.outputs)
    return _selected(system, columns, model)


def _derivatives(system: System) -> Any:
    """A, B, C and D as a function of parameters, so that other values of them need no compiling."""
    import jax

    return jax.jacfwd(system.map, argnums=(1, 2))


Made = tuple[System, dict[str, str], dict[str, tuple[str, str]]]


def _made(
    diagram: Diagram,
    within: str | None,
    inputs: list[str] | None,
    outputs: list[str] | None,
    dt: float,
) -> Made:
    """The system to take derivatives of; the names of its inputs by those asked for; what feeds them."""
    piece = part(diagram, within)
    entering = [*piece.flat.inputs]
    wanted = [n for n in entering if piece.forms[n].dtype.kind == "f"] if inputs is None else inputs
    shown = [n for n in piece.outputs if piece.forms[n].dtype.kind == "f"] if outputs is None else outputs
    for name in [*wanted, *shown]:
        piece.form(name)
    first: dict[tuple[str, str], str] = {}
    for name in wanted:
        port = piece.port(name)
        if first.setdefault((port.node.name, port.name), name) != name:
            other = first[port.node.name, port.name]
            raise DiagramError("inputs", "each signal once", f"{name!r}, which is {other!r}", "", user_line())
    cuts = [name for name in wanted if name not in entering]
    sources = piece.outside | {name: at for at, name in first.items() if name in cuts}
    columns = {name: piece.cut(name) if name in cuts else name for name in wanted}
    changed = within is not None or cuts
    whole = piece.diagram(shown) if changed else diagram
    return System(whole, outputs=shown, dt=dt), columns, sources


def _selected(system: System, columns: dict[str, str], model: StateSpace) -> StateSpace:
    """The model with the inputs that were asked for, in that order, under the names asked for."""
    starts, start = {}, 0
    for name, form in system.input_forms.items():
        starts[name] = start
        start += prod(form.shape)
    forms = {name: system.input_forms[inner] for name, inner in columns.items()}
    picked = [starts[columns[name]] + i for name, form in forms.items() for i in range(prod(form.shape))]
    return replace(model, B=model.B[:, picked], D=model.D[:, picked], inputs=elements(forms))


def _names(what: str, given: Any) -> list[str]:
    if isinstance(given, str) or not (
        isinstance(given, (Sequence, Mapping)) and all(isinstance(name, str) for name in given)
    ):
        raise InputError(what, "a list of paths", describe(given), "Write ['a', 'b/c'].", user_line())
    if len(set(given)) < len(given):
        raise DiagramError(what, "each signal once", f"{list(given)}", "", user_line())
    return list(given)


def dlinmod(diagram: Diagram, at: Any = None, **options: Any) -> tuple[Vector, Vector, Vector, Vector]:
    """(A, B, C, D) of `linearize(diagram, at, **options)`, by the name of Simulink's command.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> d.output("y", d.add("z", bs.library.UnitDelay(0.0), d.input("u")))
    >>> [matrix.item() for matrix in bs.analysis.dlinmod(d)]
    [0.0, 1.0, 1.0, 0.0]
    """
    model = linearize(diagram, at, **options)
    return model.A, model.B, model.C, model.D


def findop(diagram: Diagram, inputs: Mapping[str, Any] | None = None, **options: Any) -> Equilibrium:
    """`equilibrium(diagram, inputs, **options)`, by the name of Simulink's command.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(0.0))
    >>> d.connect(d.add("sum", bs.library.Sum(), d.add("a", bs.library.Gain(0.5), z), d.input("u")), z)
    >>> bs.analysis.findop(d, {"u": 3.0}).state["z"].item()
    6.0
    """
    return equilibrium(diagram, inputs, **options)
