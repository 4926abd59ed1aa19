"""Every number a training run can be given, with its default. Needs nothing but Python."""

from dataclasses import dataclass, field


@dataclass
class Mix:
    """How the draws of a training batch are made. Shares and probabilities are per draw."""

    second_lead: float = 0.35
    plain: float = 0.2  # no signal augmentation at all
    at_detected: float = 0.35  # R where the gateway's detector put it (where it found the beat)
    jittered: float = 0.35  # R shifted evenly within +-jitter_ms
    jitter_ms: float = 32.0
    far: float = (
        0.08  # R shifted evenly within +-far_ms, as a detector that took S for R; the rest is on the annotation
    )
    far_ms: float = 80.0
    warp: float = 0.05  # time axis stretched about R by up to this share
    amplitude: float = 0.7  # natural logarithm of the largest gain
    baseline: float = 0.5  # probability; amplitude up to 0.6 of the window's deviation
    noise: float = 0.75  # probability
    noise_level: float = 1.2  # deviation up to this share of the window's, log-uniform from 0.02
    mains: float = 0.2  # probability; amplitude up to 0.15 of the window's deviation
    inverted: float = 0.02  # electrodes swapped


@dataclass
class ContextMix:
    """How the draws of a training batch are made. Shares and probabilities are per draw."""

    synthetic: float = 0.10  # share of the batch
    edits: float = 1.0  # factor on the rhythm edits' probabilities
    swap: float = 0.3  # real V in another patient's history
    second_lead: float = 0.4
    detector_history: float = 0.1  # RR history as the detector found it, where it found the beat
    lost_or_extra: float = 0.02  # one of the newest intervals split in two or joined with its neighbour
    at_detected: float = 0.1
    jittered: float = 0.5
    jitter_ms: float = 28.0
    warp: float = 0.03
    amplitude: float = 0.3
    baseline: float = 0.5  # probability
    baseline_level: float = 0.2
    noise: float = 0.4  # probability
    noise_level: float = 0.1
    mains: float = 0.15
    inverted: float = 0.0
    context_noise: float = 0.05
    no_context: float = 0.0  # context and template left out, as at the start of a recording


# Of the three densities, in a run's log.
DENSITIES = ("density", "density_back", "density_pair")


@dataclass
class WaveformSettings:
    """Training of a network of the waveform alone."""

    epochs: int = 60
    epoch_draws: int = 409_600
    batch: int = 2048
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    class_exponent: float = -0.3  # sampling weight of a beat: n_class^this
    ema: float = 0.999  # decay of the averaged weights, per step
    density: list | None = None  # shares of not-zero values to end with: there, back, of pairs (sparsity.py)
    weights: list | None = None  # shares of products over bottlenecks to end with (sparsity.py)
    mix: dict = field(default_factory=dict)  # changes to Mix


@dataclass
class ContextSettings:
    """Training of a context network."""

    draws: int = 40_000
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.06
    ema: float = 0.98  # decay of the averaged weights, per step
    class_exponent: float = -0.5  # sampling weight of a beat: n_class^this ...
    record_exponent: float = -0.25  # ... times n_(class, record)^this
    dropout: float = 0.2  # of the pooled features
    five: float = 0.15  # weight of telling N, L and R apart beside the three groups; 1: plain cross-entropy of five
    groups: bool = True  # classes to balance are the three groups and not the five labels
    soft: float = 0.0  # share of the loss that the teachers' probabilities get, where there are teachers
    blended: float = 0.0  # share of the draws blended with another of their batch; the teachers alone say what they are
    mix: dict = field(default_factory=dict)  # changes to ContextMix
