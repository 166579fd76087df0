"""An LSTM that is a linear system: how far off it is by its scale, and what training makes of it.

    pip install "blocksim[train]"
    python examples/linear_system.py [--epochs 1000] [--iterations 100] [--out FOLDER]

Calculated weights first: the error of `models/lstm_linear_system.py` against the scale, in both constructions
and precisions, and the response to three times the input. Then all weights are trained, from the calculated
and from random ones, by Adam and from there by Levenberg and Marquardt's method. Adam from calculated weights
makes them worse, since one step of its size is far larger than the weights of the input; that is no local
minimum, as the other method goes on far below the loss of the calculated weights. Adam's runs are chaotic:
their numbers differ from one machine to the next. Two pictures are written to FOLDER.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.linalg import eigvals
from scipy.signal import dlsim

import blocksim as bs
from blocksim.script import Script

MODEL = Script(Path(__file__).parents[1] / "models" / "lstm_linear_system.py").module
SYSTEM = MODEL.A, MODEL.B, MODEL.C, MODEL.D
SCALES = 10.0 ** np.arange(-13, 0)
SCALE = 1e-3
"""That of the networks that are trained."""
UNITS = {"lstm/g/W": SCALE, "lstm/g/R": 1.0, "lstm/g/b": SCALE, "F": 1 / SCALE}


def response(u):
    """What the system answers to (B, T, 1)."""
    return np.stack([dlsim((*SYSTEM, 1), one)[1] for one in u])


def noise(samples, seed, runs=1):
    return np.random.default_rng(seed).normal(size=(runs, samples, 1))


# -- calculated weights ------------------------------------------------------------------------------


def scaling(runs: int = 50) -> dict[tuple[str, str], np.ndarray]:
    """The mean norm of y - z over 51 samples for each of SCALES, by construction and precision."""
    u = noise(51, 0, runs)
    z, found = response(u), {}
    for construction in ("output", "inverse"):
        for dtype in ("float64", "float32"):
            networks = [bs.nn.lstm_from_linear_system(*SYSTEM, s, construction) for s in SCALES]
            y = [bs.simulate(network, {"u": u}, dtype=dtype)["y"] for network in networks]
            found[construction, dtype] = np.array([np.linalg.norm(one - z, axis=1).mean() for one in y])
    return found


def linearity(params: Any, samples: int = 1001, seed: int = 2) -> tuple[float, float]:
    """The mean squares of y - z on data of its own, and at three times the input, of a network of SCALE."""
    network, u = bs.nn.lstm_from_linear_system(*SYSTEM, SCALE), noise(samples, seed)
    one, three = (bs.simulate(network, {"u": k * u}, params=params)["y"] - k * response(u) for k in (1, 3))
    return float((one**2).mean()), float((three**2).mean())


# -- training ----------------------------------------------------------------------------------------


class Training:
    """The loss of a network of SCALE on 1001 samples of noise; parameters are those of the LSTM and of F."""

    def __init__(self, samples: int = 1001, seed: int = 1) -> None:
        network = bs.nn.lstm_from_linear_system(*SYSTEM, SCALE)
        u = noise(samples, seed)[0]
        z, f = response(u[None])[0], bs.function(network, dtype="float64")
        self.calculated = {p: a for p, a in network.parameters().items() if "state" not in p}
        self.residual = lambda params: (f(params, {"u": u})[0]["y"] - z).ravel()
        self.loss = lambda params: (self.residual(params) ** 2).mean()

    def random(self, seed: int = 0):
        """All weights uniform from 0 to 1."""
        rng = np.random.default_rng(seed)
        return {
            p: {k: rng.uniform(size=a.shape) for k, a in own.items()} for p, own in self.calculated.items()
        }

    def adam(self, params: Any, rate: float, decay: float, epochs: int) -> tuple[Any, np.ndarray]:
        """The parameters after full-batch epochs, and the loss before each: rate * decay^(epoch // 100)."""
        schedule = optax.exponential_decay(rate, 100, decay, staircase=True)
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

        def epoch(carry: Any, _: Any) -> Any:
            params, state = carry
            loss, gradient = jax.value_and_grad(self.loss)(params)
            change, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, change), state), loss

        start = jax.tree.map(jax.numpy.asarray, params)
        run = jax.jit(lambda start: jax.lax.scan(epoch, (start, optimizer.init(start)), length=epochs))
        (params, _), losses = run(start)
        return params, np.asarray(losses)

    def levenberg_marquardt(self, params: Any, iterations: int) -> tuple[Any, float]:
        """The parameters after so many iterations, and their loss.

        The rows of g and F change; the gates, saturated, hardly count. W_g and b_g are taken in units of the
        scale, F in those of its inverse.
        """
        names = [(path, field) for path in UNITS for field in params[path]]
        start = [np.asarray(params[path][field]) / UNITS[path] for path, field in names]
        ends = np.cumsum([a.size for a in start])[:-1]

        def changed(x: Any) -> Any:
            found = {path: dict(fields) for path, fields in params.items()}
            for (path, field), old, part in zip(names, start, jax.numpy.split(x, ends), strict=True):
                found[path][field] = UNITS[path] * part.reshape(old.shape)
            return found

        residual = jax.jit(lambda x: self.residual(changed(x)))
        jacobian = jax.jit(jax.jacfwd(lambda x: self.residual(changed(x))))
        x, damping = np.concatenate([a.ravel() for a in start]), 1e-3
        r = np.asarray(residual(x))
        for _ in range(iterations):
            J = np.asarray(jacobian(x))
            H = J.T @ J
            weight = np.diag(np.maximum(np.diag(H), 1e-9 * np.diag(H).max()))
            while damping < 1e12:
                trial = x - np.linalg.solve(H + damping * weight, J.T @ r)
                after = np.asarray(residual(trial))
                if after @ after < r @ r:
                    x, r, damping = trial, after, damping / 3
                    break
                damping *= 4
        return changed(x), float((r**2).mean())


# -- what is printed and drawn -----------------------------------------------------------------------


def described(A, B, C, D) -> list[str]:
    """D, the gain at rest, and the radii of the poles and of the finite zeros."""
    n = len(A)
    pencil = np.block([[A, B], [C, D]]), np.pad(np.eye(n), (0, 1))
    zeros = abs(np.asarray(eigvals(*pencil)))
    gain = C @ np.linalg.solve(np.eye(n) - A, B) + D
    radii = (np.sort(r)[::-1] for r in (abs(np.linalg.eigvals(A)), zeros[zeros < 100]))
    return [f"{D.item():.4f}", f"{gain.item():.4f}", *(" ".join(f"{r:.3f}" for r in row) for row in radii)]


def print_scaling(found: dict[tuple[str, str], np.ndarray]) -> None:
    table = Table("scale", *(f"{construction}, {dtype}" for construction, dtype in found))
    for k, scale in enumerate(SCALES):
        table.add_row(f"{scale:.0e}", *(f"{errors[k]:.2e}" for errors in found.values()))
    Console().print("mean norm of y - z over 51 samples of white noise", table)


def draw_scaling(found: dict[tuple[str, str], np.ndarray], file: Path) -> Path:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (construction, dtype), errors in found.items():
        style = "-" if construction == "output" else "--"
        axes.loglog(SCALES, errors, style, marker="o", ms=3, label=f"{construction}, {dtype}")
    axes.loglog(SCALES, 1.1e5 * SCALES**2, ":", color="gray", label="1.1e5 scale²")
    axes.set(xlabel="scale", ylabel="norm of y - z, 51 samples", ylim=(1e-15, 1e3))
    axes.legend()
    figure.savefig(file, dpi=120)
    return file


def draw_losses(losses: dict[str, np.ndarray], calculated: float, file: Path) -> Path:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, row in losses.items():
        axes.semilogy(row, lw=1, label=f"Adam, {name}")
    axes.axhline(calculated, ls=":", color="gray", label="calculated weights")
    axes.set(xlabel="epoch", ylabel="mean square of y - z")
    axes.legend()
    figure.savefig(file, dpi=120)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_enable_x64", True)

    found = scaling()
    print_scaling(found)
    training, losses = Training(), {}
    rows = {"calculated": training.calculated}
    starts = {"calculated": (training.calculated, 1e-4, 0.99), "random": (training.random(), 0.04, 0.98)}
    for name, (start, rate, decay) in starts.items():
        rows[f"{name}, Adam"], losses[name] = training.adam(start, rate, decay, options.epochs)
    for name in ("calculated", "calculated, Adam"):
        rows[f"{name}, L-M"], _ = training.levenberg_marquardt(rows[name], options.iterations)

    table = Table("weights", "loss", "other data", "3 u", "D", "gain at rest", "poles' radii", "zeros' radii")
    table.add_row("the system", "", "", "", *described(*SYSTEM))
    for name, params in rows.items():
        system = [] if "random" in name else described(*bs.nn.linear_system_from_lstm(params, SCALE))
        squares = (float(training.loss(params)), *linearity(params))
        table.add_row(name, *(f"{square:.2g}" for square in squares), *system)
    Console().print("mean squares of y - z over 1001 samples, and the linear systems in the weights", table)
    print(f"largest loss on the way from the calculated weights: {losses['calculated'].max():.3g}")
    print(draw_scaling(found, options.out / "linear_system_scaling.png"))
    print(draw_losses(losses, losses["calculated"][0], options.out / "linear_system_training.png"))


if __name__ == "__main__":
    main()
