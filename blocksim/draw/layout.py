"""Diagram -> Scene: a layered layout (Sugiyama, Tagawa, Toda 1981) of each level, from the inside out."""

from __future__ import annotations

from dataclasses import replace

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.draw.order import Arrangement, arrangement, make_groups, restore, sort_layers
from blocksim.draw.place import place
from blocksim.draw.rank import Net, Vertex, rank
from blocksim.draw.scene import Box, Label, Scene
from blocksim.draw.symbols import shorten, signs, symbol, terminal
from blocksim.errors import AlgebraicLoopError
from blocksim.node import Node

TRIES = 40_000
"""How many orders are placed and compared falls with the size of the picture by this."""
TITLE, PADDING = 30.0, 14.0
BORDER = 16.0

Loops = dict[tuple[str, str | None], int]
"""The number of the loop that a wire is part of, by the paths of its source and of what it feeds.

What a block with a state gives is coloured wherever it goes: its target is None."""


def layout(diagram: Diagram, depth: int | None = None) -> Scene:
    """The picture of a diagram with its subsystems expanded to a depth, or all of them."""
    try:
        flat = diagram.flatten()
    except AlgebraicLoopError:  # of wires alone, with no block to start a colour from
        flat = Diagram()
    scene = _Level(diagram, flat, _loops(flat), "", depth).scene()
    left, top, right, bottom = _bounds(scene, [])
    scene.move(BORDER - left, BORDER - top)
    scene.width, scene.height = right - left + 2 * BORDER, bottom - top + 2 * BORDER
    return scene


def _loops(flat: Diagram) -> Loops:
    found: Loops = {}
    for number, loop in sorted(enumerate(flat.loops()), key=lambda found: len(found[1])):
        for a, b in zip(loop, [*loop[1:], loop[0]], strict=True):
            found.setdefault((a, None if a == loop[0] else b), number)
    return found


class _Level:
    """One diagram at a path, and its vertices by name: `/name` is an output."""

    def __init__(self, diagram: Diagram, flat: Diagram, loops: Loops, path: str, depth: int | None) -> None:
        self.diagram, self.flat, self.loops, self.path, self.depth = diagram, flat, loops, path, depth
        self.vertices: dict[str, Vertex] = {}
        for name in diagram.inputs:
            box = None if path else terminal(name, name, ("out", "y"))
            self.vertices[name] = Vertex(name, (path, ("in", name)), box)
        for name, node in diagram.nodes.items():
            self.vertices[name] = self._vertex(name, node)
        for name in diagram.outputs:
            box = None if path else terminal(f"/{name}", name, ("in", "u"))
            self.vertices[f"/{name}"] = Vertex(f"/{name}", (path, ("out", name)), box)
        self._connect()

    def at(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _vertex(self, name: str, node: Node) -> Vertex:
        path, kind = self.at(name), type(node.block).__name__
        if isinstance(node.block, Diagram) and self.depth != 0:
            depth = None if self.depth is None else self.depth - 1
            inner = _Level(node.block, self.flat, self.loops, path, depth).scene()
            return Vertex(name, box=inner.boxes[0], inner=inner)
        box = symbol(path, name, node)
        vertex = Vertex(name, box=box, signs=signs(node))
        vertex.delays = isinstance(node.block, Block) and not any(map(node.block.feedthrough, node.inputs))
        if kind in ("Sum", "Product") and len(node.inputs) > 1:
            vertex.freedom = "sides" if box.shape == "circle" else "order"
        return vertex

    def _connect(self) -> None:
        nets: dict[tuple[str, str], Net] = {}
        for name, node in [*self.diagram.inputs.items(), *self.diagram.nodes.items()]:
            for port in node.outputs:
                nets[name, port] = self.vertices[name].outputs[port] = Net((name, port))
        wires = [
            (name, port, node.wires.get(port))
            for name, node in self.diagram.nodes.items()
            for port in node.inputs
        ]
        wires += [(f"/{name}", "u", port) for name, port in self.diagram.outputs.items()]
        for name, port, origin in wires:
            net = None if origin is None else nets[origin.node.name, origin.name]
            self.vertices[name].inputs[port] = net
            if net is not None:
                net.targets.append((name, port))
        for net in nets.values():
            net.loop = self._loop(net)

    def _loop(self, net: Net) -> int | None:
        """The feedback loop of a net: the source is followed through walls to a block."""
        name, port = net.source
        node = self.diagram.nodes.get(name) or self.diagram.inputs[name]
        source = self.at(name)
        if not isinstance(node.block, Block):
            wall = self.flat.walls.get(f"{source}/{port}" if isinstance(node.block, Diagram) else source)
            source = wall.port.node.name if wall else source
        if (source, None) in self.loops:
            return self.loops[source, None]
        for (a, b), number in self.loops.items():
            if a == source and b is not None:
                for target, _ in net.targets:
                    outside = self.path and not b.startswith(f"{self.path}/")
                    if outside if target.startswith("/") else f"{b}/".startswith(f"{self.at(target)}/"):
                        return number
        return None

    def scene(self) -> Scene:
        """The best of a few layouts, framed where it is a subsystem."""
        rank(self.vertices)
        groups = make_groups(self.vertices)
        size = sum(len(layer) for layer in groups)
        best: tuple[float, Arrangement] | None = None
        for seed in range(max(1, min(5, TRIES // (size + 1) ** 2))):
            sort_layers(groups, seed)
            bad = place(groups)[1]
            if best is None or bad < best[0]:
                best = bad, arrangement(groups)
        assert best is not None
        restore(groups, best[1])
        title = Label(shorten(self.path.rpartition("/")[2]), align="left", bold=True)
        scene = place(groups, title.width() + 24 if self.path else 0.0)[0]
        for vertex in self.vertices.values():
            self._finish(vertex, scene)
        return self._framed(scene, title) if self.path else scene

    def _finish(self, vertex: Vertex, scene: Scene) -> None:
        """Write the signs at the inputs, and put what is inside an expanded subsystem into the scene."""
        box = vertex.box
        if box is None:
            return
        for port, sign in vertex.signs.items():
            dx, dy = box.ports["in", port]
            at = (0.55 * dx, 0.55 * dy) if box.shape == "circle" else (dx + 9, dy)
            box.labels.append(Label(sign, at, 11))
        if vertex.inner is not None:
            inner = vertex.inner
            inner.boxes.remove(box)
            inner.move(box.x - inner.width / 2, box.y - inner.height / 2)
            scene.boxes += inner.boxes
            scene.wires += inner.wires

    def _framed(self, scene: Scene, title: Label) -> Scene:
        """The scene from (0, 0) with a frame around it as its first box, whose ports are at its walls."""
        heights = [v.y for v in self.vertices.values() if v.port is not None]
        left, top, right, bottom = _bounds(scene, heights)
        frame = Box(self.path, "frame", right - left, bottom - top + TITLE + PADDING)
        scene.move(-left, TITLE - top)
        scene.width, scene.height = frame.w, frame.h
        frame.x, frame.y = frame.w / 2, frame.h / 2
        frame.labels = [replace(title, at=(12 - frame.x, TITLE / 2 - frame.y))]
        for vertex in self.vertices.values():
            if vertex.port is not None:
                kind = vertex.port[1][0]
                x = -frame.w / 2 if kind == "in" else frame.w / 2
                frame.ports[vertex.port[1]] = x, vertex.y + TITLE - top - frame.y
        scene.boxes.insert(0, frame)
        return scene


def _bounds(scene: Scene, heights: list[float]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of everything in a scene and of ports at these heights."""
    xs, ys = [0.0, scene.width], [y + dy for y in heights for dy in (-8, 8)]
    for box in scene.boxes:
        below = max([0.0, *(label.at[1] + 0.7 * label.size for label in box.labels)])
        xs += [box.x - box.w / 2, box.x + box.w / 2]
        ys += [box.y - box.h / 2, box.y + max(box.h / 2, below)]
    for wire in scene.wires:
        for a, b in wire.pieces:
            xs += [a[0], b[0]]
            ys += [a[1], b[1]]
    return min(xs), min(ys, default=0.0), max(xs), max(ys, default=30.0)
