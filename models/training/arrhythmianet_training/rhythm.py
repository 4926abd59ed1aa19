"""Rhythm edits: other RR histories for a beat, and the window's samples moved to where such a rhythm puts them.

A pattern is a factor for each of the 257 intervals (newest first); it is premature where the atria would have fired
early. Everything acts on whole batches.
"""

import math

import numpy as np
import torch

from .context import HISTORY

SHORTEST_RR_S = 0.28
SHORTEST_MEDIAN_RR_S = 0.42
SHORTEST_DIASTOLE_S = 0.010
LENGTH = HISTORY + 1
BANK = 6_000
# share, start of a run of premature beats, chance to stay in it
KINDS = (
    (0.40, (0.01, 0.2), (0.0, 0.15)),
    (0.20, (0.01, 0.08), (0.5, 0.92)),
    (0.15, (0.5, 0.97), (0.0, 0.1)),
    (0.25, (0.3, 0.7), (0.5, 0.92)),
)


def pattern_bank(generator, count=BANK):
    """Factors [count][257], newest first: (those whose newest beat is premature, those whose newest is not)."""
    length, banks = LENGTH + 120, {True: [], False: []}
    while min(len(b) for b in banks.values()) < count:
        kind = generator.choice(len(KINDS), p=[k[0] for k in KINDS])
        start, stay = (generator.uniform(*KINDS[kind][i]) for i in (1, 2))
        coins = generator.random(length)
        early = np.zeros(length, dtype=bool)
        for i in range(1, length):
            early[i] = coins[i] < (stay if early[i - 1] else start)
        f = generator.uniform(0.12, 0.45)
        g = f * generator.uniform(-0.1, 0.9)
        factor = np.where(early, (1 - f) * np.exp(generator.normal(0, 0.04, length)), 1.0)
        after = np.zeros(length, dtype=bool)
        after[1:] = early[:-1] & ~early[1:]
        factor = np.where(after, (1 + g) * np.exp(generator.normal(0, 0.02, length)), factor)
        for newest in (True, False):
            ends = np.flatnonzero(early[LENGTH:] == newest)
            if len(ends) and len(banks[newest]) < count:
                end = LENGTH + generator.choice(ends)
                banks[newest].append(factor[end - LENGTH + 1 : end + 1][::-1])
    return tuple(torch.from_numpy(np.stack(banks[n]).astype(np.float32)) for n in (True, False))


def bounded(edited, original):
    """No interval below 0.28 s, unless it was."""
    return torch.maximum(edited, original.clamp_max(SHORTEST_RR_S))


def can_scale(rr, factor):
    """Whether a common rate factor keeps the median above 0.42 s. rr [n][257], factor [n]."""
    return (rr.nanmedian(dim=1).values * factor) > SHORTEST_MEDIAN_RR_S


class TimeMap:
    """Where the sample shown at time t (seconds from R) comes from, once the interval before R became another one.

    From the splice on nothing moves. Before it the diastole is compressed or stretched; where that does not suffice
    the end of the T wave goes. What lies before the previous R moves with it.
    """

    def __init__(self, original, edited, splice):
        use = ~(original.isnan() | edited.isnan())
        self.original = torch.where(use, original, 1.0)
        self.edited = torch.where(use, edited, 1.0)
        self.splice = splice
        room = self.original - splice - 0.02
        self.t_end = torch.minimum(0.36 * self.original.sqrt() + 0.05, room).clamp_min(0.0)
        self.kept = torch.minimum(self.t_end, self.edited - splice - SHORTEST_DIASTOLE_S).clamp_min(0.0)

    def __call__(self, t):
        """t [n][k] seconds -> seconds from R in the original signal."""
        original, edited, splice, t_end, kept = (
            v[:, None] for v in (self.original, self.edited, self.splice, self.t_end, self.kept)
        )
        new_end, old_end = kept - edited, t_end - original  # where the T wave ends, before R
        share = ((t - new_end) / (-splice - new_end).clamp_min(1e-3)).clamp(0, 1)
        diastole = old_end + share * (-splice - old_end)
        earlier = t + edited - original
        moved = torch.where(t < new_end, earlier, diastole)
        return torch.where((t >= -splice) | (original == edited), t, moved)


def sinus_arrhythmia(generator, n):
    """Factors [n][257] of breathing: 1 + A sin, A up to 0.15, period 3 to 14 beats."""
    depth, period, phase = (torch.rand(n, 1, generator=generator) for _ in range(3))
    k = torch.arange(LENGTH)
    return 1 + 0.15 * depth * torch.sin(2 * math.pi * (k / (3 + 11 * period) + phase))
