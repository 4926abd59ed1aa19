"""Measures shipped weights on the test part of the intra-patient protocol and prints the model card's tables.

    python -m arrhythmianet_training.evaluate ../v1.safetensors ../v2.safetensors --data data/mitdb --noise data/noise --card ../README.md

Everything is computed from the weights file as shipped. Each row changes one thing against the first.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from . import augment, data, splits
from .architectures import predict
from .export import load_weights
from .layout import LABELS, multiply_accumulates
from .metrics import expected_calibration_error, scores, softmax
from .tables import table

SHIFTS_MS = (-28, -16, -8, 8, 16, 28)
NOISE_SEED = 7
QRS_HALF_WIDTH_S = 0.060
CONFIDENCE_LIMITS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)

MARKERS = ("<!-- tables: evaluate.py --card -->", "<!-- end of tables -->")


def qrs_power(windows):
    """Power of each window's QRS the noise-stress way: (peak to peak)^2 / 8, within 60 ms of R."""
    half = round(QRS_HALF_WIDTH_S * augment.MODEL_RATE_HZ)
    qrs = windows[:, augment.R_INDEX - half : augment.R_INDEX + half + 1]
    return (qrs.amax(dim=1) - qrs.amin(dim=1)).square() / 8


def with_noise(windows, pieces, snr_db):
    """Adds a piece of noise to every window, scaled to the SNR against its QRS; noise measured after conditioning."""
    pieces = pieces - pieces.mean(dim=1, keepdim=True)
    power = qrs_power(windows) / 10 ** (snr_db / 10)
    return windows + pieces * (power / pieces.square().mean(dim=1)).sqrt()[:, None]


def recorded_pieces(noise, count, generator):
    """Pieces from the last third of a noise record; training saw only the first two thirds."""
    start = 2 * noise.shape[1] // 3
    steps = augment.STEP * torch.arange(augment.WINDOW_SAMPLES)
    reach = noise.shape[1] - start - augment.STEP * augment.WINDOW_SAMPLES
    at = start + torch.randint(reach, (count,), generator=generator)
    return noise[0][at[:, None] + steps]


def conditions(records, beats, noise):
    """Name -> windows in microvolts, and which of the beats they belong to (all but for detector positions)."""
    count = len(beats)
    first, second = torch.zeros(count, dtype=torch.long), torch.ones(count, dtype=torch.long)
    position = torch.from_numpy(records.position[beats])
    everything = np.arange(count)
    plain = augment.cut(records.signal, first, position)
    yield "R as annotated", plain, everything
    for shift in SHIFTS_MS:
        moved = position + round(shift * 1e-3 * data.CHAIN_RATE_HZ)
        yield f"R shifted by {shift:+d} ms", augment.cut(records.signal, first, moved), everything
    if records.has_detections:
        for name, lead in (("R from the gateway's detector", first), ("second lead, R from its detector", second)):
            detected = records.detected[int(lead[0]), beats]
            found = np.flatnonzero(detected >= 0)
            yield name, augment.cut(records.signal, lead[found], torch.from_numpy(detected[found])), found
    yield "second lead", augment.cut(records.signal, second, position), everything
    generator = torch.Generator().manual_seed(NOISE_SEED)
    white = torch.fft.rfft(torch.randn(count, augment.WINDOW_SAMPLES, generator=generator))
    frequency = torch.fft.rfftfreq(augment.WINDOW_SAMPLES, 1 / augment.MODEL_RATE_HZ)
    white = torch.fft.irfft(white * augment.passband(frequency), augment.WINDOW_SAMPLES)
    for snr_db in (12, 6):
        yield f"white noise below 40 Hz, {snr_db} dB", with_noise(plain, white, snr_db), everything
        for name, recorded in noise.items():
            pieces = recorded_pieces(recorded, count, generator)
            yield f"recorded noise {name}, {snr_db} dB", with_noise(plain, pieces, snr_db), everything
    for gain in (0.1, 4.0):
        yield f"amplitude times {gain:g}", plain * gain, everything
    time_s = (torch.arange(augment.WINDOW_SAMPLES) - augment.R_INDEX) / augment.MODEL_RATE_HZ
    deviation = plain.std(dim=1, keepdim=True)
    phase = 2 * torch.pi * torch.rand(count, 1, generator=generator)
    yield (
        "baseline wander 0.3 Hz, half the window's deviation",
        (plain + 0.5 * 2**0.5 * deviation * torch.sin(2 * torch.pi * 0.3 * time_s + phase)),
        everything,
    )
    yield (
        "mains residue 50 Hz, a tenth of the window's deviation",
        (plain + 0.1 * 2**0.5 * deviation * torch.sin(2 * torch.pi * 50 * time_s + phase)),
        everything,
    )
    for stretch in (0.95, 1.05):
        warped = augment.cut_warped(records.signal, first, position.double(), torch.full((count,), stretch))
        yield f"time axis times {stretch:g}", warped, everything
    yield "electrodes swapped (inverted)", -plain, everything


def measure(path, records, beats, noise):
    network, description = load_weights(path)
    label, temperature = records.label[beats], description["temperature"]
    rows, logits = {}, None
    for name, windows, which in conditions(records, beats, noise):
        found = predict(network, augment.normalise(windows)[:, None, :])
        rows[name] = scores(found, label[which])
        if logits is None:
            logits = found
    confidence = softmax(logits, temperature).max(axis=1)
    correct = logits.argmax(axis=1) == label
    coverage = [
        {
            "limit": limit,
            "coverage": float((confidence >= limit).mean()),
            "accuracy": float(correct[confidence >= limit].mean()),
        }
        for limit in CONFIDENCE_LIMITS
    ]
    return {
        "model": description["name"],
        "parameters": description["parameters"],
        "multiply_accumulates": multiply_accumulates(description["layers"], description["input"]["channels"]),
        "temperature": temperature,
        "ece_raw": expected_calibration_error(logits, label, 1.0),
        "ece_calibrated": expected_calibration_error(logits, label, temperature),
        "coverage": coverage,
        "conditions": rows,
    }


def markdown(results):
    names = [r["model"] for r in results]
    plain = [r["conditions"]["R as annotated"] for r in results]
    text = table(
        ["test beats, R as annotated", *names],
        [
            ["beats", *(f"{p['beats']:,}" for p in plain)],
            ["accuracy", *(f"{p['accuracy']:.4f}" for p in plain)],
            ["macro-F1", *(f"{p['macro_f1']:.4f}" for p in plain)],
            ["expected calibration error, raw", *(f"{r['ece_raw']:.4f}" for r in results)],
            [
                "the same with the shipped temperature",
                *(f"{r['ece_calibrated']:.4f} (T = {r['temperature']:g})" for r in results),
            ],
            ["parameters, batch norm folded", *(f"{r['parameters']:,}" for r in results)],
            ["multiply-accumulates per beat", *(f"{r['multiply_accumulates']:,}" for r in results)],
        ],
    )
    for result, judged in zip(results, plain):
        rows = []
        for i, name in enumerate(LABELS):
            c = judged["per_class"][name]
            counts = " ".join(str(n) for n in judged["confusion"][i])
            rows.append([name, str(c["beats"]), f"{c['se']:.4f}", f"{c['ppv']:.4f}", f"{c['f1']:.4f}", counts])
        header = [f"{result['model']}: class", "beats", "Se", "+P", "F1", "called " + " ".join(LABELS)]
        text += "\n" + table(header, rows)
    rows = []
    for name in results[0]["conditions"]:
        row = [name]
        for result in results:
            judged = result["conditions"][name]
            if not row[1:] and judged["beats"] != plain[0]["beats"]:
                row[0] += f" ({judged['beats']:,} beats found)"
            row.append(f"{judged['accuracy']:.4f} / {judged['macro_f1']:.4f}")
        rows.append(row)
    text += "\n" + table(["condition (accuracy / macro-F1)", *names], rows)
    rows = []
    for i, limit in enumerate(CONFIDENCE_LIMITS):
        row = [f"{limit:g}"]
        for result in results:
            c = result["coverage"][i]
            row.append(f"{c['coverage']:.4f} / {c['accuracy']:.4f}")
        rows.append(row)
    return text + "\n" + table(["confidence at least (coverage / accuracy)", *names], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--noise")
    parser.add_argument("--part", choices=splits.PARTS, default="test")
    parser.add_argument("--card", type=Path, help="model card whose tables, between the markers, are renewed")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = data.load_records(options.data)
    beats = splits.split_intra(records.label)[options.part]
    noise = data.load_noise(options.noise)
    results = [measure(path, records, beats, noise) for path in options.weights]
    text = markdown(results)
    print(text)
    if options.card:
        card = options.card.read_text()
        before, _, region = card.partition(MARKERS[0])  # other regions of the card end alike
        after = region.partition(MARKERS[1])[2]
        options.card.write_text(f"{before}{MARKERS[0]}\n{text}{MARKERS[1]}{after}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
