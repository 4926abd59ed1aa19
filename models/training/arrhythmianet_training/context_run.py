"""Training of the context networks: the task of a `Trainer`.

Protocols: `inter` (DS1 alone), `all` (the 44 unpaced records), `intra` (the training part of the random split). `done`
counts steps; the random state of a segment depends on seed and segment alone.
"""

import time

import numpy as np
import torch

from . import augment_context, data, fit, splits, warm
from . import beats as beat_table
from .architectures import Network
from .layout import LAYERS, WITH_CONTEXT
from .settings import ContextMix

SEGMENT_STEPS = 96
START_BEATS = 4096


def pool_of(beats, protocol, part="train"):
    """Indices of the beats a protocol trains on."""
    if protocol == "intra":
        labelled = np.flatnonzero(beats.label >= 0)
        return labelled[splits.split_intra(beats.label[labelled])[part]]
    names = splits.DS1 if protocol == "inter" else [n for n in beats.names if n not in beat_table.PACED]
    pool = beats.of_records(names)
    return pool[beats.group[pool] >= 0]


class ContextTask:
    def __init__(self, run, options, start, teachers):
        """start, teachers: folded networks."""
        beats = beat_table.load(options.data)
        noise = [n[:, : 2 * n.shape[1] // 3] for n in data.load_noise(options.noise).values()]
        pool = pool_of(beats, run.protocol)
        self.facts = {"recorded_noise": bool(noise)}
        torch.manual_seed(run.seed)
        self.seed, self.generator = run.seed, torch.Generator().manual_seed(run.seed)
        augmenter = augment_context.ContextAugmenter(beats, ContextMix(**run.settings.mix), noise, self.generator, pool)
        channels, values = WITH_CONTEXT
        network = Network(LAYERS[run.architecture], channels, context=values)
        if start:
            warm.start_from(network, start, beat_table.rows(beats, pool[:: max(1, len(pool) // START_BEATS)]))
        self.run = fit.Run(network, augmenter, pool, run.settings, run.seed, teachers)

    @property
    def done(self):
        return self.run.step

    @property
    def total(self):
        return self.run.steps

    def state(self):
        own = self.run
        states = {"network": own.network, "averaged": own.averaged, "optimiser": own.optimiser}
        return {name: part.state_dict() for name, part in states.items()}

    def restore(self, state):
        self.run.network.load_state_dict(state["network"])
        self.run.averaged.load_state_dict(state["averaged"])
        self.run.optimiser.load_state_dict(state["optimiser"])
        self.run.step = state["done"]

    def advance(self):
        self.generator.manual_seed(self.seed * 1_009 * 100_003 + self.done)
        torch.manual_seed(self.seed * 1_009 * 100_003 + self.done)  # of the dropout
        started, batch = time.monotonic(), self.run.settings.batch
        steps = min(SEGMENT_STEPS, self.total - self.done)
        loss = self.run.advance(steps)
        rate = round(batch * steps / (time.monotonic() - started))
        return {"draws": self.done * batch, "loss": round(loss, 5), "draws_per_second": rate}

    @staticmethod
    def draw(log, path):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(5, 2.6), layout="constrained")
        axes.plot([row["draws"] for row in log], [row["loss"] for row in log])
        axes.set(xlabel="draws", ylabel="loss (augmented draws)", yscale="log")
        axes.grid(alpha=0.3)
        figure.savefig(path, dpi=70)
        pyplot.close(figure)
