"""Every annotated beat with what the context networks see of it: RR history and running template, of both leads.

The history and the template come from all beats before this one, as at the bedside: those outside the five classes are
part of both. A beat the gateway's detector found has a second history, the detector's, with its misses and extras.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import augment, context, data, splits
from .layout import LABELS, WINDOW_SAMPLES

# AAMI groups over the five outputs: N, L and R are one. -1 for fusion, paced and unknown beats.
GROUPS = ("N", "S", "V")
GROUP_OF_SYMBOL = {**dict.fromkeys("NLRej", 0), **dict.fromkeys("AaJS", 1), **dict.fromkeys("VE", 2)}
AAMI_OF_SYMBOL = {**GROUP_OF_SYMBOL, "F": 3}  # anything else is Q, 4
PACED = ("102", "104", "107", "217")
MARGIN = 12  # samples a template reaches beyond the window on either side, so that it can be shifted and warped
NO_TEMPLATE = -1


@dataclass
class Beats:
    """One row a beat, records in order. `lead` 0 is the primary lead."""

    signal: torch.Tensor  # f32 [2][total], microvolts
    names: list
    record: np.ndarray  # [m]
    position: torch.Tensor  # i64 [m] annotated R in `signal`
    detected: torch.Tensor  # i64 [2][m], -1 where the detector missed the beat
    label: np.ndarray  # [m] index into LABELS, -1 outside the five
    group: np.ndarray  # [m] index into GROUPS, -1 outside the three
    aami: np.ndarray  # [m] index into N S V F Q
    r0: torch.Tensor  # f32 [3][m] seconds, NaN unknown; from annotations, from the detector in lead 0, in lead 1
    history: torch.Tensor  # f32 [3][m][256]
    template: torch.Tensor  # f32 [k][128 + 2 * MARGIN] microvolts; row 0 is zero: no template yet
    template_of: torch.Tensor  # i64 [2][m]

    def __len__(self):
        return len(self.record)

    def of_records(self, names):
        return np.flatnonzero(np.isin(np.array(self.names)[self.record], list(names)))


def _cut_wide(signal, lead, position):
    steps = augment.STEP * (torch.arange(-MARGIN, WINDOW_SAMPLES + MARGIN) - augment.R_INDEX)
    return signal[lead, position[:, None] + steps]


def build(records):
    columns, template_of, bank, banked = [], [], [torch.zeros(1, WINDOW_SAMPLES + 2 * MARGIN)], 1
    window = round(splits.MATCH_WINDOW_S * data.CHAIN_RATE_HZ)
    before, after = augment.STEP * augment.R_INDEX, augment.STEP * (WINDOW_SAMPLES - 1 - augment.R_INDEX)
    for place in range(len(records.names)):
        sample, start = records.every_sample[place], records.start[place]
        end = (
            records.start[place + 1] if place + 1 < len(records.names) else records.signal.shape[1] + data.EDGE
        ) - 2 * data.EDGE
        position = torch.from_numpy(start + sample)
        complete = torch.from_numpy((sample >= before) & (start + sample + after < end))
        symbol = [chr(c) for c in records.every_symbol[place]]
        histories = [context.histories(sample, data.CHAIN_RATE_HZ)]
        detected = np.full((2, len(sample)), -1)
        for lead in (0, 1):
            found = records.found[place][lead]
            detected[lead] = splits.match(sample, found, window)
            r0, history = context.histories(found, data.CHAIN_RATE_HZ)
            at = np.searchsorted(found, detected[lead].clip(0)).clip(max=len(found) - 1)
            histories.append((r0[at], history[at]))
            made, index = context.templates(_cut_wide(records.signal, lead, position), complete)
            template_of.append(torch.where(index < 0, 0, index + banked))
            bank.append(made)
            banked += len(made)
        columns.append(
            {
                "record": np.full(len(sample), place),
                "position": position.numpy(),
                "detected": np.where(detected < 0, -1, start + detected),
                "label": np.array([LABELS.index(s) if s in LABELS else -1 for s in symbol]),
                "group": np.array([GROUP_OF_SYMBOL.get(s, -1) for s in symbol]),
                "aami": np.array([AAMI_OF_SYMBOL.get(s, 4) for s in symbol]),
                "r0": torch.stack([h[0] for h in histories]).numpy(),
                "history": torch.stack([h[1] for h in histories]).numpy(),
                "template_of": torch.stack(template_of[-2:]).numpy(),
            }
        )
    along = {"history": 1, "detected": 1, "r0": 1, "template_of": 1}
    merged = {key: np.concatenate([c[key] for c in columns], axis=along.get(key, 0)) for key in columns[0]}
    for key in ("position", "detected", "r0", "history", "template_of"):
        merged[key] = torch.from_numpy(merged[key])
    return Beats(signal=records.signal, names=records.names, template=torch.cat(bank), **merged)


def load(directory):
    """The beats of prepared records. Medians take a while, so the table is kept beside the records."""
    kept = Path(directory).parent / f"{Path(directory).name}-beats.pt"
    newest = max(p.stat().st_mtime for p in Path(directory).glob("*.safetensors"))
    if kept.exists() and kept.stat().st_mtime > newest:
        return Beats(**torch.load(kept, weights_only=False))
    beats = build(data.load_records(directory))
    partial = kept.with_suffix(".partial")
    torch.save(vars(beats), partial)
    os.replace(partial, kept)
    return beats


def context_of(beats, chosen, source=None):
    """The sixteen values [n][16] from the annotations (source 0) or the detector's R peaks of lead 0 or 1 (1, 2)."""
    source = torch.zeros(len(chosen), dtype=torch.long) if source is None else source
    return torch.cat(
        [
            context.rr_context(beats.r0[s, c].double(), beats.history[s, c].double())
            for s, c in zip(source.split(4096), torch.as_tensor(chosen).split(4096))
        ]
    )


def residual(windows, template, known):
    """z(window) - z(template), zero where there is no template yet. windows as cut, in microvolts."""
    return torch.where(known[:, None], augment.normalise(windows) - augment.normalise(template), 0.0)


def rows(beats, chosen, lead=0, position=None, source=None, windows=None):
    """Input rows of a context network, [n][272], of beats as they are; `position` where R is not the annotated one."""
    chosen = torch.as_tensor(chosen)
    leads = torch.full((len(chosen),), lead)
    if windows is None:
        windows = augment.cut(beats.signal, leads, beats.position[chosen] if position is None else position)
    which = beats.template_of[lead, chosen]
    template = beats.template[which][:, MARGIN : MARGIN + WINDOW_SAMPLES]
    values = context_of(beats, chosen, source)
    return torch.cat([augment.normalise(windows), residual(windows, template, which > 0), values], dim=1)
