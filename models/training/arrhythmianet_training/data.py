"""Prepared records and their beats.

The records are written by the gateway's own signal chain (`cargo run --release --manifest-path tools/Cargo.toml --bin prepare`), so that a network
is trained on exactly what the device will show it: one safetensors file per record with

    conditioned        f32 [2][n]  conditioned signal of both leads, microvolts, 250 Hz
    annotation_sample  i64 [m]     reference beat positions, nearest index at 250 Hz
    annotation_symbol  u8 [m]      the annotation's character
    detected_sample    i64 [d]     R peaks found by the gateway's detector, index at 250 Hz; may be missing
    detected_channel   u8 [d]      the channel each was found in: all of channel 0, then all of channel 1

The windows are cut here, at training time, because jitter, time warp and noise act before normalisation.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from .layout import LABELS
from .splits import MATCH_WINDOW_S, match, refuse_strangers

CHAIN_RATE_HZ = 250

# The lead a bedside unit would use: MLII. It is the first signal of every MIT-BIH record but 114, where it is the
# second; 102 and 104 have no MLII and keep their first signal.
SECOND_SIGNAL_FIRST = {"114"}

# Samples repeated before the first and after the last sample of a record, so that a window at its edge stays inside.
EDGE = 512


@dataclass
class Records:
    """All records in one flat signal, and their beats of the five classes, sorted by record and sample."""

    signal: torch.Tensor  # f32 [2][total], microvolts; row 0 the primary lead
    names: list
    record: np.ndarray  # [beats] index into names
    sample: np.ndarray  # [beats] annotated position in its record, index at 250 Hz
    position: np.ndarray  # [beats] annotated position in `signal`
    detected: np.ndarray  # [2][beats] position in `signal` where the detector put R in this lead, -1 if it missed it
    label: np.ndarray  # [beats] index into LABELS
    beat: np.ndarray  # [beats] index among all annotated beats, those outside the five classes counted
    has_detections: bool
    every_sample: list  # per record: every annotated beat, index at 250 Hz
    every_symbol: list  # per record: its annotation's character code
    found: list  # per record: (R peaks detected in the primary lead, in the other), index at 250 Hz
    start: list  # per record: where its sample 0 lies in `signal`

    def __len__(self):
        return len(self.label)


def load_records(directory):
    paths = sorted(Path(directory).glob("*.safetensors"))
    refuse_strangers(paths)
    if not paths:
        raise SystemExit(f"{directory}: no prepared records; see README.md, 'Prepare the records'")
    signals, columns, names, offset, has_detections = [], [], [], 0, True
    every_sample, every_symbol, every_found, starts = [], [], [], []
    for index, path in enumerate(paths):
        names.append(path.stem)
        with safe_open(path, "np") as file:
            keys = set(file.keys())
            conditioned = file.get_tensor("conditioned")
            sample = file.get_tensor("annotation_sample").astype(np.int64)
            symbol = file.get_tensor("annotation_symbol").astype(np.uint8)
            found = []
            if "detected_sample" in keys:
                detected, channel = (
                    file.get_tensor(f"detected_{key}").astype(np.int64) for key in ("sample", "channel")
                )
                found = [detected[channel == lead] for lead in (0, 1)]
        if path.stem in SECOND_SIGNAL_FIRST:
            conditioned, found = conditioned[::-1], found[::-1]
        # Matched against every annotation, so that a neighbour's detection is not taken.
        window = round(MATCH_WINDOW_S * CHAIN_RATE_HZ)
        matched = np.full((2, len(sample)), -1)
        for lead, detected in enumerate(found):
            matched[lead] = match(sample, detected, window)
        has_detections &= len(found) == 2
        label = np.full(len(symbol), -1)
        for i, name in enumerate(LABELS):
            label[symbol == ord(name)] = i
        keep = np.flatnonzero(label >= 0)
        start = offset + EDGE
        beats_before = sum(len(s) for s in every_sample)
        every_sample.append(sample)
        every_symbol.append(symbol)
        every_found.append(found)
        starts.append(start)
        columns.append(
            {
                "record": np.full(len(keep), index),
                "sample": sample[keep],
                "position": start + sample[keep],
                "detected": np.where(matched[:, keep] < 0, -1, start + matched[:, keep]),
                "label": label[keep],
                "beat": beats_before + keep,
            }
        )
        signals.append(np.pad(conditioned, ((0, 0), (EDGE, EDGE)), mode="edge"))
        offset += signals[-1].shape[1]
    merged = {key: np.concatenate([c[key] for c in columns], axis=-1).astype(np.int64) for key in columns[0]}
    signal = torch.from_numpy(np.ascontiguousarray(np.concatenate(signals, axis=1), dtype=np.float32))
    return Records(
        signal=signal,
        names=names,
        has_detections=has_detections,
        every_sample=every_sample,
        every_symbol=every_symbol,
        found=every_found,
        start=starts,
        **merged,
    )


def load_noise(directory):
    """Conditioned noise records (`bw`, `em`, `ma`) as name -> f32 [2][n], or nothing where they were not prepared."""
    noise = {}
    refuse_strangers(Path(directory).glob("*.safetensors") if directory else [])
    for path in sorted(Path(directory).glob("*.safetensors")) if directory else []:
        with safe_open(path, "np") as file:
            noise[path.stem] = torch.from_numpy(file.get_tensor("conditioned").astype(np.float32))
    return noise
