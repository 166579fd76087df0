"""What must hold of a diagram's wires and parameters before anything is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocksim.block import Block, as_array
from blocksim.diagram import Diagram
from blocksim.errors import DiagramError, ParameterError, describe, did_you_mean
from blocksim.node import Node
from blocksim.plan.tree import keeps_values


def check_wires(diagram: Diagram) -> None:
    """Every input port has a wire. Raises DiagramError for the first that has none."""
    for path, node in diagram.walk():
        for port in node.inputs:
            if port not in node.wires:
                raise DiagramError(
                    f"{path}, input {port}", "a wire", "none",
                    f"Give its source in add(), or connect(source, node, {port!r}).", node.line,
                )  # fmt: skip
        block = node.block
        if isinstance(block, Block) and block.contract.variadic and block.arity() is None and not node.wires:
            raise DiagramError(
                path, "at least one wire", "none", f"{block!r} combines its inputs.", node.line
            )


def check_parameters(flat: Diagram) -> None:
    """Every parameter is finite. Raises ParameterError with the first index that is not."""
    for path, node in flat.nodes.items():
        assert isinstance(node.block, Block)
        for name, array in node.block.parameters().items():
            check_finite(path, name, array, node)


def check_finite(path: str, name: str, array: Any, node: Node) -> None:
    """Raise ParameterError if the array holds inf or NaN."""
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ParameterError(
            f"{path}, parameter {name}", "finite numbers",
            f"{np.asarray(array)[index]}" + (f" at index {list(index)}" if index else ""),
            f"{int(bad.sum())} of {np.size(array)} values are not finite.", node.line,
        )  # fmt: skip


def _check_block(node: Node, values: dict[str, Any]) -> None:
    """Let a block with these parameters judge them, as it did when it was made."""
    assert isinstance(node.block, Block)
    try:
        node.block.with_parameters(values).__post_init__()
    except ParameterError as bad:
        raise ParameterError(
            f"params[{node.name!r}], {bad.where}", bad.expected, bad.got, bad.advice, node.line
        ) from None


def _kind(dtype: np.dtype[Any]) -> str:
    return "real numbers" if dtype.kind == "f" else f"{dtype} numbers"


@dataclass(frozen=True)
class Replaced:
    """Parameters of one run, by path and field, or of a batch of runs that differ in some of them."""

    values: dict[str, dict[str, Any]]
    batched: dict[str, frozenset[str]]
    """The names of those, by path, that have a leading axis of runs."""
    runs: int | None


def check_replacements(
    flat: Diagram, params: dict[str, dict[str, Any]], dtype: np.dtype[Any], runs: int | None, sweep: bool
) -> Replaced:
    """Parameters given for a run, verified against the diagram and cast: paths, fields, shapes, values.

    With `sweep`, they may have a leading axis of runs, as many as `runs` says if it does. Raises
    DiagramError or ParameterError, with the nearest path or field.
    """
    out: dict[str, dict[str, Any]] = {}
    batched: dict[str, frozenset[str]] = {}
    for where, value in {"params": params, **(params if isinstance(params, Mapping) else {})}.items():
        if not isinstance(value, Mapping):
            raise ParameterError(
                "params" if where == "params" else f"params[{where!r}]", "a dictionary by name",
                describe(value), "Write {path: {field: array}}.",
            )  # fmt: skip
    for path, fields in params.items():
        node = flat.nodes.get(path)
        known = node.block.parameters() if node and isinstance(node.block, Block) else {}
        if node is None or not known:
            tunable = [
                p for p, n in flat.nodes.items() if isinstance(n.block, Block) and n.block.parameters()
            ]
            raise DiagramError(
                f"params[{path!r}]", "the path of a block with parameters",
                "none of that name" if node is None else f"{node!r}, which has none",
                did_you_mean(path, tunable),
            )  # fmt: skip
        for field, value in fields.items():
            where = f"params[{path!r}][{field!r}]"
            if field not in known:
                raise ParameterError(
                    where, f"a parameter of {node.block!r}", f"{field!r}",
                    did_you_mean(field, known), node.line,
                )  # fmt: skip
            array, old = as_array(value), known[field]
            swept = sweep and array.ndim == old.ndim + 1 and array.shape[1:] == old.shape and len(array) > 0
            if swept and runs in (None, len(array)):
                runs = len(array)
                batched[path] = batched.get(path, frozenset()) | {field}
            elif array.shape != old.shape:
                array = np.asarray(None)
            if not keeps_values(array, old.dtype):
                lead = f", or with a leading axis of {runs or 'any number of'} runs" if sweep else ""
                raise ParameterError(
                    where, f"{_kind(old.dtype)} of shape {old.shape}{lead}", describe(value),
                    "The diagram fixes the shape of each parameter.", node.line,
                )  # fmt: skip
            with np.errstate(over="ignore"):
                array = array.astype(dtype if old.dtype.kind == "f" else old.dtype)
            check_finite(path, field, array, node)
            out.setdefault(path, {})[field] = array
        for b in range((runs or 1) if path in batched else 1):
            own = {
                name: a[b] if name in batched.get(path, ()) else a for name, a in out.get(path, {}).items()
            }
            _check_block(node, own)
    return Replaced(out, batched, runs if batched else None)
