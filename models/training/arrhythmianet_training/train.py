"""Trains the runs of a released model's configuration, each in a folder of its own; finished ones are left alone.

    python -m arrhythmianet_training.train configurations/v1.toml --data data/mitdb --noise data/noise

The same command goes on where it was cut off. A first look in five minutes:
`--set epochs=10 --set epoch_draws=65536 --set batch=256 --set learning_rate=3e-3 --runs runs/look`.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from . import configuration, trainer
from .configuration import MODELS
from .context_run import ContextTask
from .export import fold, load_weights
from .results import load, result_of
from .waveform import WaveformTask

# What is said of the weights a run started from.
STARTED_FROM = ("seed", "draws", "date", "test_accuracy", "test_macro_f1")


def folded(source, runs):
    """The folded network of a weights file or an earlier run, and what is known of its training."""
    if configuration.is_weights(source):
        network, description = load_weights(MODELS / source)
        known = description["training"]
        return network, {key: known[key] for key in STARTED_FROM if key in known}
    network, config, _ = result_of(runs / source)
    return fold(network), {"run": source, "seed": config["seed"]}


def train(run, options):
    start, started_from = folded(run.start, options.runs) if run.start else (None, None)
    teachers = [folded(source, options.runs)[0] for source in run.teachers]
    task = (ContextTask if run.has_context else WaveformTask)(run, options, start, teachers)
    config = asdict(run) | {"teachers": list(run.teachers), "started_from": started_from} | task.facts
    own = trainer.Trainer(options.runs / run.name, config, configuration.revision(), torch.save, load)
    own.run(task)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configuration", type=Path)
    parser.add_argument("--data", required=True, help="folder of prepared records")
    parser.add_argument("--noise", help="folder of prepared noise records (their first two thirds are used)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs' folders")
    parser.add_argument("--only", metavar="RUN", help="this run of the configuration alone")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="changes to the settings")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="of waveform networks")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for run in configuration.read(options.configuration, options.set):
        checkpoint = options.runs / run.name / "checkpoint.pt"
        if options.only not in (None, run.name):
            continue
        if checkpoint.exists() and trainer.is_finished(load(checkpoint)):
            print(f"{run.name}: finished", flush=True)
            continue
        print(f"{run.name}: {run.network}, seed {run.seed}", flush=True)
        train(run, options)


if __name__ == "__main__":
    main()
