"""Flattened copies of diagrams whose wires are cut, or have something added to what they carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blocksim.block import Block, Signal
from blocksim.diagram import Diagram
from blocksim.errors import AnalysisError, DiagramError, did_you_mean, user_line
from blocksim.library import Sum
from blocksim.node import Inport, Node, Port
from blocksim.plan import compile


@dataclass(frozen=True)
class Part:
    """A flattened copy of a diagram or of one subsystem, nodes named by their paths in the whole.

    `signals` are its ports by path, `forms` what they carry, `outside` the node and port in the whole of
    each signal that enters: for a subsystem, of what is wired to its inputs.
    """

    flat: Diagram
    signals: dict[str, Port]
    forms: dict[str, Signal]
    outputs: list[str]
    outside: dict[str, tuple[str, str]]

    def port(self, name: str) -> Port:
        """The port of a signal. Raises DiagramError for an unknown path."""
        if name not in self.signals:
            raise DiagramError(
                f"signal {name!r}", "the path of a signal", "none of that name",
                did_you_mean(name, self.signals), user_line(),
            )  # fmt: skip
        return self.signals[name]

    def form(self, name: str) -> Signal:
        """Shape and dtype of a signal. Raises AnalysisError unless it is of real numbers."""
        port, form = self.port(name), self.forms[name]
        if form.dtype.kind != "f":
            raise AnalysisError(
                f"signal {name!r}", "a signal of real numbers", f"one of {form.dtype}",
                "Integers and booleans have no derivatives.", port.node.line,
            )  # fmt: skip
        return form

    def cut(self, name: str) -> str:
        """All that read the signal read a new input instead, whose name is given back."""
        port, source = self.port(name), self._input(name)
        self._rewire(port, source)
        return source.node.name

    def inject(self, name: str) -> str:
        """All that read the signal read its sum with a new input, whose name is given back."""
        port, source = self.port(name), self._input(name)
        total = Node(self.flat, f"{source.node.name}+", Sum("++"), port.node.line)
        self._rewire(port, Port(total, total.outputs[0]))
        total.wires.update(zip(total.block.input_ports(2), (port, source), strict=True))  # pyright: ignore
        self.flat.nodes[total.name] = total
        return source.node.name

    def diagram(self, outputs: Iterable[str]) -> Diagram:
        """The diagram with these outputs, without the blocks that have no state and that nothing reads."""
        self.flat.outputs.update({name: self.port(name) for name in outputs})
        needed = [port.node.name for port in self.flat.outputs.values()]
        needed += [
            name
            for name, node in self.flat.nodes.items()
            if isinstance(node.block, Block) and "update" in node.block.contract.methods
        ]
        kept: set[str] = set()
        while needed:
            name = needed.pop()
            if name in self.flat.nodes and name not in kept:
                kept.add(name)
                needed += [port.node.name for port in self.flat.nodes[name].wires.values()]
        for name in [*self.flat.nodes]:
            if name not in kept:
                del self.flat.nodes[name]
        return self.flat

    def _input(self, name: str) -> Port:
        form = self.form(name)
        node = Node(self.flat, f"@{name}", Inport(form.shape), self.port(name).node.line)
        self.flat.inputs[node.name] = node
        return Port(node, "y")

    def _rewire(self, old: Port, new: Port) -> None:
        for node in self.flat.nodes.values():
            node.wires.update({name: new for name, port in node.wires.items() if port == old})


def part(diagram: Diagram, within: str | None = None) -> Part:
    """The whole diagram, or the subsystem at a path. Raises the errors of `compile`, and DiagramError."""
    plan = compile(diagram)
    by_port = {port: plan.slot_signals[slot] for slot, port in plan.ports.items()}
    source, prefix, flat = plan.flat, "", Diagram(diagram.name)
    named = {name: plan.ports[slot] for name, slot in plan.names.items()}
    outside = {name: (name, "y") for name in plan.inputs}
    inputs = dict(plan.inputs)
    outputs = list(plan.outputs)
    if within is not None:
        node = diagram[within]
        if not isinstance(node.block, Diagram):
            raise DiagramError(
                f"within={within!r}", "the path of a subsystem", repr(node),
                did_you_mean(within, [p for p, n in diagram.walk() if isinstance(n.block, Diagram)]),
                user_line(),
            )  # fmt: skip
        source, prefix = node.block.flatten(), f"{within}/"
        doors = {name: plan.flat.doors[prefix + name].port for name in source.inputs}
        inputs = {name: by_port[port.node.name, port.name] for name, port in doors.items()}
        outside = {prefix + name: (port.node.name, port.name) for name, port in doors.items()}
        outputs = [prefix + name for name in source.outputs]
        named = {name: (name, "y") for name in source.inputs}
        for path, inner in source.nodes.items():
            named |= {Port(inner, port).path: (path, port) for port in inner.outputs}
            if len(inner.outputs) > 1:
                named[path] = path, inner.outputs[0]
        for path, wall in source.walls.items():
            for name in (path, path.rpartition("/")[0]):
                named.setdefault(name, (wall.port.node.name, wall.port.name))
        named |= {name: (port.node.name, port.name) for name, port in source.outputs.items()}

    for name, form in inputs.items():
        block = Inport(form.shape, None if form.dtype.kind == "f" else form.dtype)
        flat.inputs[prefix + name] = Node(flat, prefix + name, block, source.inputs[name].line)
    for name, node in source.nodes.items():
        flat.nodes[prefix + name] = Node(flat, prefix + name, node.block, node.line)

    def moved(name: str, port: str) -> Port:
        path = prefix + name
        return Port(flat.nodes[path] if name in source.nodes else flat.inputs[path], port)

    for name, node in source.nodes.items():
        for port, origin in node.wires.items():
            flat.nodes[prefix + name].wires[port] = moved(origin.node.name, origin.name)
    forms = {
        prefix + name: inputs[path] if path in inputs else by_port[prefix + path, port]
        for name, (path, port) in named.items()
    }
    return Part(flat, {prefix + n: moved(*at) for n, at in named.items()}, forms, outputs, outside)
