"""A network that swings: a sequence to a sequence of numbers, input (1,) -> LSTM of 64 -> dense (1).

    blocksim run models/pendulum.py -p run=3

The input is the torque on a damped pendulum, the output its angle at the same step. The network is causal
and runs a step at a time, as the pendulum does. The angles come from the integrated equation, with swings
for which it is not linear; the weights were trained by `examples/train_sequences.py` on other torques.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import blocksim as bs

WEIGHTS = Path(__file__).parent / "data" / "pendulum.safetensors"
INPUTS, UNITS, STEPS = 1, 64, 100
DT = 0.2
DAMPING = 0.3
RECORD = ["x", "lstm/c", "lstm/h"]


def torques(count, seed):
    """Torques (count, T, 1) that hold for a random while, up to 0.6 of what would hold it level."""
    rng = np.random.default_rng(seed)
    changes = rng.random((count, STEPS)) < 0.1
    changes[:, 0] = True
    levels = rng.uniform(-0.6, 0.6, (count, STEPS))
    since = np.maximum.accumulate(np.where(changes, np.arange(STEPS), 0), axis=1)
    return np.take_along_axis(levels, since, axis=1)[..., None]


def swing(torque):
    """The angle in radians at each step: angle'' = -sin(angle) - DAMPING angle' + torque, from rest."""

    def slope(state, u):
        angle, speed = state
        return np.array([speed, -np.sin(angle) - DAMPING * speed + u])

    state, angles = np.zeros((2, len(torque))), []
    for u in torque[..., 0].T:  # Runge-Kutta, the torque held over a step
        angles.append(state[0])
        k1 = slope(state, u)
        k2 = slope(state + DT / 2 * k1, u)
        k3 = slope(state + DT / 2 * k2, u)
        k4 = slope(state + DT * k3, u)
        state = state + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.array(angles).T[..., None]


def network(w, steps=None) -> bs.Diagram:
    layers = [bs.nn.lstm(w["W"], w["R"], w["b"]), bs.nn.dense(w["V"], w["d"])]
    return bs.nn.sequential(layers, steps, name="pendulum")


def weights():
    """W (4n, m), R (4n, n), b (4n,) of the LSTM and V (1, n), d (1,) of the dense layer, in float64."""
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def inputs(count: int = 50):
    """A batch of torques that were not trained on."""
    return {"x": torques(count, 1)}


def reference(data):
    """The same network over all torques at once, without blocks."""
    w = weights()
    h, c = bs.nn.reference.lstm(data["x"], w["W"], w["R"], w["b"])
    return {"y": bs.nn.reference.dense(h, w["V"], w["d"]), "lstm/h": h, "lstm/c": c}


def report(result: bs.Result, folder: Path, run: int = 0):
    """How far the angles are from the pendulum's, one run of both, and the layer's activations in it."""
    x, y = (result[name].reshape(-1, len(result.time), 1) for name in ("x", "y"))  # one run, or a batch
    angles = swing(x)
    table = Table("runs", f"{len(x)}")
    table.add_row("root mean square error, in rad", f"{np.sqrt(np.mean((y - angles) ** 2)):.3f}")
    table.add_row("that of a pendulum at rest", f"{np.sqrt(np.mean(angles**2)):.3f}")
    Console().print(table)

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(2, sharex=True, height_ratios=(1, 2))
    axes[0].step(result.time, x[run, :, 0], where="post", color="tab:gray")
    axes[0].set_ylabel("torque")
    axes[1].plot(result.time, angles[run, :, 0], color="black", label="pendulum")
    axes[1].plot(result.time, y[run, :, 0], "--", color="tab:red", label="network")
    axes[1].set(xlabel="time (s)", ylabel="angle (rad)")
    axes[1].legend(frameon=False, loc="upper right")
    pictures = [folder / "pendulum_angles.png", folder / "pendulum_activations.png"]
    figure.savefig(pictures[0], dpi=150)
    one = bs.simulate(model(), {"x": x[run]}, record=RECORD, dt=DT)
    one.plot(pictures[1], [*RECORD, "y"])
    return pictures
