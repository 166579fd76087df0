"""Digits side by side: a sequence to a sequence of labels, in both directions.

    blocksim run models/digit_strings.py -p string=3

input (8,) -> LSTMs of 48 units, one forward, one backward -> dense (10) -> softmax. A string is read column
by column, 8 pixels each, and every column gets the label of its digit: for the first columns of a digit,
that takes what comes later. Strings have 2 to 6 digits of 8 columns, images that `models/lstm_digits.py` is
tested with; the weights were trained by `examples/train_sequences.py` on others.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import blocksim as bs

DATA = Path(__file__).parent / "data"
WEIGHTS, TEST = DATA / "digit_strings.safetensors", DATA / "lstm_digits_test.safetensors"
INPUTS, UNITS, STEPS = 8, 48, 48
RECORD = ["x", "length"]


def strings(images, labels, count, seed):
    """Sequences (16 to 48, 8) of pixels from 0 to 1, and the digit of each column (16 to 48,)."""
    rng = np.random.default_rng(seed)
    columns = np.swapaxes(images, 1, 2) / 16
    chosen = [rng.integers(len(images), size=rng.integers(2, 7)) for _ in range(count)]
    return [np.concatenate(columns[i]) for i in chosen], [np.repeat(labels[i], 8) for i in chosen]


def test_strings(count):
    test = bs.load_weights(TEST, "images", "labels")
    return strings(test["images"], test["labels"], count, 1)


def network(w) -> bs.Diagram:
    cells = (bs.nn.lstm(w[f"{k}/W"], w[f"{k}/R"], w[f"{k}/b"], name=k) for k in ("forward", "backward"))
    layers = [bs.nn.bidirectional(*cells), bs.nn.dense(w["V"], w["d"]), bs.nn.softmax()]
    return bs.nn.sequential(layers, steps=STEPS, shape=INPUTS, name="digit_strings")


def weights():
    """W (4n, m), R (4n, n), b (4n,) of both LSTMs and V (10, 2n), d (10,) of the dense layer, in float64."""
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def inputs(count: int = 50):
    """Strings of test images, padded with zeros to 48 columns: one a step."""
    padded = bs.nn.pad(test_strings(count)[0], STEPS)
    return {"x": padded.values, "length": padded.lengths}


def reference(data):
    """The same network over all strings at once, without blocks; what is behind a string is zero."""
    w, x = weights(), data["x"]
    k, n = np.arange(STEPS), data["length"][:, None]
    back = np.where(k < n, n - 1 - k, k)[..., None]  # each string from its end to its start
    ahead, _ = bs.nn.reference.lstm(x, *(w[f"forward/{key}"] for key in "WRb"))
    behind, _ = bs.nn.reference.lstm(np.take_along_axis(x, back, 1), *(w[f"backward/{key}"] for key in "WRb"))
    h = np.concatenate([ahead, np.take_along_axis(behind, back, 1)], -1)
    scores = bs.nn.reference.dense(h, w["V"], w["d"])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return {"y": np.where((k < n)[..., None], e / e.sum(-1, keepdims=True), 0), "length": data["length"]}


def report(result: bs.Result, folder: Path, string: int = 0):
    """How many columns are labelled with their digit; one string and the probabilities along it."""
    x, length, y = result["x"], result["length"], result["y"]
    table = Table("strings", f"{len(x)}")
    sequences, labels = test_strings(len(x))
    if np.array_equal(x, bs.nn.pad(sequences, STEPS).values):
        right = [p[: len(t)].argmax(-1) == t for p, t in zip(y, labels, strict=True)]
        table.add_row("columns labelled with their digit", f"{np.mean(np.concatenate(right)):.1%}")
        first = np.concatenate([r[::8] for r in right])
        table.add_row("of the first columns of digits", f"{np.mean(first):.1%}")
    read = y[string, 4 : length[string] : 8].argmax(-1)
    table.add_row(f"string {string} is read as", "".join(map(str, read)))
    Console().print(table)

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(8, 10))
    n = length[string]
    top.imshow(x[string, :n].T, cmap="gray_r", aspect="auto")
    top.set(ylabel="pixel", title=f"string {string}, read as {''.join(map(str, read))}")
    image = bottom.imshow(y[string, :n].T, cmap="viridis", aspect="auto", vmin=0, vmax=1)
    bottom.set(xlabel="column", ylabel="digit", yticks=range(10))
    figure.colorbar(image, ax=bottom, label="probability", pad=0.01)
    picture = folder / "digit_strings_labels.png"
    figure.savefig(picture, dpi=150)
    return [picture]
