"""Diagram -> Scene: a layered layout (Sugiyama, Tagawa, Toda 1981) of each level, from the inside out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.draw.loops import Loops, find_loops
from blocksim.draw.opened import Repeated, opened
from blocksim.draw.order import best_orders, disorder, make_groups, restore
from blocksim.draw.place import finish, place, polish
from blocksim.draw.rank import Net, Vertex, rank
from blocksim.draw.scene import Box, Label, Point, Rectangle, Scene, Stroke
from blocksim.draw.shapes import signal_shapes
from blocksim.draw.symbols import names_signal, shorten, signs, symbol, terminal
from blocksim.draw.text import typeset
from blocksim.node import Node, Port

RESTARTS, KEEP = 10, 4
"""How many beginnings the order of a small level is searched from, and how many orders are placed."""
MANY = 200
"""Blocks and passing wires of a level above which both fall with their square."""
DISORDER = 0.05
"""What two blocks in another order than in the diagram cost, where a bend costs 1."""
TITLE, PADDING = 30.0, 14.0
BORDER = 16.0


def layout(diagram: Diagram, depth: int | Mapping[str, int] | None = None) -> Scene:
    """The picture of a diagram with its subsystems opened to a depth, or all of them.

    A mapping says how many levels are opened below a path, `""` being the whole: `{"": 1, "lstm/i": 0}`.
    """
    view = opened(diagram)
    loops = find_loops(view)
    shapes = signal_shapes(loops.flat if view is diagram or not loops.flat.nodes else diagram.flatten())
    levels = dict(depth) if isinstance(depth, Mapping) else {} if depth is None else {"": depth}
    readers: dict[tuple[str, str], list[str]] = {}
    for name, node in loops.flat.nodes.items():
        for origin in node.wires.values():
            readers.setdefault((origin.node.name, origin.name), []).append(name)
    context = _Context(loops, shapes, readers, levels)
    scene = _Level(view, context, "", levels.get("")).scene()
    scene.quick = context.quick
    if not scene.boxes:
        scene.labels.append(Label(f"{shorten(diagram.name)}: no blocks yet", size=11, quiet=True))
    scene.loops = {n: name for n, name in loops.names.items() if any(wire.loop == n for wire in scene.wires)}
    left, top, right, bottom = _bounds(scene, [])
    scene.move(BORDER - left, BORDER - top)
    scene.width, scene.height = right - left + 2 * BORDER, bottom - top + 2 * BORDER
    if len(scene.loops) > 1:
        _add_legend(scene)
    return scene


def _add_legend(scene: Scene) -> None:
    """Below the picture, which colour is which loop, in as many rows as it takes."""
    x, y = BORDER, scene.height + 10.0
    for number, name in scene.loops.items():
        label = Label(f"loop through {shorten(name)}", size=9.5, align="left", quiet=True)
        if x > BORDER and x + 34 + label.width() > scene.width - BORDER:
            x, y = BORDER, y + 20.0
        scene.legend.append(((x, y), number, replace(label, at=(x + 34, y))))
        x += 34 + label.width() + 26
    scene.width = max(scene.width, *(label.area()[2] + BORDER for _, _, label in scene.legend))
    scene.height = y + 10.0 + BORDER


@dataclass
class _Context:
    """What all levels share: the flat diagram's loops, signal shapes and readers, and how deep to open."""

    loops: Loops
    shapes: dict[tuple[str, str], tuple[int, ...]]
    readers: dict[tuple[str, str], list[str]]
    depths: dict[str, int]
    quick: bool = False


class _Level:
    """One diagram at a path, and its vertices by name: `/name` is an output."""

    def __init__(self, diagram: Diagram, context: _Context, path: str, depth: int | None) -> None:
        self.diagram, self.context, self.path, self.depth = diagram, context, path, depth
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
        depth = self.context.depths.get(path, self.depth)
        if isinstance(node.block, Diagram) and depth != 0:
            level = _Level(node.block, self.context, path, None if depth is None else depth - 1)
            inner = level.scene()
            inner.boxes[0].error = path in self.context.loops.algebraic
            return Vertex(name, box=inner.boxes[0], inner=inner)
        box = symbol(path, name, node)
        box.error = path in self.context.loops.algebraic
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
        if isinstance(self.diagram, Repeated):
            read = {origin for _, _, origin in wires}
            for name, node in self.diagram.inputs.items():
                if Port(node, "y") not in read:  # the Scan itself does
                    mark = f"{name}/read"
                    self.vertices[mark] = Vertex(mark, box=terminal(self.at(mark), name, ("in", "u")))
                    wires.append((mark, "u", Port(node, "y")))
        for name, port, origin in wires:
            net = None if origin is None else nets[origin.node.name, origin.name]
            self.vertices[name].inputs[port] = net
            if net is not None:
                net.targets.append((name, port))
        for net in nets.values():
            source = self._leaf(*net.source)
            targets = self._leaves(net, source)
            net.loop = self.context.loops.colour(source[0], targets)
            ring = self.context.loops.algebraic
            net.error = not ring.isdisjoint((source[0], self.at(net.source[0]))) and not ring.isdisjoint(
                targets
            )
            net.names = list(self._names(net, source))

    def _leaf(self, name: str, port: str) -> tuple[str, str]:
        """The block and port of the flat diagram from which a signal of this level comes."""
        node = self.diagram.nodes.get(name) or self.diagram.inputs[name]
        path = self.at(name)
        if isinstance(node.block, Block):
            return path, port
        flat = self.context.loops.flat
        wall = flat.walls.get(f"{path}/{port}") if isinstance(node.block, Diagram) else flat.doors.get(path)
        return (wall.port.node.name, wall.port.name) if wall else (path, port)

    def _leaves(self, net: Net, source: tuple[str, str]) -> list[str]:
        """The blocks of the flat diagram that read a net of this level, through walls or not."""
        found = []
        for target, _ in net.targets:
            path = self.at(target)
            found.append(path)
            for reader in self.context.readers.get(source, ()):
                outside = bool(self.path) and not reader.startswith(f"{self.path}/")
                if outside if target.startswith("/") else reader.startswith(f"{path}/"):
                    found.append(reader)
        return found

    def _names(self, net: Net, source: tuple[str, str]) -> Iterator[tuple[tuple[str, str], Label]]:
        """What is written beside a net: its name where no symbol shows it, its shape where that is news."""
        name, _ = net.source
        if not net.targets:
            return
        node = self.diagram.nodes.get(name)
        shape = self.context.shapes.get((self.at(name), net.source[1]), self.context.shapes.get(source))
        size = f"[{'×'.join(map(str, shape))}]" if shape else ""
        if node is None:
            inputs = len(self.diagram.inputs)
            text = name if self.path and inputs > 1 and f"{name}/read" not in self.vertices else ""
            size = "" if self.path else size
        elif isinstance(node.block, Block):
            text = name if names_signal(name, node) and (f"/{name}", "u") not in net.targets else ""
            known = {self.context.shapes.get(self._leaf(o.node.name, o.name)) for o in node.wires.values()}
            if not text and (shape in known or not known or type(node.block).__name__ == "Gain"):
                size = ""
        else:
            text, size = "", size if len(node.outputs) > 1 else ""
        if text or size:
            yield net.source, _label(text, size)
        if self.path and len(self.diagram.outputs) > 1:
            for target in net.targets:
                if target[0].startswith("/") and target[0][1:] != text:
                    yield target, _label(target[0][1:], "")

    def scene(self) -> Scene:
        """The best of a few layouts, framed where it is a subsystem."""
        rank(self.vertices)
        groups = make_groups(self.vertices)
        size = sum(len(layer) for layer in groups)
        share = min(1.0, (MANY / (size + 1)) ** 2)
        self.context.quick |= share < 0.5
        orders = best_orders(groups, max(2, round(RESTARTS * share)), max(1, round(KEEP * share)))
        found = []
        for order in orders:
            restore(groups, order)
            found.append(place(groups))
            found[-1].badness += DISORDER * disorder(groups)
        title = Label(shorten(self.path.rpartition("/")[2]), align="left", bold=True)
        if isinstance(self.diagram, Repeated):
            title = replace(title, text=f"{title.text}: {self.diagram.note}")
        best = min(range(len(found)), key=lambda i: found[i].badness)
        restore(groups, orders[best])
        scene = finish(polish(found[best]), title.width() + 24 if self.path else 0.0)
        for vertex in self.vertices.values():
            self._finish(vertex, scene)
        return self._framed(scene, title) if self.path else scene

    def _finish(self, vertex: Vertex, scene: Scene) -> None:
        """Write the signs at the inputs, and put what is inside an expanded subsystem into the scene."""
        box = vertex.placed
        if box is None:
            return
        for port, sign in vertex.signs.items():
            dx, dy = box.ports["in", port]
            if box.shape == "circle":
                x, y = 0.56 * dx, 0.56 * dy
                box.strokes.append(Stroke([(x - 4.2, y), (x + 4.2, y)]))
                box.strokes += [Stroke([(x, y - 4.2), (x, y + 4.2)])] if sign == "+" else []
            else:
                box.labels.append(Label(sign, (dx + 10, dy), 11))
        if vertex.inner is not None:
            inner = vertex.inner
            inner.move(box.x - inner.width / 2, box.y - inner.height / 2)
            scene.boxes += inner.boxes[1:]
            scene.wires += inner.wires

    def _framed(self, scene: Scene, title: Label) -> Scene:
        """The scene from (0, 0) with a frame around it as its first box, whose ports are at its walls."""
        heights = [v.y for v in self.vertices.values() if v.port is not None]
        (left, top, right, bottom), width = _bounds(scene, heights), scene.width
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
        for wire in scene.wires:  # where a text has made the frame wider than the wires inside
            ends = [(-left, 0.0), (width - left, frame.w)]
            if any(path == self.path for path, _ in [wire.source, *wire.targets]):
                wire.pieces = [_stretch(piece, ends) for piece in wire.pieces]
        scene.boxes.insert(0, frame)
        return scene


def _stretch(piece: tuple[Point, Point], ends: list[tuple[float, float]]) -> tuple[Point, Point]:
    """A horizontal piece, with an end at one of some places moved to another."""
    if piece[0][1] != piece[1][1]:
        return piece
    (x0, y), (x1, _) = piece
    for old, new in ends:
        x0, x1 = (new if abs(x - old) < 1e-2 else x for x in (x0, x1))
    return (x0, y), (x1, y)


def _label(name: str, size: str) -> Label:
    """A signal's name as it is shown, and its shape."""
    text, math = typeset(shorten(name)) if name else ("", False)
    if math:
        return Label(f"{text} {size}".strip(), size=12, math=True)
    return Label(f"{text} {size}".strip(), size=10)


def _bounds(scene: Scene, heights: list[float]) -> Rectangle:
    """Left, top, right and bottom of everything in a scene and of ports at these heights."""
    areas = [box.area() for box in scene.boxes] + [area for _, _, area in scene.texts()]
    areas += [(a[0], a[1], b[0], b[1]) for wire in scene.wires for a, b in wire.pieces]
    xs = [0.0, scene.width, *(x for area in areas for x in (area[0], area[2]))]
    ys = [y + dy for y in heights for dy in (-8, 8)] + [y for area in areas for y in (area[1], area[3])]
    return min(xs), min(ys, default=0.0), max(xs), max(ys, default=30.0)
