"""The symbol of each node: shape, size, ports and texts, by the block's class or the nearest of its bases.

A block class of one's own names its symbol in one line, `symbol = "gain"`, one of `SHAPES`; or it gives
the text of its box, `symbol = "$\\int$"`. Without that it is a box with the class's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blocksim.block import Block
from blocksim.draw.scene import Box, Label, Point, PortKey, Stroke
from blocksim.draw.text import typeset
from blocksim.node import Node

ELLIPSIS = 24
"""Names longer than this are shortened in the middle."""
SPACING = 26.0
"""Between the ports at one side of a box."""
SMALL, BODY, MATH = 9.5, 11.0, 14.0
"""Sizes of captions, names and mathematics, in points."""

Symbol = Callable[[str, str, Node], Box]
Side = tuple[Literal["in", "out"], tuple[str, ...]]


def symbol(path: str, name: str, node: Node) -> Box:
    """The box of a block, or of a subsystem that is not opened."""
    if not isinstance(node.block, Block):
        return _box(path, node, [_name(name)], "subsystem")
    own = getattr(type(node.block), "symbol", None)
    if isinstance(own, str):
        make = SHAPES.get(own)
        box = make(path, name, node) if make else None
        if box is not None and _has_room(box, node):
            return box
        text = type(node.block).__name__ if make else own
        return _captioned(_text(path, node, text), name)
    for cls in type(node.block).__mro__:
        if make := SYMBOLS.get(cls.__name__):
            return make(path, name, node)
    return _captioned(_text(path, node, type(node.block).__name__), name)


def _has_room(box: Box, node: Node) -> bool:
    """Whether a shape has a place for each port: at its outline, and not two at one place."""
    narrow = {"triangle": (1, 1), "circle": (3, 1)}.get(box.shape, (3, 1) if box.strokes else (99, 99))
    return len(node.inputs) <= narrow[0] and len(node.outputs) <= narrow[1]


def terminal(path: str, name: str, key: PortKey) -> Box:
    """An input (a source, key "out") or an output of the whole diagram."""
    label = _name(name)
    box = Box(path, "terminal", max(54.0, label.width() + 26), 34.0, [label], fill="terminal")
    box.ports[key] = (box.w / 2 if key[0] == "out" else -box.w / 2, 0.0)
    return box


def signs(node: Node) -> dict[str, str]:
    """The sign that is drawn at each input of a sum, and of a product that divides."""
    inputs = node.inputs
    text = getattr(node.block, "signs", None)
    if isinstance(text, str):
        return dict(zip(inputs, (text or "+" * len(inputs)).replace("-", "−"), strict=True))
    text = getattr(node.block, "operators", None)
    if isinstance(text, str) and "/" in text:
        return dict(zip(inputs, text.replace("*", "×").replace("/", "÷"), strict=True))
    return {}


def names_signal(name: str, node: Node) -> bool:
    """Whether a block's name belongs on the wire of its output, since no symbol shows it.

    So it is for sums, products and activations, if the name is more than the name of the operation.
    """
    kinds = [cls.__name__ for cls in type(node.block).__mro__]
    shown = any(SYMBOLS.get(kind) in (_sum, _product, _function) for kind in kinds)
    plain = re.sub(r"[\d_]+$", "", name.rpartition("/")[2]).lower()
    return shown and plain not in {"sum", "add", "product", "multiply", "activation", kinds[0].lower()}


def shorten(text: str, longest: int = ELLIPSIS) -> str:
    """A text with its middle left out where it is too long for a picture."""
    half = longest // 2
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def spread(count: int, spacing: float = SPACING) -> list[float]:
    """Heights around 0."""
    return [(i - (count - 1) / 2) * spacing for i in range(count)]


# -- symbols -----------------------------------------------------------------------------------


def _gain(path: str, name: str, node: Node) -> Box:
    """A triangle with the name, and below it the value or the shape of a matrix."""
    label = replace(_name(name), at=(-9.0, 0.0))
    box = Box(path, "triangle", 64.0, 60.0, [label] if label.width() <= 44 else [], fill="gain")
    _ports(box, node)
    value = np.asarray(next(iter(getattr(node.block, "parameters", dict)().values()), np.zeros(())))
    return _captioned(box, *([] if box.labels else [name]), _value(value))


def _sum(path: str, name: str, node: Node) -> Box:
    """A circle with signs; with more than three inputs, or unconnected ones, a box."""
    if 1 <= len(node.inputs) <= 3 and set(node.inputs) == set(node.wires):
        box = Box(path, "circle", 40.0, 40.0)
        _ports(box, node)
        return box
    return _operator(path, node, "Σ")


def _product(path: str, name: str, node: Node) -> Box:
    return _operator(path, node, "×")


def _delay(path: str, name: str, node: Node) -> Box:
    box = _box(path, node, [_math(f"z^{{-{getattr(node.block, 'n', 1)}}}", 17)], "state", 60.0, 54.0)
    return _captioned(box, name)


def _function(path: str, name: str, node: Node) -> Box:
    """The graph of the block's own output over -4..4, with its axes."""
    kind = type(node.block).__name__
    box = _box(path, node, [], "function", 70.0, 60.0)
    box.labels.append(Label(CURVES.get(kind, kind.lower()), (-31.0, -19.5), SMALL, "left"))
    points = _curve(node.block)
    if points:
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        low, high = min(min(ys), 0.0), max(max(ys), 0.0)
        scale = (high - low) or 1.0

        def at(u: float, y: float) -> Point:
            return -27 + 54 * (u - xs[0]) / (xs[-1] - xs[0]), 24 - 34 * (y - low) / scale

        box.strokes = [
            Stroke([at(xs[0], 0.0), at(xs[-1], 0.0)], "axis"),
            Stroke([at(0.0, low), at(0.0, high)], "axis"),
            Stroke([at(u, y) for u, y in points], "curve"),
        ]
    return box if names_signal(name, node) or CURVES.get(kind) else _captioned(box, name)


def _limit(path: str, name: str, node: Node) -> Box:
    return _captioned(_function(path, name, node), name)


def _source(path: str, name: str, node: Node) -> Box:
    """A signal over time."""
    box = _box(path, node, [], "constant", 60.0, 48.0)
    points = SOURCES[next(cls.__name__ for cls in type(node.block).__mro__ if cls.__name__ in SOURCES)]
    box.strokes = [
        Stroke([(-23.0, -17.0), (-23.0, 17.0), (23.0, 17.0)], "axis"),
        Stroke([(-23 + 46 * x, 15 - 28 * y) for x, y in points], "curve"),
    ]
    return _captioned(box, name)


def _constant(path: str, name: str, node: Node) -> Box:
    value = np.asarray(getattr(node.block, "value", 0.0))
    if value.ndim:
        box = _box(path, node, [_name(name)], "constant", 54.0, 42.0)
        return _captioned(box, _value(value))
    box = _box(path, node, [Label(_value(value), size=BODY)], "constant", 54.0, 42.0)
    return _captioned(box, name)


def _integrator(path: str, name: str, node: Node) -> Box:
    above = {"forward": "K T", "backward": "K T z", "trapezoidal": "K T (z+1)"}
    method = str(getattr(node.block, "method", "forward"))
    below = "2 (z-1)" if method == "trapezoidal" else "z-1"
    box = _fraction(path, node, [_math(above.get(method, "K T"), 12), _math(below, 12)])
    return _captioned(box, name)


def _transfer(path: str, name: str, node: Node) -> Box:
    polynomials = [np.atleast_1d(getattr(node.block, part)) for part in ("numerator", "denominator")]
    short = all(np.count_nonzero(p) <= 3 for p in polynomials)
    texts = [_polynomial(p, "z") for p in polynomials] if short else ["num(z)", "den(z)"]
    return _captioned(_fraction(path, node, [_math(text, 12) for text in texts]), name)


def _state_space(path: str, name: str, node: Node) -> Box:
    direct = getattr(node.block, "D", None) is not None
    rows = [_math("x^{+} = A x + B u", 12), _math("y = C x" + (" + D u" if direct else ""), 12)]
    return _captioned(_box(path, node, rows, "state"), name)


def _bar(path: str, name: str, node: Node) -> Box:
    """A thick bar in which signals are joined or parted."""
    count = max(len(node.inputs), len(node.outputs), 2)
    box = Box(path, "bar", 10.0, SPACING * count, fill="ink", elastic=True)
    _ports(box, node)
    return _captioned(box, name)


def _switch(path: str, name: str, node: Node) -> Box:
    """The lever of a switch between the first and the last input, with the condition in the middle."""
    box = Box(path, "box", 70.0, 84.0)
    _ports(box, node)
    block = node.block
    condition = f"{getattr(block, 'criterion', '')} {_value(getattr(block, 'threshold', 0.0))}"
    condition = {"~=": "≠ 0"}.get(str(getattr(block, "criterion", "")), condition).replace(">=", "≥")
    box.labels = [Label(condition, (-30.0, 0.0), SMALL, "left", quiet=True)]
    box.strokes = [
        Stroke([(-35.0, -26.0), (-8.0, -26.0), (16.0, -8.0)]),
        Stroke([(-35.0, 26.0), (-8.0, 26.0)]),
        Stroke([(20.0, 0.0), (35.0, 0.0)]),
    ]
    return _captioned(box, name)


def _written(text: Callable[[Any], str]) -> Symbol:
    """The symbol that is a box with a text."""

    def make(path: str, name: str, node: Node) -> Box:
        return _captioned(_text(path, node, text(node.block)), name)

    return make


CURVES = {
    "Sigmoid": "σ", "Tanh": "tanh", "ScaledTanh": "α tanh", "Affine": "αu + β", "HardSigmoid": "hard σ",
    "Softsign": "softsign", "ReLU": "ReLU",
    "LeakyReLU": "leaky", "ThresholdedReLU": "threshold", "ELU": "ELU",
    "Softplus": "softplus", "Saturation": "sat", "DeadZone": "dead",
    "Quantizer": "quant", "Abs": "|u|", "Sign": "sign", "Sqrt": "√u", "Lookup1D": "table",
}  # fmt: skip
SOURCES: dict[str, Sequence[Point]] = {
    "Step": [(0, 0.1), (0.4, 0.1), (0.4, 0.9), (1, 0.9)],
    "Ramp": [(0, 0.1), (0.25, 0.1), (1, 0.95)],
    "Sine": [(i / 40, 0.5 + 0.42 * float(np.sin(2 * np.pi * i / 40))) for i in range(41)],
    "Pulse": [(0, 0.1), (0.2, 0.1), (0.2, 0.9), (0.5, 0.9), (0.5, 0.1), (0.7, 0.1), (0.7, 0.9), (1, 0.9)],
    "RandomNumber": [(i / 8, y) for i, y in enumerate((0.5, 0.8, 0.3, 0.6, 0.1, 0.7, 0.4, 0.9, 0.5))],
    "UniformRandomNumber": [(i / 8, y) for i, y in enumerate((0.2, 0.7, 0.4, 0.9, 0.1, 0.5, 0.8, 0.3, 0.6))],
    "FromArray": [(0, 0.3), (0.3, 0.3), (0.3, 0.7), (0.6, 0.7), (0.6, 0.5), (1, 0.5)],
    "FromWorkspace": [(0, 0.3), (0.3, 0.7), (0.6, 0.5), (1, 0.9)],
}  # fmt: skip
SHAPES: dict[str, Symbol] = {
    "gain": _gain, "sum": _sum, "product": _product, "delay": _delay, "function": _function,
    "constant": _constant, "bar": _bar, "switch": _switch,
}  # fmt: skip
SYMBOLS: dict[str, Symbol] = {
    "Gain": _gain, "Sum": _sum, "Product": _product, "UnitDelay": _delay, "Delay": _delay,
    "Constant": _constant, "DiscreteIntegrator": _integrator, "DiscreteTransferFcn": _transfer,
    "DiscreteStateSpace": _state_space, "Mux": _bar, "Demux": _bar, "Concatenate": _bar, "Switch": _switch,
    **dict.fromkeys(CURVES, _function), **dict.fromkeys(SOURCES, _source),
    **dict.fromkeys(("Saturation", "DeadZone", "Quantizer", "Lookup1D"), _limit),
    "DiscreteFIR": _written(lambda block: "$B(z)$"),
    "Bias": _written(lambda block: "$u + b$"),
    "Complement": _written(lambda block: "$1 - u$"),
    "Dot": _written(lambda block: r"$u_{1} \cdot u_{2}$"),
    "Softmax": _written(lambda block: "softmax"),
    "MathFunction": _written(lambda block: MATHEMATICS.get(block.function, str(block.function))),
    "MinMax": _written(lambda block: block.function),
    "RelationalOperator": _written(lambda block: RELATIONS.get(block.operator, str(block.operator))),
    "LogicalOperator": _written(lambda block: block.operator),
    "Selector": _written(lambda block: "$u[i]$"),
    "Reshape": _written(lambda block: "reshape"),
    "Clock": _written(lambda block: "$t$"),
    "Function": _written(lambda block: f"{getattr(block.f, '__name__', 'f')}".replace("<lambda>", "λ")),
}  # fmt: skip
RELATIONS = {"==": "$=$", "~=": r"$\neq$", "<": "$<$", "<=": r"$\leq$", ">": "$>$", ">=": r"$\geq$"}
MATHEMATICS = {
    "exp": "$e^{u}$", "square": "$u^{2}$", "reciprocal": "$1/u$", "pow": "$u_{1}^{u_2}$", "log10": "log10",
}  # fmt: skip


# -- parts -------------------------------------------------------------------------------------


def _name(name: str) -> Label:
    text, math = typeset(shorten(name))
    return Label(text, size=MATH if math else BODY, math=math)


def _value(value: object) -> str:
    """A number, or the shape of an array."""
    array = np.asarray(value)
    return f"{array:.4g}" if array.ndim == 0 else "×".join(map(str, array.shape))


def _math(text: str, size: float) -> Label:
    return Label(f"${text}$", size=size, math=True)


def _text(path: str, node: Node, text: str) -> Box:
    """A box with a text, which is mathematics between dollars; a state has its own colour."""
    shown, math = typeset(text) if text.startswith("$") else (shorten(text), False)
    fill = "state" if hasattr(node.block, "init") else "plain"
    return _box(path, node, [Label(shown, size=MATH if math else BODY, math=math)], fill)


def _box(
    path: str, node: Node, rows: list[Label], fill: str, least: float = 54.0, height: float = 44.0
) -> Box:
    """A box of rows of text, with the names of its ports where there are several at a side."""
    names, room = [], {"in": 0.0, "out": 0.0}
    sides: tuple[Side, ...] = (("in", node.inputs), ("out", node.outputs))
    for kind, ports in sides:
        for port, dy in zip(ports, spread(len(ports)), strict=True) if len(ports) > 1 else ():
            align = "left" if kind == "in" else "right"
            text, math = typeset(shorten(port))
            size = 13.0 if math else SMALL
            names.append(Label(text, (0.0, dy), size, align, math, quiet=True, port=(kind, port)))
            room[kind] = max(room[kind], names[-1].width() + 6)
    most = max(len(ports) for _, ports in sides)
    text = max((label.width() for label in rows), default=0.0)
    w = max(least, text + 22 + room["in"] + room["out"])
    h = max(height, SPACING * most + 14, 20.0 * len(rows) + 14)
    middle = (room["in"] - room["out"]) / 2
    labels = [replace(row, at=(middle, dy)) for row, dy in zip(rows, spread(len(rows), 20), strict=True)]
    box = Box(path, "box", w, h, labels, fill=fill, elastic=most > 1)
    _ports(box, node)
    box.labels += [replace(n, at=((5 - w / 2) * (1 if n.align == "left" else -1), n.at[1])) for n in names]
    return box


def _fraction(path: str, node: Node, parts: list[Label]) -> Box:
    box = _box(path, node, parts, "state", height=56.0)
    wide = max(part.width() for part in parts) / 2 + 3
    box.strokes = [Stroke([(-wide, 0.0), (wide, 0.0)])]
    return box


def _operator(path: str, node: Node, text: str) -> Box:
    w = 64.0 if signs(node) else 48.0
    box = Box(path, "box", w, max(48.0, SPACING * len(node.inputs)), [Label(text, size=16)])
    _ports(box, node)
    return box


def _ports(box: Box, node: Node) -> None:
    for port, dy in zip(node.inputs, spread(len(node.inputs)), strict=True):
        box.ports["in", port] = (-box.w / 2, dy)
    for port, dy in zip(node.outputs, spread(len(node.outputs)), strict=True):
        box.ports["out", port] = (box.w / 2, dy)


def _captioned(box: Box, *lines: str) -> Box:
    """The box with quiet lines of text below it."""
    for i, line in enumerate(lines):
        box.labels.append(Label(shorten(line), (0.0, box.h / 2 + 10 + 16 * i), SMALL, quiet=True))
    return box


def _polynomial(coefficients: NDArray[np.float64], variable: str) -> str:
    """Mathematics of a polynomial, highest power first."""
    text = ""
    for power, c in zip(range(len(coefficients) - 1, -1, -1), coefficients, strict=True):
        if c:
            factor = f"{abs(c):.3g}" if abs(c) != 1 or power == 0 else ""
            letter = "" if power == 0 else variable if power == 1 else f"{variable}^{{{power}}}"
            sign = ("-" if c < 0 else "+") if text or c < 0 else ""
            text += f" {sign} {factor} {letter}" if text else f"{sign}{factor} {letter}"
    return text.strip() or "0"


def _curve(block: object) -> list[Point]:
    """The points (u, output(u)) of a block of one input, or none where it gives no finite numbers."""
    u = np.linspace(-4.0, 4.0, 81)
    try:
        with np.errstate(all="ignore"):
            output = block.output  # pyright: ignore[reportAttributeAccessIssue]
            reads_xp = "xp" in type(block).contract.methods["output"]  # pyright: ignore[reportAttributeAccessIssue]
            column = u[:, None]  # parameters may be vectors: the curve is that of the first component
            y = np.asarray(output(np, column) if reads_xp else output(column), float)[:, 0]
    except Exception:  # a user's own block may refuse such an input: then there is no curve
        return []
    keep = np.isfinite(y) if y.shape == u.shape else np.zeros(u.shape, bool)
    return [(float(a), float(b)) for a, b in zip(u[keep], y[keep], strict=True)] if keep.sum() > 1 else []
