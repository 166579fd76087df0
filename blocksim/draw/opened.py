"""A diagram whose Scans are subsystems, so that what they run can be seen as their frames' content."""

from __future__ import annotations

from collections.abc import Collection

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.node import Inport, Node, Port
from blocksim.scan import Scan


class Repeated(Diagram):
    """What a Scan runs, with the ports of the Scan; `note` says how it runs."""

    def __init__(self, scan: Scan) -> None:
        super().__init__(scan.diagram.name)
        self.scan = scan
        self.note = "each step, from the last" if scan.reverse else "each step"


def opened(diagram: Diagram) -> Diagram:
    """A copy with a subsystem in the place of each Scan, or the diagram itself if it has none.

    Of the final states, the subsystem has those that are read as outputs.
    """
    if not any(isinstance(node.block, Scan) for _, node in diagram.walk()):
        return diagram
    return _copied(diagram, Diagram(diagram.name))


def _copied(diagram: Diagram, copy: Diagram) -> Diagram:
    for name, node in diagram.inputs.items():
        copy.inputs[name] = Node(copy, name, node.block, node.line)
    read = {(port.node.name, port.name) for node in diagram.nodes.values() for port in node.wires.values()}
    read |= {(port.node.name, port.name) for port in diagram.outputs.values()}
    for name, node in diagram.nodes.items():
        block = node.block
        if isinstance(block, Scan):
            block = _subsystem(block, {port for owner, port in read if owner == name})
        elif isinstance(block, Diagram):
            block = _copied(block, Diagram(block.name))
        copy.nodes[name] = Node(copy, name, block, node.line)
    for name, node in diagram.nodes.items():
        copy.nodes[name].wires.update(
            {_inside(node.block, port): _same(copy, origin) for port, origin in node.wires.items()}
        )
    copy.outputs.update({name: _same(copy, port) for name, port in diagram.outputs.items()})
    return copy


def _inside(block: object, port: str) -> str:
    """What the view calls an input: the state that it gives has the name."""
    return f"{port}(0)" if isinstance(block, Scan) and port in block.initial else port


def _same(copy: Diagram, port: Port) -> Port:
    return Port(copy.nodes.get(port.node.name) or copy.inputs[port.node.name], port.name)


def _subsystem(scan: Scan, read: Collection[str]) -> Diagram:
    view = _copied(scan.diagram, Repeated(scan))
    for name in scan.arity():
        name = _inside(scan, name)
        view.inputs.setdefault(name, Node(view, name, Inport(), None))
    for path in scan.states:
        if path in read:
            view.outputs[path] = _led_out(view, path)
    return view


def _led_out(diagram: Diagram, path: str) -> Port:
    """The output of the block at a path, through the walls of subsystems on the way."""
    name, _, rest = path.partition("/")
    node = diagram.nodes[name]
    if isinstance(node.block, Block):
        return Port(node, node.outputs[0])
    assert isinstance(node.block, Diagram)
    node.block.outputs.setdefault(rest, _led_out(node.block, rest))
    return Port(node, rest)
