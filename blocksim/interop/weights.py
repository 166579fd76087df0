"""Weights on their way out of diagrams: what another tool's layer is to hold, found by structure.

A bridge makes the diagram that its layer has, the template, and reads the arrays of the user's
diagram (or tree of parameters) by the template's names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from blocksim import nn
from blocksim.block import Array, Block, as_array
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, did_you_mean, user_line
from blocksim.node import Inport, Node, Port

Parameters = Mapping[str, Mapping[str, Any]]
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
"""The gates of each cell, in the order of their rows."""


def framework(name: str, extra: str) -> Any:
    """The imported package. Raises ParameterError that names the extra to install where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ParameterError(
            f"interop.{extra}", f"{name} to be installed", f"{error}", f"pip install 'blocksim[{extra}]'",
            user_line(),
        ) from error  # fmt: skip


def flat(parameters: Parameters) -> dict[str, Array]:
    """The arrays of a tree of parameters by path and field, `i/W/K`; those inside a Scan likewise."""
    return {
        f"{path}/{field}": array for path, fields in parameters.items() for field, array in fields.items()
    }


@dataclass(frozen=True)
class Part:
    """A layer of a tool's model: its diagram, and how the tool's arrays are made of its weights.

    store: from the weights and the place of the diagram among them to the tool's arrays by name.
    sequence: whether the diagram is a layer of whole sequences. shape: of a step of what it reads,
    where its input does not say.
    """

    diagram: Diagram
    store: Callable[[Weights, str], dict[str, Any]] = lambda weights, prefix: {}
    sequence: bool = False
    shape: tuple[int, ...] | None = None


def compose(
    parts: Sequence[Part],
    holder: str,
    *,
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
    name: str | None = None,
    alone: bool = True,
) -> Diagram:
    """The layers in a row, of one step, or of sequences of T steps; alone: one layer is its own diagram."""
    if not parts:
        raise ParameterError(f"to_diagram, {holder}", "a layer at least", "none", "", user_line())
    whole = next((part.diagram for part in parts if part.sequence), None)
    if whole is not None and steps is None:
        raise ParameterError(
            f"to_diagram, {holder}", "the length of a sequence, since a layer reads whole ones",
            f"steps=None, with the layer {whole.name!r}", "Pass steps=T.", user_line(),
        )  # fmt: skip
    title = name or holder.rpartition(".")[2].lower()
    shape = parts[0].shape if shape is None else shape
    if not alone or len(parts) > 1 or steps is not None or shape is not None:
        return nn.sequential([part.diagram for part in parts], steps, shape, name=title)
    parts[0].diagram.name = title
    return parts[0].diagram


def stored(
    source: Diagram | Parameters,
    layers: Callable[[bool, bool], list[Part]],
    holder: str,
    *,
    params: Parameters | None = None,
    path: str = "",
    steps: int | None = None,
    shape: int | Sequence[int] | None = None,
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The arrays of a tool's model by name, made of the weights of a diagram.

    layers: the parts of the model, given whether a GRU has a recurrent bias in the diagram, since a
    model's may also come from one that has none, and whether the diagram reads whole sequences.
    """
    alone = True
    if isinstance(source, Diagram):
        part = subsystem(source, path)
        if not part.inputs:
            raise ParameterError(holder, "a diagram with an input", f"{part!r}, with none", "", user_line())
        steps, shape = _form(part, shape)
        alone = [_inner(node.block) is None for node in part.nodes.values()] != [False]
    parts = layers(has(source, "n/b_r/value"), steps is not None)
    template = compose(parts, holder, steps=steps, shape=shape, alone=alone)
    weights = Weights(source, template, holder, params=params, path=path)
    arrays: dict[str, Any] = {}
    for part in parts:
        arrays |= part.store(weights, "" if part.diagram is template else f"{part.diagram.name}/")
    weights.close()
    return arrays


def _form(diagram: Diagram, shape: Any) -> tuple[int | None, Any]:
    """The length of the sequences that a diagram reads, if it is one of whole ones, and a step's shape."""
    own = getattr(next(iter(diagram.inputs.values())).block, "shape", None)
    if "length" in diagram.inputs:
        return (own[0], own[1:]) if own else (1, shape)
    return None, shape


def has(source: Diagram | Parameters, end: str) -> bool:
    """Whether there is a parameter whose name ends so."""
    tree = source.parameters() if isinstance(source, Diagram) else source
    return any(name.endswith(end) for name in _given(tree, ""))


class Weights:
    """The arrays of a diagram, by the names that they have in a template of the same structure.

    source: a Diagram, whose values `params` may replace, or a tree of parameters `{path: {field:
    array}}` with the template's names. path: the part of the source that is meant. holder: what is
    to hold the weights, for errors. Raises ParameterError where structure, names or shapes differ.
    """

    def __init__(
        self,
        source: Diagram | Parameters,
        template: Diagram,
        holder: str,
        *,
        params: Parameters | None = None,
        path: str = "",
    ) -> None:
        self.holder = holder
        self._template = flat(template.parameters())
        self._left = dict.fromkeys(self._template)
        if isinstance(source, Diagram):
            part = subsystem(source, path)
            names = dict(_match(part, template, holder))
            known, given = flat(source.parameters()), _given(params or {}, "")
            for name in given.keys() - known.keys():
                raise ParameterError(
                    f"{holder}, params", "parameters of the diagram", repr(name),
                    did_you_mean(name, known), user_line(),
                )  # fmt: skip
            arrays = flat(part.parameters()) | _given(params or {}, path)
            self._arrays = {own: arrays[other] for own, other in names.items()}
        else:
            self._arrays = _given(source, path)
            for name in self._arrays.keys() - self._template.keys():
                raise ParameterError(
                    f"{holder}, parameters", "those of the diagram of such a layer", repr(name),
                    did_you_mean(name, self._template), user_line(),
                )  # fmt: skip

    def __getitem__(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        """The array at a template's name. Raises ParameterError if it is missing or of another shape."""
        self._left.pop(name, None)
        if name not in self._arrays:
            raise ParameterError(
                f"{self.holder}, parameters", f"an array for {name!r}", "none",
                "Give the tree of a whole diagram.", user_line(),
            )  # fmt: skip
        return self._checked(name)

    def stack(self, *names: str) -> np.ndarray[Any, np.dtype[Any]]:
        """The arrays at several names, one below the other: the rows of several gates."""
        return np.concatenate([self[name] for name in names])

    def cell(self, kind: str, prefix: str = "", *, bias: bool = True) -> dict[str, np.ndarray[Any, Any]]:
        """What `nn.lstm`, `nn.gru` or `nn.rnn` takes: W, R, b, and b_r and projection if there are such."""
        fields = {"W": "W/K", "R": "R/K"} | ({"b": "b/value"} if bias else {})
        made = {
            key: self.stack(*(f"{prefix}{gate}/{field}" for gate in GATES[kind]))
            for key, field in fields.items()
        }
        more = {"b_r": f"{prefix}n/b_r/value", "projection": f"{prefix}projection/K"}
        return made | {key: self[name] for key, name in more.items() if name in self._template}

    def close(self) -> None:
        """Raise ParameterError if an array that nobody read has another value than in the template.

        Such arrays are what the holder has no place for: an initial state, a bias, a slope.
        """
        for name in self._left:
            if name in self._arrays and not np.allclose(self._checked(name), self._template[name], rtol=1e-6):
                value = self._template[name]
                state = name.endswith("/initial")
                raise ParameterError(
                    f"{self.holder}, {name}",
                    f"{value.flat[0]:g}, since the layer has no place for it" if value.size else "nothing",
                    "other values",
                    "Pass it as the initial state in the call of the layer." if state else "",
                    user_line(),
                )  # fmt: skip

    def _checked(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        array, expected = as_array(self._arrays[name]), self._template[name].shape
        if array.shape != expected or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ParameterError(
                f"{self.holder}, {name}", f"finite numbers of shape {expected}", describe(array),
                "Make the layer with the sizes of the diagram.", user_line(),
            )  # fmt: skip
        return array


def variance_of(where: str, gain: Array, epsilon: float) -> Array:
    """The variance that a batch normalization dividing so has: gain = 1 / sqrt(variance + epsilon).

    Raises ParameterError where there is none.
    """
    if not (gain > 0).all() or (gain**-2.0 < epsilon * (1 - 1e-6)).any():
        limit = f"numbers above 0 and up to {epsilon**-0.5:g}, 1 / sqrt(variance + {epsilon:g})"
        raise ParameterError(
            f"{where}, divide/gain", limit, f"numbers from {gain.min():g} to {gain.max():g}",
            "Let the gain of `affine` hold the sign and the rest.", user_line(),
        )  # fmt: skip
    return np.maximum(gain**-2.0 - epsilon, 0)


def subsystem(diagram: Diagram, path: str) -> Diagram:
    """The diagram at a path; inside a Scan, the one that it runs."""
    if not path:
        return diagram
    block = diagram[path].block
    inner = _inner(block)
    if inner is None:
        raise ParameterError(
            f"path {path!r}",
            "a subsystem",
            f"the block {block!r}",
            "Give the path of the layer.",
            user_line(),
        )
    return inner


def _inner(block: Block | Diagram | Inport) -> Diagram | None:
    return block if isinstance(block, Diagram) else getattr(block, "diagram", None)


def _given(params: Parameters, path: str) -> dict[str, Array]:
    if not isinstance(params, Mapping) or not all(isinstance(v, Mapping) for v in params.values()):
        raise ParameterError(
            "parameters", "a Diagram, or a tree {path: {field: array}}", describe(params),
            "Use diagram.parameters().", user_line(),
        )  # fmt: skip
    start = f"{path}/" if path else ""
    return {k.removeprefix(start): array for k, array in flat(params).items() if k.startswith(start)}


def _match(
    got: Diagram, want: Diagram, holder: str, at: tuple[str, str] = ("", "")
) -> Iterator[tuple[str, str]]:
    """Pairs of parameter names, the template's and the diagram's; the nodes are matched by their order."""

    def differ(expected: object, found: object, name: str = "") -> ParameterError:
        place = f"{at[0]}{name}" or got.name
        return ParameterError(
            f"{place} for {holder}", f"{expected}", f"{found}",
            "Only a diagram of the structure that the layer has can be written back.", user_line(),
        )  # fmt: skip

    ours, theirs = list(got.nodes.values()), list(want.nodes.values())
    for node, like in zip(ours, theirs, strict=False):
        inner, alike = _inner(node.block), _inner(like.block)
        if type(node.block) is not type(like.block) or _config(node.block) != _config(like.block):
            raise differ(repr(like.block), repr(node.block), node.name)
        if _wiring(node, got) != _wiring(like, want):
            raise differ(f"the wires of {like!r}", f"other ones into {node!r}", node.name)
        here = (f"{at[0]}{node.name}/", f"{at[1]}{like.name}/")
        if inner is not None and alike is not None:
            yield from _match(inner, alike, holder, here)
        elif isinstance(node.block, Block) and isinstance(like.block, Block):
            for field in like.block.parameters():
                yield here[1] + field, here[0] + field
    if len(ours) != len(theirs):
        names = [", ".join(node.name for node in nodes) for nodes in (theirs, ours)]
        raise differ(f"the nodes {names[0]}", names[1])
    ends = [[_end(port, d) for port in d.outputs.values()] for d in (got, want)]
    if ends[0] != ends[1]:
        raise differ(f"the outputs {', '.join(want.outputs)}", f"{', '.join(got.outputs)} from other nodes")


def _wiring(node: Node, diagram: Diagram) -> list[tuple[str, Any]]:
    return sorted((port, _end(source, diagram)) for port, source in node.wires.items())


def _end(port: Port, diagram: Diagram) -> tuple[int, int, int]:
    """The source of a wire, by position: an input or a node, and its output port."""
    nodes: Sequence[Node] = list(
        (diagram.inputs if isinstance(port.node.block, Inport) else diagram.nodes).values()
    )
    return isinstance(port.node.block, Inport), nodes.index(port.node), port.node.outputs.index(port.name)


def _config(block: Any) -> dict[str, str]:
    """What a block is beside its parameters and a diagram inside it."""
    if not dataclasses.is_dataclass(block):
        return {}
    fields = [f for f in dataclasses.fields(block) if not f.metadata.get("param") and f.name != "diagram"]
    return {f.name: repr(getattr(block, f.name)) for f in fields}
