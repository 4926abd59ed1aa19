"""Turns a finished run of a context network into its weights file, and golden vectors where asked.

    python export_context.py runs/v1-context-ds1 --name v1-context-ds1 --data data/mitdb \
        --cross-validation runs/cv/v1mid-0.npz --bias -1.625 -0.75 --out ../evaluation/v1-context-ds1.safetensors

Temperature and the biases on A and V come from the out-of-fold logits of cross-validation (intra: from the validation part),
novelty from the training beats, limits from cross-validation where it kept novelty, else from the training beats. No
beat of a test part is looked at here.
"""

import argparse
import datetime
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import augment
import beats as beat_table
import data
import inter
import train_context
from architectures import ARCHITECTURES, LABELS, LAYERS, PARAMETER_LIMITS, WITH_CONTEXT, WINDOW_SAMPLES
from export import fold, load_weights, named_tensors
from fit import predict
from metrics import fit_temperature, scores

PROTOCOLS = {
    "intra": ("intra-patient", True, "the training part of the random split of all 48 records"),
    "inter": ("inter-patient", False, "DS1 (22 records)"),
    "all": ("final fit", True, "the 44 unpaced records"),
}
DATA = "MIT-BIH Arrhythmia Database (Moody and Mark 2001, DOI 10.13026/C2F305, ODC-By 1.0)"
STATISTICS_BEATS = 8_000  # training beats that limits and novelty are taken from
REJECTED_FOR_NOVELTY = 0.025  # share of the beats of known classes beyond the novelty limit
REJECTED_FOR_CONFIDENCE = 0.025


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
    scale = (features - mean[label]).square().mean(0).sqrt().clamp_min(1e-3 * features.std())
    return mean, scale


def distance(features, mean, scale):
    """Novelty [n]: the least, over the classes, mean squared distance in units of `scale`."""
    return torch.stack([((features - m) / scale).square().mean(1) for m in mean]).min(0).values


def group_temperature(logits, aami):
    known = aami <= 2
    return fit_temperature(inter.group_scores(logits[known]), aami[known])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cross-validation", type=Path, help="out-of-fold logits; not for intra")
    parser.add_argument("--bias", type=float, nargs=2, metavar=("A", "V"), default=(0.0, 0.0), help="on their logits; not for intra")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained, config = train_context.result_of(options.run)
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
        "warm_start": config["warm_start"],
        "date": datetime.date.today().isoformat(),
    }
    pool = train_context.pool_of(beats, config["protocol"])
    if config["protocol"] == "intra":
        held = train_context.pool_of(beats, "intra", "validation")
        logits = predict(network, beat_table.rows(beats, held)).numpy()
        temperature, bias = fit_temperature(logits, beats.label[held]), np.zeros(5, dtype=np.float32)
        training["validation_accuracy"] = round(scores(logits, beats.label[held])["accuracy"], 5)
    else:
        bias = np.array([0, 0, 0, *options.bias], dtype=np.float32)
        kept = np.load(options.cross_validation)
        logits, aami = kept["logits"] + bias, beats.aami[kept["beat"]]
        temperature = group_temperature(logits, aami)
        training["cross_validation"] = inter.rounded(inter.judge(logits, aami)) | {"bias_on_a_and_v": options.bias}
    network.layers[-1].parts["dense"].bias.data += torch.from_numpy(bias)

    some = pool[:: max(1, len(pool) // STATISTICS_BEATS)]
    rows = beat_table.rows(beats, some)
    features = pooled(network, rows)
    mean, scale = class_statistics(features, torch.from_numpy(beats.label[some]))
    far = distance(features, mean, scale)
    confidence = (predict(network, rows) / temperature).softmax(1).amax(1)
    if config["protocol"] != "intra" and "novelty" in kept:  # from patients the networks had not seen
        known = torch.from_numpy(aami <= 2)
        far = torch.from_numpy(kept["novelty"])[known]
        confidence = (torch.from_numpy(logits)[known] / temperature).softmax(1).amax(1)
    limits = {
        "confidence": round(float(confidence.quantile(REJECTED_FOR_CONFIDENCE)), 3),
        "novelty": round(float(far.quantile(1 - REJECTED_FOR_NOVELTY)), 3),
    }

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
    print(json.dumps({"name": options.name, "temperature": temperature, "limits": limits, "parameters": [parameters, total]}))


if __name__ == "__main__":
    main()
