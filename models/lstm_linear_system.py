"""A linear system of order 4 as an LSTM whose weights are calculated, beside the system itself.

    G(s) = 5e5 (s + 4) / [(s + 9 +- 5i) (s + 2 +- 50i)], held over steps of 0.01 s

    blocksim run models/lstm_linear_system.py
    blocksim run models/lstm_linear_system.py -p scale=1e-4 -p construction=inverse

The error y - z falls with the square of the scale. `examples/linear_system.py` measures how.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.signal import dlsim

import blocksim as bs
from blocksim.library import DiscreteStateSpace, Sum

DT = 0.01
RECORD = ["u", "network/lstm/h"]

A = np.array(
    [
        [0.91278901, 1, 0, 0],
        [-0.00208644, 0.91278901, -0.39453673, 2.55215088],
        [0, 0, 0.86020526, 1],
        [0, 0, -0.22083634, 0.86020526],
    ]
)
B = np.array([[0], [0.31036139], [0], [0.52005200]])
C = np.array([[0.29726932, 0.25348820, 0, 0]])
D = np.zeros((1, 1))


def model(scale: float = 1e-3, construction: str = "output") -> bs.Diagram:
    network = bs.nn.lstm_from_linear_system(A, B, C, D, scale, construction, name="network")
    d = bs.Diagram("lstm_linear_system")
    u = d.input("u", shape=1)
    y, z = d.add("network", network, u), d.add("system", DiscreteStateSpace(A, B, C, D), u)
    d.output("y", y)
    d.output("z", z)
    d.output("error", d.add("error", Sum("+-"), y, z))
    return d


def inputs(seed: int = 0):
    """51 samples of white noise."""
    return {"u": np.random.default_rng(seed).normal(size=(51, 1))}


def reference(data, scale, construction):
    """The network by the vectorized LSTM, the system by scipy."""
    p = model(scale, construction).parameters()
    W, R, b = (
        np.concatenate([p[f"network/lstm/{gate}/{name}"][field] for gate in "ifgo"])
        for name, field in (("W", "K"), ("R", "K"), ("b", "value"))
    )
    h, _ = bs.nn.reference.lstm(data["u"], W, R, b)
    y, z = h @ p["network/F"]["K"].T, dlsim((A, B, C, D, DT), data["u"])[1]
    return {"y": y, "z": z, "error": y - z}


def at_rest(A, B, C, D):
    """What comes out for an input that stays 1."""
    return (C @ np.linalg.solve(np.eye(len(A)) - A, B) + D).item()


def report(result: bs.Result, folder: Path, scale, construction):
    """How far the network is from the system, also at three times the input, and both over time."""
    threefold = bs.simulate(model(scale, construction), {"u": 3 * result["u"]}, dt=DT)
    one, three = (np.linalg.norm(run["error"]) for run in (result, threefold))
    network = bs.nn.lstm_from_linear_system(A, B, C, D, scale, construction)
    system, read = (A, B, C, D), bs.nn.linear_system_from_lstm(network, scale)
    table = Table("samples", f"{len(result['u'])}")
    table.add_row("norm of y - z", f"{one:.3g} = {one / scale**2:.3g} scale^2")
    table.add_row("at three times the input", f"{three / one:.1f} times that")
    table.add_row("gain at rest, of the system", f"{at_rest(*system):.7f}")
    table.add_row("gain at rest, read out of the weights", f"{at_rest(*read):.7f}")
    Console().print(table)

    picture = folder / "lstm_linear_system_signals.png"
    result.plot(picture, ["u", "y", "z", "error"])
    return [picture]
