"""Training draws of the context networks: rhythm edits, synthetic premature beats, and what `augment` does to a window.

A draw is a beat whose RR history, window and template are changed together. Kinds of draws:
real N may get a rhythm of premature beats that is not premature itself, or an irregular one as in atrial fibrillation;
synthetic S is an N whose own interval became short; real V may stand in another patient's history (`swap`).
"""

import math

import numpy as np
import torch

from . import augment, context, rhythm
from .beats import MARGIN
from .data import CHAIN_RATE_HZ
from .layout import WINDOW_SAMPLES

P_START_S, P_END_S = -0.22, -0.06


class ContextAugmenter:
    """Draws training inputs from a `Beats` table. All randomness comes from `generator`."""

    def __init__(self, beats, mix, noise, generator, pool):
        """pool: indices of the beats that may be drawn; synthetic beats and swapped histories come from it alone."""
        self.mix, self.generator, self.beats = mix, generator, beats
        self.waveform = augment.Augmenter.of_signal(beats.signal, noise, generator)
        bank_generator = np.random.Generator(np.random.PCG64(generator.initial_seed()))
        self.premature, self.regular = rhythm.pattern_bank(bank_generator)
        pool = np.asarray(pool)
        group = torch.from_numpy(beats.group)
        self.group = group
        sources = self._synthetic_sources(pool)
        self.sources = sources
        count = np.bincount(beats.record[sources], minlength=len(beats.names))
        self.source_weight = torch.from_numpy(count[beats.record[sources]] ** -0.7).cumsum(0)
        self.source_weight /= self.source_weight[-1].clone()
        self.normals = torch.from_numpy(pool[beats.group[pool] == 0])

    def _synthetic_sources(self, pool):
        """N after N, in a steady rhythm: what can be made premature."""
        b = self.beats
        after_normal = np.zeros(len(b), dtype=bool)
        after_normal[1:] = (b.group[:-1] == 0) & (b.record[1:] == b.record[:-1])
        pool = pool[(b.group[pool] == 0) & after_normal[pool]]
        rr = torch.cat([b.r0[0, pool][:, None], b.history[0, pool, :9]], 1)
        steady = (rr[:, 1:].log() - rr[:, :-1].log()).abs().mean(1) < 0.10
        ratio = rr[:, 0] / rr[:, 1:].median(1).values
        return pool[(steady & (ratio > 0.85) & (ratio < 1.2)).numpy()]

    def uniform(self, n, low=0.0, high=1.0, columns=None):
        return self.waveform.uniform(n, low, high, columns)

    def coin(self, n, probability):
        return self.uniform(n) < probability

    def gaussian(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def patterns(self, bank, n):
        return bank[(self.uniform(n) * len(bank)).long()]

    def synthetic_beats(self, n):
        place = torch.rand(n, generator=self.generator, dtype=torch.double)
        return torch.from_numpy(self.sources)[
            torch.searchsorted(self.source_weight, place).clamp_max(len(self.sources) - 1)
        ]

    def rr_of(self, chosen, lead):
        """Intervals [n][257], newest first: the annotations', or by chance the detector's."""
        b, n = self.beats, len(chosen)
        found = b.detected[lead, chosen] >= 0
        source = torch.where(found & self.coin(n, self.mix.detector_history), 1 + lead, 0)
        rr = torch.cat([b.r0[source, chosen][:, None], b.history[source, chosen]], 1)
        # A beat lost or one too many, among the newest eight of the history.
        at = 1 + (8 * self.uniform(n)).long()
        row = torch.arange(n)
        split = self.coin(n, self.mix.lost_or_extra / 2)
        joined = ~split & self.coin(n, self.mix.lost_or_extra / 2)
        k = torch.arange(rhythm.LENGTH)[None]
        older = torch.where(split[:, None] & (k > at[:, None]), k - 1, k)
        older = torch.where(joined[:, None] & (k > at[:, None]), (k + 1).clamp_max(rhythm.LENGTH - 1), older)
        edited = rr.gather(1, older)
        part = self.uniform(n, 0.3, 0.7)
        value, neighbour = rr[row, at], rr[row, at + 1]
        edited[row, at] = torch.where(split, value * part, torch.where(joined, value + neighbour, value))
        edited[row, at + 1] = torch.where(split, value * (1 - part), edited[row, at + 1])
        return edited

    def edit(self, chosen, synthetic, rr):
        """Edited intervals [n][257] and the factor on the P wave [n]."""
        mix, n = self.mix, len(chosen)
        group = torch.where(synthetic, 0, self.group[chosen])
        factor = torch.ones(n, rhythm.LENGTH)
        p_wave = torch.ones(n)

        lonely = synthetic & self.coin(n, 0.45)
        early = 1 - self.uniform(n, 0.12, 0.45)
        factor[:, 0] = torch.where(lonely, early, factor[:, 0])
        factor = torch.where((synthetic & ~lonely)[:, None], self.patterns(self.premature, n), factor)
        p_wave = torch.where(synthetic & self.coin(n, 0.5), self.uniform(n, -0.8, 1.0), p_wave)

        normal = (group == 0) & ~synthetic
        choice = self.uniform(n)
        patterned = normal & (choice < 0.25 * mix.edits)
        factor = torch.where(patterned[:, None], self.patterns(self.regular, n), factor)
        irregular = normal & (choice >= 0.25 * mix.edits) & (choice < 0.55 * mix.edits)
        chaos = (self.gaussian(n, rhythm.LENGTH) * self.uniform(n, 0.08, 0.3)[:, None]).exp()
        factor = torch.where(irregular[:, None], chaos, factor)
        p_wave = torch.where(irregular, self.uniform(n, -0.2, 0.6), p_wave)

        ectopic = ((group == 1) | (group == 2)) & ~synthetic & self.coin(n, 0.2 * mix.edits)
        mixed = torch.where(
            self.coin(n, 0.5)[:, None], self.patterns(self.regular, n), self.patterns(self.premature, n)
        )
        factor[:, 1:] = torch.where(ectopic[:, None], mixed[:, 1:], factor[:, 1:])

        breathing = ~irregular & self.coin(n, 0.3 * mix.edits)
        factor = torch.where(breathing[:, None], factor * rhythm.sinus_arrhythmia(self.generator, n), factor)
        rate = self.uniform(n, -0.35, 0.35).exp()
        rated = self.coin(n, 0.5 * mix.edits) & rhythm.can_scale(rr, rate)
        factor = torch.where(rated[:, None], factor * rate[:, None], factor)
        return rhythm.bounded(rr * factor, rr), p_wave

    def swapped(self, chosen, synthetic, lead, rr, which):
        """Real V in the history and with the template of a normal beat of any patient."""
        n = len(chosen)
        swap = (self.group[chosen] == 2) & ~synthetic & self.coin(n, self.mix.swap)
        other = self.normals[(self.uniform(n) * len(self.normals)).long()]
        b = self.beats
        theirs = torch.cat([b.r0[0, other][:, None], b.history[0, other]], 1)
        early = torch.where(self.coin(n, 0.8), 1 - self.uniform(n, 0.1, 0.5), 1.0)
        theirs[:, 0] = (theirs[:, 0] * early).clamp_min(rhythm.SHORTEST_RR_S)
        return torch.where(swap[:, None], theirs, rr), torch.where(swap, b.template_of[lead, other], which), swap

    @torch.no_grad()
    def draw(self, chosen, synthetic):
        """Windows [n][2][128] and context [n][16] of the given beats; `synthetic` bool [n] makes them premature."""
        mix, n, b = self.mix, len(chosen), self.beats
        w = self.waveform
        lead = self.coin(n, mix.second_lead).long()
        which = b.template_of[lead, chosen]
        original = self.rr_of(chosen, lead)
        edited, p_wave = self.edit(chosen, synthetic, original)
        rr, which, _ = self.swapped(chosen, synthetic, lead, edited, which)

        # Where R is believed to be, in seconds from where it is.
        choice = self.uniform(n)
        detected, position = b.detected[lead, chosen], b.position[chosen]
        off = torch.where(detected >= 0, (detected - position) / CHAIN_RATE_HZ, 0.0)
        reach = 1e-3 * mix.jitter_ms * self.uniform(n, -1, 1)
        jitter = torch.where(choice < mix.at_detected, off, 0.0)
        jitter = torch.where((choice >= mix.at_detected) & (choice < mix.at_detected + mix.jittered), reach, jitter)
        stretch = self.uniform(n, 1 - mix.warp, 1 + mix.warp)
        t = jitter[:, None] + stretch[:, None] * w.time_s

        windows = self.cut_edited(lead, position, original[:, 0], edited[:, 0], t, p_wave)
        windows = windows * self.uniform(n, -mix.amplitude, mix.amplitude).exp()[:, None]
        deviation = windows.std(dim=-1).clamp_min(5.0)
        zero = torch.zeros(n)
        level = torch.where(self.coin(n, mix.baseline), self.uniform(n, 0, mix.baseline_level), zero)
        added = w.baseline(n) * level[:, None]
        level = self.uniform(n, math.log(0.01), math.log(mix.noise_level)).exp()
        added = added + w.coloured_or_recorded(n) * torch.where(self.coin(n, mix.noise), level, zero)[:, None]
        added = added + w.mains(n) * torch.where(self.coin(n, mix.mains), self.uniform(n, 0, 0.1), zero)[:, None]
        windows = augment.normalise(windows + added * deviation[:, None])
        sign = torch.where(self.coin(n, mix.inverted), -1.0, 1.0)[:, None]

        template = augment.normalise(self.cut_template(which, stretch))
        known = (which > 0) & ~self.coin(n, mix.no_context)
        residual = torch.where(known[:, None], windows - template, 0.0)
        values = context.rr_context(rr[:, 0], rr[:, 1:])
        values = values + mix.context_noise * self.gaussian(*values.shape)
        values = torch.where((values.abs().sum(1) > 0)[:, None] & known[:, None], values, 0.0)
        return torch.stack([windows * sign, residual * sign], dim=1), values

    def cut_edited(self, lead, position, original, edited, t, p_wave):
        """Windows whose sample at time t [n][128] comes from where the edited rhythm took it."""
        n = len(position)
        moved = rhythm.TimeMap(original, edited, self.uniform(n, 0.17, 0.24))
        ends = torch.tensor([P_START_S, P_END_S]).expand(n, 2)
        source = moved(torch.cat([t, ends], dim=1))
        sampled = augment.sample(self.beats.signal, lead, position, source * CHAIN_RATE_HZ)
        windows, (a, b) = sampled[:, :WINDOW_SAMPLES], sampled[:, WINDOW_SAMPLES:].unbind(1)
        share = (t - P_START_S) / (P_END_S - P_START_S)
        line = a[:, None] + (b - a)[:, None] * share
        inside = (share > 0) & (share < 1) & (p_wave != 1)[:, None]
        return torch.where(inside, line + p_wave[:, None] * (windows - line), windows)

    def cut_template(self, which, stretch):
        """Templates, time axis stretched like the window's; linear in between."""
        at = stretch[:, None] * (torch.arange(WINDOW_SAMPLES) - augment.R_INDEX) + augment.R_INDEX + MARGIN
        base = at.floor()
        wide = self.beats.template[which]
        a, b = wide.gather(1, base.long()), wide.gather(1, base.long() + 1)
        return a + (at - base) * (b - a)
