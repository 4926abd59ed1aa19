"""Turns a finished run of a context network into its weights file, and golden vectors where asked.

    python -m arrhythmianet_training.export_context runs/v1-context-ds1 --name v1-context-ds1 --data data/mitdb \
        --cross-validation runs/cv/v1taught-?.npz --bias -1.2 -0.65 --out ../evaluation/v1-context-ds1.safetensors

Temperature, limits (`reject.py`) and the biases on A and V (`bias.py`) come from the out-of-fold beats of
cross-validation (intra: temperature from the validation part, limits from the training beats), the classes' places for
novelty from the training beats. No beat of a test part is looked at here.
"""

import argparse
import datetime
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from . import augment, context_run, inter
from . import beats as beat_table
from .bias import pooled as pooled_cells
from .export import fold, load_weights, named_tensors
from .fit import predict
from .layout import ARCHITECTURES, LABELS, LAYERS, PARAMETER_LIMITS, WINDOW_SAMPLES, WITH_CONTEXT
from .metrics import fit_temperature, scores, softmax
from .reject import group_temperature, limits_of
from .results import result_of

PROTOCOLS = {
    "intra": ("intra-patient", True, "the training part of the random split of all 48 records"),
    "inter": ("inter-patient", False, "DS1 (22 records)"),
    "all": ("final fit", True, "the 44 unpaced records"),
}
DATA = "MIT-BIH Arrhythmia Database (Moody and Mark 2001, DOI 10.13026/C2F305, ODC-By 1.0)"
STATISTICS_BEATS = 8_000  # training beats that the classes' places are taken from


@torch.no_grad()
def pooled(network, rows, batch=1024):
    """Mean over time of the last feature maps [n][C]."""
    pool = next(i for i, spec in enumerate(network.specs) if spec["op"] == "pool")
    return torch.cat([network.layer_outputs(*network.parted(r))[pool] for r in rows.split(batch)])


def class_statistics(features, label):
    """Mean of every label's features [5][C] and their common deviation [C] about it."""
    known = label >= 0
    features, label = features[known], label[known]
    mean = torch.stack([features[label == i].mean(0) for i in range(len(LABELS))])
    mean[mean.isnan()] = torch.inf  # a fold may lack a class: nothing is near it
    scale = (features - mean[label]).square().mean(0).sqrt().clamp_min(1e-3 * features.std())
    return mean, scale


def distance(features, mean, scale):
    """Novelty [n]: the least, over the classes, mean squared distance in units of `scale`."""
    return torch.stack([((features - m) / scale).square().mean(1) for m in mean]).min(0).values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument(
        "--cross-validation", type=Path, nargs="+", help="out-of-fold beats, all assignments; not for intra"
    )
    parser.add_argument(
        "--bias", type=float, nargs=2, metavar=("A", "V"), default=(0.0, 0.0), help="on their logits; not for intra"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained, config, _ = result_of(options.run)
    network = fold(trained)
    beats = beat_table.load(options.data)
    protocol, shared, what = PROTOCOLS[config["protocol"]]
    training = {
        "protocol": protocol,
        "patients_shared": shared,
        "trained_on": what,
        "data": DATA,
        "seed": config["seed"],
        "settings": config["settings"],
        "warm_start": config["start"],
        "teachers": config["teachers"],
        "revisions": config["revisions"],
        "date": datetime.date.today().isoformat(),
    }
    pool = context_run.pool_of(beats, config["protocol"])
    if config["protocol"] == "intra":
        held = context_run.pool_of(beats, "intra", "validation")
        logits = predict(network, beat_table.rows(beats, held)).numpy()
        temperature, bias = fit_temperature(logits, beats.label[held]), np.zeros(5, dtype=np.float32)
        training["validation_accuracy"] = round(scores(logits, beats.label[held])["accuracy"], 5)
    else:
        bias = np.array([0, 0, 0, *options.bias], dtype=np.float32)
        logits, aami = pooled_cells(options.cross_validation, beats)
        logits = logits + bias
        temperature = group_temperature(logits, aami)
        training["cross_validation"] = inter.rounded(inter.judge(logits, aami)) | {"bias_on_a_and_v": options.bias}
    network.layers[-1].parts["dense"].bias.data += torch.from_numpy(bias)

    some = pool[:: max(1, len(pool) // STATISTICS_BEATS)]
    rows = beat_table.rows(beats, some)
    features = pooled(network, rows)
    mean, scale = class_statistics(features, torch.from_numpy(beats.label[some]))
    if config["protocol"] == "intra":
        far, aami = distance(features, mean, scale).numpy(), beats.aami[some]
        confidence = softmax(predict(network, rows).numpy(), temperature).max(1)
    else:  # from patients the networks had not seen
        far = np.concatenate([np.load(path)["novelty"] for path in options.cross_validation])
        confidence = softmax(logits, temperature).max(1)
    limits = {name: round(limit, 3) for name, limit in limits_of(confidence, far, aami).items()}

    tensors = named_tensors(network)
    parameters = sum(t.numel() for t in tensors.values())
    tensors |= {"novelty.mean": mean.contiguous(), "novelty.scale": scale.contiguous()}
    total = sum(t.numel() for t in tensors.values())
    architecture = config["network"].removesuffix("-context")
    assert total <= PARAMETER_LIMITS[architecture], f"{total} parameters, {PARAMETER_LIMITS[architecture]} allowed"
    channels, values = WITH_CONTEXT
    description = {
        "format": 1,
        "name": options.name,
        "architecture": ARCHITECTURES[architecture] + ", with context",
        "layers": LAYERS[architecture],
        "input": {
            "channels": channels,
            "samples": WINDOW_SAMPLES,
            "rate_hz": round(augment.MODEL_RATE_HZ),
            "r_index": augment.R_INDEX,
            "context": values,
        },
        "normalisation": {"kind": "zscore", "floor_uv": augment.FLOOR_UV},
        "labels": LABELS,
        "temperature": round(temperature, 4),
        "limits": limits,
        "parameters": parameters,
        "training": training,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, options.out, metadata={"ecg_gateway": json.dumps(description)})
    options.out.chmod(0o644)
    load_weights(options.out)
    print(
        json.dumps(
            {"name": options.name, "temperature": temperature, "limits": limits, "parameters": [parameters, total]}
        )
    )


if __name__ == "__main__":
    main()
