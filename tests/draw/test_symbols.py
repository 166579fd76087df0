"""Every block of the library has a symbol; a user's block names its own."""

import inspect

import numpy as np
import pytest
from library_examples import EXAMPLES

import blocksim as bs
from blocksim.draw.layout import layout
from blocksim.draw.quality import report
from blocksim.draw.render import render
from blocksim.draw.symbols import SYMBOLS, names_signal, symbol
from blocksim.draw.themes import DARK, LIGHT, blend, contrast
from blocksim.library import Constant, Gain, Product, Sigmoid, Sum, UnitDelay


def node(block, name="name", wires=2):
    d = bs.Diagram("d")
    sources = [d.input(f"u{i}") for i in range(max(wires, len(block.contract.inputs)))]
    return d.add(name, block, *sources[: len(block.input_ports(wires))])


def texts(box):
    return [label.text for label in box.labels]


@pytest.mark.parametrize("cls", sorted(EXAMPLES, key=str), ids=str)
def test_every_block_of_the_library_has_a_symbol_and_a_faultless_picture(cls):
    block = _block(EXAMPLES[cls])
    if not {base.__name__ for base in type(block).__mro__} & SYMBOLS.keys():
        assert type(block).__name__ in texts(symbol("n", "n", node(block)))
    d = bs.Diagram("d")
    ports = block.input_ports(2)
    d.add("name", block, *(d.input(f"u{i}") for i in range(len(ports))))
    for port in d["name"].outputs:
        d.output(f"out_{port}", d["name"][port])
    scene = layout(d)
    assert report(scene).clean, str(report(scene))
    render(scene).canvas.draw()


def _block(example):
    found = example[0] if isinstance(example, (tuple, list)) else example
    found = found() if inspect.isfunction(found) else found
    return found.block if hasattr(found, "block") else found


def test_gains_show_their_value_or_shape():
    assert texts(symbol("K", "K", node(Gain(0.25)))) == ["$K$", "0.25"]
    box = symbol("W_f", "W_f", node(Gain(np.ones((3, 4)))))
    assert (box.shape, texts(box)) == ("triangle", ["$W_{f}$", "3×4"])
    assert texts(symbol("n", "a_long_name", node(Gain(2.0)))) == ["a_long_name", "2"]


def test_names_of_sums_products_and_activations_go_to_the_wire_unless_they_say_nothing():
    for block, plain in ((Sum(), "sum"), (Product(), "product_2"), (Sigmoid(), "activation")):
        assert names_signal("c", node(block))
        assert not names_signal(plain, node(block))
        assert not names_signal(f"f/{plain}", node(block))
    assert not names_signal("K", node(Gain(1.0)))
    assert not names_signal("b", node(Constant(1.0)))


def test_delays_and_fractions():
    assert texts(symbol("n", "memory", node(UnitDelay(0.0)))) == ["$z^{-1}$", "memory"]
    assert texts(symbol("n", "memory", node(bs.library.Delay(0.0, 3)))) == ["$z^{-3}$", "memory"]
    filtered = symbol("n", "H", node(bs.library.DiscreteTransferFcn([1.0, -0.5], [2.0, 0.0, 1.0])))
    assert texts(filtered) == ["$z - 0.5$", "$2 z^{2} + 1$", "H"]
    assert len(filtered.strokes) == 1


def test_a_users_block_names_its_symbol_in_one_line():
    @bs.block
    class Amplifier(bs.Block):
        symbol = "gain"
        k: bs.Array = bs.param()

        def output(self, u):
            return self.k * u

    @bs.block
    class Integral(bs.Block):
        symbol = r"$\int$"

        def output(self, u):
            return u

    @bs.block
    class Plain(bs.Block):
        def output(self, u):
            return u

    assert symbol("A", "A", node(Amplifier(2.0))).shape == "triangle"
    assert texts(symbol("I", "I", node(Integral()))) == [r"$\int$", "I"]
    assert texts(symbol("p", "p", node(Plain()))) == ["Plain", "p"]


def test_a_subclass_has_the_symbol_of_its_base():
    @bs.block
    class Scale(Gain):
        pass

    assert symbol("S", "S", node(Scale(2.0))).shape == "triangle"


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read(theme):
    behind = [theme.background, theme.frame]
    assert min(contrast(theme.ink, colour) for colour in [*behind, *theme.fills.values()]) >= 7
    quiet = [theme.quiet, theme.error, *theme.loops]
    assert min(contrast(colour, other) for colour in quiet for other in behind) >= 4.5
    assert min(contrast(theme.quiet, fill) for fill in theme.fills.values()) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_loops_are_told_apart_by_colour_blind_readers(theme):
    """Machado, Oliveira, Fernandes 2009: the first colours, as they are seen without red or green cones."""
    protan = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
    deutan = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
    for matrix in (np.eye(3), np.array(protan), np.array(deutan)):
        seen = [matrix @ ((np.array(list(bytes.fromhex(c[1:]))) / 255) ** 2.2) for c in theme.loops[:3]]
        seen = [np.clip(c, 0, 1) ** (1 / 2.2) for c in seen]
        distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[i + 1 :]]
        assert min(distances) > 0.15


def test_a_blend_lies_between():
    assert blend("#000000", "#ffffff", 0.25) == "#bfbfbf"
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
