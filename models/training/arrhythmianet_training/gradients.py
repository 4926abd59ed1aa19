"""Golden gradients: what PyTorch's backward pass says, for the gateway's own to be compared with.

    python -m arrhythmianet_training.gradients NAME [NAME...]

Reads models/NAME.safetensors and the beats of models/golden/parity-NAME.safetensors, writes
models/golden/gradients-NAME.safetensors: `beat` i32 [500], rows of the parity file, every class alike;
`gradient` f32 [500][len], the gradient of the beat's largest logit with respect to its input. At the corner of a ReLU
there is no gradient, only the side that rounding chose: beats whose gradient differs between float32 and float64 are
passed over.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from .export import load_weights

MODELS = Path(__file__).resolve().parents[2]
BEATS = 500
# Largest difference between the two precisions, of the beat's largest value.
CORNER = 1e-5


def gradients(network, rows):
    inputs = torch.from_numpy(rows).requires_grad_()
    logits = network.from_rows(inputs)
    largest = logits.gather(1, logits.argmax(1, keepdim=True)).sum()
    return torch.autograd.grad(largest, inputs)[0].numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    for name in parser.parse_args().names:
        parity = load_file(MODELS / "golden" / f"parity-{name}.safetensors")
        count = len(parity["input"])
        network, _ = load_weights(MODELS / f"{name}.safetensors")
        rows = parity["input"].astype(np.float32)
        gradient = gradients(network, rows)
        exact = gradients(network.double(), rows.astype(np.float64))
        smooth = np.abs(gradient - exact).max(1) < CORNER * np.abs(exact).max(1)
        chosen = np.linspace(0, smooth.sum() - 1, BEATS).round().astype(int)
        beat = np.flatnonzero(smooth)[chosen].astype(np.int32)
        print(f"{name}: {count - smooth.sum()} of {count} beats at a corner")
        save_file(
            {"beat": beat, "gradient": gradient[beat]},
            MODELS / "golden" / f"gradients-{name}.safetensors",
        )


if __name__ == "__main__":
    main()
