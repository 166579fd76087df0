"""Train the LSTM of `models/lstm_digits.py` with PyTorch: handwritten digits, one image row a step.

    pip install "blocksim[torch]"
    python examples/train_lstm_digits.py

The digits are scikit-learn's own, 1,797 images of 8x8 pixels. Two files are written to `models/data`:
the weights, and the test split with what PyTorch makes of it. The seeds are fixed: a second run on the
same machine writes the same bytes.
"""

# pyright: reportMissingImports=false
from pathlib import Path

import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

DATA = Path(__file__).parents[1] / "models" / "data"
SEED, EPOCHS, BATCH = 0, 60, 32
NOISE = 4.0  # standard deviation, of pixels from 0 to 16


class Network(nn.Module):
    """Class scores from the hidden state after the last row."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 32, batch_first=True)
        self.linear = nn.Linear(32, 10)

    def forward(self, images):
        hidden, _ = self.lstm(images / 16)
        return self.linear(hidden[:, -1]), hidden


def train(images: torch.Tensor, labels: torch.Tensor) -> Network:
    """A network fitted by AdamW on cross entropy, its step size falling to zero along a cosine.

    Noise on the pixels keeps it from learning the training images by heart.
    """
    torch.manual_seed(SEED)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            scores, _ = network(images[chosen] + NOISE * torch.randn(len(chosen), 8, 8))
            nn.functional.cross_entropy(scores, labels[chosen]).backward()
            optimizer.step()
        schedule.step()
    return network


def weights(network: Network) -> dict[str, NDArray]:
    """The LSTM's W, R, b with rows [i; f; g; o], PyTorch's order and blocksim's; the dense layer's V, d."""
    found = network.state_dict()
    tensors = {
        "W": found["lstm.weight_ih_l0"],
        "R": found["lstm.weight_hh_l0"],
        "b": found["lstm.bias_ih_l0"] + found["lstm.bias_hh_l0"],
        "V": found["linear.weight"],
        "d": found["linear.bias"],
    }
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def main() -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    pixels, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
    images = pixels.float().view(-1, 8, 8)
    known, unknown = train_test_split(range(len(images)), test_size=360, stratify=labels, random_state=SEED)
    network = train(images[known], labels[known])
    with torch.no_grad():
        scores, hidden = network(images[unknown])
    predicted = scores.argmax(1)
    test = {
        "images": images[unknown].byte().numpy(),
        "labels": labels[unknown].numpy(),
        "torch_labels": predicted.numpy(),
        "torch_hidden": hidden.contiguous().numpy(),  # save_file writes the memory as it lies
    }
    DATA.mkdir(exist_ok=True)
    save_file(weights(network), DATA / "lstm_digits.safetensors")
    save_file(test, DATA / "lstm_digits_test.safetensors")
    accuracy = (predicted == labels[unknown]).float().mean().item()
    print(f"trained on {len(known)} images; accuracy on the other {len(unknown)}: {accuracy:.1%}")


if __name__ == "__main__":
    main()
