"""The symbol of each node: shape, size, ports and texts, by the name of the block's class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blocksim.block import Block
from blocksim.draw.scene import Box, Label, PortKey
from blocksim.node import Node

ELLIPSIS = 24
"""Names longer than this are shortened in the middle."""
SPACING = 26.0
"""Between the ports at one side of a box."""
CURVES = {
    "Sigmoid": "σ", "Tanh": "tanh", "HardSigmoid": "hard σ", "Softsign": "softsign", "ReLU": "relu",
    "LeakyReLU": "leaky", "ELU": "elu", "Softplus": "softplus", "Saturation": "sat", "DeadZone": "dead",
    "Quantizer": "quant", "Abs": "|u|", "Sign": "sign",
}  # fmt: skip


def symbol(path: str, name: str, node: Node) -> Box:
    """The box of a block, or of a subsystem that is not expanded; its captions lie below it."""
    block, inputs, outputs = node.block, node.inputs, node.outputs
    if not isinstance(block, Block):
        return _box(path, [shorten(name)], inputs, outputs, "subsystem")
    kind = type(block).__name__
    if kind == "Gain":
        inside = Label(name).width() <= 46
        box = Box(path, "triangle", 64, 60, [Label(name, (-9, 0))] if inside else [], fill="gain")
        _side_ports(box, inputs, outputs)
        return box if inside else _captioned(box, name)
    if kind == "Sum":
        if len(inputs) <= 3 and set(inputs) == set(node.wires):
            box = Box(path, "circle", 40, 40)
            box.labels = [Label(shorten(name), (7, 29), 9, "left")]
            _side_ports(box, inputs, outputs)
            return box
        return _operator(path, name, "Σ", node)
    if kind == "Product":
        return _operator(path, name, "×", node)
    if kind in ("UnitDelay", "Delay"):
        n = getattr(block, "n", 1)
        box = Box(path, "box", 60, 54, [Label(f"$z^{{-{n}}}$", size=14, math=True)], fill="state")
        _side_ports(box, inputs, outputs)
        return _captioned(box, name)
    if kind in CURVES and block.contract.inputs == ("u",) and not hasattr(block, "init"):
        box = Box(path, "box", 70, 60, [Label(CURVES[kind], (-30, -20), 9, "left")], fill="function")
        box.curve = _curve(block)
        _side_ports(box, inputs, outputs)
        return _captioned(box, name)
    if kind == "Constant":
        return _box(path, [shorten(name)], inputs, outputs, "constant")
    fill = "state" if hasattr(block, "init") else "plain"
    return _captioned(_box(path, [shorten(kind)], inputs, outputs, fill), name)


def terminal(path: str, name: str, key: PortKey) -> Box:
    """An input (a source, key "out") or an output of the whole diagram."""
    label = Label(shorten(name))
    box = Box(path, "terminal", max(54, label.width() + 26), 34, [label], fill="terminal")
    box.ports[key] = (box.w / 2 if key[0] == "out" else -box.w / 2, 0)
    return box


def signs(node: Node) -> dict[str, str]:
    """The sign that is drawn at each input of a Sum or a Product."""
    kind, inputs = type(node.block).__name__, node.inputs
    if kind == "Sum":
        text = getattr(node.block, "signs", "") or "+" * len(inputs)
        return dict(zip(inputs, text.replace("-", "−"), strict=True))
    text = getattr(node.block, "operators", "") if kind == "Product" else ""
    return dict(zip(inputs, text.replace("*", "×").replace("/", "÷"), strict=True)) if "/" in text else {}


def shorten(text: str) -> str:
    """A text with its middle left out where it is too long for a picture."""
    half = ELLIPSIS // 2
    return text if len(text) <= ELLIPSIS else f"{text[:half]}…{text[-half:]}"


def spread(count: int, spacing: float = SPACING) -> list[float]:
    """Heights around 0."""
    return [(i - (count - 1) / 2) * spacing for i in range(count)]


def _box(path: str, lines: list[str], inputs: tuple[str, ...], outputs: tuple[str, ...], fill: str) -> Box:
    """A box of a text, with the names of its ports where there are several at a side."""
    labels = [Label(line, (0, dy)) for line, dy in zip(lines, spread(len(lines), 18), strict=True)]
    many = max(len(inputs), len(outputs)) > 1
    left = [Label(shorten(p), size=8.5, align="left") for p in inputs] if many else []
    right = [Label(shorten(p), size=8.5, align="right") for p in outputs] if many else []
    sides = 2 * max((label.width() + 8 for label in left + right), default=0.0)
    w = max(54.0, max(label.width() for label in labels) + 22 + sides)
    box = Box(path, "box", w, max(44.0, SPACING * max(len(inputs), len(outputs), 1) + 12), labels, fill=fill)
    _side_ports(box, inputs, outputs)
    for texts, x in ((left, 5 - w / 2), (right, w / 2 - 5)):
        labels += [replace(t, at=(x, dy)) for t, dy in zip(texts, spread(len(texts)), strict=True)]
    return box


def _operator(path: str, name: str, text: str, node: Node) -> Box:
    inputs = node.inputs
    box = Box(path, "box", 64 if signs(node) else 48, max(48, SPACING * len(inputs)), [Label(text, size=16)])
    _side_ports(box, inputs, node.outputs)
    return _captioned(box, name)


def _side_ports(box: Box, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    for port, dy in zip(inputs, spread(len(inputs)), strict=True):
        box.ports["in", port] = (-box.w / 2, dy)
    for port, dy in zip(outputs, spread(len(outputs)), strict=True):
        box.ports["out", port] = (box.w / 2, dy)


def _captioned(box: Box, name: str) -> Box:
    box.labels.append(Label(shorten(name), (0, box.h / 2 + 10), 9))
    return box


def _curve(block: Block) -> list[tuple[float, float]]:
    """The block's own output over -4..4, in the unit square, zero at its middle height where it fits."""
    u = np.linspace(-4, 4, 81)
    with np.errstate(all="ignore"):
        output = block.output  # pyright: ignore[reportAttributeAccessIssue]
        y = np.asarray(output(np, u) if "xp" in block.contract.methods["output"] else output(u), float)
    low, high = float(y.min()), float(y.max())
    if not np.isfinite([low, high]).all():
        return []
    return [(float(a), float(b)) for a, b in zip((u + 4) / 8, (y - low) / (high - low or 1), strict=True)]
