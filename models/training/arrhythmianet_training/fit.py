"""Trains one context network on a pool of beats: the loop that training and cross-validation share."""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from . import augment_context, fast
from .architectures import Network, average
from .beats import GROUPS
from .layout import A_OUTPUT, LABELS, LAYERS, V_OUTPUT, WITH_CONTEXT
from .schedule import rate_at
from .settings import ContextMix

N_OUTPUTS = [i for i, label in enumerate(LABELS) if label in "NLR"]
CHUNK = 2048  # draws made at once


def grouped(logits):
    """Log-probabilities of N, S, V [n][3]: N, L and R summed."""
    logp = logits.log_softmax(1)
    return torch.stack([logp[:, N_OUTPUTS].logsumexp(1), logp[:, A_OUTPUT], logp[:, V_OUTPUT]], 1)


def loss_of(logits, group, label, five, weight=None):
    """Cross-entropy over the groups, and within N, where the label is known, `five` times that of N, L, R.

    weight [n]: of each draw, 1 where it is left out.
    """
    weight = torch.ones(len(logits)) if weight is None else weight
    loss = F.nll_loss(grouped(logits), group, reduction="none") @ weight
    inside = (group == 0) & (label >= 0)
    if five and inside.any():
        conditional = logits[inside][:, N_OUTPUTS].log_softmax(1)
        loss = loss + five * (F.nll_loss(conditional, label[inside], reduction="none") @ weight[inside])
    return loss / len(logits)


def soft_loss_of(logits, wanted, five, weight):
    """The same against the teachers' probabilities `wanted` [n][5]; a draw's part of N counts as much as it is N."""
    inside = wanted[:, N_OUTPUTS]
    share = torch.stack([inside.sum(1), wanted[:, A_OUTPUT], wanted[:, V_OUTPUT]], 1)
    loss = -(share * grouped(logits)).sum(1) - five * (inside * logits[:, N_OUTPUTS].log_softmax(1)).sum(1)
    return (loss @ weight) / len(logits)


@torch.no_grad()
def taught(teachers, windows, values=None):
    """What folded networks say together: probabilities [n][5] of the mean of their log-probabilities."""
    return torch.stack([t(windows, values).log_softmax(1) for t in teachers]).mean(0).softmax(1)


def sampling(beats, pool, settings):
    """Cumulative weights of the pool's beats."""
    label = beats.group[pool] if settings.groups else beats.label[pool]
    record = beats.record[pool]
    weight = np.bincount(label)[label] ** settings.class_exponent
    pair = label * len(beats.names) + record
    weight = weight * np.bincount(pair)[pair] ** settings.record_exponent
    if settings.record_exponent:  # the class's total stays what its exponent makes of it
        total = np.bincount(label, weight)
        wanted = np.bincount(label).astype(float) ** (1 + settings.class_exponent)
        weight = weight * (wanted / total)[label]
    cumulative = weight.cumsum()
    return torch.from_numpy(cumulative / cumulative[-1])


class Run:
    """One network's way through its draws; `advance` may be called again and again."""

    def __init__(self, network, augmenter, pool, settings, seed, teachers=()):
        """teachers: folded networks whose probabilities the network learns beside the labels (`Settings.soft`)."""
        self.network, self.augmenter, self.settings, self.teachers = network, augmenter, settings, teachers
        network.dropout = settings.dropout
        self.averaged = copy.deepcopy(network)
        self.pool = torch.from_numpy(np.asarray(pool))
        self.cumulative = sampling(augmenter.beats, np.asarray(pool), settings)
        self.group = torch.from_numpy(augmenter.beats.group)
        self.label = torch.from_numpy(augmenter.beats.label)
        self.steps, self.step = max(1, settings.draws // settings.batch), 0
        decayed = [p for p in network.parameters() if p.ndim > 1]
        plain = [p for p in network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            fused=True,
        )
        augmenter.generator.manual_seed(seed)

    def draw_chunk(self, n):
        a, synthetic = self.augmenter, round(self.augmenter.mix.synthetic * self.settings.batch)
        batches = n // self.settings.batch
        made = torch.arange(n) % self.settings.batch < synthetic
        place = torch.rand(n, generator=a.generator, dtype=torch.double)
        chosen = self.pool[torch.searchsorted(self.cumulative, place).clamp_max(len(self.pool) - 1)]
        if synthetic:
            chosen[made] = a.synthetic_beats(batches * synthetic)
        windows, values = a.draw(chosen, made)
        group = torch.where(made, GROUPS.index("S"), self.group[chosen])
        label = torch.where(made, A_OUTPUT, self.label[chosen])
        if not self.teachers:
            return windows, values, group, label
        blend = a.coin(n, self.settings.blended)
        share = torch.where(blend, a.uniform(n, 0.3, 0.7), 1.0)
        other = torch.arange(n).roll(1)
        windows = share[:, None, None] * windows + (1 - share)[:, None, None] * windows[other]
        values = share[:, None] * values + (1 - share)[:, None] * values[other]
        return windows, values, group, label, taught(self.teachers, windows, values), (~blend).float()

    def advance(self, steps):
        """Trains `steps` further steps; returns the mean loss."""
        batch, total, ready = self.settings.batch, 0.0, None
        self.network.train()
        for i in range(steps):
            per_chunk = max(1, CHUNK // batch)
            if i % per_chunk == 0:
                ready = [part.split(batch) for part in self.draw_chunk(min(per_chunk, steps - i) * batch)]
            windows, values, group, label, *soft = (part[i % per_chunk] for part in ready)
            for g in self.optimiser.param_groups:
                g["lr"] = rate_at(self.step, self.steps, self.settings.learning_rate, self.settings.warm_up)
            logits = fast.forward(self.network, windows, values)
            if soft:
                wanted, own = soft
                five, share = self.settings.five, self.settings.soft
                loss = loss_of(logits, group, label, five, (1 - share) * own)
                loss = loss + soft_loss_of(logits, wanted, five, 1 - (1 - share) * own)
            elif self.settings.groups:
                loss = loss_of(logits, group, label, self.settings.five)
            else:
                loss = F.cross_entropy(logits, label)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            average(self.averaged, self.network, min(self.settings.ema, (self.step + 1) / (self.step + 10)))
            self.step += 1
            total += float(loss)
        return total / max(1, steps)


def fit(beats, pool, architecture, settings, noise, seed, teachers=()):
    """The trained network (averaged weights), all at once. Cross-validation uses this."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    mix = ContextMix(**settings.mix)
    augmenter = augment_context.ContextAugmenter(beats, mix, noise, generator, pool)
    channels, values = WITH_CONTEXT
    network = Network(LAYERS[architecture], channels, context=values)
    run = Run(network, augmenter, pool, settings, seed, teachers)
    run.advance(run.steps)
    return run.averaged.eval()


@torch.no_grad()
def predict(network, rows, batch=1024):
    """Logits of input rows [n][272]."""
    network.eval()
    return torch.cat([network.from_rows(r) for r in rows.split(batch)])
