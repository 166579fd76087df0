"""Two LSTM layers, one on the other, read digits two pixels a step: 32 steps for an image of 8x8 pixels.

    blocksim run models/lstm_deep.py -p images=360

input (2,) -> LSTM of 125 units, all steps -> dropout 0.2 -> LSTM of 100, its last step -> dropout 0.2 ->
dense (10) -> softmax. The images are those that `models/lstm_digits.py` is tested with; the weights were
trained by `examples/train_sequences.py` on others. Dropout acts in training alone: here it passes everything.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs

DATA = Path(__file__).parent / "data"
WEIGHTS, TEST = DATA / "lstm_deep.safetensors", DATA / "lstm_digits_test.safetensors"
INPUTS, UNITS, STEPS = 2, (125, 100), 32
DROPOUT = 0.2
RECORD = ["x"]


def layers(w):
    lower, upper = (bs.nn.lstm(w[f"{k}/W"], w[f"{k}/R"], w[f"{k}/b"], name=k) for k in ("lower", "upper"))
    return [
        lower,
        bs.nn.dropout(DROPOUT, name="dropout_lower"),
        upper,
        bs.nn.last(),
        bs.nn.dropout(DROPOUT, name="dropout_upper"),
        bs.nn.dense(w["V"], w["d"]),
        bs.nn.softmax(),
    ]


def network(w) -> bs.Diagram:
    return bs.nn.sequential(layers(w), steps=STEPS, name="lstm_deep")


def weights():
    """W (4n, m), R (4n, n), b (4n,) of each LSTM and V (10, n), d (10,) of the dense layer, in float64."""
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def sequences(images):
    """Pixels from 0 to 1, two a step, row by row: (N, 32, 2)."""
    return images.reshape(len(images), STEPS, INPUTS) / 16


def inputs(images: int = 60):
    """Test images as sequences, one a step."""
    x = sequences(bs.load_weights(TEST, "images")["images"][:images])
    return {"x": x, "length": np.full(len(x), STEPS)}


def reference(data):
    """The same network over all images at once, without blocks."""
    w, h = weights(), data["x"]
    for k in ("lower", "upper"):
        h, _ = bs.nn.reference.lstm(h, w[f"{k}/W"], w[f"{k}/R"], w[f"{k}/b"])
    scores = bs.nn.reference.dense(h[:, -1], w["V"], w["d"])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return {"y": e / e.sum(-1, keepdims=True)}


def report(result: bs.Result, folder: Path, image: int = 0):
    """How well the digits are read, and what one image does to the layers, two pixels a step."""
    x, y = result["x"], result["y"]
    table = Table("images", f"{len(x)}")
    test = bs.load_weights(TEST, "images", "labels")
    if np.array_equal(x, sequences(test["images"][: len(x)])):
        table.add_row("read correctly", f"{np.mean(y.argmax(-1) == test['labels'][: len(x)]):.1%}")
    table.add_row(f"image {image} is read as", f"{y[image].argmax()}")
    Console().print(table)

    stepwise = bs.nn.sequential([layer for layer in layers(weights()) if layer.name != "last"])
    one = bs.simulate(stepwise, {"x": x[image]}, record=["x", "lower/*", "upper/*"])
    picture = folder / "lstm_deep_activations.png"
    one.plot(picture, ["x", "lower/h", "upper/h", "y"])
    return [picture]
