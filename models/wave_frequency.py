"""How fast does it swing? A sequence to a number: input (3,) -> LSTM of 125, its last step -> dense (1).

    blocksim run models/wave_frequency.py -p wave=3

Three noisy sine waves of one frequency, 20 to 50 samples long, of any phases and amplitudes; the number
is their frequency. The waves are synthetic. The weights were trained by `examples/train_sequences.py` on
other waves.
"""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import blocksim as bs

WEIGHTS = Path(__file__).parent / "data" / "wave_frequency.safetensors"
INPUTS, UNITS, STEPS = 3, 125, 50
SLOWEST, FASTEST = 0.02, 0.2
"""Cycles per sample."""
RECORD = ["x", "length"]


def waves(count, seed):
    """Sequences (20 to 50, 3) and the frequency of each, in cycles per sample."""
    rng = np.random.default_rng(seed)
    frequencies, sequences = rng.uniform(SLOWEST, FASTEST, count), []
    for frequency in frequencies:
        t = np.arange(rng.integers(20, STEPS + 1))[:, None]
        phase, size = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.5, 1, 3)
        noise = rng.normal(scale=0.1, size=(len(t), 3))
        sequences.append(size * np.sin(2 * np.pi * frequency * t + phase) + noise)
    return sequences, frequencies


def layers(w):
    return [bs.nn.lstm(w["W"], w["R"], w["b"]), bs.nn.last(), bs.nn.dense(w["V"], w["d"])]


def network(w) -> bs.Diagram:
    return bs.nn.sequential(layers(w), steps=STEPS, name="wave_frequency")


def weights():
    """W (4n, m), R (4n, n), b (4n,) of the LSTM and V (1, n), d (1,) of the dense layer, in float64."""
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def inputs(count: int = 120):
    """Waves that were not trained on, padded with zeros to 50 samples: one a step."""
    padded = bs.nn.pad(waves(count, 1)[0], STEPS)
    return {"x": padded.values, "length": padded.lengths}


def reference(data):
    """The same network over all waves at once, without blocks."""
    w = weights()
    h, _ = bs.nn.reference.lstm(data["x"], w["W"], w["R"], w["b"])
    return {"y": bs.nn.reference.dense(h[np.arange(len(h)), data["length"] - 1], w["V"], w["d"])}


def report(result: bs.Result, folder: Path, wave: int = 0):
    """How far off the frequencies are, and how the estimate for one wave comes about, sample by sample."""
    x, length, y = result["x"], result["length"], result["y"][:, 0]
    table = Table("waves", f"{len(x)}")
    sequences, frequencies = waves(len(x), 1)
    if np.array_equal(x, bs.nn.pad(sequences, STEPS).values):
        table.add_row("frequencies, in cycles per sample", f"{SLOWEST} to {FASTEST}")
        table.add_row("root mean square error", f"{np.sqrt(np.mean((y - frequencies) ** 2)):.4f}")
        table.add_row("that of the mean frequency", f"{frequencies.std():.4f}")
        table.add_row(f"frequency of wave {wave}", f"{frequencies[wave]:.4f}")
    table.add_row(f"estimate for wave {wave}", f"{y[wave]:.4f}")
    Console().print(table)

    stepwise = bs.nn.sequential([layer for layer in layers(weights()) if layer.name != "last"])
    one = bs.simulate(stepwise, {"x": x[wave, : length[wave]]}, record=["x", "lstm/*"])
    picture = folder / "wave_frequency_activations.png"
    one.plot(picture, ["x", "lstm/c", "lstm/h", "y"])
    return [picture]
