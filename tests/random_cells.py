"""Random recurrent cells: what `nn` and `nn.reference` both take, with activations by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import blocksim as bs
from blocksim import library as lib

BLOCKS = {
    "sigmoid": lib.Sigmoid(), "tanh": lib.Tanh(), "relu": lib.ReLU(), "softsign": lib.Softsign(),
    "softplus": lib.Softplus(), "hard_sigmoid": lib.HardSigmoid(), "leaky_relu": lib.LeakyReLU(),
    "elu": lib.ELU(), "identity": lib.Affine(),
}  # fmt: skip
ACTIVATION = st.sampled_from(["tanh", "softsign", "relu", "leaky_relu", "elu", "softplus", "identity"])
GATE = st.sampled_from(["sigmoid", "hard_sigmoid"])
CLIP = st.sampled_from([None, 0.2, 1.0])
COMMON = {"activation": ACTIVATION, "clip": CLIP, "initial": st.booleans()}
OPTIONS = {
    "lstm": st.fixed_dictionaries(
        COMMON | {
            "gate_activation": GATE, "output_activation": st.none() | ACTIVATION, "peephole": st.booleans(),
            "coupled": st.sampled_from([False, True, "input"]), "projection": st.none() | st.integers(1, 5),
        },
    ),
    "gru": st.fixed_dictionaries(
        COMMON | {"gate_activation": GATE, "reset": st.sampled_from(["before", "after", "recurrent bias"])},
    ),
    "rnn": st.fixed_dictionaries(COMMON),
}  # fmt: skip


def random_cell(kind: str, rng: np.random.Generator, m: int, n: int, **options: Any) -> dict[str, Any]:
    """The arguments of a cell with m inputs and n units: arrays for what the options ask for."""
    initial, projection = options.pop("initial", True), options.pop("projection", None)
    gates = {"lstm": 3 if options.get("coupled") else 4, "gru": 3, "rnn": 1}[kind]
    p = projection or n
    shapes: dict[str, tuple[int, ...]] = {"W": (gates * n, m), "R": (gates * n, p), "b": (gates * n,)}
    if projection:
        shapes["projection"] = (p, n)
    if options.pop("peephole", False):
        shapes["peephole"] = ((gates - 1) * n,)
    if options.get("reset") == "recurrent bias":
        options["reset"], shapes["b_r"] = "after", (n,)
    if initial:
        shapes |= {"h0": (p,)} | ({"c0": (n,)} if kind == "lstm" else {})
    scale = {"R": 0.9 / n, "projection": 0.9 / n}  # what has no bounds grows slowly
    return options | {name: scale.get(name, 1.0) * rng.normal(size=shape) for name, shape in shapes.items()}


def diagram(kind: str, arguments: dict[str, Any]) -> bs.Diagram:
    """The cell as a diagram."""
    return getattr(bs.nn, kind)(
        **{k: BLOCKS[v] if k.endswith("activation") and v else v for k, v in arguments.items()}
    )


def reference(kind: str, x: np.ndarray, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """The outputs of the cell by name, over the sequence."""
    y = getattr(bs.nn.reference, kind)(x, **arguments)
    return dict(zip("hc", y, strict=True)) if kind == "lstm" else {"h": y}
