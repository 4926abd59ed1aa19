"""Trains one network and keeps everything of the run in one folder.

    python train.py v1 --data data/mitdb --noise data/noise --out runs/v1
    python train.py v1-context --protocol inter --data data/mitdb --noise data/noise --out runs/v1-context-ds1

The networks of the waveform alone know the random split only (`--protocol intra`); for the context networks, their
settings and folders see train_context.py. What follows is about the first kind.

Writes into the folder: config.json, log.jsonl (one line an epoch), curves.png, checkpoint.pt (every epoch). The same
command goes on from the checkpoint if the run was cut off. The random state of an epoch depends on seed and epoch
alone, so on one machine a resumed run equals an uninterrupted one.
"""

import argparse
import copy
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch

import augment
import data
import fast
import sparsity
import train_context
from architectures import LABELS, LAYERS, Network
from export import load_weights, windows_of
from fit import taught
from metrics import predict, scores
from schedule import average, rate_at
from warm import start_from

# Share of the steps the learning rate takes to its peak.
WARM_UP = 0.03
# Beats whose statistics the normalisations start with, where weights are given to start from.
START_BEATS = 4096
# Steps from one look at what groups of weights are worth to the next.
PRUNING_STEPS = 25
# Share of the loss that the teachers' probabilities get.
TAUGHT = 0.7


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=[*sorted(LAYERS), *(f"{name}-context" for name in sorted(LAYERS))])
    parser.add_argument("--protocol", choices=["intra", "inter", "all"], default="intra")
    parser.add_argument("--settings", type=json.loads, default={}, help="context networks: changes to fit.Settings")
    parser.add_argument("--start", type=Path, help="waveform weights to start from")
    parser.add_argument("--density", type=float, nargs="+", metavar="SHARE", help="waveform networks: shares of not-zero values to end with: there, back, of pairs (sparsity.py)")
    parser.add_argument("--weights", type=float, nargs=2, metavar=("THERE", "BACK"), help="v2: shares of products over bottlenecks to end with (sparsity.py)")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="what teaches this network: finished runs of context networks; weights of waveform networks")
    parser.add_argument("--data", required=True, help="folder of prepared records")
    parser.add_argument("--noise", help="folder of prepared noise records (their first two thirds are used)")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--minutes", type=float, help="waveform networks: as many epochs as end by then, settled after the second")
    parser.add_argument("--epoch-draws", type=int, default=409_600)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--class-exponent", type=float, default=-0.3, help="sampling weight of a beat: n_class^this")
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights, per step")
    parser.add_argument("--mix", type=json.loads, default={}, help='changes to augment.Mix, as JSON: {"plain": 0.5}')
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def validation_windows(records, beats):
    """What an epoch is judged by: the validation beats at their annotated and at their detected positions."""
    lead = torch.zeros(len(beats), dtype=torch.long, device=records.signal.device)
    views = {"annotated": records.position[beats]}
    if records.has_detections:
        detected = records.detected[0, beats]
        views["detected"] = detected.clip(0) + (detected < 0) * records.position[beats]
    device = records.signal.device
    return {
        name: augment.normalise(augment.cut(records.signal, lead, torch.from_numpy(p).to(device)))[:, None, :]
        for name, p in views.items()
    }


def save(path, content):
    """Written beside and renamed, so that a cut-off run never leaves half a checkpoint."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


def draw_curves(log, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    epochs = [row["epoch"] for row in log]
    left.plot(epochs, [row["loss"] for row in log], label="training (augmented draws)")
    left.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
    left.legend(fontsize=7)
    for view in log[-1]["validation"]:
        for figure_name, style in (("accuracy", "-"), ("macro_f1", "--")):
            values = [row["validation"][view][figure_name] for row in log]
            right.plot(epochs, values, style, label=f"{figure_name}, R {view}")
    right.set(xlabel="epoch", ylabel="validation", ylim=(0.94, 1.0))
    right.legend(fontsize=7)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main():
    options, begun = arguments(), time.monotonic()
    if options.network.endswith("-context"):
        return train_context.run(options)
    if options.protocol != "intra":
        raise SystemExit(f"{options.network}: trained on the random split only (--protocol intra)")
    if options.density and len(options.density) not in (2, 3):
        raise SystemExit(f"--density: {len(options.density)} shares; two (there, back) or three (of pairs) expected")
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.minutes and (options.out / "checkpoint.pt").exists():
        raise SystemExit(f"{options.out}: a run that ends by the clock is not resumed")

    records = data.load_records(options.data)
    records.signal = records.signal.to(device)
    noise = [n[:, : 2 * n.shape[1] // 3] for n in data.load_noise(options.noise).values()]
    parts = data.split_intra(records.label)
    train, validation = torch.from_numpy(parts["train"]).to(device), parts["validation"]
    label = torch.from_numpy(records.label).to(device)

    # Imbalance is handled on the training part only: rare classes are drawn more often.
    count = torch.bincount(label[train], minlength=len(LABELS)).double()
    cumulative = (count[label[train]] ** options.class_exponent).cumsum(0)
    cumulative /= cumulative[-1].clone()

    torch.manual_seed(options.seed)
    network = Network(LAYERS[options.network]).to(device)
    teachers = [load_weights(path)[0].to(device) for path in options.teachers]
    if options.start:
        some = parts["train"][:: len(parts["train"]) // START_BEATS]
        start_from(network, options.start, windows_of(records, some)[:, 0])
    averaged = copy.deepcopy(network)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate)

    generator = torch.Generator(device=device)
    augmenter = augment.Augmenter(records, augment.Mix(**options.mix), noise, generator)
    pruning = sparsity.Pruning(network, options.weights) if options.weights else None
    views = validation_windows(records, validation)

    log, first, first_density = [], 0, None
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        log, first = state["log"], len(state["log"])
        first_density = state.get("first_density")
        if pruning:
            pruning.masks = state["masks"]
        print(f"going on after epoch {first}", flush=True)
    not_kept = ("data", "noise", "out", "protocol", "settings")
    config = {k: v for k, v in vars(options).items() if k not in not_kept}
    config |= {"start": options.start and str(options.start), "teachers": [str(path) for path in options.teachers]}
    config |= {"mix": asdict(augmenter.mix), "recorded_noise": bool(noise), "detector_positions": records.has_detections}
    (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    steps_per_epoch = options.epoch_draws // options.batch
    epoch = first
    while epoch < options.epochs:
        started = time.monotonic()
        steps = options.epochs * steps_per_epoch
        generator.manual_seed(options.seed * 100_003 + epoch)
        network.train()
        total = torch.zeros((), device=device)
        for i in range(steps_per_epoch):
            step = epoch * steps_per_epoch + i
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, steps, options.learning_rate, WARM_UP)
            place = torch.rand(options.batch, generator=generator, device=device, dtype=torch.double)
            beats = train[torch.searchsorted(cumulative, place).clamp_max(len(train) - 1)]
            windows, before = augmenter.draw(beats), [] if options.density else None
            logits = fast.forward(network, windows, before=before)
            loss = torch.nn.functional.cross_entropy(logits, label[beats])
            if teachers:
                wanted = taught(teachers, windows)
                loss = (1 - TAUGHT) * loss + TAUGHT * torch.nn.functional.cross_entropy(logits, wanted)
            if options.density:
                if first_density is None:
                    first_density = [float(d) for d in sparsity.density(network, before)]
                loss = loss + sparsity.excess(network, before, first_density, options.density, step / steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if pruning:
                if step % PRUNING_STEPS == 0:
                    pruning.fall(network, windows, step / steps)
                pruning.apply(network)
            average(averaged, network, min(options.ema, (step + 1) / (step + 10)))
            total += loss.detach()
        if pruning:
            pruning.apply(averaged)
        judged = {name: scores(predict(averaged, w), records.label[validation]) for name, w in views.items()}
        extra = {}
        if options.density:
            found = sparsity.measured(averaged, views["annotated"])
            extra = {name: round(share, 4) for name, share in zip(("density", "density_back", "density_pair"), found)}
        if pruning:
            extra["weights"] = [round(share, 4) for share in pruning.left(network)]
        row = {
            "epoch": epoch + 1,
            "loss": float(total) / steps_per_epoch,
            "validation": {n: {k: round(s[k], 5) for k in ("accuracy", "macro_f1")} for n, s in judged.items()},
            "seconds": round(time.monotonic() - started, 1),
        } | extra
        log.append(row)
        print(json.dumps(row), flush=True)
        save(
            checkpoint,
            {
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimiser": optimiser.state_dict(),
                "log": log,
                "config": config,
                "first_density": first_density,
                "masks": pruning and pruning.masks,
            },
        )
        (options.out / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in log))
        epoch += 1
        if options.minutes and epoch == 2:
            left = 60 * options.minutes - (time.monotonic() - begun)
            options.epochs = 2 + max(1, int(left / row["seconds"]))
            config["epochs"] = options.epochs
            (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    draw_curves(log, options.out / "curves.png")


if __name__ == "__main__":
    main()
