"""What tells beats outside the five classes from the others, on the out-of-fold beats of a cross-validation.

    python -m arrhythmianet_training.reject runs/cv/v1-all-0.npz --bias -1.2 -0.65 --data data/mitdb

A limit must not cost a class: it is the tightest that gives up at most a given share of the beats of each of N, S and V
(`SHARES`, of patients the networks had not seen). One limit for the whole would spend all of it on S and V, which are
rarer and less like each other than N. Nearly all of it goes to confidence: a beat of a known class that is given up for
its novelty was mostly named right, and novelty finds no more fusion or paced beats for it. What is left of novelty is a
guard against shapes far from everything. The table compares confidence, energy, novelty (distance in the pooled features)
and both limits together, at several multiples of the shares.
"""

import argparse
from pathlib import Path

import numpy as np

from . import inter
from .bias import biased, pooled
from .metrics import fit_temperature, softmax
from .tables import table

# Most of a class's beats that both limits together may give up, and each limit's part of that.
SHARES = {"N": 0.01, "S": 0.02, "V": 0.02}
PARTS = {"confidence": 0.9, "novelty": 0.1}
MULTIPLES = (0.5, 1, 2, 5)


def least_kept(score, aami, multiple=1.0):
    """The limit on a score that is larger for what is to be kept: of the classes' quantiles the least."""
    parts = [(score[aami == inter.NAMES.index(name)], share * multiple) for name, share in SHARES.items()]
    return float(min(np.quantile(own, min(1.0, share)) for own, share in parts if len(own)))


def limits_of(confidence, novelty, aami):
    """The two limits of a weights file, from beats of unseen patients."""
    return {
        "confidence": least_kept(confidence, aami, PARTS["confidence"]),
        "novelty": -least_kept(-novelty, aami, PARTS["novelty"]),
    }


def group_temperature(logits, aami):
    known = aami <= 2
    return fit_temperature(inter.group_scores(logits[known]), aami[known])


def scores_of(logits, novelty, temperature):
    """Name -> a score that is larger for what is to be kept."""
    wide = logits.astype(np.float64)
    top = wide.max(1)
    return {
        "confidence": softmax(logits, temperature).max(1),
        "energy": top + np.log(np.exp(wide - top[:, None]).sum(1)),
        "novelty": -novelty,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="+", type=Path, help="of one network")
    parser.add_argument("--bias", type=float, nargs=2, metavar=("A", "V"), default=(0.0, 0.0))
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    from . import beats as beat_table  # PyTorch, which the limits themselves do not need

    beats = beat_table.load(options.data)
    logits, aami = pooled(options.cells, beats)
    logits = biased(logits, *options.bias)
    cells = [np.load(path) for path in options.cells]
    temperature = group_temperature(logits, aami)
    own = scores_of(logits, np.concatenate([c["novelty"] for c in cells]), temperature)
    paced_logits = biased(np.concatenate([c["paced_logits"].reshape(-1, 5) for c in cells]), *options.bias)
    paced = scores_of(paced_logits, np.concatenate([c["paced_novelty"].reshape(-1) for c in cells]), temperature)
    is_paced = np.concatenate([np.tile(beats.aami[c["paced_beat"]] == 4, len(c["paced_logits"])) for c in cells])
    called = inter.calls(logits)

    def row(name, multiple, kept, kept_paced):
        found = inter.ratios(inter.confusion(called[kept], aami[kept]))
        # A beat that is given up counts as missed.
        se = [(kept & (called == g) & (aami == g)).sum() / (aami == g).sum() for g in (1, 2)]
        lost = [1 - kept[aami == g].mean() for g in (0, 1, 2, 3)] + [1 - kept_paced[is_paced].mean()]
        right = (called == aami)[kept & (aami <= 2)].mean()
        shown = [kept[aami <= 2].mean(), right, *lost, se[1], found["v_ppv"], se[0], found["s_ppv"]]
        return [name, f"{multiple:g}", *(f"{100 * v:.1f}" for v in shown)]

    rows = [row("nothing", 0, np.ones(len(aami), dtype=bool), np.ones(len(is_paced), dtype=bool))]
    for multiple in MULTIPLES:
        for name in own:
            limit = least_kept(own[name], aami, multiple)
            rows.append(row(name, multiple, own[name] >= limit, paced[name] >= limit))
        limits = {n: least_kept(own[n], aami, multiple * part) for n, part in PARTS.items()}
        kept = [np.logical_and(*(s[n] >= limit for n, limit in limits.items())) for s in (own, paced)]
        rows.append(row("confidence and novelty", multiple, *kept))
    lost = [f"{name} rejected" for name in (*inter.NAMES[:4], "paced")]
    head = [
        "rejects by",
        "times the shares",
        "coverage of N S V",
        "accuracy of what stays",
        *lost,
        "V Se",
        "V +P",
        "S Se",
        "S +P",
    ]
    print(" ".join(path.stem for path in options.cells), f"temperature {temperature:.3f}")
    print(table(head, rows))
    print(limits_of(own["confidence"], -own["novelty"], aami))


if __name__ == "__main__":
    main()
