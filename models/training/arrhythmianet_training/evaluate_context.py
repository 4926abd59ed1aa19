"""Measures shipped context networks.

    python -m arrhythmianet_training.evaluate_context ../evaluation/v1-context-ds1.safetensors --protocol inter --data data/mitdb --json looks.json
    python -m arrhythmianet_training.evaluate_context ../evaluation/v1-context-intra.safetensors --protocol intra --data data/mitdb

`inter` is the look at DS2: one per released model, written down in models/README.md. `intra` is the test part of the
random split. The disturbed conditions leave out the further seeds.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from . import augment, context_run, data, inter, splits
from . import beats as beat_table
from .evaluate import recorded_pieces, with_noise
from .export import load_weights
from .fit import predict
from .metrics import expected_calibration_error, scores

SHIFT_SAMPLES = 7  # 28 ms at 250 Hz
PLAIN = "R as annotated"
UNDISTURBED = "undisturbed"  # the same, on the beats the disturbed conditions are measured on


def conditions(beats, chosen, noise):
    """Name -> (input rows, which of the chosen beats)."""
    everything = np.arange(len(chosen))
    at = beats.position[torch.from_numpy(chosen)]
    yield UNDISTURBED, beat_table.rows(beats, chosen), everything
    for shift in (-SHIFT_SAMPLES, SHIFT_SAMPLES):
        name = f"R shifted by {shift * 4:+d} ms"
        yield name, beat_table.rows(beats, chosen, position=at + shift), everything
    for lead, name in (
        (0, "R and RR history from the gateway's detector"),
        (1, "second lead, R and RR history from its detector"),
    ):
        found = np.flatnonzero(beats.detected[lead, chosen].numpy() >= 0)
        where = torch.from_numpy(chosen[found])
        source = torch.full((len(found),), 1 + lead)
        rows = beat_table.rows(beats, where, lead=lead, position=beats.detected[lead, where], source=source)
        yield name, rows, found
    generator = torch.Generator().manual_seed(7)
    plain = augment.cut(beats.signal, torch.zeros(len(chosen), dtype=torch.long), at)
    for snr_db in (12, 6):
        for name in sorted(noise):
            windows = with_noise(plain, recorded_pieces(noise[name], len(chosen), generator), snr_db)
            yield f"recorded noise {name}, {snr_db} dB", beat_table.rows(beats, chosen, windows=windows), everything


def judge(logits, beats, which, protocol):
    if protocol == "intra":
        s = scores(logits, beats.label[which])
        return {k: s[k] for k in ("beats", "accuracy", "macro_f1", "confusion", "per_class")}
    return {"beats": len(which)} | inter.rounded(inter.judge(logits, beats.aami[which]))


def report(measured, name, condition):
    short = {k: round(v, 4) for k, v in measured[name][condition].items() if isinstance(v, float)}
    print(name, "|", condition, "|", json.dumps(short), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("--protocol", choices=["intra", "inter"], required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--noise")
    parser.add_argument("--every", type=int, default=1, help="the disturbed conditions on every so many-th beat")
    parser.add_argument("--plain", action="store_true", help="R as annotated only")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    beats = beat_table.load(options.data)
    noise = data.load_noise(options.noise)
    chosen = (
        beats.of_records(splits.DS2) if options.protocol == "inter" else context_run.pool_of(beats, "intra", "test")
    )
    networks = {path.stem: load_weights(path) for path in options.weights}
    measured = {name: {} for name in networks}
    plain = beat_table.rows(beats, chosen)
    for name, (network, description) in networks.items():
        logits = predict(network, plain).numpy()
        measured[name][PLAIN] = judge(logits, beats, chosen, options.protocol)
        if options.protocol == "intra":
            label = beats.label[chosen]
            measured[name]["ece"] = [
                expected_calibration_error(logits, label, t) for t in (1.0, description["temperature"])
            ]
        report(measured, name, PLAIN)
    if options.plain:
        networks = {}
    for condition, rows, which in conditions(beats, chosen[:: options.every], noise) if networks else []:
        if condition == UNDISTURBED and options.every == 1:
            continue
        for name, (network, _) in networks.items():
            if "-seed" in name:
                continue
            logits = predict(network, rows).numpy()
            measured[name][condition] = judge(logits, beats, chosen[:: options.every][which], options.protocol)
            report(measured, name, condition)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
