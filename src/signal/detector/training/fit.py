"""Fit the weights of the QRS detector (src/signal/detector/weights.rs).

Material: the detector's own judgements of candidates with the truth beside them, written by

    for channel, noise (none, em at 12, 6 and 0 dB, ma at 6 dB), tempo (1, 0.8, 1.25):
        cargo run --release --example qrs -- DATABASE --channel C [--noise FILE --snr-db S]
            [--tempo T] --judgements FOLDER

and since the features depend on what the detector accepted before, both steps are repeated until
the figures stay: three times, judgements of the last two together.

    python fit.py FOLDER... [--folds 6] [--write ../weights.rs]

With --folds the records are left out in turn and the errors counted on them; needs numpy alone.
"""

import argparse
import collections
import pathlib

import numpy as np

HIDDEN = 16
EPOCHS = 14
BATCH = 4096
RATE = 4e-3
DECAY = 1e-5
# Weight of a judgement by channel and condition: the clean first channel counts most.
WEIGHTS = {"clean": 4.0, "em-12": 1.0, "em-6": 1.0, "em-0": 0.2, "ma-6": 0.4}
TEMPO_WEIGHT = 0.35
SECOND_CHANNEL_WEIGHT = 0.3


def load(folders):
    """Features, truth, weight, record and condition of every judgement whose truth is known."""
    rows = collections.defaultdict(list)
    for path in sorted(path for folder in folders for path in pathlib.Path(folder).glob("*.csv")):
        record, channel, noise, snr, tempo = path.stem.split("-")
        data = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
        if data.size == 0:
            continue
        data = data[data[:, 0] >= 0]
        name = "clean" if noise == "clean" else f"{noise}-{snr}"
        weight = WEIGHTS[name] * (1.0 if tempo == "1" else TEMPO_WEIGHT)
        weight *= 1.0 if channel == "0" else SECOND_CHANNEL_WEIGHT
        rows["x"].append(data[:, 3:])
        rows["y"].append(data[:, 0])
        rows["w"].append(np.full(len(data), weight, np.float32))
        rows["record"].append(np.full(len(data), int(record)))
        rows["condition"].append(np.full(len(data), f"channel {channel} {name} tempo {tempo}"))
    return {key: np.concatenate(value) for key, value in rows.items()}


def fit(x, y, w, seed):
    """Adam on the weighted cross-entropy of one hidden tanh layer, with averaged last weights."""
    rng = np.random.default_rng(seed)
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    w = w / w.mean()
    n = x.shape[1]
    p = [rng.normal(0, n**-0.5, (n, HIDDEN)), np.zeros(HIDDEN), rng.normal(0, 0.25, HIDDEN), np.zeros(1)]
    p = [a.astype(np.float32) for a in p]
    m, v = [np.zeros_like(a) for a in p], [np.zeros_like(a) for a in p]
    average, averaged, step = [np.zeros(a.shape) for a in p], 0, 0
    steps = EPOCHS * (len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            take = order[start : start + BATCH]
            a, t, s = x[take], y[take], w[take]
            h = np.tanh(a @ p[0] + p[1])
            error = (1 / (1 + np.exp(-(h @ p[2] + p[3]))) - t) * s / BATCH
            back = np.outer(error, p[2]) * (1 - h * h)
            gradient = [a.T @ back + DECAY * p[0], back.sum(0), h.T @ error + DECAY * p[2], error.sum(keepdims=True)]
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for k, g in enumerate(gradient):
                m[k] = 0.9 * m[k] + 0.1 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                p[k] = p[k] - rate * (m[k] / (1 - 0.9**step)) / (np.sqrt(v[k] / (1 - 0.999**step)) + 1e-8)
            if step > 0.8 * steps:
                averaged += 1
                for k in range(4):
                    average[k] += p[k]
    a, b, c, d = [value / averaged for value in average]
    a = a / deviation[:, None]
    return a, b - mean @ a, c, d


def log_odds(weights, x):
    a, b, c, d = weights
    return np.tanh(x @ a + b) @ c + d


def report(title, data, accepted):
    print(title)
    for condition in sorted(set(data["condition"])):
        k = data["condition"] == condition
        truth = data["y"][k] == 1
        print(f"  {condition:28} beats {truth.sum():6} missed {(truth & ~accepted[k]).sum():5} extra {(~truth & accepted[k]).sum():5}")


def rust(weights):
    a, b, c, d = weights
    number = lambda value: np.format_float_positional(np.float32(float(f"{value:.5g}")), trim="0")
    row = lambda values: ", ".join(number(value) for value in values)
    lines = [
        "//! Weights of the detector, written by `training/fit.py`; not to be edited.",
        "",
        "use super::features::FEATURE_COUNT;",
        "",
        f"const HIDDEN_COUNT: usize = {HIDDEN};",
        "",
        "#[rustfmt::skip]",
        "pub(super) const HIDDEN_WEIGHTS: [[f32; FEATURE_COUNT]; HIDDEN_COUNT] = [",
        *[f"    [{row(a[:, k])}]," for k in range(HIDDEN)],
        "];",
        "#[rustfmt::skip]",
        f"pub(super) const HIDDEN_BIAS: [f32; HIDDEN_COUNT] = [{row(b)}];",
        "#[rustfmt::skip]",
        f"pub(super) const OUTPUT_WEIGHTS: [f32; HIDDEN_COUNT] = [{row(c)}];",
        f"pub(super) const OUTPUT_BIAS: f32 = {number(d[0])};",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write")
    arguments = parser.parse_args()
    data = load(arguments.folders)
    print(f"{len(data['y'])} judgements, {int(data['y'].sum())} of beats")
    if arguments.folds:
        accepted = np.zeros(len(data["y"]), bool)
        records = np.unique(data["record"])
        for fold in range(arguments.folds):
            held_out = np.isin(data["record"], records[fold :: arguments.folds])
            kept = ~held_out
            weights = fit(data["x"][kept], data["y"][kept], data["w"][kept], arguments.seed)
            accepted[held_out] = log_odds(weights, data["x"][held_out]) > 0
        report("records left out in turn", data, accepted)
    weights = fit(data["x"], data["y"], data["w"], arguments.seed)
    report("all records", data, log_odds(weights, data["x"]) > 0)
    if arguments.write:
        pathlib.Path(arguments.write).write_text(rust(weights))


if __name__ == "__main__":
    main()
