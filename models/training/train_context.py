"""Trains a context network (`train.py v1-context ...` calls this) and keeps everything of the run in one folder.

Protocols: `inter` (DS1 alone), `all` (the 44 unpaced records), `intra` (the training part of the random split).
Folder: config.json, log.jsonl (one line a segment), curves.png, checkpoint.pt (every segment). The same command goes on
from the checkpoint; the random state of a segment depends on seed and segment alone.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import augment_context
import beats as beat_table
import data
import export
import fit
import warm
from architectures import LAYERS, WITH_CONTEXT, Network

SEGMENT_STEPS = 96

# What the released models were trained with: changes to fit.Settings. See ../README.md, 'What was tried'.
PLAIN = {"mix": {"synthetic": 0.08, "detector_history": 0.2, "lost_or_extra": 0.03}}
# Added where there are teachers.
TAUGHT = {"draws": 80_000, "soft": 1.0, "blended": 0.5}
PRESETS = {
    "inter": PLAIN,
    "all": PLAIN | {"five": 0.5},
    "intra": {
        "draws": 120_000,
        "batch": 256,
        "learning_rate": 1.5e-3,
        "ema": 0.995,
        "dropout": 0.0,
        "class_exponent": -0.3,
        "record_exponent": 0.0,
        "groups": False,
        "mix": {
            "synthetic": 0.0,
            "edits": 0.0,
            "swap": 0.0,
            "second_lead": 0.15,
            "detector_history": 0.35,
            "at_detected": 0.25,
            "noise_level": 0.6,
        },
    },
}


def pool_of(beats, protocol, part="train"):
    """Indices of the beats a protocol trains on."""
    if protocol == "intra":
        labelled = np.flatnonzero(beats.label >= 0)
        return labelled[data.split_intra(beats.label[labelled])[part]]
    names = data.DS1 if protocol == "inter" else [n for n in beats.names if n not in beat_table.PACED]
    pool = beats.of_records(names)
    return pool[beats.group[pool] >= 0]


def save(path, content):
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


def draw_curve(log, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 2.6), layout="constrained")
    axes.plot([row["draws"] for row in log], [row["loss"] for row in log])
    axes.set(xlabel="draws", ylabel="loss (augmented draws)", yscale="log")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=70)
    pyplot.close(figure)


def run(options):
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    architecture = options.network.removesuffix("-context")
    preset = PRESETS[options.protocol] | (TAUGHT if options.teachers else {})
    settings = fit.Settings(**(preset | options.settings))
    beats = beat_table.load(options.data)
    noise = [n[:, : 2 * n.shape[1] // 3] for n in data.load_noise(options.noise).values()]
    pool = pool_of(beats, options.protocol)
    config = {
        "network": options.network,
        "protocol": options.protocol,
        "seed": options.seed,
        "settings": asdict(settings),
        "warm_start": options.start.name if options.start else None,
        "teachers": [folder.name for folder in options.teachers],
        "recorded_noise": bool(noise),
    }
    (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    augmenter = augment_context.ContextAugmenter(
        beats, augment_context.ContextMix(**settings.mix), noise, generator, pool
    )
    channels, values = WITH_CONTEXT
    start = Network(LAYERS[architecture], channels, context=values)
    if options.start:
        warm.start_from(start, options.start, beat_table.rows(beats, pool[:: max(1, len(pool) // 4096)]))
    teachers = [export.fold(result_of(folder)[0]) for folder in options.teachers]
    checkpoint = options.out / "checkpoint.pt"
    own = fit.Run(start, augmenter, pool, settings, options.seed, teachers)
    log = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        own.network.load_state_dict(state["network"])
        own.averaged.load_state_dict(state["averaged"])
        own.optimiser.load_state_dict(state["optimiser"])
        own.step, log = state["step"], state["log"]
        print(f"going on at step {own.step}", flush=True)
    while own.step < own.steps:
        generator.manual_seed(options.seed * 1_009 * 100_003 + own.step)
        started = time.monotonic()
        steps = min(SEGMENT_STEPS, own.steps - own.step)
        loss = own.advance(steps)
        seen = settings.batch * steps
        row = {"draws": (log[-1]["draws"] if log else 0) + seen, "loss": round(loss, 5)}
        log.append(row | {"draws_per_second": round(seen / (time.monotonic() - started))})
        print(json.dumps(log[-1]), flush=True)
        kept = {"step": own.step, "steps": own.steps, "log": log, "config": config}
        kept |= {"network": own.network.state_dict(), "averaged": own.averaged.state_dict()}
        save(checkpoint, kept | {"optimiser": own.optimiser.state_dict()})
    (options.out / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in log))
    draw_curve(log, options.out / "curves.png")


def result_of(folder):
    """(trained network, config) of a finished run."""
    state = torch.load(Path(folder) / "checkpoint.pt", map_location="cpu", weights_only=True)
    if state["step"] < state["steps"]:
        raise SystemExit(f"{folder}: not finished; run its command again")
    channels, values = WITH_CONTEXT
    network = Network(LAYERS[state["config"]["network"].removesuffix("-context")], channels, context=values)
    network.load_state_dict(state["averaged"])
    return network.eval(), state["config"]
