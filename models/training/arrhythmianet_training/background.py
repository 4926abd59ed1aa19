"""The background that SHAP compares beats with: 32 real beats, as the networks see them.

    python -m arrhythmianet_training.background --data data/mitdb --models ..

Writes models/background.safetensors: `input` f16 [32][272], rows of a context network; a network of the waveform alone
reads the first 128 values of each. Every class alike (7 N, 7 V, 6 of L, R and A each), drawn at random from beats that
are training beats of both protocols (DS1, and the random split's training part), at most two of a class from one record
where there are enough records. It depends on no weights, so all networks share it and a new training leaves it as it is.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from . import beats as context_beats
from . import data, splits
from .export import sources
from .layout import LABELS

SHARES = {"N": 7, "L": 6, "R": 6, "A": 6, "V": 7}
SEED = 20250503


def choose(records):
    """Beat indices, classes in the order of LABELS."""
    allowed = np.intersect1d(splits.split_intra(records.label)["train"], splits.split_inter(records)["ds1"])
    generator = np.random.Generator(np.random.PCG64(SEED))
    chosen = []
    for index, label in enumerate(LABELS):
        order = generator.permutation(allowed[records.label[allowed] == index])
        places = len(np.unique(records.record[order]))
        most = max(2, -(-SHARES[label] // places))  # few records have bundle branch blocks
        taken = {}
        for beat in order:
            record = records.record[beat]
            if taken.get(record, 0) < most and sum(taken.values()) < SHARES[label]:
                taken[record] = taken.get(record, 0) + 1
                chosen.append(beat)
    return np.array(chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = data.load_records(options.data)
    chosen = choose(records)
    assert len(chosen) == sum(SHARES.values())
    rows = context_beats.rows(context_beats.load(options.data), records.beat[chosen])
    path = options.models / "background.safetensors"
    metadata = {"ecg_gateway_background": json.dumps({"beats": sources(records, chosen)})}
    save_file({"input": rows.to(torch.float16).contiguous()}, path, metadata=metadata)
    path.chmod(0o644)
    print(f"{path}: {len(rows)} beats, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
