"""The autonomous LSTM in closed form: its map, its Jacobian, and the reduction to the hidden state alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blocksim.analysis.newton import Vector
from blocksim.analysis.system import System
from blocksim.diagram import Diagram
from blocksim.nn import lstm
from blocksim.node import Port

GATES = "ifgo"
LARGEST = 60.0
"""e^z of the forget gate is taken of at most this z: beyond it the cell has long saturated its tanh."""


def sigmoid(z: Vector) -> Vector:
    """1 / (1 + e^-z), to full relative precision at both ends, without overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1 + small)


@dataclass(frozen=True)
class LstmForm:
    """c+ = f*c + i*g, h+ = o*tanh(c+), with z_j = W_j h + b_j: W (4, n, n), b (4, n), of i, f, g, o.

    `W` are the recurrent weights and `b` the sums of all biases, those of a constant input among them.
    The vectors x are [c; h].
    """

    W: Vector
    b: Vector

    @property
    def n(self) -> int:
        """The number of units."""
        return self.b.shape[1]

    def gates(self, h: Vector, b: Vector | None = None) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        """i, f, g, o and z_f."""
        # without the threads of a product by BLAS, for which these matrices are too small
        z = np.einsum("knm,m->kn", self.W, h) + (self.b if b is None else b)
        i, f, o = sigmoid(z[[0, 1, 3]])
        return i, f, np.tanh(z[2]), o, z[1]

    def step(self, x: Vector, b: Vector | None = None) -> Vector:
        """x+ (2n,)."""
        c, h = np.split(x, 2)
        i, f, g, o, _ = self.gates(h, b)
        after = f * c + i * g
        return np.concatenate([after, o * np.tanh(after)])

    def jacobian(self, x: Vector, b: Vector | None = None) -> Vector:
        """dx+/dx (2n, 2n)."""
        c, h = np.split(x, 2)
        i, f, g, o, z_f = self.gates(h, b)
        squashed = np.tanh(f * c + i * g)
        k = o * (1 - squashed**2)
        scale = np.stack([g * i * (1 - i), c * f * sigmoid(-z_f), i * (1 - g * g)])
        M = np.einsum("kn,knm->nm", scale, self.W[:3])
        to_h = (squashed * o * (1 - o))[:, None] * self.W[3] + k[:, None] * M
        return np.block([[np.diag(f), M], [np.diag(k * f), to_h]])

    def cell(self, h: Vector) -> Vector:
        """The cell that goes with h at an equilibrium: c = i*g*(1 + e^z_f), infinite beyond LARGEST.

        There f is 1 in floats and c so large that c + i*g is c: each number would pass for an equilibrium.
        """
        i, _, g, _, z_f = self.gates(h)
        return np.where(z_f > LARGEST, np.inf, i * g * (1 + np.exp(np.minimum(z_f, LARGEST))))

    def lift(self, h: Vector) -> Vector:
        """[c; h]."""
        return np.concatenate([self.cell(h), h])

    def reduced(self, h: Vector, b: Vector | None = None) -> tuple[Vector, Vector]:
        """R(h) = o*tanh(c(h)), whose fixed points are the equilibria, and R' (n, n)."""
        value, by_bias = self.sensitive(h, b)
        return value, np.einsum("kn,knm->nm", by_bias, self.W)

    def sensitive(self, h: Vector, b: Vector | None = None) -> tuple[Vector, Vector]:
        """R(h) and dR/db (4, n): R's element m depends on the biases of unit m alone."""
        i, f, g, o, z_f = self.gates(h, b)
        gain = 1 + np.exp(np.minimum(z_f, LARGEST))
        c = i * g * gain
        squashed = np.tanh(c)
        k = o * (1 - squashed**2)
        by_bias = [k * c * (1 - i), k * c * f, k * i * (1 - g * g) * gain, squashed * o * (1 - o)]
        return o * squashed, np.stack(by_bias)


@dataclass(frozen=True)
class Found:
    """An LSTM in a diagram: its form, and the paths of its two states."""

    form: LstmForm
    hidden: str
    cell: str


def find_lstm(system: System) -> Found | None:
    """The LSTM that a system consists of, as far as its states go, with its constant input in the biases.

    It is found by its structure: the delays `hidden_state` and `cell_state` are the only states, and all
    blocks beside them are those that `nn.lstm` makes of the same weights, wired in the same way, with an
    input of the gates, if they have one, that does not depend on the states. None for anything else.
    Blocks before and after it do not matter.
    """
    paths = {path.rpartition("/")[2]: path for path in system.plan.initial_state}
    if set(paths) != {"hidden_state", "cell_state"} or len(system.plan.initial_state) != 2:
        return None
    prefix = paths["cell_state"].removesuffix("cell_state")
    if paths["hidden_state"] != f"{prefix}hidden_state":
        return None
    flat = system.plan.flat
    W, R, b = (_stacked(system, prefix, name, key) for name, key in (("W", "K"), ("R", "K"), ("b", "value")))
    if R is None or b is None or b.ndim != 2 or R.shape != (4, b.shape[1], b.shape[1]):
        return None
    if not all(w is None or np.isfinite(w).all() for w in (W, R, b)):
        return None
    x, n = "", b.shape[1]
    if W is not None:
        source = flat.nodes[f"{prefix}g/W"].wires.get("u")
        if W.ndim != 3 or source is None or _reads(flat, source, prefix):
            return None
        x = source.path
    made = lstm(None if W is None else W.reshape(4 * n, -1), R.reshape(4 * n, n), b.ravel()).flatten()
    if _wiring(made, "", "x") != _wiring(flat, prefix, x):
        return None
    if W is not None:
        b = b + W @ system.signals(system.x0)[x]
    return Found(LstmForm(R, b), paths["hidden_state"], paths["cell_state"])


def _stacked(system: System, prefix: str, name: str, field: str) -> Vector | None:
    """A parameter of the four gates, as the system has it."""
    found = []
    for path in (f"{prefix}{gate}/{name}" for gate in GATES):
        if path not in system.plan.blocks:
            return None
        found.append(({**system.plan.blocks[path].parameters(), **system.params.get(path, {})}).get(field))
    shapes = {np.shape(a) for a in found}
    return None if len(shapes) > 1 or any(a is None for a in found) else np.stack(found)


def _reads(flat: Diagram, source: Port, prefix: str) -> bool:
    """Whether a signal comes, through any blocks, from one under the prefix."""
    waiting, seen = [source.node.name], set()
    while waiting:
        name = waiting.pop()
        if name in flat.nodes and name not in seen:
            if name.startswith(prefix):
                return True
            seen.add(name)
            waiting += [origin.node.name for origin in flat.nodes[name].wires.values()]
    return False


def _wiring(flat: Diagram, prefix: str, x: str) -> dict[str, tuple[str, dict[str, str]]]:
    """What each block under the prefix is, and what it reads, with the signal x under that name."""

    def name_of(origin: Port) -> str:
        if origin.path == x:
            return "input x"
        name = origin.node.name
        return name.removeprefix(prefix) if name.startswith(prefix) else f"{name} outside"

    return {
        path.removeprefix(prefix): (
            repr(node.block),
            {port: name_of(origin) for port, origin in node.wires.items()},
        )
        for path, node in flat.nodes.items()
        if path.startswith(prefix)
    }
