"""Turns a finished run into the shipped files: folded weights with their description, and golden vectors.

    python -m arrhythmianet_training.export runs/v1 --data data/mitdb --models ..

Batch normalisation is folded in float64; temperature comes from the validation part; the test part is looked at once,
for the figures that go into the metadata.
"""

import argparse
import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from . import augment, data, splits
from .architectures import Network, predict
from .layout import ARCHITECTURES, LABELS, LAYERS, PARAMETER_LIMITS, WINDOW_SAMPLES
from .metrics import fit_temperature, scores
from .results import result_of
from .settings import DENSITIES

GOLDEN_BEATS = 16


def fold(network):
    """The same network with every batch normalisation folded into its convolution. Computed in float64."""
    folded = Network(network.specs, network.input_channels, folded=True, context=network.context)
    for source, target in zip(network.layers, folded.layers):
        for name, part in source.parts.items():
            into = target.parts[name]
            if isinstance(part, torch.nn.Linear):
                into.load_state_dict(part.state_dict())
                continue
            norm = part.normalisation
            scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
            into.convolution.weight.data = (part.convolution.weight.double() * scale[:, None, None]).float()
            if part.context is not None:
                into.context.weight.data = (part.context.weight.double() * scale[:, None]).float()
            into.convolution.bias.data = (norm.bias.double() - norm.running_mean.double() * scale).float()
    return folded.eval()


def named_tensors(folded):
    """Tensors by layer index and part, as the weights file names them: `layers.{i}.{part}.weight|bias`."""
    tensors = {}
    for i, layer in enumerate(folded.layers):
        for name, part in layer.parts.items():
            module = part if isinstance(part, torch.nn.Linear) else part.convolution
            tensors[f"layers.{i}.{name}.weight"] = module.weight.data
            tensors[f"layers.{i}.{name}.bias"] = module.bias.data
            if getattr(part, "context", None) is not None:
                tensors[f"layers.{i}.context.weight"] = part.context.weight.data
    return tensors


def load_weights(path):
    """Reads a shipped weights file back: (folded network, its description)."""
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["ecg_gateway"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    shape = description["input"]
    network = Network(description["layers"], shape["channels"], folded=True, context=shape.get("context", 0))
    expected = named_tensors(network)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("novelty.")}
    if set(expected) != set(tensors):
        raise SystemExit(f"{path}: tensors differ from the description: {sorted(set(expected) ^ set(tensors))}")
    for name, place in expected.items():
        place.copy_(tensors[name])
    return network.eval(), description


def windows_of(records, beats):
    device = records.signal.device
    lead = torch.zeros(len(beats), dtype=torch.long, device=device)
    position = torch.from_numpy(records.position[beats]).to(device)
    return augment.normalise(augment.cut(records.signal, lead, position))[:, None, :]


def golden_beats(records, test):
    """Sixteen test beats of as many records as possible, every class among them."""
    chosen, seen = [], set()
    for turn in range(GOLDEN_BEATS):
        wanted = turn % len(LABELS)
        of_class = [b for b in test if records.label[b] == wanted and b not in chosen]
        fresh = [b for b in of_class if records.record[b] not in seen] or of_class
        beat = fresh[len(fresh) // 2]
        chosen.append(beat)
        seen.add(records.record[beat])
    return np.array(chosen)


def sources(records, beats):
    """Where each golden beat comes from."""
    return [
        {
            "record": records.names[records.record[b]],
            "sample_250hz": int(records.sample[b]),
            "label": LABELS[records.label[b]],
        }
        for b in beats
    ]


@torch.no_grad()
def write_golden(path, network, records, beats):
    windows = windows_of(records, beats)
    tensors = {"input": windows[:, 0].contiguous()}
    for i, output in enumerate(network.layer_outputs(windows)):
        tensors[f"layers.{i}"] = (output if output.ndim == 3 else output[:, :, None]).contiguous()
    tensors["logits"] = output.clone()
    save_file(tensors, path, metadata={"ecg_gateway_golden": json.dumps({"beats": sources(records, beats)})})


def sparser(config, log):
    """What the metadata says of a run that started from finished weights and asked for fewer products."""
    if not config["started_from"]:
        return {}
    said, settings = {"started_from": config["started_from"]}, config["settings"]
    if settings["density"]:
        said |= {
            "density_wanted": settings["density"],
            "density": [log[-1][n] for n in DENSITIES[: len(settings["density"])]],
        }
    if settings["weights"]:
        said |= {"weights_wanted": settings["weights"], "weights": log[-1]["weights"]}
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", type=Path, required=True, help="folder of the shipped models")
    parser.add_argument("--name", help="other than the network's; then only the weights are written")
    options = parser.parse_args()
    torch.set_num_threads(1)

    network, config, log = result_of(options.run)
    name, settings = config["network"], config["settings"]
    folded = fold(network)
    tensors = named_tensors(folded)
    parameters = sum(t.numel() for t in tensors.values())
    assert parameters <= PARAMETER_LIMITS[name], f"{name}: {parameters} parameters, {PARAMETER_LIMITS[name]} allowed"

    records = data.load_records(options.data)
    parts = splits.split_intra(records.label)
    validation, test = parts["validation"], parts["test"]
    with torch.no_grad():
        sample = windows_of(records, validation[:256])
        difference = float((network(sample) - folded(sample)).abs().max())
    assert difference < 1e-3, f"folding changed the logits by {difference}"
    logits = predict(folded, windows_of(records, validation))
    temperature = round(fit_temperature(logits, records.label[validation]), 4)
    judged = scores(predict(folded, windows_of(records, test)), records.label[test])

    description = {
        "format": 1,
        "name": options.name or name,
        "architecture": ARCHITECTURES[name],
        "layers": LAYERS[name],
        "input": {
            "channels": 1,
            "samples": WINDOW_SAMPLES,
            "rate_hz": round(augment.MODEL_RATE_HZ),
            "r_index": augment.R_INDEX,
        },
        "normalisation": {"kind": "zscore", "floor_uv": augment.FLOOR_UV},
        "labels": LABELS,
        "temperature": temperature,
        "parameters": parameters,
        "training": {
            "protocol": "intra-patient",
            "patients_shared": True,
            "data": "MIT-BIH Arrhythmia Database, all 48 records (Moody and Mark 2001, DOI 10.13026/C2F305, ODC-By 1.0)",
            "split": {"seed": splits.SPLIT_SEED, "train": 0.8, "validation": 0.1, "test": 0.1},
            "seed": config["seed"],
            "draws": settings["epochs"] * settings["epoch_draws"],
            "detector_positions": config["detector_positions"],
            **sparser(config, log),
            "revisions": config["revisions"],
            "date": datetime.date.today().isoformat(),
            "validation_accuracy": round(scores(logits, records.label[validation])["accuracy"], 5),
            "test_accuracy": round(judged["accuracy"], 5),
            "test_macro_f1": round(judged["macro_f1"], 5),
            "test_beats": judged["beats"],
        },
    }
    options.models.mkdir(parents=True, exist_ok=True)
    path = options.models / f"{options.name or name}.safetensors"
    save_file(tensors, path, metadata={"ecg_gateway": json.dumps(description)})
    path.chmod(0o644)
    if not options.name:
        (options.models / "golden").mkdir(exist_ok=True)
        shipped, _ = load_weights(path)
        write_golden(options.models / "golden" / f"{name}.safetensors", shipped, records, golden_beats(records, test))
        curves = options.run / "curves.png"
        if curves.exists():
            shutil.copy(curves, options.models / f"{name}-curves.png")
    print(json.dumps(description["training"] | {"parameters": parameters, "temperature": temperature}, indent=1))


if __name__ == "__main__":
    main()
