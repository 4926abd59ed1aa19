"""Writes the test beats of the intra-patient protocol, so that others can reproduce the figures.

    python -m arrhythmianet_training.split --data data/mitdb --out ../split-intra.json

One entry a record: the annotated positions of its test beats, as the nearest index at 250 Hz. The rule that made them
is `splits.split_intra`.
"""

import argparse
import json
from pathlib import Path

from . import data, splits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    records = data.load_records(options.data)
    parts = splits.split_intra(records.label)
    test = parts["test"]
    lines = []
    for index, name in enumerate(records.names):
        samples = records.sample[test[records.record[test] == index]].tolist()
        lines.append(f"  {json.dumps(name)}: {json.dumps(samples, separators=(',', ':'))}")
    head = {
        "protocol": "intra-patient",
        "database": "MIT-BIH Arrhythmia Database, annotations .atr, codes N L R A V",
        "rule": "beats sorted by (record, sample); numpy Generator(PCG64(seed)).permutation of each class's beats in the "
        "order N L R A V; first round(0.8 n) train, next round(0.1 n) validation, rest test",
        "position": "annotated sample at 360 Hz to the nearest index at 250 Hz: floor((sample * 250 + 180) / 360)",
        "seed": splits.SPLIT_SEED,
        "beats": {part: len(beats) for part, beats in parts.items()},
    }
    text = json.dumps(head, indent=1)[:-2] + ',\n "test_samples_250hz": {\n' + ",\n".join(lines) + "\n }\n}\n"
    json.loads(text)
    options.out.write_text(text)


if __name__ == "__main__":
    main()
