"""Which beats and records train, choose and test; and which never do. Needs no PyTorch."""

from pathlib import Path

import numpy as np

from .layout import LABELS

MATCH_WINDOW_S = 0.150
SPLIT_SEED = 20250430
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1
PARTS = ("train", "validation", "test")

# de Chazal, O'Dwyer, Reilly (2004). Paced records 102, 104, 107 and 217 belong to neither set.
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905

# Records of the MIT-BIH Supraventricular Arrhythmia Database on which nothing is ever trained, tuned or chosen: they are
# the strangers that CI labels (tests/data/strangers).
NEVER_TRAINED = frozenset({"855", "863"})
FOLDS = 4


def match(reference, detected, window):
    """For each reference position the nearest unused detection within `window`, else -1; both sorted, same clock."""
    matched = np.full(len(reference), -1, dtype=np.int64)
    if len(detected) == 0:
        return matched
    right = np.searchsorted(detected, reference)
    pairs = []
    for i, r in enumerate(reference):
        for j in (right[i] - 1, right[i]):
            if 0 <= j < len(detected) and abs(int(detected[j]) - int(r)) <= window:
                pairs.append((abs(int(detected[j]) - int(r)), i, j))
    used = set()
    for _, i, j in sorted(pairs):
        if matched[i] < 0 and j not in used:
            matched[i] = detected[j]
            used.add(j)
    return matched


def refuse_strangers(paths):
    """Ends the program where a file is of a record nothing may be trained, tuned or chosen on."""
    for path in paths:
        if Path(path).stem.split("-")[-1].split("_")[-1] in NEVER_TRAINED:
            raise SystemExit(
                f"{path}: record {Path(path).stem} is never trained, tuned or chosen on (tests/data/strangers)"
            )


def split_intra(label, seed=SPLIT_SEED):
    """The paper's protocol: beats of all records at random, stratified by class, 80 % / 10 % / 10 %.

    The rule, so that others can repeat it: beats are sorted by (record name, sample). One numpy
    Generator(PCG64(seed)) permutes, class after class in the order N L R A V, the class's beat indices; of n beats
    the first round(0.8 n) are training, the next round(0.1 n) validation, the rest test.
    Returns part name -> sorted beat indices.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    parts = {part: [] for part in PARTS}
    for c in range(len(LABELS)):
        order = generator.permutation(np.flatnonzero(label == c))
        train, validation = round(TRAIN_SHARE * len(order)), round(VALIDATION_SHARE * len(order))
        parts["train"].append(order[:train])
        parts["validation"].append(order[train : train + validation])
        parts["test"].append(order[train + validation :])
    return {part: np.sort(np.concatenate(chunks)) for part, chunks in parts.items()}


def split_inter(records):
    """de Chazal's sets: beat indices of DS1 and DS2. DS2 is for one look per released model, for no choice at all."""
    name = np.array(records.names)[records.record]
    return {"ds1": np.flatnonzero(np.isin(name, DS1)), "ds2": np.flatnonzero(np.isin(name, DS2))}


def folds(beats, names, assignment):
    """Record names of each fold: by number of S beats down, each four dealt out at random."""
    generator = np.random.Generator(np.random.PCG64(700 + assignment))
    rich = {n: int((beats.group[beats.of_records([n])] == 1).sum()) for n in names}
    order = sorted(names, key=lambda n: (-rich[n], n))
    dealt = [[] for _ in range(FOLDS)]
    for start in range(0, len(order), FOLDS):
        for fold, name in zip(generator.permutation(FOLDS), order[start : start + FOLDS]):
            dealt[fold].append(name)
    return dealt
