"""A few typical wrong beats of a cross-validation, as one small picture.

    python -m arrhythmianet_training.pictures runs/cv/v1all-taught-0.npz --bias -0.45 -0.3 --data data/mitdb --out ../v1-context-failures.png

Each panel: the beat's window (black) and the patient's template (grey), in normalised units, R at 0 s. Of every kind of
error the records with most of it are shown, one beat a record, the one called most confidently.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from . import augment
from . import beats as beat_table
from .beats import MARGIN
from .inter import GROUP_OF_OUTPUT
from .layout import WINDOW_SAMPLES
from .metrics import softmax

KINDS = [
    (1, 0, "A called N"),
    (0, 1, "N called A"),
    (2, 0, "V called N"),
    (0, 2, "N called V"),
    (3, 0, "fusion called N"),
]
EACH = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bias", type=float, nargs=2, required=True, help="on the logits of A and V, as shipped")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    beats = beat_table.load(options.data)
    cell = np.load(options.cell)
    logits = cell["logits"] + np.array([0, 0, 0, *options.bias], dtype=np.float32)
    called, confidence = GROUP_OF_OUTPUT[logits.argmax(1)], softmax(logits).max(1)
    beat = cell["beat"]
    aami, record = beats.aami[beat], beats.record[beat]
    figure, axes = pyplot.subplots(len(KINDS), EACH, figsize=(7, 1.25 * len(KINDS)), layout="constrained", sharex=True)
    time_s = (np.arange(WINDOW_SAMPLES) - augment.R_INDEX) / augment.MODEL_RATE_HZ
    for row, (reference, answer, name) in zip(axes, KINDS):
        wrong = np.flatnonzero((aami == reference) & (called == answer))
        count = np.bincount(record[wrong], minlength=len(beats.names))
        for axis, place in zip(row, np.argsort(-count, kind="stable")[:EACH]):
            axis.set(yticks=[])
            if count[place] == 0:
                continue
            of_record = wrong[record[wrong] == place]
            one = int(beat[of_record[confidence[of_record].argmax()]])
            at = beats.position[one : one + 1]
            window = augment.normalise(augment.cut(beats.signal, torch.zeros(1, dtype=torch.long), at))[0]
            template = augment.normalise(beats.template[beats.template_of[0, one]][None, MARGIN:-MARGIN])[0]
            axis.plot(time_s, template, color="0.7")
            axis.plot(time_s, window, color="black", linewidth=0.9)
            axis.set_title(
                f"{name}, {beats.names[place]} ({count[place]} beats), RR {float(beats.r0[0, one]):.2f} s", fontsize=6
            )
            axis.tick_params(labelsize=6)
    figure.savefig(options.out, dpi=75)


if __name__ == "__main__":
    main()
