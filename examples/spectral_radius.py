"""How training moves an LSTM toward the edge of chaos: its spectral radius along a run.

    pip install "blocksim[train]"
    python examples/spectral_radius.py [--runs 11] [--out FOLDER]
    python examples/spectral_radius.py mnist train-images-idx3-ubyte train-labels-idx1-ubyte
    python examples/spectral_radius.py text ptb.train.txt
    python examples/spectral_radius.py midi FOLDER_OR_FILES

The first takes scikit-learn's digits, which are in models/data, the last the songs of Nottingham, for
instance. The radius is that of the Jacobian of a step at the equilibrium of the autonomous network, the one
without input: 1 is where memory lasts, and where chaos begins. All biases are zero at first, and so is the
equilibrium. After every tenth of the run it is computed again, printed, and drawn with the eigenvalues. With
several runs, each from weights of its own, the least and the largest rise of the radius are printed, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from loaders import idx, piano_rolls, words

import blocksim as bs

DIGITS = Path(__file__).parents[1] / "models" / "data" / "lstm_digits_test.safetensors"
Weights = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """What is learned: sequences x (N, T, ...), what is to come out, the loss for one, and the network."""

    x: np.ndarray
    target: np.ndarray
    loss: Callable[[Any, Any], Any]
    inputs: int
    units: int
    outputs: int
    batch: int
    embedded: bool = False

    def network(self, seed: int) -> bs.Diagram:
        """Uniform weights to 1 / sqrt(units), biases of zero."""
        rng, n = np.random.default_rng(seed), self.units
        W, R, V = (
            rng.uniform(-1, 1, shape) / np.sqrt(n)
            for shape in ((4 * n, self.inputs), (4 * n, n), (self.outputs, n))
        )
        layers = [bs.nn.lstm(W, R, np.zeros(4 * n)), bs.nn.dense(V, np.zeros(self.outputs))]
        if self.embedded:
            layers.insert(0, bs.nn.embedding(rng.normal(size=(self.outputs, self.inputs))))
        return bs.nn.sequential(layers)


# -- tasks -------------------------------------------------------------------------------------------


def images(x: np.ndarray, labels: np.ndarray, units: int, count: int) -> Task:
    """A row of an image a step, the class at the end: of the first images, all at once."""

    def loss(y: Any, label: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(y[-1], label)

    x, labels = x[:count] / x.max(), labels[:count].astype(int)
    return Task(x, labels, loss, x.shape[2], units, int(labels.max()) + 1, len(x))


def digits() -> Task:
    """100 of scikit-learn's digits, 8x8."""
    data = bs.load_weights(DIGITS, "images", "labels")
    return images(data["images"].astype(float), data["labels"], 32, 100)


def mnist(image_file: Path, label_file: Path, units: int = 128, count: int = 100) -> Task:
    """Images in rows, from IDX files."""
    x, labels = idx(image_file), idx(label_file)
    if x.ndim != 3 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"images (N, rows, columns) and labels (N,) are needed, not {x.shape} and {labels.shape}"
        )
    return images(x.astype(float), labels, units, count)


def text(file: Path, units: int = 200, vocabulary: int = 1000, steps: int = 20) -> Task:
    """The next word, at each step: the text in pieces of so many words."""
    found, known = words(file, vocabulary)
    count = (len(found) - 1) // steps
    if not count:
        raise ValueError(f"{file}: {len(found)} words, fewer than the {steps + 1} of a piece")
    rows = np.stack([found[k * steps : (k + 1) * steps + 1] for k in range(count)])

    def loss(y: Any, word: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(y, word).mean()

    return Task(rows[:, :-1], rows[:, 1:], loss, units, units, len(known), 20, embedded=True)


def music(files: list[Path], units: int = 200, steps: int = 50) -> Task:
    """Which notes sound next, at each step: the songs in pieces of so many steps."""
    paths = sorted(f for path in files for f in (path.rglob("*.mid") if path.is_dir() else [path]))
    rolls, pitches = piano_rolls(paths)
    rows = [roll[k : k + steps + 1] for roll in rolls for k in range(0, len(roll) - steps, steps)]
    if not rows:
        raise ValueError(f"no song is longer than the {steps} steps of a piece")
    pieces = np.stack(rows)

    def loss(y: Any, sounding: Any) -> Any:
        return optax.sigmoid_binary_cross_entropy(y, sounding).sum(-1).mean()

    return Task(pieces[:, :-1], pieces[:, 1:], loss, len(pitches), units, len(pitches), 20)


# -- the run -----------------------------------------------------------------------------------------


def train(task: Task, steps: int = 600, rate: float = 3e-3, stored: int = 10, seed: int = 0):
    """Yields (step, loss, weights) at the start and after each of the `stored` parts of the run, by Adam."""
    network = task.network(seed)
    f, optimizer = bs.function(network, dtype="float32"), optax.adam(rate)
    x, target = jnp.asarray(task.x), jnp.asarray(task.target)
    trained = [path for path in network.parameters() if "state" not in path]

    def error(weights: Weights, chosen: Any) -> Any:
        y = jax.vmap(lambda one: f(weights, {"x": one})[0]["y"])(x[chosen])
        return jax.vmap(task.loss)(y, target[chosen]).mean()

    def step(carry: Any, chosen: Any) -> Any:
        weights, state = carry
        loss, gradient = jax.value_and_grad(error)(weights, chosen)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(weights, change), state), loss

    run = jax.jit(lambda carry, chosen: jax.lax.scan(step, carry, chosen))
    weights = jax.tree.map(lambda a: jnp.asarray(a, "float32"), {p: network.parameters()[p] for p in trained})
    carry, part = (weights, optimizer.init(weights)), max(1, steps // stored)
    rng, batch = np.random.default_rng(seed), min(task.batch, len(task.x))
    yield 0, float(error(weights, np.arange(batch))), weights
    for k in range(part, steps + 1, part):
        chosen = np.stack([rng.permutation(len(task.x))[:batch] for _ in range(part)])
        carry, losses = run(carry, chosen)
        yield k, float(losses[-1]), carry[0]


def eigenvalues(weights: Weights) -> np.ndarray:
    """Those of the Jacobian of a step at the equilibrium of the LSTM without input."""
    found = bs.analysis.equilibrium(autonomous(weights))
    if found.status != "ok":
        raise ValueError(f"no equilibrium: {found.reason}")
    return np.asarray(found.eigenvalues)


def autonomous(weights: Weights) -> bs.Diagram:
    """The LSTM of the network, without its input."""
    R, b = (
        np.concatenate([np.asarray(weights[f"lstm/{gate}/{name}"][field], float) for gate in "ifgo"])
        for name, field in (("R", "K"), ("b", "value"))
    )
    return bs.nn.lstm(None, R, b)


def follow(task: Task, **options: Any) -> list[tuple[int, float, np.ndarray]]:
    """(step, loss, eigenvalues) along a run."""
    return [(step, loss, eigenvalues(weights)) for step, loss, weights in train(task, **options)]


def draw(name: str, runs: list[list[tuple[int, float, np.ndarray]]], folder: Path) -> list[Path]:
    """The radius along all runs, and the eigenvalues at both ends of the first."""
    files = [folder / f"{what}_{name}.png" for what in ("spectral_radius", "eigenvalues")]
    radii = {f"run {k}": [abs(found).max() for *_, found in rows] for k, rows in enumerate(runs)}
    shown = radii if len(runs) > 1 else radii["run 0"]
    bs.analysis.plot_spectral_radius(shown, files[0], steps=[step for step, *_ in runs[0]], title=name)
    ends = {"before training": runs[0][0][2], "after": runs[0][-1][2]}
    bs.analysis.plot_eigenvalues(ends, files[1], title=name)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", nargs="?", default="digits", choices=["digits", "mnist", "text", "midi"])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1, help="with this seed and the next ones")
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    needed = {"digits": (0, 0), "mnist": (2, 2), "text": (1, 1), "midi": (1, 10**6)}[options.task]
    if not needed[0] <= len(options.files) <= needed[1]:
        parser.error(f"{options.task} takes {needed[0]} files{' or more' if options.task == 'midi' else ''}")
    make = {"digits": digits, "mnist": mnist, "text": text, "midi": lambda *files: music(list(files))}
    try:
        task = make[options.task](*options.files)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    options.out.mkdir(parents=True, exist_ok=True)
    runs = [follow(task, steps=options.steps, seed=options.seed + k) for k in range(max(1, options.runs))]
    print(" step   loss  radius  largest real part")
    for step, loss, found in runs[0]:
        print(f"{step:5d} {loss:6.3f} {abs(found).max():7.3f} {np.real(found).max():18.3f}")
    if len(runs) > 1:
        rises = [abs(rows[-1][2]).max() - abs(rows[0][2]).max() for rows in runs]
        print(f"the radius rises by {min(rises):.3f} to {max(rises):.3f} in {len(runs)} runs")
    for file in draw(options.task, runs, options.out):
        print(file)


if __name__ == "__main__":
    main()
