"""Fit the weights of the QRS detector (crates/ecg-signal/src/detector/weights/).

Material: the detector's own judgements of candidates with the truth beside them, which
`cargo run --release --manifest-path tools/Cargo.toml --bin detector_material -- DATABASE NOISE OUT` writes (see README.md for
the rounds). Needs numpy and torch.

    python fit.py FOLDER... --out OUT [--folds 6]

writes OUT/all.txt (all records), OUT/ds1.txt (the 22 records of DS1) and, with --folds,
OUT/folds/RECORD.txt (fitted without that record); `--rust FILE.txt FILE.rs` turns one into source.
"""

import argparse
import pathlib
import time

import numpy as np
import torch

FIRST, SECOND = 32, 16
FEATURES = 64
FUSION, OPINIONS = 12, 12
EPOCHS = 5
BATCH = 4096
RATE = 6e-3
DECAY = 1e-4
# Weight of a judgement by variant (tools/lab/src/bin/detector_material/vary.rs); 0.5 for all others.
WEIGHTS = {"first": 3.0, "first-em-a": 1.0, "first-em-b": 1.0, "both": 3.0, "both-em": 1.0}
# A judgement this sure and right tells little: a part of them stands for all.
SURE_LOG_ODDS = 6.0
SURE_PART = 0.12
# Never trained, tuned or chosen on: the strangers that CI labels (tests/data/strangers).
NEVER_TRAINED = {"855", "863"}
DS1 = {101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230}


def load(folders, count):
    """Features, truth, weight and record of the judgements whose truth is known."""
    rng = np.random.default_rng(0)
    xs, ys, ws, records, variants = [], [], [], [], []
    for path in sorted(path for folder in folders for path in pathlib.Path(folder).glob("*.f32")):
        record, variant = path.stem.split("-", 1)
        if record in NEVER_TRAINED:
            raise SystemExit(f"{path}: record {record} is never trained, tuned or chosen on (tests/data/strangers)")
        rows = np.fromfile(path, dtype="<f4")
        if rows.size == 0:
            continue
        rows = rows.reshape(-1, count + 2)
        rows = rows[rows[:, 0] >= 0]
        weight = np.full(len(rows), WEIGHTS.get(variant, 0.5), np.float32)
        sure = np.where(rows[:, 0] == 1, rows[:, 1], -rows[:, 1]) > SURE_LOG_ODDS
        kept = ~sure | (rng.random(len(rows)) < SURE_PART)
        weight[sure] /= SURE_PART
        xs.append(rows[kept, 2:])
        ys.append(rows[kept, 0])
        ws.append(weight[kept])
        records.append(np.full(kept.sum(), int(record)))
        variants += [variant] * int(kept.sum())
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(ws), np.concatenate(records), np.array(variants)


def fit(x, y, w, seed):
    """Adam on the weighted cross-entropy; the weights are averaged over the last part."""
    torch.manual_seed(seed)
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    x = torch.from_numpy((x - mean) / deviation)
    y, w = torch.from_numpy(y), torch.from_numpy(w / w.mean())
    count = x.shape[1]
    first, second, output = torch.nn.Linear(count, FIRST), torch.nn.Linear(FIRST, SECOND), torch.nn.Linear(SECOND, 1)
    parameters = [p for layer in (first, second, output) for p in (layer.weight, layer.bias)]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    averages, averaged, step = [torch.zeros_like(p) for p in parameters], 0, 0
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            take = order[start : start + BATCH]
            z = output(torch.relu(second(torch.tanh(first(x[take]))))).squeeze(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y[take], w[take])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            step += 1
            if step > 0.85 * steps:
                averaged += 1
                for average, parameter in zip(averages, parameters):
                    average += parameter.detach()
    a, ab, b, bb, c, cb = [(average / averaged).numpy().astype(np.float64) for average in averages]
    a = a / deviation
    return np.concatenate([a.ravel(), ab - a @ mean, b.ravel(), bb, c.ravel(), cb])


def fit_fusion(x, y, w, seed):
    """The same for one hidden layer with a direct way past it."""
    torch.manual_seed(seed)
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    x = torch.from_numpy((x - mean) / deviation)
    y, w = torch.from_numpy(y), torch.from_numpy(w / w.mean())
    hidden, output, direct = torch.nn.Linear(OPINIONS, FUSION), torch.nn.Linear(FUSION, 1, bias=False), torch.nn.Linear(OPINIONS, 1)
    parameters = [hidden.weight, hidden.bias, output.weight, direct.weight, direct.bias]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            take = order[start : start + BATCH]
            z = (output(torch.tanh(hidden(x[take]))) + direct(x[take])).squeeze(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y[take], w[take])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    f, fb, g, d, gb = [parameter.detach().numpy().astype(np.float64) for parameter in parameters]
    f, d = f / deviation, d / deviation
    return np.concatenate([f.ravel(), fb - f @ mean, g.ravel(), d.ravel(), gb - (d @ mean)])


def fused_log_odds(weights, x):
    f, fb, g, d, gb = np.split(weights.astype(np.float32), np.cumsum([FUSION * OPINIONS, FUSION, FUSION, OPINIONS]))
    return np.tanh(x @ f.reshape(FUSION, OPINIONS).T + fb) @ g + x @ d + gb


def log_odds(weights, x):
    count = x.shape[1]
    a, ab, b, bb, c, cb = np.split(weights.astype(np.float32), np.cumsum([FIRST * count, FIRST, SECOND * FIRST, SECOND, SECOND]))
    h = np.tanh(x @ a.reshape(FIRST, count).T + ab)
    return np.maximum(h @ b.reshape(SECOND, FIRST).T + bb, 0) @ c + cb


def report(title, data, z):
    x, y, w, records, variants = data
    print(title)
    for variant in sorted(set(variants)):
        k = variants == variant
        beat, accepted = y[k] == 1, z[k] > 0
        print(f"  {variant:16} beats {beat.sum():7} missed {(beat & ~accepted).sum():5} extra {(~beat & accepted).sum():5}", flush=True)


def group(record):
    """Records 201 and 202 are of one patient."""
    return np.where(record == 202, 201, record)


def rust(weights):
    number = lambda value: np.format_float_positional(np.float32(f"{value:.5g}"), trim="0")
    row = lambda values: "[" + ", ".join(number(value) for value in values) + "]"
    parts = [FIRST * FEATURES, FIRST, SECOND * FIRST, SECOND, SECOND, 1, FUSION * OPINIONS, FUSION, FUSION, OPINIONS]
    a, ab, b, bb, c, cb, f, fb, g, d, gb = np.split(weights, np.cumsum(parts))
    lines = [
        "//! Weights of the detector, written by `training/fit.py`; not to be edited.",
        "",
        "use super::super::network::Network;",
        "",
        "pub(super) static NETWORK: Network = Network {",
        "    first: [",
        *[f"        {row(values)}," for values in a.reshape(FIRST, FEATURES)],
        "    ],",
        f"    first_bias: {row(ab)},",
        "    second: [",
        *[f"        {row(values)}," for values in b.reshape(SECOND, FIRST)],
        "    ],",
        f"    second_bias: {row(bb)},",
        f"    output: {row(c)},",
        f"    output_bias: {number(cb[0])},",
        "    fusion: [",
        *[f"        {row(values)}," for values in f.reshape(FUSION, OPINIONS)],
        "    ],",
        f"    fusion_bias: {row(fb)},",
        f"    fusion_output: {row(g)},",
        f"    fusion_direct: {row(d)},",
        f"    fusion_output_bias: {number(gb[0])},",
        "};",
    ]
    return "\n".join(lines) + "\n"


def save(path, weights, fusion=None):
    """Without a fusion the other channel is not heard."""
    if fusion is None:
        fusion = np.zeros(FUSION * (OPINIONS + 2) + OPINIONS + 1)
        fusion[FUSION * (OPINIONS + 2)] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.concatenate([weights, fusion]), fmt="%.6g")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--pairs", nargs="*", help="folders written with --pairs")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("fitted"))
    parser.add_argument("--rust", nargs=2, metavar=("TXT", "RS"))
    arguments = parser.parse_args()
    if arguments.rust:
        text, source = map(pathlib.Path, arguments.rust)
        source.write_text(rust(np.loadtxt(text)))
        return
    start = time.time()
    single = load(arguments.folders, FEATURES)
    pairs = load(arguments.pairs, OPINIONS) if arguments.pairs else None
    print(f"{len(single[1])} judgements kept, {int(single[1].sum())} of beats", flush=True)

    def fit_on(records_kept, path):
        """Writes the weights; returns the log odds of the rows that were left out."""
        kept = records_kept(single[3])
        weights = fit(*[column[kept] for column in single[:3]], arguments.seed)
        fusion, fused = None, None
        if pairs:
            pairs_kept = records_kept(pairs[3])
            fusion = fit_fusion(*[column[pairs_kept] for column in pairs[:3]], arguments.seed)
            fused = fused_log_odds(fusion, pairs[0])
        for file in path:
            save(arguments.out / file, weights, fusion)
        return log_odds(weights, single[0]), fused

    def all_reports(title, z, fused, left_out):
        k = left_out(single[3])
        report(f"{title} ({time.time() - start:.0f} s)", [column[k] for column in single], z[k])
        if pairs:
            k = left_out(pairs[3])
            report("  with the other channel", [column[k] for column in pairs], fused[k])

    whole = lambda records: records > 0
    ds1 = lambda records: np.isin(records, list(DS1))
    all_reports("all records", *fit_on(whole, ["all.txt"]), whole)
    all_reports("fitted on DS1, the others", *fit_on(ds1, ["ds1.txt"]), lambda records: ~ds1(records))
    if arguments.folds:
        z, fused = np.zeros(len(single[1])), np.zeros(len(pairs[1]) if pairs else 0)
        groups = np.unique(group(single[3]))
        for fold in range(arguments.folds):
            held_out = lambda records: np.isin(group(records), groups[fold :: arguments.folds])
            files = [f"folds/{record}.txt" for record in np.unique(single[3][held_out(single[3])])]
            fold_z, fold_fused = fit_on(lambda records: ~held_out(records), files)
            z[held_out(single[3])] = fold_z[held_out(single[3])]
            if pairs:
                fused[held_out(pairs[3])] = fold_fused[held_out(pairs[3])]
        all_reports("records left out in turn", z, fused, whole)


if __name__ == "__main__":
    main()
