"""A trained LSTM reads handwritten digits: one row of an 8x8 image a step, ten scores after each.

    blocksim run models/lstm_digits.py -p image=7

The weights were trained with PyTorch by `examples/train_lstm_digits.py`. The images are those that it
kept for testing; the digit is the largest score after the last row.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs

DATA = Path(__file__).parent / "data"
WEIGHTS = DATA / "lstm_digits.safetensors"
TEST = DATA / "lstm_digits_test.safetensors"
RECORD = ["x", "lstm/h"]


def weights():
    """W (4n, m), R (4n, n), b (4n,) of the LSTM and V (10, n), d (10,) of the dense layer, in float64."""
    return [array.astype(float) for array in bs.load_weights(WEIGHTS, "W", "R", "b", "V", "d").values()]


def model() -> bs.Diagram:
    W, R, b, V, d = weights()
    return bs.nn.sequential([bs.nn.lstm(W, R, b), bs.nn.dense(V, d, name="scores")], name="lstm_digits")


def inputs():
    """The test images as a batch of sequences (360, 8, 8), pixels from 0 to 1."""
    return {"x": bs.load_weights(TEST, "images")["images"] / 16}


def reference(data):
    """The same network over all images at once, without blocks."""
    W, R, b, V, d = weights()
    h, c = bs.nn.reference.lstm(data["x"], W, R, b)
    return {"y": bs.nn.reference.dense(h, V, d), "lstm/h": h, "lstm/c": c}


def report(result: bs.Result, folder: Path, image: int = 0):
    """How well the digits are read, how far all is from PyTorch, and one image's gates and states."""
    signals = (result[name] for name in ("x", "y", "lstm/h"))
    x, scores, hidden = (a.reshape(-1, *a.shape[-2:]) for a in signals)  # one image, or a batch
    if not 0 <= image < len(x):
        raise ValueError(f"there is no image {image}: they have the numbers 0 to {len(x) - 1}")
    digits = scores[:, -1].argmax(-1)
    table = Table("images", f"{len(x)}")
    test = bs.load_weights(TEST)
    if np.array_equal(x, test["images"] / 16):
        table.add_row("read correctly", f"{np.mean(digits == test['labels']):.1%}")
        table.add_row("read as by PyTorch", f"{np.mean(digits == test['torch_labels']):.1%}")
        difference = abs(hidden - test["torch_hidden"]).max()
        table.add_row("hidden states: largest difference from PyTorch's, float32", f"{difference:.1e}")
    difference = abs(hidden - reference({"x": x})["lstm/h"]).max()
    table.add_row("hidden states: from the vectorized reference's, float64", f"{difference:.1e}")
    table.add_row(f"image {image} is read as", f"{digits[image]}")
    Console().print(table)

    one = bs.simulate(model(), {"x": x[image]}, record="lstm/*")
    picture = folder / "lstm_digits_signals.png"
    one.plot(picture, [f"lstm/{name}" for name in "ifgoch"])
    return [picture]
