"""What every training run shares: the learning rate's way and the averaged weights."""

import math

import torch


def rate_at(step, steps, peak, warm_up):
    """Linear warm-up over a share of the steps, then a cosine down to zero."""
    ramp = max(1, round(warm_up * steps))
    if step < ramp:
        return peak * (step + 1) / ramp
    return 0.5 * peak * (1 + math.cos(math.pi * (step - ramp) / max(1, steps - ramp)))


@torch.no_grad()
def average(averaged, network, decay):
    """Exponential moving average of weights and of the running statistics of the batch normalisation."""
    pairs = list(zip(averaged.state_dict().values(), network.state_dict().values()))
    real = [(old, new) for old, new in pairs if old.dtype.is_floating_point]
    torch._foreach_lerp_(*map(list, zip(*real)), 1 - decay)
    for old, new in pairs:
        if not old.dtype.is_floating_point:
            old.copy_(new)
