"""Diagrams to draw: the classics, networks, and random ones."""

import random

import numpy as np

import blocksim as bs
from blocksim.library import Constant, Gain, Product, Sigmoid, Sum, Tanh, UnitDelay


def lstm(name="lstm", inputs=4):
    return bs.nn.lstm(np.ones((12, inputs)), np.ones((12, 3)), np.zeros(12), name=name)


def stacked():
    dense = bs.nn.dense(np.ones((2, 3)), np.zeros(2))
    return bs.nn.sequential([lstm("first"), lstm("second", 3), dense])


def flat_lstm():
    """The layer without walls, its only output the hidden state."""
    d = bs.Diagram("flat")
    x, ones = d.input("x", shape=4), np.ones(3)
    hidden, cell = d.add("hidden_state", UnitDelay(ones)), d.add("cell_state", UnitDelay(ones))
    gates = []
    for key in "figo":
        wx = d.add(f"W_{key}", Gain(np.ones((3, 4))), x)
        rh = d.add(f"R_{key}", Gain(np.ones((3, 3))), hidden)
        total = d.add(f"sum_{key}", Sum(), wx, rh, d.add(f"b_{key}", Constant(ones)))
        gates.append(d.add(key, Tanh() if key == "g" else Sigmoid(), total))
    f, i, g, o = gates
    c = d.add("c", Sum(), d.add("keep", Product(), f, cell), d.add("write", Product(), i, g))
    h = d.add("h", Product(), o, d.add("squash", Tanh(), c))
    d.connect(c, cell)
    d.connect(h, hidden)
    d.output("h_t", h)
    return d


def two_lstms():
    """Two layers, and a dense one without walls."""
    d = bs.Diagram("two")
    first = d.add("first", lstm("first"), d.input("x", shape=4))
    second = d.add("second", lstm("second", 3), first["h"])
    y = d.add("sum", Sum(), d.add("V", Gain(np.ones((2, 3))), second["h"]), d.add("b", Constant(np.ones(2))))
    d.output("y", y)
    return d


def accumulator():
    d = bs.Diagram("accumulator")
    total = d.add("total", Sum(), d.input("u"))
    d.connect(d.add("memory", UnitDelay(0.0), total), total)
    d.output("y", total)
    return d


def pid():
    d = bs.Diagram("pid")
    error = d.add("error", Sum("+-"), d.input("r"))
    total = d.add("total", Sum(), d.add("Ki", Gain(0.1), error))
    d.connect(d.add("memory", UnitDelay(0.0), total), total)
    change = d.add("change", Sum("+-"), d.add("Kd", Gain(0.1), error))
    d.connect(d.add("last", UnitDelay(0.0), d["Kd"]), change)
    plant = d.add("plant", UnitDelay(0.0), d.add("u", Sum(), d.add("Kp", Gain(2.0), error), total, change))
    d.connect(plant, error)
    d.output("y", plant)
    return d


def biquad():
    d = bs.Diagram("biquad")
    w = d.add("w", Sum("+-"), d.input("x"))
    z1 = d.add("z1", UnitDelay(0.0), w)
    z2 = d.add("z2", UnitDelay(0.0), z1)
    d.connect(d.add("back", Sum(), d.add("a1", Gain(0.1), z1), d.add("a2", Gain(0.1), z2)), w)
    tail = d.add("tail", Sum(), d.add("b1", Gain(1.0), z1), d.add("b2", Gain(1.0), z2))
    d.output("y", d.add("y", Sum(), d.add("b0", Gain(1.0), w), tail))
    return d


def rnn():
    d = bs.Diagram("rnn")
    total = d.add("sum", Sum(), d.add("W", Gain(1.0), d.input("x")), d.add("b", Constant(0.0)))
    h = d.add("tanh", Tanh(), total)
    d.connect(d.add("R", Gain(1.0), d.add("memory", UnitDelay(0.0), h)), total)
    d.output("h", h)
    return d


def unity_feedback():
    d = bs.Diagram("unity")
    error = d.add("error", Sum("+-"), d.input("r"))
    y = d.add("plant", UnitDelay(0.0), d.add("controller", Gain(2.0), error))
    d.connect(y, error)
    d.output("y", y)
    return d


def state_space():
    d = bs.Diagram("state_space")
    u, one = d.input("u", shape=1), np.ones((1, 1))
    total = d.add("next", Sum(), d.add("B", Gain(one), u))
    x = d.add("x", UnitDelay(np.zeros(1)), total)
    d.connect(d.add("A", Gain(one), x), total)
    d.output("y", d.add("y", Sum(), d.add("C", Gain(one), x), d.add("D", Gain(one), u)))
    return d


def cascade():
    d = bs.Diagram("cascade")
    outer = d.add("e1", Sum("+-"), d.input("r"))
    inner = d.add("e2", Sum("+-"), d.add("C1", Gain(1.0), outer))
    g2 = d.add("G2", UnitDelay(0.0), d.add("C2", Gain(1.0), inner))
    d.connect(g2, inner)
    g1 = d.add("G1", UnitDelay(0.0), d.add("load", Sum(), g2, d.input("d")))
    d.connect(d.add("H", Gain(1.0), g1), outer)
    d.output("y", g1)
    return d


def mimo():
    def block(name):
        inner = bs.Diagram(name)
        for i in "12":
            inner.output(f"y{i}", inner.add(f"z{i}", UnitDelay(0.0), inner.input(f"u{i}")))
        return inner

    d = bs.Diagram("mimo")
    errors = [d.add(f"e{i}", Sum("+-"), d.input(f"r{i}")) for i in "12"]
    controller = d.add("K", block("K"), *errors)
    plant = d.add("plant", block("plant"), controller[0], controller[1])
    for i, error in enumerate(errors):
        d.connect(plant[i], error)
        d.output(f"y{i + 1}", plant[i])
    return d


def observer():
    d = bs.Diagram("observer")
    u = d.input("u")
    outputs = []
    for name in ("model", "plant"):
        total = d.add(
            f"{name}_sum", Sum("+++" if name == "model" else "++"), d.add(f"{name}_B", Gain(1.0), u)
        )
        x = d.add(f"{name}_x", UnitDelay(0.0), total)
        d.connect(d.add(f"{name}_A", Gain(0.5), x), total)
        outputs.append(d.add(f"{name}_C", Gain(1.0), x))
    error = d.add("error", Sum("-+"), *outputs)
    d.connect(d.add("L", Gain(0.1), error), d["model_sum"])
    d.output("x_hat", d["model_x"])
    d.output("y", outputs[1])
    return d


def product_loop():
    """A gain adapted by what it gives: a product in two loops, one wire into both ports of another."""
    d = bs.Diagram("adaptive")
    y = d.add("y", Product(), d.input("u"))
    energy = d.add("energy", Product(), y, y)
    ratio = d.add("ratio", Product("*/"), y, d.add("floor", Sum(), energy, d.add("one", Constant(1.0))))
    d.connect(d.add("gain", UnitDelay(1.0), ratio), y)
    d.output("out", y)
    return d


def algebraic_loop():
    d = bs.Diagram("algebraic")
    total = d.add("total", Sum("+-"), d.input("u"))
    d.connect(d.add("K", Gain(2.0), total), total)
    d.output("y", total)
    return d


def unconnected():
    d = bs.Diagram("unconnected")
    d.add("free", Gain(1.0))
    d.add("half", Sum("++-"), d.input("u"))
    d.add("alone", Sum())
    d.add("memory", UnitDelay(0.0))
    d.input("unused")
    d.add("inside", lstm())
    return d


def counter():
    """A block wired to itself, and a diagram without inputs or outputs."""
    d = bs.Diagram("counter")
    memory = d.add("memory", UnitDelay(0.0))
    d.connect(memory, memory)
    return d


def through():
    """A subsystem that only passes signals, exchanged, and one that is empty."""
    inner = bs.Diagram("swap")
    a, b = inner.input("a"), inner.input("b")
    inner.output("p", b)
    inner.output("q", a)
    d = bs.Diagram("through")
    swap = d.add("swap", inner, d.input("x"), d.input("y"))
    again = d.add("again", inner, swap["p"], swap["q"])
    d.add("empty", bs.Diagram("empty"))
    d.output("z", again["q"])
    return d


CLASSICS = [
    lstm, stacked, flat_lstm, two_lstms, unity_feedback, state_space, cascade, mimo, observer, accumulator,
    pid, biquad, rnn, product_loop, algebraic_loop, unconnected, counter, through, bs.Diagram,
]  # fmt: skip


LOOPS = [unity_feedback, state_space, rnn, cascade, pid, mimo, observer]


def random_diagram(seed, size=None, nested=True):
    """3 to 30 blocks wired at random, loops, subsystems, fan-out and missing wires among them."""
    chance = random.Random(seed)
    d = bs.Diagram(f"random{seed}")
    sources = [d.input(f"u{i}") for i in range(chance.randint(0, 2))]
    size = size or chance.randint(3, 30)
    for i in range(size):
        kind = chance.randrange(8)
        block = (
            Gain(1.0), UnitDelay(0.0), Tanh(), Sigmoid(), Constant(1.0),
            Sum("".join(chance.choice("+-") for _ in range(chance.randint(1, 4)))),
            Product("*" * chance.randint(1, 3)),
            random_diagram(seed * 31 + i, 3, nested=False) if nested and size > 5 else Product("*/"),
        )[kind]  # fmt: skip
        name = f"{type(block).__name__} {i}" + (" with a long name" if i % 7 == 6 else "")
        node = d.add(name, block)
        if node.outputs:
            sources.append(node)
    for node in d.nodes.values():
        here = list(d.nodes).index(node.name)
        for port in node.inputs:
            recent = sources[max(0, here - 6) : here + 2] if chance.random() < 0.85 else sources
            if recent and chance.random() < 0.95:
                source = chance.choice(recent)
                d.connect(source[chance.randrange(len(source.outputs))], node, port)
    for i in range(chance.randint(0, 3)):
        blocks = [node for node in sources if nested or node.name in d.nodes]
        if blocks:
            d.output(f"y{i}", chance.choice(blocks))
    return d
