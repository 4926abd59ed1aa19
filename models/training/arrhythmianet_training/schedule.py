"""The learning rate's way through a training run."""

import math


def rate_at(step, steps, peak, warm_up):
    """Linear warm-up over a share of the steps, then a cosine down to zero."""
    ramp = max(1, round(warm_up * steps))
    if step < ramp:
        return peak * (step + 1) / ramp
    return 0.5 * peak * (1 + math.cos(math.pi * (step - ramp) / max(1, steps - ramp)))
