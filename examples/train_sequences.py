"""Train the sequence networks of models/: the models' own diagrams, by bs.function, jax.grad and optax.

    pip install "blocksim[train]"
    python examples/train_sequences.py [NAME ...]

Each of the functions below is one network: its data, its first weights, and what is to become small. The
weights are written to models/data/NAME.safetensors as float16. The seeds are fixed. All networks take
about six minutes on four cores; with NAME only that one is trained.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

import blocksim as bs
from blocksim.script import Script

MODELS = Path(__file__).parents[1] / "models"
BATCH = 64
Weights = dict[str, Any]


# -- what all of them share --------------------------------------------------------------------------


def fit(
    network: Callable[[Weights], bs.Diagram],
    weights: Weights,
    names: Callable[[Weights], Weights],
    batches: Iterable[dict[str, Any]],
    loss: Callable[[Any, dict[str, Any]], Any],
    steps: int,
    rate: float = 0.005,
    drop: Callable[[Weights, Any], Weights] = lambda weights, key: weights,
) -> Weights:
    """The weights, fitted by AdamW along a cosine to make the mean of `loss(y, batch)` small.

    `names` says where the trained ones go: `{path/of/field: array}`; `drop` makes some of them 0 at random.
    """
    diagram = network({name: np.asarray(value, float) for name, value in weights.items()})
    f = bs.function(diagram)
    fields = {f"{path}/{field}": (path, field) for path, own in diagram.parameters().items() for field in own}
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=1e-3),
    )

    def error(weights: Weights, batch: dict[str, Any], key: Any) -> Any:
        params: dict[str, dict[str, Any]] = {}
        for name, value in names(drop(weights, key)).items():
            path, field = fields[name]
            params.setdefault(path, {})[field] = value
        outputs, _ = f(params, {name: batch[name] for name in diagram.inputs})
        return loss(outputs["y"], batch).mean()

    @jax.jit
    def step(weights: Weights, state: Any, batch: dict[str, Any], key: Any) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(error)(weights, batch, key)
        change, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, change), state, value

    weights = {name: jnp.asarray(value, "float32") for name, value in weights.items()}
    state, key = optimizer.init(weights), jax.random.key(0)
    for k, batch in enumerate(batches):
        if k == steps:
            break
        weights, state, value = step(weights, state, batch, jax.random.fold_in(key, k))
        if (k + 1) % (steps // 5) == 0:
            print(f"  after {k + 1} steps the loss is {value:.4f}", flush=True)
    return {name: np.asarray(value) for name, value in weights.items()}


def cross_entropy(y, batch):
    """-log of the probability of the label."""
    picked = jnp.take_along_axis(y, batch["label"][..., None], -1)[..., 0]
    return -jnp.log(picked + 1e-7)


def lstm(inputs, units, seed, key=""):
    """First weights: uniform, and a bias of 1 at the forget gates, so that the cells last."""
    rng = np.random.default_rng(seed)
    W, R = (rng.uniform(-1, 1, (4 * units, n)) / np.sqrt(units) for n in (inputs, units))
    return {f"{key}W": W, f"{key}R": R, f"{key}b": np.repeat([0.0, 1.0, 0.0, 0.0], units)}


def dense(inputs, outputs, seed):
    V = np.random.default_rng(seed).uniform(-1, 1, (outputs, inputs)) / np.sqrt(inputs)
    return {"V": V, "d": np.zeros(outputs)}


def of_lstm(path, w, key=""):
    """Where weights go that the gates i, f, g, o share."""
    fields = {"W": "W/K", "R": "R/K", "b": "b/value"}
    parts = {name: jnp.split(w[key + name], 4) for name in fields if key + name in w}
    return {
        f"{path}/{gate}/{fields[name]}": part[j]
        for j, gate in enumerate("ifgo")
        for name, part in parts.items()
    }


def of_dense(w):
    return {"dense/W/K": w["V"], "dense/b/value": w["d"]}


def in_batches(data, steps):
    """Batches of (sequences, labels) without end, drawn at random, padded; `label` (N,), or (N, T, ...)."""
    rng = np.random.default_rng(0)
    sequences, labels = data
    padded = bs.nn.pad(sequences, steps)
    label = bs.nn.pad(labels, steps).values if np.ndim(labels[0]) else np.asarray(labels)
    while True:
        chosen = rng.integers(len(padded.values), size=BATCH)
        yield {
            "x": padded.values[chosen].astype("float32"), "length": padded.lengths[chosen],
            "label": label[chosen],
        }  # fmt: skip


def digits():
    """Images (1437, 8, 8) and labels: scikit-learn's digits without those kept for testing."""
    test = bs.load_weights(MODELS / "data" / "lstm_digits_test.safetensors", "images")["images"]
    pixels, labels = load_digits(return_X_y=True)
    kept = {image.astype("uint8").tobytes() for image in test}
    known = [i for i, image in enumerate(pixels) if image.astype("uint8").tobytes() not in kept]
    return pixels[known].reshape(-1, 8, 8), labels[known]


# -- the networks ------------------------------------------------------------------------------------


def speakers(m):
    """A sequence to a label: the cross entropy of the speaker."""
    return fit(
        m.network,
        lstm(m.INPUTS, m.UNITS, 0) | dense(m.UNITS, m.SPEAKERS, 1),
        lambda w: of_lstm("lstm", w) | of_dense(w),
        in_batches(m.utterances(2000, 2), m.STEPS),
        cross_entropy,
        steps=800,
    )


def digit_strings(m):
    """A sequence to a sequence of labels: the cross entropy of all columns, of ever new strings."""
    images, labels = digits()

    def batches():
        for seed in range(2, 10_000):
            yield next(in_batches(m.strings(images, labels, BATCH, seed), m.STEPS))

    def loss(y, batch):
        inside = jnp.arange(m.STEPS) < batch["length"][:, None]
        return cross_entropy(y, batch) * inside / inside.mean()

    ahead, behind = (f"{key}/" for key in ("forward", "backward"))
    return fit(
        m.network,
        lstm(m.INPUTS, m.UNITS, 0, ahead) | lstm(m.INPUTS, m.UNITS, 1, behind) | dense(2 * m.UNITS, 10, 2),
        lambda w: (
            of_lstm("bidirectional/forward", w, ahead)
            | of_lstm("bidirectional/backward", w, behind)
            | of_dense(w)
        ),
        batches(),
        loss,
        steps=1000,
        rate=0.01,
    )


def wave_frequency(m):
    """A sequence to a number: the squared error, as a multiple of the variance."""
    sequences, frequencies = m.waves(4000, 2)
    return fit(
        m.network,
        lstm(m.INPUTS, m.UNITS, 0) | dense(m.UNITS, 1, 1),
        lambda w: of_lstm("lstm", w) | of_dense(w),
        in_batches((sequences, frequencies), m.STEPS),
        lambda y, batch: (y[:, 0] - batch["label"]) ** 2 / frequencies.var(),
        steps=1000,
    )


def pendulum(m):
    """A sequence to a sequence of numbers: the squared error of all angles."""
    torques = m.torques(2000, 2)
    return fit(
        lambda w: m.network(w, m.STEPS),
        lstm(m.INPUTS, m.UNITS, 0) | dense(m.UNITS, 1, 1),
        lambda w: of_lstm("lstm", w) | of_dense(w),
        in_batches(([*torques], [*m.swing(torques)]), m.STEPS),
        lambda y, batch: (y - batch["label"]) ** 2,
        steps=800,
        rate=0.01,
    )


def video(m):
    """Clips to labels. W of the LSTM stays as it is; the statistics are those of the first convolution."""
    rng = np.random.default_rng(0)
    clips, labels = m.clips(1000, 2)
    K = rng.normal(size=(m.FILTERS, 3, 5, 5)) / np.sqrt(75)
    frames = np.concatenate(clips[:50])
    windows = np.lib.stride_tricks.sliding_window_view(frames, (5, 5), axis=(1, 2))
    found = np.einsum("...mkl,nmkl->...n", windows[:, :: m.STRIDE, :: m.STRIDE], K).reshape(-1, m.FILTERS)
    fixed = {"mean": found.mean(0), "variance": found.var(0)}
    first = lstm(1, m.UNITS, 1)
    n = m.FILTERS
    trained = fit(
        lambda w: m.network(w | fixed),
        {
            "K": K,
            "k": np.zeros(n),
            "scale": np.ones(n),
            "offset": np.zeros(n),
            "R": first["R"],
            "b": first["b"],
        }
        | dense(m.UNITS, len(m.CLASSES), 2),
        lambda w: (
            of_lstm("lstm", w)
            | of_dense(w)
            | {"conv2d/convolution/W": w["K"], "conv2d/convolution/b": w["k"]}
            | {"batch_norm/affine/gain": w["scale"], "batch_norm/affine/bias": w["offset"]}
        ),
        in_batches((clips, labels), m.STEPS),
        cross_entropy,
        steps=400,
        rate=0.003,
    )
    return trained | fixed


def lstm_deep(m):
    """Two layers, and dropout by columns of weights: the same units are left out all along a batch."""
    images, labels = digits()
    (lower, upper), keep = m.UNITS, 1 - m.DROPOUT
    noise = np.random.default_rng(1)
    clean = in_batches(([*m.sequences(images)], labels), m.STEPS)
    noisy = (b | {"x": b["x"] + 0.15 * noise.normal(size=b["x"].shape).astype("float32")} for b in clean)

    def drop(w, key):
        kept = [
            jax.random.bernoulli(jax.random.fold_in(key, j), keep, (n,)) / keep for j, n in enumerate(m.UNITS)
        ]
        return w | {"upper/W": w["upper/W"] * kept[0], "V": w["V"] * kept[1]}

    return fit(
        m.network,
        lstm(m.INPUTS, lower, 0, "lower/") | lstm(lower, upper, 1, "upper/") | dense(upper, 10, 2),
        lambda w: of_lstm("lower", w, "lower/") | of_lstm("upper", w, "upper/") | of_dense(w),
        noisy,
        cross_entropy,
        steps=1200,
        drop=drop,
    )


def main() -> None:
    networks = [speakers, digit_strings, wave_frequency, pendulum, video, lstm_deep]
    for train in networks:
        if sys.argv[1:] and train.__name__ not in sys.argv[1:]:
            continue
        print(train.__name__, flush=True)
        start = time.perf_counter()
        weights = train(Script(MODELS / f"{train.__name__}.py").module)
        file = MODELS / "data" / f"{train.__name__}.safetensors"
        save_file({name: value.astype("float16") for name, value in weights.items()}, file)
        print(f"  {time.perf_counter() - start:.0f} s, {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
