"""Who speaks? A sequence to a label: input (12,) -> LSTM of 100, its last step -> dense (9) -> softmax.

    blocksim run models/speakers.py -p utterance=3

Nine speakers say /ae/ in 7 to 29 frames of 12 cepstral coefficients, as in the data set Japanese Vowels.
Here the utterances are synthetic: three resonances that glide from one vowel to the other, at frequencies
of the speaker's own. The weights were trained by `examples/train_sequences.py` on other utterances.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs

WEIGHTS = Path(__file__).parent / "data" / "speakers.safetensors"
INPUTS, UNITS, SPEAKERS, STEPS = 12, 100, 9, 29
VOWELS = np.array([[660.0, 1720.0, 2410.0], [530.0, 1840.0, 2480.0]])
"""Hz, the resonances of /a/ as in `at` and /e/ as in `bet`: Peterson and Barney 1952, male speakers."""
WIDTHS, RATE = np.array([60.0, 90.0, 150.0]), 10_000.0
"""Hz, of the resonances, and the sampling rate."""
RECORD = ["x", "length"]


def utterances(count, seed):
    """Sequences (7 to 29, 12) and the number of the speaker of each.

    The cepstrum of a resonance of frequency F and width B is 2/n r^n cos(n w), n = 1, 2, ..., with
    r = exp(-pi B / RATE) and w = 2 pi F / RATE.
    """
    voices = np.random.default_rng(0).normal(1, 0.06, (SPEAKERS, 2, 3))
    rng = np.random.default_rng(seed)
    labels = rng.integers(SPEAKERS, size=count)
    n = np.arange(1, INPUTS + 1)
    r, sequences = np.exp(-np.pi * WIDTHS / RATE), []
    for label in labels:
        start, end = VOWELS * voices[label] * rng.normal(1, 0.02, (2, 3))
        glide = np.linspace(0, 1, rng.integers(7, STEPS + 1))[:, None]
        w = 2 * np.pi * (start + glide * (end - start)) / RATE
        cepstrum = (2 / n[:, None] * r ** n[:, None] * np.cos(n[:, None] * w[:, None])).sum(-1)
        sequences.append(cepstrum + rng.normal(scale=0.1, size=cepstrum.shape))
    return sequences, labels


def layers(w):
    return [
        bs.nn.lstm(w["W"], w["R"], w["b"]),
        bs.nn.last(),
        bs.nn.dense(w["V"], w["d"]),
        bs.nn.softmax(),
    ]


def network(w) -> bs.Diagram:
    return bs.nn.sequential(layers(w), steps=STEPS, name="speakers")


def weights():
    """W (4n, m), R (4n, n), b (4n,) of the LSTM and V (9, n), d (9,) of the dense layer, in float64."""
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def inputs(count: int = 180):
    """Utterances that were not trained on, padded with zeros to 29 frames: one a step."""
    padded = bs.nn.pad(utterances(count, 1)[0], STEPS)
    return {"x": padded.values, "length": padded.lengths}


def reference(data):
    """The same network over all utterances at once, without blocks."""
    w = weights()
    h, _ = bs.nn.reference.lstm(data["x"], w["W"], w["R"], w["b"])
    scores = bs.nn.reference.dense(h[np.arange(len(h)), data["length"] - 1], w["V"], w["d"])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return {"y": e / e.sum(-1, keepdims=True)}


def report(result: bs.Result, folder: Path, utterance: int = 0):
    """How well the speakers are told apart, and what one utterance does to the layers, frame by frame."""
    x, length, y = result["x"], result["length"], result["y"]
    table = Table("utterances", f"{len(x)}")
    sequences, labels = utterances(len(x), 1)
    if np.array_equal(x, bs.nn.pad(sequences, STEPS).values):
        table.add_row("speakers recognized", f"{np.mean(y.argmax(-1) == labels):.1%}")
    table.add_row(f"utterance {utterance} is by speaker", f"{y[utterance].argmax()}")
    Console().print(table)

    stepwise = bs.nn.sequential([layer for layer in layers(weights()) if layer.name != "last"])
    one = bs.simulate(stepwise, {"x": x[utterance, : length[utterance]]}, record=["x", "lstm/*"])
    picture = folder / "speakers_activations.png"
    one.plot(picture, ["x", "lstm/i", "lstm/f", "lstm/c", "lstm/h", "y"])
    return [picture]
