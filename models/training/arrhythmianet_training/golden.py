"""Golden files that tie the gateway to this project; see ../golden/README.md.

python -m arrhythmianet_training.golden features --data data/mitdb --models ..            # models/golden/context-features.safetensors
python -m arrhythmianet_training.golden parity v1 v2 --data data/mitdb --models ..        # models/golden/parity-NAME.safetensors
python -m arrhythmianet_training.golden layers v1-context --data data/mitdb --models ..   # models/golden/NAME.safetensors
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from . import augment, context, data, splits
from . import beats as context_beats
from .export import golden_beats, load_weights, sources, windows_of

PARITY_BEATS = 1_024
FEATURE_ROWS = 96
TEMPLATE_RECORDS = ("100", "119", "233")
TEMPLATE_WINDOWS = 81
SEED = 20250503


def parity_beats(label):
    """1,024 test beats of the random split, as evenly over the classes as there are beats."""
    test = splits.split_intra(label)["test"]
    generator = np.random.Generator(np.random.PCG64(SEED))
    chosen = []
    for wanted, share in enumerate([205, 205, 205, 204, 205]):
        of_class = test[label[test] == wanted]
        chosen.append(generator.permutation(of_class)[:share])
    return np.sort(np.concatenate(chosen))


@torch.no_grad()
def write_parity(path, network, inputs, label):
    """Inputs rounded to float16 first; the logits are those of the rounded inputs."""
    stored = inputs.to(torch.float16)
    logits = torch.cat([network.from_rows(rows) for rows in stored.float().split(256)])
    assert (logits.argmax(1) == label).float().mean() > 0.5, f"{path}: the network does not know these beats"
    save_file({"input": stored, "logits": logits, "label": label.to(torch.uint8)}, path)


@torch.no_grad()
def write_layers(path, network, records, beats, inputs):
    """Every layer's output for sixteen beats; pooling and dense with time 1."""
    tensors = {"input": inputs.contiguous()}
    for i, output in enumerate(network.layer_outputs(*network.parted(inputs))):
        tensors[f"layers.{i}"] = (output if output.ndim == 3 else output[:, :, None]).contiguous()
    tensors["logits"] = output.clone()
    save_file(tensors, path, metadata={"ecg_gateway_golden": json.dumps({"beats": sources(records, beats)})})


def history_rows(records):
    """RR lists that cover every rule: real ones of all records, short ones, unknown R0, extreme intervals."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    rows = [[], [0.8], [0.8, 0.7], [np.nan, 0.8, 0.9], [np.nan, 0.8], [0.6, 0.8, 0.8], [np.nan, 0.7, 0.8, 0.9, 0.5]]
    rows += [[0.5] + [0.8] * n for n in (1, 2, 3, 4, 7, 8, 9, 10, 63, 64, 65, 255, 256)]
    rows += [[2.9] + [0.3] * 256, [0.25] + [2.0] * 70, [0.8] * 257, [0.4] + [0.4, 1.2] * 128]
    rows = [row or [np.nan] for row in rows]
    while len(rows) < FEATURE_ROWS:
        positions = records.every_sample[generator.integers(len(records.names))]
        r0, history = context.histories(positions, data.CHAIN_RATE_HZ)
        at = int(generator.integers(3, len(positions)) if len(rows) % 4 else generator.integers(1, 80))
        row = torch.cat([r0[at : at + 1], history[at]]).numpy()
        rows.append(row)
    filled = np.full((len(rows), 1 + context.HISTORY), np.nan, dtype=np.float32)
    for place, row in zip(filled, rows):
        place[: len(row)] = np.asarray(row, dtype=np.float32)[: len(place)]
    return filled


def write_features(path, records):
    rr = history_rows(records)
    expected = context.rr_context(torch.from_numpy(rr[:, 0]).double(), torch.from_numpy(rr[:, 1:]).double())
    tensors = {"rr": rr, "context": expected.numpy()}
    for name in TEMPLATE_RECORDS:
        place = records.names.index(name)
        positions = records.start[place] + records.every_sample[place][1 : TEMPLATE_WINDOWS + 1]
        windows = augment.cut(
            records.signal, torch.zeros(len(positions), dtype=torch.long), torch.from_numpy(positions)
        )
        windows = windows.round()
        complete = torch.ones(len(windows), dtype=torch.bool)
        complete[[0, 20]] = False
        made, index = context.templates(windows, complete)
        expected = torch.zeros_like(windows)
        known = index >= 0
        expected[known] = augment.normalise(windows[known]) - augment.normalise(made[index[known]])
        tensors |= {
            f"template.{name}.window_uv": windows.numpy().astype(np.int16),
            f"template.{name}.complete": complete.numpy().astype(np.uint8),
            f"template.{name}.residual": expected.numpy().astype(np.float16),
        }
    save_arrays(tensors, path, metadata={"ecg_gateway_golden": json.dumps({"records": TEMPLATE_RECORDS})})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["features", "parity", "layers"])
    parser.add_argument("names", nargs="*", help="models, for parity and layers")
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = data.load_records(options.data)
    folder = options.models / "golden"
    if options.what == "features":
        write_features(folder / "context-features.safetensors", records)
        return
    test = splits.split_intra(records.label)["test"]
    beats = parity_beats(records.label) if options.what == "parity" else golden_beats(records, test)
    for name in options.names:
        network, description = load_weights(options.models / f"{name}.safetensors")
        if description["input"].get("context"):
            inputs = context_beats.rows(context_beats.load(options.data), records.beat[beats])
        else:
            inputs = windows_of(records, beats)[:, 0]
        if options.what == "parity":
            label = torch.from_numpy(records.label[beats])
            write_parity(folder / f"parity-{name}.safetensors", network, inputs, label)
        else:
            write_layers(folder / f"{name}.safetensors", network, records, beats, inputs)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    main()
