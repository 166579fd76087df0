"""Names and wires: a `Diagram` holds nodes, each a block or a diagram, and connects their ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from blocksim import graph
from blocksim.block import Array, Block
from blocksim.errors import DiagramError, describe, did_you_mean, user_line
from blocksim.node import Inport, Node, Port, Source

if TYPE_CHECKING:
    import networkx as nx


class Diagram:
    """Nodes with unique names, ports and wires. A diagram added to a diagram is a subsystem.

    >>> import blocksim as bs
    >>> from blocksim.library import Sum, UnitDelay
    >>> d = bs.Diagram("accumulator")
    >>> u = d.input("u")
    >>> total = d.add("total", Sum(), u)
    >>> d.connect(d.add("memory", UnitDelay(0.0), total), total)
    >>> d.output("y", total)
    >>> bs.simulate(d, {"u": [1.0, 2.0, 3.0]})["y"]
    array([1., 3., 6.])
    """

    def __init__(self, name: str = "diagram") -> None:
        self.name = name
        self.inputs: dict[str, Node] = {}
        self.nodes: dict[str, Node] = {}
        self.outputs: dict[str, Port] = {}
        self.walls: dict[str, graph.Wall] = {}
        """Of a flattened diagram: the signals at the outputs of the subsystems that it had, by path."""
        self.doors: dict[str, graph.Wall] = {}
        """Those at their inputs."""
        self.plans: dict[Any, tuple[int, Any]] = {}
        """What it was compiled to, by dtype, with the size that it had."""

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"plans": {}}  # code can be neither copied nor sent

    # -- building ------------------------------------------------------------------------------

    def input(
        self, name: str, shape: tuple[int, ...] | int | None = None, dtype: DTypeLike | None = None
    ) -> Node:
        """Declare an input. `shape` and `dtype` are verified against what is wired to it.

        Without a shape it takes that of its source; at the top of a model it is then a scalar.
        Floats take the run's float type; give a dtype for integers or booleans.
        """
        self._check_name(name)
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else shape
        if sizes is not None and not (
            isinstance(sizes, (tuple, list))
            and all(isinstance(n, (int, np.integer)) and n >= 0 for n in sizes)
        ):
            raise DiagramError(f"input {name}", "a shape of integers >= 0", describe(shape), line=user_line())
        try:
            kind = np.dtype(float if dtype is None else dtype)
        except TypeError:
            kind = np.dtype(object)
        if kind.kind not in "biuf":
            raise DiagramError(
                f"input {name}", "a dtype of floats, integers or booleans", describe(dtype), line=user_line()
            )
        inport = Inport(
            None if sizes is None else tuple(int(n) for n in sizes), None if kind.kind == "f" else kind
        )
        node = self.inputs[name] = Node(self, name, inport, user_line())
        return node

    def add(self, name: str, block: Block | Diagram, *sources: Source, **sources_by_port: Source) -> Node:
        """Add a block or a subsystem and wire its inputs, in order or by port name.

        Raises DiagramError for a name in use, an unknown port, too many sources, a source of another
        diagram, or a diagram inside itself.
        """
        self._check_name(name)
        if isinstance(block, type) or not isinstance(block, (Block, Diagram)):
            hint = (
                f"Write {block.__name__}(...), with its parameters."
                if isinstance(block, type)
                else ("Use Constant(value) for a number, Function(f) for a function.")
            )
            raise DiagramError(name, "a block or a diagram", describe(block), hint, user_line())
        if isinstance(block, Diagram) and (block is self or self in block._subsystems()):
            raise DiagramError(
                name, "a diagram that does not contain this one", f"{block.name!r}, which does",
                "A diagram cannot be inside itself.", user_line(),
            )  # fmt: skip
        node = self.nodes[name] = Node(self, name, block, user_line())
        try:
            for source in sources:
                self.connect(source, node)
            for port, source in sources_by_port.items():
                self.connect(source, node, port)
        except DiagramError:
            del self.nodes[name]
            raise
        return node

    def connect(self, source: Source, node: Node, port: str | int | None = None) -> None:
        """Wire a source to an input port of a node: the named one, else the next free one.

        Raises DiagramError for an unknown or taken port, or ends that are not of this diagram.
        """
        origin = self._own(source)
        if not isinstance(node, Node) or node.diagram is not self or isinstance(node.block, Inport):
            got = f"one of diagram {node.diagram.name!r}" if isinstance(node, Node) else describe(node)
            if isinstance(node, Node) and node.diagram is self:
                got = f"the input {node.name!r}, which only gives a signal"
            raise DiagramError(
                f"connect to {getattr(node, 'name', node)}", f"a node of diagram {self.name!r}", got,
                "Sources come first, the node to be fed second.", user_line(),
            )  # fmt: skip
        name = self._input_port(node, port, origin)
        if name in node.wires:
            raise DiagramError(
                f"{node.name}, input {name}", "one wire into a port",
                f"a second one from {origin!r}; the first comes from {node.wires[name]!r}",
                "Join signals with a Sum, a Mux or a Switch.", user_line() or node.line,
            )  # fmt: skip
        node.wires[name] = origin

    def output(self, name: str, source: Source) -> None:
        """Name a signal as an output. A node of the same name must be the one that gives it.

        An input may have the same name, as of what goes through and is changed on the way.
        """
        port = self._own(source)
        same = self.nodes.get(name)
        if name in self.outputs or (same is not None and Port(same, next(iter(same.outputs), "")) != port):
            raise DiagramError(
                f"output {name}", "a new name, or the name of the node that gives the signal",
                f"a name in use in diagram {self.name!r}", "Choose another name.", user_line(),
            )  # fmt: skip
        if same is None and name not in self.inputs:
            self._check_name(name)
        self.outputs[name] = port

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or any(c in name for c in "/*?@\n"):
            raise DiagramError(
                f"the name {name!r}", "text without / * ? @ or line breaks", describe(name),
                "A path joins names with '/', a pattern uses the others.", user_line(),
            )  # fmt: skip
        taken = self.nodes.get(name) or self.inputs.get(name)
        if taken is not None or name in self.outputs:
            at = f" at {taken.line[0].rsplit('/', 1)[-1]}:{taken.line[1]}" if taken and taken.line else ""
            raise DiagramError(
                name, f"a name that is new in diagram {self.name!r}", f"a duplicate, first used{at}",
                "Give each node a name of its own.", user_line(),
            )  # fmt: skip

    def _own(self, source: Source) -> Port:
        port = source
        if isinstance(source, Node):
            if not source.outputs:
                raise DiagramError(
                    source.name, "a source with an output", f"{source!r}, which has none",
                    line=user_line(),
                )  # fmt: skip
            port = Port(source, source.outputs[0])
        if not isinstance(port, Port) or port.node.diagram is not self:
            got = f"one of diagram {port.node.diagram.name!r}" if isinstance(port, Port) else describe(source)
            raise DiagramError(
                f"source {source!r}", f"a node or port of diagram {self.name!r}", got,
                "Use what input() and add() of this diagram return, and Constant(value) for a number.",
                user_line(),
            )  # fmt: skip
        return port

    def _input_port(self, node: Node, port: str | int | None, origin: Port) -> str:
        known = node.inputs
        open_ended = (
            isinstance(node.block, Block)
            and node.block.contract.variadic is not None
            and node.block.arity() is None
        )
        if open_ended:
            assert isinstance(node.block, Block)
            known = node.block.input_ports(len(node.wires) + 1)
        if port is None:
            free = [name for name in known if name not in node.wires]
            if free:
                return free[0]
            raise DiagramError(
                node.name, f"at most {len(known)} wires, to {', '.join(known) or 'no port'}",
                f"one more, from {origin!r}", f"{node.block!r} takes no more inputs.",
                user_line() or node.line,
            )  # fmt: skip
        if isinstance(port, int) and 0 <= port < len(known):
            return known[port]
        if port in known:
            return str(port)
        raise DiagramError(
            f"{node.name}, input {port}", "a port of the block", f"none of that name on {node!r}",
            did_you_mean(str(port), known), user_line() or node.line,
        )  # fmt: skip

    # -- reading -------------------------------------------------------------------------------

    def __getitem__(self, path: str) -> Node:
        """The node at a path, `i/W`. Raises DiagramError with the nearest path for an unknown one."""
        diagram, rest = self, str(path)
        if path in self.nodes:
            return self.nodes[path]
        while True:
            name, _, rest = rest.partition("/")
            node = diagram.nodes.get(name) or diagram.inputs.get(name)
            if node is not None and not rest:
                return node
            if node is None or not isinstance(node.block, Diagram):
                known = [p for p, _ in self.walk()] + list(self.inputs)
                raise DiagramError(
                    f"the path {path!r}", f"a node of diagram {self.name!r}", "none of that name",
                    did_you_mean(path, known), user_line(),
                )  # fmt: skip
            diagram = node.block

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every node under this diagram with its path, subsystems before what they hold."""
        stack = [(name, node) for name, node in reversed(self.nodes.items())]
        while stack:
            path, node = stack.pop()
            yield path, node
            if isinstance(node.block, Diagram):
                stack += [(f"{path}/{n}", m) for n, m in reversed(node.block.nodes.items())]

    def _subsystems(self) -> set[Diagram]:
        return {node.block for _, node in self.walk() if isinstance(node.block, Diagram)}

    def parameters(self) -> dict[str, dict[str, Array]]:
        """The tunable arrays, `{path: {field: array}}`."""
        return {
            path: arrays
            for path, node in self.walk()
            if isinstance(node.block, Block) and (arrays := node.block.parameters())
        }

    def parameter_counts(self) -> dict[str, int]:
        """The number of tunable numbers under each path, subsystems summed, the whole under `""`."""
        counts: dict[str, int] = {"": 0} | {path: 0 for path, _ in self.walk()}
        for path, arrays in self.parameters().items():
            size = sum(a.size for a in arrays.values())
            while True:
                counts[path] += size
                if not path:
                    break
                path = path.rpartition("/")[0]
        return counts

    def flatten(self) -> Diagram:
        """The same system without subsystems: every leaf block at the top, named by its path."""
        flat = Diagram(self.name)
        graph.flatten(self, flat)
        return flat

    def to_networkx(self, *, flat: bool = True) -> nx.MultiDiGraph:
        """Blocks as nodes, wires as edges, leaf blocks by path; `flat=False`: this level only.

        Nodes carry `kind` ("input", "block", "subsystem" or "output") and `block`, edges the ports
        `source` and `target`, and `feedthrough`. An output is the node `(output name)`.
        """
        return graph.to_networkx(self.flatten() if flat else self)

    def loops(self) -> list[list[str]]:
        """The feedback loops: for each block with a state on one, the shortest loop through it."""
        return graph.loops(self.to_networkx())

    def __str__(self) -> str:
        return graph.table(self)

    def __repr__(self) -> str:
        return f"<Diagram {self.name!r}: {len(self.nodes)} nodes>"
