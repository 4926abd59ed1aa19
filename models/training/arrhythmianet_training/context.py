"""What a context network sees besides the window: sixteen values of the RR history, and the running template.

The gateway's own code (`crates/ecg-signal`) is what runs at the bedside; this is the same definition once more, because the
rhythm edits of training need it. `models/golden/context-features.safetensors` ties the two together.
"""

import math

import torch

CONTEXT_VALUES = 16
HISTORY = 256  # earlier intervals that count
LONGEST_RR_S = 3.0  # a longer interval is a pause in the recording: unknown, and not part of the history
TEMPLATE_BEATS = 64
TEMPLATE_EVERY = 8


def _percentile(ordered, count, share):
    """Linear interpolation as numpy's default. ordered [n][k] ascending with +inf behind the `count` [n] values."""
    place = share * (count - 1).clamp_min(0)
    low = place.floor().long()
    high = torch.minimum(low + 1, (count - 1).clamp_min(0).long())
    a, b = ordered.gather(1, low[:, None])[:, 0], ordered.gather(1, high[:, None])[:, 0]
    return torch.where(count > 0, a + (b - a) * (place - low), torch.nan)


def _logarithm(ratio):
    """2 * clip(ln ratio, -1.5, 1.5); 0 where it is not known."""
    return (2 * ratio.log().clamp(-1.5, 1.5)).nan_to_num(0.0)


def rr_context(r0, history):
    """The sixteen values [n][16].

    r0 [n]: the interval ending in this beat, seconds, NaN where unknown. history [n][256]: the intervals before it,
    newest first, seconds, NaN behind the oldest. Fewer than two earlier intervals: all zero. r0 unknown: zero where
    r0 is needed.
    """
    known = ~history.isnan()
    count = known.sum(1)
    filled = torch.where(known, history, torch.inf)

    ordered = filled.sort(1).values
    ordered64 = filled[:, :64].sort(1).values
    n64, n8 = count.clamp_max(64), count.clamp_max(8)
    p75, p25, median64 = (_percentile(ordered64, n64, q) for q in (0.75, 0.25, 0.5))
    p75_256, p90_256, median256 = (_percentile(ordered, count, q) for q in (0.75, 0.9, 0.5))
    mean8 = torch.where(known[:, :8], history[:, :8], 0.0).sum(1) / n8

    steps = (history[:, :8].log() - history[:, 1:9].log()).abs()
    stepping = ~steps.isnan()
    mean_step = steps.nan_to_num(0.0).sum(1) / stepping.sum(1).clamp_min(1)
    below64 = (filled[:, :64] < 1.02 * r0[:, None]).sum(1) / n64
    below256 = (filled < 0.97 * r0[:, None]).sum(1) / count

    values = [
        _logarithm(r0 / mean8),
        _logarithm(r0 / median256),
        _logarithm(r0 / history[:, 0]),
        _logarithm(r0 / 0.8),
        _logarithm(r0 / p75),
        _logarithm(r0 / p75_256),
        _logarithm(r0 / p90_256),
        4 * mean_step.clamp_max(0.8),
        3 * ((p75 - p25) / median64).clamp_max(1.0),
        torch.where(r0.isnan(), 0.0, 2 * below64),
        torch.where(r0.isnan(), 0.0, 2 * below256),
        *(_logarithm(history[:, k] / p75) for k in range(4)),
        _logarithm(p75 / median256),
    ]
    return torch.where((count >= 2)[:, None], torch.stack(values, 1), 0.0).float()


def histories(positions, rate_hz):
    """r0 [m] and history [m][256] (newest first, NaN filled) of the beats at sorted `positions` of one record."""
    positions = torch.as_tensor(positions, dtype=torch.float64)
    intervals = torch.full((len(positions),), math.nan, dtype=torch.float64)
    intervals[1:] = positions.diff() / rate_hz
    intervals[intervals > LONGEST_RR_S] = math.nan
    known = ~intervals.isnan()
    kept = intervals[known]
    before = known.cumsum(0) - known.long()  # how many known intervals end before this beat
    index = before[:, None] - 1 - torch.arange(HISTORY)
    padded = torch.cat([kept, torch.full((1,), math.nan, dtype=torch.float64)])
    history = padded[torch.where(index >= 0, index, len(kept))]
    return intervals.float(), history.float()


def templates(windows, complete):
    """The running templates of one record and lead, and which of them each beat sees.

    windows [m][samples] in microvolts, as cut, in order; complete [m] bool: only complete windows enter. Before a beat
    with n windows behind it the template is the median per sample over the newest up to 64, as it stood when n was
    last below 8 or a multiple of 8. Returns (templates [k][samples], index [m], -1 where there is none yet).
    """
    entered = windows[complete]
    seen = complete.long().cumsum(0) - complete.long()
    moment = torch.where(seen < TEMPLATE_EVERY, seen, seen // TEMPLATE_EVERY * TEMPLATE_EVERY)
    moments = sorted({int(n) for n in moment.unique()} - {0})
    made = [middle(entered[max(0, n - TEMPLATE_BEATS) : n]) for n in moments]
    place = torch.full((int(moment.max()) + 1 if len(moment) else 1,), -1)
    for i, n in enumerate(moments):
        place[n] = i
    return (torch.stack(made) if made else windows[:0]), place[moment]


def middle(windows):
    """Median per sample; of an even number the mean of the two in the middle."""
    ordered = windows.sort(0).values
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
