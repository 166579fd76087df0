"""What does the disc do? Clips to labels, frame by frame.

    blocksim run models/video.py -p clip=1

frames (64, 64, 3) -> conv2d 5x5, 20 -> batch normalization -> relu -> LSTM of 200 units, its last step ->
dense (10) -> softmax. A disc moves in one of eight directions over 4 to 6 frames, or grows, or shrinks; the
clips are synthetic. The convolution has a stride of 8, which leaves 8x8x20 numbers of a frame. The 1,024,000
weights from these to the LSTM's gates are random, from a seed, and were never trained, since they would not
go into a small file; all others were trained with them in place by `examples/train_sequences.py`.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import blocksim as bs

WEIGHTS = Path(__file__).parent / "data" / "video.safetensors"
SIZE, FILTERS, UNITS, STEPS, STRIDE = 64, 20, 200, 6, 8
FEATURES = (SIZE // STRIDE) ** 2 * FILTERS
CLASSES = [*(f"{angle}°" for angle in range(0, 360, 45)), "grows", "shrinks"]
EPSILON = 1e-5
RECORD = ["x", "length"]


def clips(count, seed):
    """Sequences (4 to 6, 64, 64, 3) from 0 to 1, and what the disc does, as the number of its class."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels, sequences = rng.integers(len(CLASSES), size=count), []
    for label in labels:
        t = np.arange(rng.integers(4, STEPS + 1)) - 2.0
        angle = np.pi / 4 * label + rng.uniform(-0.2, 0.2)
        speed = rng.uniform(5, 7) * (label < 8)
        radius = (
            rng.uniform(9, 12) + (0 if label < 8 else rng.uniform(1.5, 2.5) * (1 if label == 8 else -1)) * t
        )
        x, y = rng.uniform(24, 40, 2)[:, None] + speed * np.stack([np.cos(angle) * t, -np.sin(angle) * t])
        distance = np.hypot(columns - x[:, None, None], rows - y[:, None, None])
        disc = np.clip(radius[:, None, None] - distance + 0.5, 0, 1)[..., None]
        paper, ink = rng.uniform(0, 0.4, 3), rng.uniform(0.6, 1, 3)
        noise = rng.normal(scale=0.05, size=(len(t), SIZE, SIZE, 3))
        sequences.append(np.clip(paper + disc * (ink - paper) + noise, 0, 1))
    return sequences, labels


def projection():
    """The LSTM's weights W (800, 1280): those that are random."""
    return np.random.default_rng(0).normal(scale=FEATURES**-0.5, size=(4 * UNITS, FEATURES))


def layers(w):
    return [
        bs.nn.conv2d(w["K"], w["k"], stride=STRIDE),
        bs.nn.batch_norm(w["scale"], w["offset"], w["mean"], w["variance"], EPSILON),
        bs.nn.relu(),
        bs.nn.flatten("step"),
        bs.nn.lstm(projection(), w["R"], w["b"]),
        bs.nn.last(),
        bs.nn.dense(w["V"], w["d"]),
        bs.nn.softmax(),
    ]


def network(w) -> bs.Diagram:
    return bs.nn.sequential(layers(w), steps=STEPS, shape=(SIZE, SIZE, 3), name="video")


def weights():
    """What was trained, in float64.

    K (20, 3, 5, 5), k (20,) of the convolution; scale, offset, mean, variance (20,) of the batch
    normalization; R (4n, n), b (4n,) of the LSTM; V (10, n), d (10,) of the dense layer.
    """
    return {name: array.astype(float) for name, array in bs.load_weights(WEIGHTS).items()}


def model() -> bs.Diagram:
    return network(weights())


def inputs(count: int = 8):
    """Clips that were not trained on, padded with black frames to 6: one a step."""
    padded = bs.nn.pad(clips(count, 1)[0], STEPS)
    return {"x": padded.values, "length": padded.lengths}


def reference(data):
    """The same network over all clips at once, without blocks."""
    w, x = weights(), data["x"]
    windows = np.lib.stride_tricks.sliding_window_view(x, w["K"].shape[2:], axis=(2, 3))
    features = (
        np.einsum("...mkl,nmkl->...n", windows[:, :, ::STRIDE, ::STRIDE], w["K"], optimize=True) + w["k"]
    )
    deviation = np.sqrt(w["variance"] + EPSILON)
    features = np.maximum(w["scale"] * (features - w["mean"]) / deviation + w["offset"], 0)
    h, _ = bs.nn.reference.lstm(features.reshape(*x.shape[:2], FEATURES), projection(), w["R"], w["b"])
    scores = bs.nn.reference.dense(h[np.arange(len(h)), data["length"] - 1], w["V"], w["d"])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return {"y": e / e.sum(-1, keepdims=True)}


def report(result: bs.Result, folder: Path, clip: int = 0):
    """How many clips are named rightly; one clip, and what the layers make of it frame by frame."""
    x, length, y = result["x"], result["length"], result["y"]
    table = Table("clips", f"{len(x)}")
    sequences, labels = clips(len(x), 1)
    if np.array_equal(x, bs.nn.pad(sequences, STEPS).values):
        table.add_row("named rightly", f"{np.mean(y.argmax(-1) == labels):.1%}")
    Console().print(table)

    n = length[clip]
    stepwise = bs.nn.sequential(
        [layer for layer in layers(weights()) if layer.name != "last"], shape=(SIZE, SIZE, 3)
    )
    one = bs.simulate(stepwise, {"x": x[clip, :n]}, record=["relu", "lstm/*"])
    figure = Figure(figsize=(9, 2.1), layout="constrained")
    for k, axis in enumerate(figure.subplots(1, n, squeeze=False)[0]):
        axis.imshow(x[clip, k])
        axis.set_title(f"{CLASSES[one['y'][k].argmax()]}  {one['y'][k].max():.0%}")
        axis.axis("off")
    pictures = [folder / "video_frames.png", folder / "video_activations.png"]
    figure.savefig(pictures[0], dpi=150)
    one.plot(pictures[1], ["relu", "lstm/c", "lstm/h", "y"])
    return pictures
