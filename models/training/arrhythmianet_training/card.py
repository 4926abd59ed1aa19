"""Renews the context networks' tables in the model card from what was measured.

    python -m arrhythmianet_training.card --inter runs/inter.json --intra runs/intra.json --card ../README.md
    python -m arrhythmianet_training.card --tried runs/cv/results.jsonl --card ../../docs/history.md

The JSON files come from `evaluate_context.py --json`, the other from `crossval.py`.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np

from .tables import table

NETWORKS = ("v1", "v2")
SEEDS = ("", "-seed2", "-seed3")
FIGURES = (
    ("accuracy", "accuracy over N S V F Q"),
    ("v_se", "V Se"),
    ("v_ppv", "V +P"),
    ("s_se", "S Se"),
    ("s_ppv", "S +P"),
)


def percent(value):
    return f"{100 * value:.1f}"


def inter_tables(measured):
    plain, *conditions = (c for c in measured["v1-context-ds1"])
    rows = []
    for network in NETWORKS:
        seeds = [measured[f"{network}-context-ds1{seed}"][plain] for seed in SEEDS]
        for seed, judged in zip(SEEDS, seeds):
            rows.append(
                [f"{network}-context-ds1{seed}", *(percent(judged[k]) for k, _ in FIGURES), f"{judged['s_ap']:.3f}"]
            )
        mean = [
            f"**{100 * np.mean([j[k] for j in seeds]):.1f}** ± {100 * np.std([j[k] for j in seeds], ddof=1):.1f}"
            for k, _ in FIGURES
        ]
        rows.append([f"{network}: mean ± deviation", *mean, f"**{np.mean([j['s_ap'] for j in seeds]):.3f}**"])
    text = table(["DS2, percent", *(name for _, name in FIGURES), "S average precision"], rows)
    for network in NETWORKS:
        first = measured[f"{network}-context-ds1"][plain]["confusion"]
        rows = [[name, *(f"{n:,}" for n in counts)] for name, counts in zip("NSVFQ", first)]
        text += "\n" + table([f"{network}-context-ds1: annotated", "called N, L or R", "called A", "called V"], rows)
    rows = []
    for condition in conditions:
        row = [condition]
        for network in NETWORKS:
            judged = measured[f"{network}-context-ds1"][condition]
            row.append(" / ".join(percent(judged[k]) for k, _ in FIGURES))
        rows.append(row)
    head = "DS2, every fourth beat, first seed: accuracy / V Se / V +P / S Se / S +P"
    return text + "\n" + table([head, *(f"{n}-context-ds1" for n in NETWORKS)], rows)


def intra_tables(measured):
    names = [f"{n}-context-intra" for n in NETWORKS]
    conditions = [c for c in measured[names[0]] if c != "ece"]
    rows = [
        [c, *(f"{measured[n][c]['accuracy']:.4f} / {measured[n][c]['macro_f1']:.4f}" for n in names)]
        for c in conditions
    ]
    text = table(["random split, test part: accuracy / macro-F1", *names], rows)
    text += "\n" + table(
        ["expected calibration error", *names],
        [
            [what, *(f"{measured[n]['ece'][i]:.4f}" for n in names)]
            for i, what in enumerate(["raw", "with the shipped temperature"])
        ],
    )
    for name in names:
        judged = measured[name][conditions[0]]
        rows = []
        for label, counts in zip(judged["per_class"], judged["confusion"]):
            c = judged["per_class"][label]
            rows.append(
                [
                    label,
                    str(c["beats"]),
                    f"{c['se']:.4f}",
                    f"{c['ppv']:.4f}",
                    f"{c['f1']:.4f}",
                    " ".join(map(str, counts)),
                ]
            )
        text += "\n" + table([f"{name}: class", "beats", "Se", "+P", "F1", "called N L R A V"], rows)
    return text


def tried_table(path):
    rows = []
    for line in path.read_text().splitlines():
        r = json.loads(line)
        change = json.dumps(r["settings"]).replace('"', "")[1:-1] or "none"
        rows.append(
            [
                f"{r['name']} ({r['records'].upper() if r['records'] == 'ds1' else '44 records'})",
                change,
                f"{r['s_ap']:.3f}",
                f"{r['s_best_f1']:.3f}",
                f"{percent(r['s_se'])} / {percent(r['s_ppv'])}",
                f"{r['v_ap']:.3f}",
                f"{percent(r['v_se'])} / {percent(r['v_ppv'])}",
                percent(r["accuracy"]),
            ]
        )
    head = ["cell", "changed settings", "S AP", "best S F1", "S Se / +P", "V AP", "V Se / +P", "accuracy"]
    return table(head, rows)


def put(card, region, text):
    """Replaces what lies between `<!-- tables: card.py REGION ... -->` and the next `<!-- end of tables -->`."""
    pattern = re.compile(rf"(<!-- tables: card\.py {region}[^\n]*-->\n).*?(<!-- end of tables -->)", re.S)
    renewed, count = pattern.subn(lambda m: m[1] + text + m[2], card)
    assert count == 1, f"{region}: {count} regions in the card, expected 1"
    return renewed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inter", type=Path)
    parser.add_argument("--intra", type=Path)
    parser.add_argument("--tried", type=Path)
    parser.add_argument("--card", type=Path, required=True)
    options = parser.parse_args()
    card = options.card.read_text()
    if options.inter:
        card = put(card, "inter", inter_tables(json.loads(options.inter.read_text())))
    if options.intra:
        card = put(card, "intra", intra_tables(json.loads(options.intra.read_text())))
    if options.tried:
        card = put(card, "tried", tried_table(options.tried))
    options.card.write_text(card)


if __name__ == "__main__":
    main()
