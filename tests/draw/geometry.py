"""What must hold in every scene, computed from the scene alone."""

from collections import Counter
from itertools import combinations

EPS = 2e-3


def faults(scene):
    """One text for each fault: blocks on blocks, wires through blocks, on other wires, off their ports."""
    return [
        *_outside(scene), *_overlaps(scene), *_diagonals(scene), *_through_blocks(scene),
        *_through_frames(scene), *_on_walls(scene), *_collinear(scene), *_ends(scene),
        *_texts(scene),
    ]  # fmt: skip


def _leaves(scene):
    return [box for box in scene.boxes if box.shape != "frame"]


def _rectangle(box):
    return box.x - box.w / 2, box.y - box.h / 2, box.x + box.w / 2, box.y + box.h / 2


def _meet(a, b):
    return a[0] < b[2] - EPS and b[0] < a[2] - EPS and a[1] < b[3] - EPS and b[1] < a[3] - EPS


def _outside(scene):
    for box in scene.boxes:
        left, top, right, bottom = _rectangle(box)
        if left < 0 or top < 0 or right > scene.width or bottom > scene.height:
            yield f"{box.path} is outside the picture"
    for wire in scene.wires:
        for x, y in (end for piece in wire.pieces for end in piece):
            if not (0 <= x <= scene.width and 0 <= y <= scene.height):
                yield f"the wire of {wire.source} leaves the picture"


def _overlaps(scene):
    for a, b in combinations(scene.boxes, 2):
        if _meet(_rectangle(a), _rectangle(b)):
            outer, inner = (a, b) if a.shape == "frame" and len(a.path) < len(b.path) else (b, a)
            held = outer.shape == "frame" and inner.path.startswith(f"{outer.path}/")
            ra, rb = _rectangle(outer), _rectangle(inner)
            if not held or rb[0] < ra[0] or rb[1] < ra[1] or rb[2] > ra[2] or rb[3] > ra[3]:
                yield f"{a.path} and {b.path} overlap"


def _diagonals(scene):
    for wire in scene.wires:
        for a, b in wire.pieces:
            if a[0] != b[0] and a[1] != b[1]:
                yield f"the wire of {wire.source} is not straight at {a}"


def _span(piece):
    (x0, y0), (x1, y1) = piece
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _crosses(piece, rectangle):
    """Whether a piece goes through the inside of a rectangle."""
    p, r = _span(piece), rectangle
    return p[0] < r[2] - EPS and p[2] > r[0] + EPS and p[1] < r[3] - EPS and p[3] > r[1] + EPS


def _through_blocks(scene):
    for wire in scene.wires:
        for box in _leaves(scene):
            if any(_crosses(piece, _rectangle(box)) for piece in wire.pieces):
                yield f"the wire of {wire.source} runs through {box.path}"


def _through_frames(scene):
    """A wire of one level stays out of the frames beside it, and inside the frame around it."""
    frames = {box.path: _rectangle(box) for box in scene.boxes if box.shape == "frame"}
    for wire in scene.wires:
        for path, rectangle in frames.items():
            ends = [wire.source, *wire.targets]
            inner = all(p.startswith(f"{path}/") or (p == path and _is_wall(wire, p, key)) for p, key in ends)
            if not inner and any(_crosses(piece, rectangle) for piece in wire.pieces):
                yield f"the wire of {wire.source} runs through the frame {path}"


def _on_walls(scene):
    for wire in scene.wires:
        for box in scene.boxes:
            left, top, right, bottom = _rectangle(box)
            for x0, y0, x1, y1 in map(_span, wire.pieces):
                upright = min(abs(x0 - left), abs(x0 - right)) < EPS and x0 == x1
                flat = min(abs(y0 - top), abs(y0 - bottom)) < EPS and y0 == y1
                if (upright and y0 < bottom and top < y1) or (flat and x0 < right and left < x1):
                    yield f"the wire of {wire.source} runs along the wall of {box.path}"


def _is_wall(wire, path, key):
    """A frame's input is a source inside it, its output a target inside it."""
    return ((path, key) == wire.source) == (key[0] == "in")


def _collinear(scene):
    rows = {}
    for i, wire in enumerate(scene.wires):
        for piece in wire.pieces:
            x0, y0, x1, y1 = _span(piece)
            flat = y0 == y1
            rows.setdefault((flat, y0 if flat else x0), []).append(((x0, x1) if flat else (y0, y1), i))
    for at, spans in rows.items():
        for (a, i), (b, j) in combinations(spans, 2):
            if i != j and a[0] < b[1] - EPS and b[0] < a[1] - EPS:
                pair = scene.wires[i].source, scene.wires[j].source
                yield f"the wires of {pair} lie on each other at {at}"


def _ends(scene):
    """The loose ends of a wire are its ports, each port has one, and the wire hangs together."""
    boxes = {box.path: box for box in scene.boxes}
    for wire in scene.wires:
        ports = [boxes[path].port(key) for path, key in [wire.source, *wire.targets]]
        touching = Counter()
        for i, piece in enumerate(wire.pieces):
            for end in piece:
                if not any(j != i and _on(end, other) for j, other in enumerate(wire.pieces)):
                    touching[end] += 1
        for end in touching:
            if not any(_near(end, port) for port in ports):
                yield f"the wire of {wire.source} has a loose end at {end}"
        for port in ports:
            if not any(_near(port, end) for piece in wire.pieces for end in piece):
                yield f"the wire of {wire.source} does not reach {port}"
        if wire.pieces and len(_reached(wire.pieces)) < len(wire.pieces):
            yield f"the wire of {wire.source} is torn"


def _near(a, b):
    return abs(a[0] - b[0]) < EPS and abs(a[1] - b[1]) < EPS


def _on(point, piece):
    x0, y0, x1, y1 = _span(piece)
    return x0 - EPS <= point[0] <= x1 + EPS and y0 - EPS <= point[1] <= y1 + EPS


def _touch(a, b):
    a, b = _span(a), _span(b)
    return a[0] <= b[2] + EPS and b[0] <= a[2] + EPS and a[1] <= b[3] + EPS and b[1] <= a[3] + EPS


def _reached(pieces):
    found, todo = {0}, [0]
    while todo:
        i = todo.pop()
        for j in range(len(pieces)):
            if j not in found and _touch(pieces[i], pieces[j]):
                found.add(j)
                todo.append(j)
    return found


def _text_boxes(scene):
    for box in scene.boxes:
        for label in box.labels:
            x, y = box.x + label.at[0], box.y + label.at[1]
            w, h = label.width(), label.size * 1.1
            left = {"left": x, "center": x - w / 2, "right": x - w}[label.align]
            if label.at[1] > box.h / 2:
                yield box, label, (left, y - h / 2, left + w, y + h / 2)


def _texts(scene):
    """Captions lie on no wire, on no other block and on no other caption."""
    captions = list(_text_boxes(scene))
    for box, label, area in captions:
        for wire in scene.wires:
            if any(_crosses(piece, area) for piece in wire.pieces):
                yield f"the caption {label.text} lies on the wire of {wire.source}"
        for other in _leaves(scene):
            if other is not box and _meet(area, _rectangle(other)):
                yield f"the caption {label.text} lies on {other.path}"
    for (_, a, area), (_, b, other) in combinations(captions, 2):
        if _meet(area, other):
            yield f"the captions {a.text} and {b.text} overlap"
