"""Figures between patients: AAMI classes and average precision.

N, L and R count as N, A as S; F and Q beats stay in the count. A beat is called what its most probable of the five
outputs says. EC57's rule for what is not counted against a class: F and Q called V are no false positives of V, Q
called S is none of S.
"""

import numpy as np

GROUP_OF_OUTPUT = np.array([0, 0, 0, 1, 2])
NAMES = ("N", "S", "V", "F", "Q")


def group_scores(logits):
    """Log-probabilities of N, S, V."""
    x = logits.astype(np.float64)
    x = x - x.max(1, keepdims=True)
    logp = x - np.log(np.exp(x).sum(1, keepdims=True))
    return np.stack([np.logaddexp.reduce(logp[:, :3], axis=1), logp[:, 3], logp[:, 4]], 1)


def average_precision(score, positive):
    order = np.argsort(-score, kind="stable")
    hit = positive[order]
    precision = hit.cumsum() / np.arange(1, len(hit) + 1)
    return float(precision[hit].mean()) if hit.any() else 0.0


def best_f1(score, positive):
    order = np.argsort(-score, kind="stable")
    true = positive[order].cumsum()
    f1 = 2 * true / (np.arange(1, len(order) + 1) + positive.sum())
    return float(f1.max())


def calls(logits):
    """Group called: 0 N, 1 S, 2 V."""
    return GROUP_OF_OUTPUT[logits.argmax(1)]


def confusion(called, aami):
    return np.bincount(aami * 3 + called, minlength=15).reshape(5, 3)


def ratios(c):
    """Se, +P and F1 of S and V, and accuracy over N, S, V, F, Q, of a confusion [5][3]."""
    found_s, found_v = c[[0, 1, 2, 3], 1].sum(), c[[0, 1, 2], 2].sum()
    out = {}
    for name, row, found in (("s", 1, found_s), ("v", 2, found_v)):
        true = c[row, row]
        se, ppv = true / max(1, c[row].sum()), true / max(1, found)
        out |= {f"{name}_se": se, f"{name}_ppv": ppv, f"{name}_f1": 2 * se * ppv / max(1e-9, se + ppv)}
    out["accuracy"] = (c[0, 0] + c[1, 1] + c[2, 2]) / c.sum()
    return out


def judge(logits, aami):
    scores = group_scores(logits)
    c = confusion(calls(logits), aami)
    kept = aami <= 2
    return {
        "s_ap": average_precision(scores[kept, 1], aami[kept] == 1),
        "v_ap": average_precision(scores[kept, 2], aami[kept] == 2),
        "s_best_f1": best_f1(scores[kept, 1], aami[kept] == 1),
        **ratios(c),
        "confusion": c.tolist(),
    }


def rounded(judged):
    return {k: (round(float(v), 4) if not isinstance(v, list) else v) for k, v in judged.items()}
