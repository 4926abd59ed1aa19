"""The biases on A and V that cross-validation gives: the rule of the DS1 networks, which needs no look at DS2.

    python -m arrhythmianet_training.bias runs/cv/v1taught-?.npz --data data/mitdb

On the out-of-fold logits of all the given fold assignments together, which smooths the curve of a single one: first the
bias on A at which Se and +P of class S are equal, with none on V; then, with it, the bias on V at which Se of class V
exceeds +P by AHEAD. An arrhythmia missed costs more than a false one, and the aims of the project have the same slope
(96 and 94 as goal, 91 and 85 as floor).
"""

import argparse
from pathlib import Path

import numpy as np

from . import inter
from .layout import A_OUTPUT, V_OUTPUT

AHEAD = 0.04
LOWEST, HIGHEST, STEP = -4.0, 4.0, 0.05


def biased(logits, on_a, on_v):
    moved = logits.copy()
    moved[:, A_OUTPUT] += on_a
    moved[:, V_OUTPUT] += on_v
    return moved


def judged(logits, aami, on_a, on_v):
    return inter.ratios(inter.confusion(inter.calls(biased(logits, on_a, on_v)), aami))


def crossing(figure, wanted):
    """The bias, to STEP, at which `figure`, Se less +P, reaches `wanted`; by halving, as it grows with the bias."""
    low, high = 0, round((HIGHEST - LOWEST) / STEP)
    while low < high:
        middle = (low + high) // 2
        if figure(LOWEST + STEP * middle) >= wanted:
            high = middle
        else:
            low = middle + 1
    return round(LOWEST + STEP * low, 2)


def biases(logits, aami):
    """(bias on A, bias on V)."""

    def gap(name, on_a, on_v):
        found = judged(logits, aami, on_a, on_v)
        return found[f"{name}_se"] - found[f"{name}_ppv"]

    on_a = crossing(lambda b: gap("s", b, 0.0), 0.0)
    return on_a, crossing(lambda b: gap("v", on_a, b), AHEAD)


def pooled(cells, beats):
    """Out-of-fold logits and AAMI classes of several cells, one after the other."""
    kept = [np.load(path) for path in cells]
    return np.concatenate([k["logits"] for k in kept]), np.concatenate([beats.aami[k["beat"]] for k in kept])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="+", type=Path, help="of one network, all assignments")
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    from . import beats as beat_table  # PyTorch, which the rule itself does not need

    beats = beat_table.load(options.data)
    logits, aami = pooled(options.cells, beats)
    on_a, on_v = biases(logits, aami)
    figures = {k: round(float(v), 4) for k, v in judged(logits, aami, on_a, on_v).items()}
    print(f"--bias {on_a} {on_v}", figures)


if __name__ == "__main__":
    main()
