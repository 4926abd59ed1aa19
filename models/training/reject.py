"""What tells beats outside the five classes from the others, on the out-of-fold beats of a cross-validation.

    python reject.py runs/cv/v1-all-0.npz --data data/mitdb

Compares confidence, energy, novelty (distance in the pooled features) and both limits together: at a given coverage of
the beats of the three groups, the share of fusion and of paced beats that is rejected, and the accuracy of what stays.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import beats as beat_table
from evaluate import table
from inter import GROUP_OF_OUTPUT
from metrics import softmax

COVERAGES = (0.99, 0.98, 0.95, 0.90, 0.80)


def scores_of(logits, novelty):
    """Name -> a score that is larger for what is to be kept."""
    wide = logits.astype(np.float64)
    top = wide.max(1)
    return {
        "confidence": softmax(logits).max(1),
        "energy": top + np.log(np.exp(wide - top[:, None]).sum(1)),
        "novelty": -novelty,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    beats = beat_table.load(options.data)
    for path in options.cell:
        cell = np.load(path)
        aami = beats.aami[cell["beat"]]
        known, fusion = aami <= 2, aami == 3
        correct = GROUP_OF_OUTPUT[cell["logits"].argmax(1)] == aami
        own = scores_of(cell["logits"], cell["novelty"])
        paced = scores_of(cell["paced_logits"].reshape(-1, 5), cell["paced_novelty"].reshape(-1))
        is_paced = np.tile(beats.aami[cell["paced_beat"]] == 4, len(cell["paced_logits"]))
        rows = []
        for coverage in COVERAGES:
            # Each limit alone, and confidence and novelty together, each giving up half.
            limits = {n: np.quantile(s[known], 1 - coverage) for n, s in own.items()}
            halves = {n: np.quantile(own[n][known], (1 - coverage) / 2) for n in ("confidence", "novelty")}
            ways = {n: (own[n] >= limits[n], paced[n] >= limits[n]) for n in limits}
            ways["confidence and novelty"] = tuple(
                (s["confidence"] >= halves["confidence"]) & (s["novelty"] >= halves["novelty"]) for s in (own, paced)
            )
            for name, (kept, kept_paced) in ways.items():
                found = [
                    kept[known].mean(),
                    correct[known & kept].mean(),
                    1 - kept[fusion].mean(),
                    1 - kept_paced[is_paced].mean(),
                ]
                rows.append([name, *(f"{100 * v:.1f}" for v in found)])
        print(path.stem)
        print(table(["rejects by", "coverage of N S V", "accuracy of what stays", "F rejected", "paced rejected"], rows))


if __name__ == "__main__":
    main()
