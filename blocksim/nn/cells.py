"""Recurrent cells: functions that return diagrams whose delays hold the state.

All cells are made of the same gates. What tells one from another is in `lstm`, `gru` and `rnn`: which
gates there are, what they read, and how they change the state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blocksim.block import Block
from blocksim.diagram import Diagram
from blocksim.errors import ParameterError, describe, user_line
from blocksim.library import (
    Complement,
    Constant,
    Gain,
    Product,
    Saturation,
    Sigmoid,
    Sum,
    Tanh,
    UnitDelay,
)
from blocksim.nn._arrays import Real, positive_number, real_array
from blocksim.node import Node

# -- gates -----------------------------------------------------------------------------------------


def gate(
    W: ArrayLike | None,
    R: ArrayLike,
    b: ArrayLike,
    activation: Block,
    *,
    peephole: ArrayLike | None = None,
    clip: float | None = None,
    name: str = "gate",
) -> Diagram:
    """y = activation(W x + R h + b): inputs x (m,) and h (p,), output y (n,).

    W (n, m), R (n, p), b (n,). Without W (None) there is no x. With a peephole P (n,) there is an input
    c (n,), and P*c is added. With a clip the sum is limited to -clip..clip. Raises ParameterError where the
    shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> g = bs.nn.gate(np.ones((3, 2)), np.ones((3, 3)), np.zeros(3), bs.library.Sigmoid())
    >>> list(g.nodes)
    ['W', 'R', 'b', 'sum', 'activation']
    """
    where, d = f"gate {name!r}", Diagram(name)
    b = real_array(where, "b", b, (None,))
    terms = _driven(where, d, W, len(b))
    R = real_array(where, "R", R, (len(b), None))
    terms += [d.add("R", Gain(R), d.input("h", shape=R.shape[1])), d.add("b", Constant(b))]
    if peephole is not None:
        P = real_array(where, "peephole", peephole, (len(b),))
        terms.append(d.add("P", Gain(P), d.input("c", shape=len(b))))
    return _activated(d, terms, activation, clip)


def reset_gate(
    W: ArrayLike | None,
    R: ArrayLike,
    b: ArrayLike,
    activation: Block,
    *,
    b_r: ArrayLike | None = None,
    clip: float | None = None,
    name: str = "reset_gate",
) -> Diagram:
    """y = activation(W x + r*(R h + b_r) + b): inputs x (m,), h (p,) and r (n,), output y (n,).

    W (n, m), R (n, p), b (n,), b_r (n,), none if not given. Without W (None) there is no x. With a clip
    the sum is limited to -clip..clip. Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> g = bs.nn.reset_gate(np.ones((3, 2)), np.ones((3, 3)), np.zeros(3), bs.library.Tanh())
    >>> list(g.nodes)
    ['W', 'R', 'reset', 'b', 'sum', 'activation']
    """
    where, d = f"gate {name!r}", Diagram(name)
    b = real_array(where, "b", b, (None,))
    terms = _driven(where, d, W, len(b))
    R = real_array(where, "R", R, (len(b), None))
    h, r = d.input("h", R.shape[1]), d.input("r", len(b))
    recurrent = d.add("R", Gain(R), h)
    if b_r is not None:
        bias = d.add("b_r", Constant(real_array(where, "b_r", b_r, (len(b),))))
        recurrent = d.add("recurrent", Sum(), recurrent, bias)
    terms += [d.add("reset", Product(), r, recurrent), d.add("b", Constant(b))]
    return _activated(d, terms, activation, clip)


def _driven(where: str, d: Diagram, W: ArrayLike | None, n: int) -> list[Node]:
    """W x of an input x, if there is a W, as the first term of a gate of n units."""
    if W is None:
        return []
    W = real_array(where, "W", W, (n, None))
    return [d.add("W", Gain(W), d.input("x", shape=W.shape[1]))]


def _activated(d: Diagram, terms: list[Node], activation: Block, clip: float | None) -> Diagram:
    """The gate with its last blocks: y = activation(sum of the terms)."""
    total = d.add("sum", Sum(), *terms)
    if clip is not None:
        total = d.add("clip", Saturation(-clip, clip), total)
    d.output("y", d.add("activation", activation, total))
    return d


# -- cells -----------------------------------------------------------------------------------------


def lstm(
    W: ArrayLike | None,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    activation: Block | None = None,
    gate_activation: Block | None = None,
    output_activation: Block | None = None,
    peephole: ArrayLike | None = None,
    coupled: bool | str = False,
    projection: ArrayLike | None = None,
    clip: float | None = None,
    name: str = "lstm",
) -> Diagram:
    """c = f*c[k-1] + i*g, h = o*tanh(c), with the gates i, f, g, o of x and h[k-1].

    Rows in the order [i; f; g; o]: W (4n, m), R (4n, n), b (4n,); h0, c0 (n,), zero if not given.
    Input x (m,), none without W (None); outputs h and c (n,). The two loops pass through the delays
    `hidden_state` and `cell_state`. Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al.
    2000.

    - activation (Tanh) makes g, gate_activation (Sigmoid) i, f and o; output_activation, that of g if
      not given, is applied to the cell for h.
    - peephole (3n,), rows [i; f; o]: the gates also see the cell, i and f that of the step before,
      o that of this step (Gers and Schmidhuber 2000).
    - coupled: i = 1 - f. The rows are [f; g; o] and those of the peepholes [f; o]. With "input"
      f = 1 - i, [i; g; o] and [i; o].
    - projection P (p, n): h = P (o*tanh(c)); then h and h0 are (p,) and R is (4n, p) (Sak et al. 2014).
    - clip: what goes into the activations of the gates is limited to -clip..clip.

    Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.lstm(np.ones((12, 4)), np.ones((12, 3)), np.zeros(12))
    >>> len(layer.flatten().nodes), layer.loops()[0]
    (27, ['cell_state', 'keep', 'c'])
    """
    where, keys = f"lstm {name!r}", "igo" if coupled == "input" else "fgo" if coupled else "ifgo"
    if isinstance(coupled, str) and coupled != "input":
        raise ParameterError(
            f"{where}, coupled", "True, False or 'input'", describe(coupled), "", user_line()
        )
    n = _units(where, W, b, keys)
    P = None if projection is None else real_array(where, "projection", projection, (None, n))
    p = n if P is None else len(P)
    rows = _rows(where, keys, W, R, b, n, p)
    seeing = keys.replace("g", "")
    sight: dict[str, Real] = {}
    if peephole is not None:
        peephole = real_array(where, "peephole", peephole, (len(seeing) * n,))
        sight = dict(zip(seeing, np.split(peephole, len(seeing)), strict=True))
    inner = _activation(where, "activation", activation, Tanh())
    outer = _activation(where, "gate_activation", gate_activation, Sigmoid())
    squash = _activation(where, "output_activation", output_activation, inner)
    clip = _clip(where, clip)

    d = Diagram(name)
    x = _input(d, rows["g"][0])
    hidden = d.add("hidden_state", UnitDelay(_initial(where, "h0", h0, p)))
    cell = d.add("cell_state", UnitDelay(_initial(where, "c0", c0, n)))
    for key in keys:
        kind = inner if key == "g" else outer
        d.add(key, gate(*rows[key], kind, peephole=sight.get(key), clip=clip, name=key), *x, hidden)
    if coupled:
        d.add("f" if "i" in keys else "i", Complement(), d[keys[0]])
    i, f, g, o = (d[key] for key in "ifgo")
    c = d.add("c", Sum(), d.add("keep", Product(), f, cell), d.add("write", Product(), i, g))
    h = d.add("h" if P is None else "show", Product(), o, d.add("squash", squash, c))
    if P is not None:
        h = d.add("projection", Gain(P), h)
    for key in sight:
        d.connect(c if key == "o" else cell, d[key], "c")  # a peephole
    d.connect(c, cell)  # the cell loop
    d.connect(h, hidden)  # the hidden loop
    d.output("h", h)
    d.output("c", c)
    return d


def gru(
    W: ArrayLike | None,
    R: ArrayLike,
    b: ArrayLike,
    b_r: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reset: str = "after",
    activation: Block | None = None,
    gate_activation: Block | None = None,
    clip: float | None = None,
    name: str = "gru",
) -> Diagram:
    """h = (1 - z)*n + z*h[k-1], with the gates r and z of x and h[k-1], and the candidate n.

    Rows in the order [r; z; n]: W (3n, m), R (3n, n), b (3n,); h0 (n,), zero if not given. Input x
    (m,), none without W (None); output h (n,). The loop passes through the delay `hidden_state`.

    - reset "after": n = tanh(W x + r*(R h + b_r) + b), with b_r (n,), none if not given;
      reset "before": n = tanh(W x + R (r*h) + b) (Cho et al. 2014).
    - activation (Tanh) makes n, gate_activation (Sigmoid) r and z.
    - clip: what goes into the activations is limited to -clip..clip.

    Raises ParameterError where the shapes disagree, and for a b_r with reset "before".

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.gru(np.ones((9, 4)), np.ones((9, 3)), np.zeros(9), reset="before")
    >>> layer.loops()
    [['hidden_state', 'keep', 'h']]
    """
    where = f"gru {name!r}"
    if reset not in ("before", "after"):
        raise ParameterError(f"{where}, reset", "'before' or 'after'", describe(reset), "", user_line())
    if reset == "before" and b_r is not None:
        raise ParameterError(
            f"{where}, b_r", "no recurrent bias with reset 'before'", describe(b_r),
            "Add it to the last rows of b.", user_line(),
        )  # fmt: skip
    n = _units(where, W, b, "rzn")
    rows = _rows(where, "rzn", W, R, b, n, n)
    b_r = None if b_r is None else real_array(where, "b_r", b_r, (n,))
    inner = _activation(where, "activation", activation, Tanh())
    outer = _activation(where, "gate_activation", gate_activation, Sigmoid())
    clip = _clip(where, clip)

    d = Diagram(name)
    x = _input(d, rows["r"][0])
    hidden = d.add("hidden_state", UnitDelay(_initial(where, "h0", h0, n)))
    r, z = (d.add(key, gate(*rows[key], outer, clip=clip, name=key), *x, hidden) for key in "rz")
    if reset == "before":
        past = d.add("reset", Product(), r, hidden)
        new = d.add("n", gate(*rows["n"], inner, clip=clip, name="n"), *x, past)
    else:
        new = d.add("n", reset_gate(*rows["n"], inner, b_r=b_r, clip=clip, name="n"), *x, hidden, r)
    write = d.add("write", Product(), d.add("complement", Complement(), z), new)
    h = d.add("h", Sum(), write, d.add("keep", Product(), z, hidden))
    d.connect(h, hidden)  # the hidden loop
    d.output("h", h)
    return d


def rnn(
    W: ArrayLike | None,
    R: ArrayLike,
    b: ArrayLike,
    h0: ArrayLike | None = None,
    *,
    activation: Block | None = None,
    clip: float | None = None,
    name: str = "rnn",
) -> Diagram:
    """h = tanh(W x + R h[k-1] + b), or another activation.

    W (n, m), R (n, n), b (n,); h0 (n,), zero if not given. Input x (m,), none without W (None); output
    h (n,). The loop passes through the delay `hidden_state`. With a clip the sum is limited to
    -clip..clip. Elman 1990. Raises ParameterError where the shapes disagree.

    >>> import blocksim as bs, numpy as np
    >>> layer = bs.nn.rnn(np.ones((3, 4)), np.ones((3, 3)), np.zeros(3))
    >>> layer.loops()
    [['hidden_state', 'h/R', 'h/sum', 'h/activation']]
    """
    where = f"rnn {name!r}"
    n = _units(where, W, b, "h")
    rows = _rows(where, "h", W, R, b, n, n)["h"]
    kind = _activation(where, "activation", activation, Tanh())
    clip = _clip(where, clip)
    d = Diagram(name)
    x = _input(d, rows[0])
    hidden = d.add("hidden_state", UnitDelay(_initial(where, "h0", h0, n)))
    h = d.add("h", gate(*rows, kind, clip=clip, name="h"), *x, hidden)
    d.connect(h, hidden)  # the hidden loop
    d.output("h", h)
    return d


# -- what the cells take ---------------------------------------------------------------------------


def _units(where: str, W: ArrayLike | None, b: ArrayLike, keys: str) -> int:
    """The number of units, of weights, or biases, with rows for each of the gates."""
    name, rows = (
        ("b", real_array(where, "b", b, (None,)))
        if W is None
        else ("W", real_array(where, "W", W, (None, None)))
    )
    if len(rows) % len(keys) or not len(rows):
        expected = f"{len(keys)}n rows, those of the gates {', '.join(keys)}" if len(keys) > 1 else "rows"
        raise ParameterError(f"{where}, {name}", expected, f"{len(rows)}", "", user_line())
    return len(rows) // len(keys)


def _rows(
    where: str, keys: str, W: ArrayLike | None, R: ArrayLike, b: ArrayLike, n: int, p: int
) -> dict[str, tuple[Real | None, Real, Real]]:
    """The rows of the weights and of the bias that are those of each gate."""
    count = len(keys) * n

    def split(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> list[Real]:
        return np.split(real_array(where, name, value, shape), len(keys))

    Ws = [None] * len(keys) if W is None else split("W", W, (count, None))
    return dict(
        zip(keys, zip(Ws, split("R", R, (count, p)), split("b", b, (count,)), strict=True), strict=True)
    )


def _input(d: Diagram, W: Real | None) -> list[Node]:
    """The input x that the weights W read, if there are any."""
    return [] if W is None else [d.input("x", shape=W.shape[1])]


def _initial(where: str, name: str, value: ArrayLike | None, n: int) -> Real:
    return real_array(where, name, np.zeros(n) if value is None else value, (n,))


def _activation(where: str, name: str, value: Any, default: Block) -> Block:
    if value is not None and not isinstance(value, Block):
        raise ParameterError(
            f"{where}, {name}",
            "a block",
            describe(value),
            "Give one of blocksim.library, as Tanh().",
            user_line(),
        )
    return default if value is None else value


def _clip(where: str, value: Any) -> float | None:
    return None if value is None else positive_number(where, "clip", value)
