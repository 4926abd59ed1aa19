"""Cross-validation by record of the context networks, inside DS1 or over all unpaced records.

    python -m arrhythmianet_training.crossval NAME --network v2 --records ds1 --settings '{"draws": 40000}' --data data/mitdb --out runs/cv

Every fold holds a share of the records rich in class S. Appends one line to OUT/results.jsonl, keeps the out-of-fold
logits in OUT/NAME-ASSIGNMENT.npz and the folds' networks in OUT/folds. A cell that is already there is not computed
again. `--teachers` names cells of the same folds: their networks, trained on the same beats, teach this cell's.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from . import beats as beat_table
from . import data, export, export_context, fit, inter, splits
from .architectures import Network
from .layout import LAYERS, WITH_CONTEXT
from .settings import ContextSettings

PACED_EVERY = 8  # of the paced records, which no network trains on, every eighth beat is looked at


def keep_fold(folder, name, assignment, fold, architecture, network):
    torch.save({"network": architecture, "weights": network.state_dict()}, folder / f"{name}-{assignment}-{fold}.pt")


def fold_network(folder, name, assignment, fold):
    """The folded network that cell `name` trained without this fold."""
    kept = torch.load(folder / f"{name}-{assignment}-{fold}.pt", weights_only=True)
    channels, values = WITH_CONTEXT
    network = Network(LAYERS[kept["network"]], channels, context=values)
    network.load_state_dict(kept["weights"])
    return export.fold(network.eval())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--network", choices=["v1", "v2"], required=True)
    parser.add_argument("--records", choices=["ds1", "all"], default="ds1")
    parser.add_argument("--settings", type=json.loads, default={}, help="changes to ContextSettings, as JSON")
    parser.add_argument("--every", type=int, default=1, help="judge every so many-th beat")
    parser.add_argument("--assignments", type=int, nargs="+", default=[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first assignment's first fold")
    parser.add_argument("--teachers", nargs="*", default=[], metavar="NAME", help="cells computed before")
    parser.add_argument("--data", required=True)
    parser.add_argument("--noise")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.out / "folds"
    folder.mkdir(parents=True, exist_ok=True)
    beats = beat_table.load(options.data)
    noise = [n[:, : 2 * n.shape[1] // 3] for n in data.load_noise(options.noise).values()]
    names = splits.DS1 if options.records == "ds1" else [n for n in beats.names if n not in beat_table.PACED]
    settings = ContextSettings(**options.settings)
    judged_beats = beats.of_records(names)[:: options.every]
    rows = beat_table.rows(beats, judged_beats)
    paced = beats.of_records(beat_table.PACED)[::PACED_EVERY]
    paced_rows = beat_table.rows(beats, paced)
    for assignment in options.assignments:
        path = options.out / f"{options.name}-{assignment}.npz"
        if path.exists():
            continue
        started = time.monotonic()
        logits = np.zeros((len(judged_beats), 5), dtype=np.float32)
        novelty = np.zeros(len(judged_beats), dtype=np.float32)
        paced_logits, paced_novelty = [], []
        for fold, held in enumerate(splits.folds(beats, names, assignment)):
            pool = beats.of_records([n for n in names if n not in held])
            pool = pool[beats.group[pool] >= 0]
            teachers = [fold_network(folder, name, assignment, fold) for name in options.teachers]
            seed = options.seed + 10 * assignment + fold
            trained = fit.fit(beats, pool, options.network, settings, noise, seed, teachers)
            keep_fold(folder, options.name, assignment, fold, options.network, trained)
            network = export.fold(trained)
            inside = np.isin(np.array(beats.names)[beats.record[judged_beats]], held)
            held_rows = rows[torch.from_numpy(inside)]
            held_features = export_context.pooled(network, held_rows)
            with torch.no_grad():
                logits[inside] = network.layers[-1](held_features).numpy()
            known = pool[:: max(1, len(pool) // 10_000)]
            features = export_context.pooled(network, beat_table.rows(beats, known))
            statistics = export_context.class_statistics(features, torch.from_numpy(beats.label[known]))
            novelty[inside] = export_context.distance(held_features, *statistics)
            paced_logits.append(fit.predict(network, paced_rows).numpy())
            paced_novelty.append(
                export_context.distance(export_context.pooled(network, paced_rows), *statistics).numpy()
            )
        strangers = {
            "paced_beat": paced,
            "paced_logits": np.stack(paced_logits),
            "paced_novelty": np.stack(paced_novelty),
        }
        np.savez_compressed(path, logits=logits, beat=judged_beats, novelty=novelty, **strangers)
        judged = inter.judge(logits, beats.aami[judged_beats])
        row = {
            "name": options.name,
            "network": options.network,
            "records": options.records,
            "assignment": assignment,
            "teachers": options.teachers,
            "seconds": round(time.monotonic() - started),
            "settings": {k: v for k, v in asdict(settings).items() if v != getattr(ContextSettings(), k)},
        } | inter.rounded(judged)
        with open(options.out / "results.jsonl", "a") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
