"""The biases on A and V that cross-validation gives: the rule of the DS1 networks, which needs no look at DS2.

    python bias.py runs/cv/v1mid-0.npz runs/cv/v2mid-0.npz --data data/mitdb

On a grid of 0.25, first the bias on A by the F1 of class S with none on V, then, with it, the bias on V by the F1 of class
V. Where neighbours of the best lie within 0.005 of it, the middle of that plateau is taken.
"""

import argparse
from pathlib import Path

import numpy as np

import beats as beat_table
import inter
from fit import A_OUTPUT, V_OUTPUT

GRID = np.arange(-3, 1.01, 0.25)
PLATEAU = 0.005


def middle_of_plateau(grid, figure):
    """Middle between the ends of the unbroken stretch about the best that lies within PLATEAU of it."""
    figure = np.asarray(figure)
    best = int(figure.argmax())
    good = figure >= figure[best] - PLATEAU
    first = last = best
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(grid) - 1 and good[last + 1]:
        last += 1
    return float(grid[first] + grid[last]) / 2


def biased(logits, on_a, on_v):
    moved = logits.copy()
    moved[:, A_OUTPUT] += on_a
    moved[:, V_OUTPUT] += on_v
    return moved


def judged(logits, aami, on_a, on_v):
    return inter.ratios(inter.confusion(inter.calls(biased(logits, on_a, on_v)), aami))


def biases(logits, aami):
    """(bias on A, bias on V)."""
    on_a = middle_of_plateau(GRID, [judged(logits, aami, b, 0.0)["s_f1"] for b in GRID])
    on_v = middle_of_plateau(GRID, [judged(logits, aami, on_a, b)["v_f1"] for b in GRID])
    return on_a, on_v


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    beats = beat_table.load(options.data)
    for path in options.cells:
        kept = np.load(path)
        aami = beats.aami[kept["beat"]]
        on_a, on_v = biases(kept["logits"], aami)
        figures = {k: round(float(v), 4) for k, v in judged(kept["logits"], aami, on_a, on_v).items()}
        print(f"{path.stem}: --bias {on_a} {on_v}", figures)


if __name__ == "__main__":
    main()
