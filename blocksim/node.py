"""Nodes and ports: the named places of a diagram and where their wires begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blocksim.block import Block
from blocksim.errors import DiagramError, Line, did_you_mean, user_line

if TYPE_CHECKING:
    from blocksim.diagram import Diagram


@dataclass(frozen=True)
class Inport:
    """A diagram's input: its shape (None: taken from what is wired to it; at the top, a scalar) and dtype."""

    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None

    def __repr__(self) -> str:
        words = ["input"]
        if self.shape is not None:
            words.append(str(self.shape))
        if self.dtype is not None:
            words.append(str(self.dtype))
        return " ".join(words)


class Node:
    """A named place in a diagram that holds a block, a diagram or an input.

    As a source it stands for its only (or first) output; `node["h"]` and `node[1]` are output ports.
    """

    __slots__ = ("block", "diagram", "line", "name", "wires")

    def __init__(
        self, diagram: Diagram, name: str, block: Block | Diagram | Inport, line: Line | None
    ) -> None:
        self.diagram, self.name, self.block, self.line = diagram, name, block, line
        self.wires: dict[str, Port] = {}
        """Input port -> the output port that it reads."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the input ports, in order."""
        if isinstance(self.block, Block):
            return self.block.input_ports(len(self.wires))
        return () if isinstance(self.block, Inport) else tuple(self.block.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the output ports, in order."""
        if isinstance(self.block, Inport):
            return ("y",)
        return tuple(self.block.outputs)

    def __getitem__(self, port: str | int) -> Port:
        names = self.outputs
        if isinstance(port, int) and not isinstance(port, bool):
            if 0 <= port < len(names):
                return Port(self, names[port])
        elif port in names:
            return Port(self, port)
        raise DiagramError(
            f"{self.name}[{port!r}]",
            "an output port",
            f"none of that name or number on {self!r}",
            did_you_mean(str(port), names),
            user_line(),
        )

    def __repr__(self) -> str:
        return f"<{self.name}: {self.block!r}>"


@dataclass(frozen=True)
class Port:
    """An output port of a node."""

    node: Node
    name: str

    def __repr__(self) -> str:
        return self.path if len(self.node.outputs) > 1 else self.node.name

    @property
    def path(self) -> str:
        """The name under which the signal is recorded: `node`, or `node/port` where there are several."""
        return f"{self.node.name}/{self.name}" if len(self.node.outputs) > 1 else self.node.name


Source = Node | Port
