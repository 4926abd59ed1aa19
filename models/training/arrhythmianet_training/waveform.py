"""Training of the networks of the waveform alone, on the random split: the task of a `Trainer`.

`done` counts epochs. The random state of an epoch depends on seed and epoch alone, so on one machine a resumed run
equals an uninterrupted one.
"""

import copy
import time

import torch

from . import augment, data, fast, sparsity, splits
from .architectures import Network, average, predict
from .export import windows_of
from .fit import taught
from .layout import LABELS, LAYERS
from .metrics import scores
from .schedule import rate_at
from .settings import DENSITIES, Mix
from .warm import start_from

# Share of the steps the learning rate takes to its peak.
WARM_UP = 0.03
# Beats whose statistics the normalisations start with, where weights are given to start from.
START_BEATS = 4096
# Steps from one look at what groups of weights are worth to the next.
PRUNING_STEPS = 25
# Share of the loss that the teachers' probabilities get.
TAUGHT = 0.7


def validation_windows(records, beats):
    """What an epoch is judged by: the validation beats at their annotated and at their detected positions."""
    lead = torch.zeros(len(beats), dtype=torch.long, device=records.signal.device)
    views = {"annotated": records.position[beats]}
    if records.has_detections:
        detected = records.detected[0, beats]
        views["detected"] = detected.clip(0) + (detected < 0) * records.position[beats]
    device = records.signal.device
    return {
        name: augment.normalise(augment.cut(records.signal, lead, torch.from_numpy(p).to(device)))[:, None, :]
        for name, p in views.items()
    }


class WaveformTask:
    def __init__(self, run, options, start, teachers):
        """start, teachers: folded networks."""
        self.seed, self.settings = run.seed, run.settings
        self.device = torch.device(options.device)
        records = data.load_records(options.data)
        records.signal = records.signal.to(self.device)
        noise = [n[:, : 2 * n.shape[1] // 3] for n in data.load_noise(options.noise).values()]
        parts = splits.split_intra(records.label)
        self.train = torch.from_numpy(parts["train"]).to(self.device)
        self.label = torch.from_numpy(records.label).to(self.device)
        self.views = validation_windows(records, parts["validation"])
        self.judged_by = records.label[parts["validation"]]
        self.facts = {"recorded_noise": bool(noise), "detector_positions": records.has_detections}

        # Imbalance is handled on the training part only: rare classes are drawn more often.
        count = torch.bincount(self.label[self.train], minlength=len(LABELS)).double()
        self.cumulative = (count[self.label[self.train]] ** self.settings.class_exponent).cumsum(0)
        self.cumulative /= self.cumulative[-1].clone()

        torch.manual_seed(run.seed)
        self.network = Network(LAYERS[run.network]).to(self.device)
        self.teachers = [teacher.to(self.device) for teacher in teachers]
        if start:
            some = parts["train"][:: len(parts["train"]) // START_BEATS]
            start_from(self.network, start, windows_of(records, some)[:, 0])
        self.averaged = copy.deepcopy(self.network)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=self.settings.learning_rate)
        self.generator = torch.Generator(device=self.device)
        self.augmenter = augment.Augmenter(records, Mix(**self.settings.mix), noise, self.generator)
        self.pruning = sparsity.Pruning(self.network, self.settings.weights) if self.settings.weights else None
        self.first_density = None
        self.done, self.total = 0, self.settings.epochs

    def state(self):
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "first_density": self.first_density,
            "masks": self.pruning and self.pruning.masks,
        }

    def restore(self, state):
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.first_density, self.done = state["first_density"], state["done"]
        if self.pruning:
            self.pruning.masks = state["masks"]

    def advance(self):
        started, settings = time.monotonic(), self.settings
        per_epoch = settings.epoch_draws // settings.batch
        self.generator.manual_seed(self.seed * 100_003 + self.done)
        self.network.train()
        total = torch.zeros((), device=self.device)
        for step in range(self.done * per_epoch, (self.done + 1) * per_epoch):
            total += self.learn(step, settings.epochs * per_epoch)
        if self.pruning:
            self.pruning.apply(self.averaged)
        self.done += 1
        judged = {name: scores(predict(self.averaged, w), self.judged_by) for name, w in self.views.items()}
        row = {
            "epoch": self.done,
            "loss": float(total) / per_epoch,
            "validation": {n: {k: round(s[k], 5) for k in ("accuracy", "macro_f1")} for n, s in judged.items()},
            "seconds": round(time.monotonic() - started, 1),
        }
        if settings.density:
            found = sparsity.measured(self.averaged, self.views["annotated"])
            row |= {name: round(share, 4) for name, share in zip(DENSITIES, found, strict=False)}
        if self.pruning:
            row["weights"] = [round(share, 4) for share in self.pruning.left(self.network)]
        return row

    def learn(self, step, steps):
        """One step; returns its loss."""
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(step, steps, settings.learning_rate, WARM_UP)
        place = torch.rand(settings.batch, generator=self.generator, device=self.device, dtype=torch.double)
        beats = self.train[torch.searchsorted(self.cumulative, place).clamp_max(len(self.train) - 1)]
        windows, before = self.augmenter.draw(beats), [] if settings.density else None
        logits = fast.forward(self.network, windows, before=before)
        loss = torch.nn.functional.cross_entropy(logits, self.label[beats])
        if self.teachers:
            wanted = taught(self.teachers, windows)
            loss = (1 - TAUGHT) * loss + TAUGHT * torch.nn.functional.cross_entropy(logits, wanted)
        if settings.density:
            if self.first_density is None:
                self.first_density = [float(d) for d in sparsity.density(self.network, before)]
            loss = loss + sparsity.excess(self.network, before, self.first_density, settings.density, step / steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        if self.pruning:
            if step % PRUNING_STEPS == 0:
                self.pruning.fall(self.network, windows, step / steps)
            self.pruning.apply(self.network)
        average(self.averaged, self.network, min(settings.ema, (step + 1) / (step + 10)))
        return loss.detach()

    @staticmethod
    def draw(log, path):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        epochs = [row["epoch"] for row in log]
        left.plot(epochs, [row["loss"] for row in log], label="training (augmented draws)")
        left.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
        left.legend(fontsize=7)
        for view in log[-1]["validation"]:
            for figure_name, style in (("accuracy", "-"), ("macro_f1", "--")):
                values = [row["validation"][view][figure_name] for row in log]
                right.plot(epochs, values, style, label=f"{figure_name}, R {view}")
        right.set(xlabel="epoch", ylabel="validation", ylim=(0.94, 1.0))
        right.legend(fontsize=7)
        for axes in (left, right):
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=80)
        pyplot.close(figure)
