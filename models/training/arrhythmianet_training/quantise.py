"""Calibrates the int8 variants: writes the ranges of the pointwise convolutions' inputs into a weights file.

    python -m arrhythmianet_training.quantise NAME [NAME...] --data data/mitdb --models ..

A range reaches from the 0.01st to the 99.99th percentile of what 4,096 training beats of the random split put there (0
included). Weights stay float32 in the file: the gateway rounds them when it loads NAME-int8, one scale an output
channel.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, safe_open, save_file

from . import beats as context_beats
from . import data, splits
from .export import load_weights, windows_of

BEATS = 4_096
SEED = 20250503
TAIL = 1e-4


def pointwise_parts(network):
    """The pointwise convolutions in the order they run; the dense layer stays float32."""
    for layer in network.layers:
        if layer.op in ("separable", "inverted", "pointwise"):
            for name, part in layer.parts.items():
                if name != "depthwise":
                    yield part


@torch.no_grad()
def ranges(network, rows):
    seen = []

    def keep(_, inputs):
        values = inputs[0].flatten().numpy()
        low, high = np.quantile(values, [TAIL, 1 - TAIL])
        seen.append((min(0.0, float(low)), max(1e-6, float(high))))

    hooks = [part.register_forward_pre_hook(keep) for part in pointwise_parts(network)]
    network.from_rows(rows)
    for hook in hooks:
        hook.remove()
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = data.load_records(options.data)
    train = splits.split_intra(records.label)["train"]
    beats = np.sort(np.random.Generator(np.random.PCG64(SEED)).permutation(train)[:BEATS])
    for name in options.names:
        path = options.models / f"{name}.safetensors"
        network, description = load_weights(path)
        if description["input"].get("context"):
            rows = context_beats.rows(context_beats.load(options.data), records.beat[beats])
        else:
            rows = windows_of(records, beats)[:, 0]
        found = ranges(network, rows)
        description["int8"] = {
            "low": [round(low, 4) for low, _ in found],
            "high": [round(high, 4) for _, high in found],
        }
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        metadata["ecg_gateway"] = json.dumps(description)
        save_file(load_file(path), path, metadata=metadata)
        path.chmod(0o644)
        print(f"{name}: {len(found)} ranges")


if __name__ == "__main__":
    main()
