"""`Knob`: one number s that moves a diagram's parameters or constant inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocksim.analysis.system import Parameters, System, Vector, in_float64
from blocksim.block import as_array
from blocksim.errors import AnalysisError, DiagramError, InputError, describe, did_you_mean, user_line

Parameter = str | Sequence[str | int] | Mapping[str, Mapping[str, Any]] | Callable[[Any], Parameters]
"""What may be varied.

- `"r/K"`, `("r", "K")`: a parameter that is a number, by path and field; `("i/b", "value", 0)`: an element
  of an array; `"u"`, `("u", 0)`: a constant input, or an element of one;
- `{path: {field: (from, to)}}`: a blend of arrays, from at s = 0 and to at s = 1;
- a function of s that gives `{path: {field: array}}`, in operations of jax.numpy.
"""


@dataclass(frozen=True)
class Knob:
    """`at(s)`: the parameters and the vector of inputs where it stands at s, to be traced by JAX."""

    name: str
    at: Callable[[Any], tuple[Parameters, Any]]

    def values(self, settings: Vector) -> tuple[dict[str, dict[str, NDArray[Any]]], NDArray[Any]]:
        """The parameters and inputs at each of some settings, each with a leading axis."""
        import jax

        params, u = in_float64(lambda s: jax.vmap(self.at)(s))(settings)
        stacked = {p: {f: np.asarray(a) for f, a in fields.items()} for p, fields in params.items()}
        return stacked, np.broadcast_to(u, (len(settings), np.shape(u)[-1]))


def make_knob(system: System, parameter: Parameter, ends: Sequence[float]) -> Knob:
    """The knob for a parameter, valid at both ends of its range. Raises blocksim's errors.

    >>> import blocksim as bs
    >>> d = bs.Diagram()
    >>> z = d.add("z", bs.library.UnitDelay(1.0))
    >>> d.connect(d.add("a", bs.library.Gain(0.5), z), z)
    >>> float(make_knob(System(d), "a/K", (0.0, 1.0)).at(0.25)[0]["a"]["K"])
    0.25
    """
    if callable(parameter):
        made = parameter
        knob = Knob(
            getattr(parameter, "__name__", "s").replace("<lambda>", "s"), lambda s: (made(s), system.u0)
        )
    elif isinstance(parameter, Mapping):
        knob = Knob("s", _blend(system, parameter))
    else:
        knob = _element(system, parameter)
    for end in ends:
        params, _ = in_float64(knob.at)(end)
        if not isinstance(params, Mapping):
            raise InputError("parameter", "a function that gives {path: {field: array}}", describe(params))
        system.plan.replace({p: dict(f) if isinstance(f, Mapping) else f for p, f in params.items()})
    return knob


def as_range(range: Sequence[float]) -> tuple[float, float]:
    """Two different finite numbers. Raises InputError."""
    ends = as_array(range)
    if (
        ends.dtype.kind not in "iuf"
        or ends.shape != (2,)
        or not np.isfinite(ends).all()
        or ends[0] == ends[1]
    ):
        raise InputError("range", "two different finite numbers (from, to)", describe(range), "", user_line())
    return float(ends[0]), float(ends[1])


def _element(system: System, parameter: object) -> Knob:
    parts = [parameter] if isinstance(parameter, str) else parameter
    if (
        not isinstance(parts, Sequence)
        or not parts
        or not isinstance(parts[0], str)
        or not all(isinstance(part, (str, int, np.integer)) for part in parts)
    ):
        raise InputError(
            "parameter", "a path and a field, a mapping or a function", describe(parameter),
            "Write 'a/K', ('i/b', 'value', 0), {path: {field: (from, to)}} or a function of s.", user_line(),
        )  # fmt: skip
    name = "/".join(part for part in parts if isinstance(part, str))
    index = tuple(int(part) for part in parts if not isinstance(part, str))
    arrays = {
        f"{path}/{field}": (path, field, np.asarray(system.params.get(path, {}).get(field, array)))
        for path, block in system.plan.blocks.items()
        for field, array in block.parameters().items()
    }
    shown = f"{name}[{', '.join(map(str, index))}]" if index else name
    if name in system.plan.inputs:
        shape = system.plan.inputs[name].shape
        _check_index(shown, shape, index)
        place = system.inputs.index(shown)
        return Knob(shown, lambda s: ({}, _put(system.u0, (place,), s)))
    if name not in arrays:
        raise DiagramError(
            f"parameter {name!r}", "a parameter by path and field, or an input", "none of that name",
            did_you_mean(name, [*arrays, *system.plan.inputs]), user_line(),
        )  # fmt: skip
    path, field, array = arrays[name]
    _check_index(shown, array.shape, index)
    if array.dtype.kind != "f":
        raise AnalysisError(
            f"parameter {shown!r}", "real numbers", f"{array.dtype} numbers",
            "A branch needs a parameter that moves without jumps.", system.plan.line(path),
        )  # fmt: skip
    return Knob(shown, lambda s: ({path: {field: _put(array, index, s)}}, system.u0))


def _check_index(name: str, shape: tuple[int, ...], index: tuple[int, ...]) -> None:
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise InputError(
            f"parameter {name!r}",
            f"an index into its shape {shape}" if shape else "no index, it is a number",
            f"the index {index}" if index else "none", "Give ('path/field', i, j, ...)." if shape else "",
            user_line(),
        )  # fmt: skip


def _put(array: Any, index: tuple[int, ...], s: Any) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(array).at[index].set(s)


def _blend(system: System, parameter: Mapping[str, Any]) -> Callable[[Any], tuple[Parameters, Any]]:
    ends: list[dict[str, dict[str, Any]]] = [{}, {}]
    for path, fields in parameter.items():
        for field, pair in fields.items() if isinstance(fields, Mapping) else [("", None)]:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise InputError(
                    f"parameter[{path!r}]" + (f"[{field!r}]" if field else ""),
                    "{field: (from, to)}" if not field else "a pair (from, to)",
                    describe(pair if field else fields), "", user_line(),
                )  # fmt: skip
            for end, value in zip(ends, pair, strict=True):
                end.setdefault(path, {})[field] = value
    first, last = (system.plan.replace(end).values for end in ends)
    for path, fields in first.items():
        for field, array in fields.items():
            if array.dtype.kind != "f":
                raise AnalysisError(
                    f"parameter[{path!r}][{field!r}]", "real numbers", f"{array.dtype} numbers", "",
                    system.plan.line(path),
                )  # fmt: skip

    def at(s: Any) -> tuple[Parameters, Any]:
        params = {
            path: {field: (1 - s) * array + s * last[path][field] for field, array in fields.items()}
            for path, fields in first.items()
        }
        return params, system.u0

    return at
