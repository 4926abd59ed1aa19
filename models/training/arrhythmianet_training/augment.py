"""Cutting windows from the continuous signal, with and without augmentation, a whole batch at a time.

A window is conditioned[r + 2 * (k - 55)], k = 0..127, of the 250 Hz signal. Everything here acts on the signal in
microvolts, before the per-window normalisation, as it would at the bedside.
"""

import math

import torch

from .data import CHAIN_RATE_HZ
from .layout import WINDOW_SAMPLES

R_INDEX = 55
STEP = 2
MODEL_RATE_HZ = CHAIN_RATE_HZ / STEP
FLOOR_UV = 20.0


def passband(frequency):
    """What the conditioning low-pass leaves of noise, about: the FIR's edge at 40 Hz."""
    return torch.sigmoid((42.0 - frequency) / 2.0)


def normalise(windows):
    """Zero mean, unit deviation per window; the floor keeps a flat line flat."""
    centred = windows - windows.mean(dim=-1, keepdim=True)
    deviation = centred.square().mean(dim=-1, keepdim=True).sqrt()
    return centred / deviation.clamp_min(FLOOR_UV)


def cut(signal, lead, position):
    """Plain windows [batch][128] in microvolts. lead, position: int64 [batch]."""
    steps = STEP * (torch.arange(WINDOW_SAMPLES, device=signal.device) - R_INDEX)
    return signal[lead[:, None], position[:, None] + steps]


def sample(signal, lead, position, offset):
    """The signal at `position` [n] (whole) plus `offset` [n][k] (fractional), in samples; cubic (Catmull-Rom)."""
    base = torch.floor(offset)
    f = offset - base
    index = position[:, None] + base.long()
    row = lead[:, None]
    a, b, c, d = (signal[row, index + i] for i in (-1, 0, 1, 2))
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


def cut_warped(signal, lead, position, stretch):
    """Windows about a fractional position, time stretched by `stretch` [batch]."""
    steps = STEP * (torch.arange(WINDOW_SAMPLES, device=signal.device) - R_INDEX)
    whole = torch.floor(position)
    offset = (position - whole).float()[:, None] + stretch.float()[:, None] * steps
    return sample(signal, lead, whole.long(), offset)


class Augmenter:
    """Draws training windows. All randomness comes from `generator`, which lives on the signal's device."""

    def __init__(self, records, mix, noise, generator):
        self._prepare(records.signal, noise, generator)
        self.mix = mix
        self.position = torch.from_numpy(records.position).to(self.signal.device)
        self.detected = torch.from_numpy(records.detected).to(self.signal.device)

    @classmethod
    def of_signal(cls, signal, noise, generator):
        """Only the sources of disturbance, for others to use."""
        self = cls.__new__(cls)
        self._prepare(signal, noise, generator)
        return self

    def _prepare(self, signal, noise, generator):
        self.generator = generator
        self.signal = signal
        device = signal.device
        self.noise = [n.to(device) for n in noise]
        self.time_s = (torch.arange(WINDOW_SAMPLES, device=device) - R_INDEX) / MODEL_RATE_HZ
        frequency = torch.fft.rfftfreq(WINDOW_SAMPLES, 1 / MODEL_RATE_HZ).to(device)
        self.frequency = frequency.clamp_min(frequency[1])
        self.passband = passband(frequency)

    def uniform(self, count, low=0.0, high=1.0, columns=None):
        shape = (count,) if columns is None else (count, columns)
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.signal.device)

    def coin(self, count, probability):
        return self.uniform(count) < probability

    def draw(self, beats):
        """Normalised windows [batch][1][128] of the given beats, augmented."""
        mix, n = self.mix, len(beats)
        lead = self.coin(n, mix.second_lead).long()
        choice = self.uniform(n)
        position, detected = self.position[beats], self.detected[lead, beats]
        use_detected = (choice < mix.at_detected) & (detected >= 0)
        position = torch.where(use_detected, detected, position).double()
        near, far = (1e-3 * CHAIN_RATE_HZ * ms for ms in (mix.jitter_ms, mix.far_ms))
        edges = torch.tensor([mix.at_detected, mix.jittered, mix.far], device=position.device).cumsum(0)
        reach = torch.tensor([0.0, near, far, 0.0], device=position.device)[torch.bucketize(choice, edges)]
        position = position + reach * self.uniform(n, -1, 1)

        augmented = ~self.coin(n, mix.plain)
        zero, one = torch.zeros(n, device=position.device), torch.ones(n, device=position.device)
        stretch = torch.where(augmented, self.uniform(n, 1 - mix.warp, 1 + mix.warp), one)
        windows = cut_warped(self.signal, lead, position, stretch)

        gain = torch.where(augmented, self.uniform(n, -mix.amplitude, mix.amplitude).exp(), one)
        windows = windows * gain[:, None]
        deviation = windows.std(dim=-1).clamp_min(5.0)
        added = self.baseline(n) * torch.where(self.coin(n, mix.baseline), self.uniform(n, 0, 0.6), zero)[:, None]
        level = self.uniform(n, math.log(0.02), math.log(mix.noise_level)).exp()
        added = added + self.coloured_or_recorded(n) * torch.where(self.coin(n, mix.noise), level, zero)[:, None]
        added = added + self.mains(n) * torch.where(self.coin(n, mix.mains), self.uniform(n, 0, 0.15), zero)[:, None]
        windows = windows + added * torch.where(augmented, deviation, zero)[:, None]
        sign = torch.where(augmented & self.coin(n, mix.inverted), -one, one)
        return normalise(windows * sign[:, None])[:, None, :]

    def baseline(self, n):
        """Slow wander: one sine of 0.1 to 0.8 Hz and a straight line, together about unit amplitude."""
        frequency, phase = self.uniform(n, 0.1, 0.8), self.uniform(n, 0, 2 * torch.pi)
        slope = self.uniform(n, -1.5, 1.5)
        wander = torch.sin(2 * torch.pi * frequency[:, None] * self.time_s + phase[:, None])
        return wander + slope[:, None] * self.time_s

    def mains(self, n):
        """50 or 60 Hz, unit amplitude: what an imperfect notch leaves."""
        frequency, phase = 50.0 + 10.0 * self.coin(n, 0.5), self.uniform(n, 0, 2 * torch.pi)
        return torch.sin(2 * torch.pi * frequency[:, None] * self.time_s + phase[:, None])

    def coloured_or_recorded(self, n):
        """Unit-deviation noise: spectrum f^-a, a from 0 to 2, inside the pass band, or a piece of recorded noise."""
        phase = self.uniform(n, 0, 2 * torch.pi, len(self.frequency))
        magnitude = self.frequency ** (-0.5 * self.uniform(n, 0, 2))[:, None] * self.passband
        noise = torch.fft.irfft(torch.polar(magnitude, phase), WINDOW_SAMPLES)
        if self.noise:
            kind = (self.uniform(n) * 2 * len(self.noise)).long()
            lead = self.coin(n, 0.5).long()
            steps = STEP * torch.arange(WINDOW_SAMPLES, device=self.signal.device)
            for i, recorded in enumerate(self.noise):
                start = (self.uniform(n) * (recorded.shape[1] - STEP * WINDOW_SAMPLES)).long()
                piece = recorded[lead[:, None], start[:, None] + steps]
                piece = piece - piece.mean(dim=-1, keepdim=True)
                noise = torch.where((kind == i)[:, None], piece, noise)
        return noise / noise.std(dim=-1, keepdim=True).clamp_min(1e-6)
