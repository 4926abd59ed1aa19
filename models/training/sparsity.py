"""How many products a network leaves a processor that skips zeros, and training for fewer of them.

The gateway's pointwise convolutions skip inputs that the ReLU of the depthwise convolution before them left zero; on
the way back, for SHAP, they skip what their own ReLU stopped. The density of a network is the share of those values
that is not zero, each weighted with the products that read it: (there, back).
"""

import torch

import fast

# Width of the step that stands for "above zero" where a gradient is needed, in deviations of the channel.
STEP_WIDTH = 0.3
# Weight of each unit of density above the wanted one, beside a cross-entropy of some hundredths.
STRENGTH = 3.0
# Share of the training over which the wanted density falls to its end.
FALL = 0.4


def watched(network, samples=128):
    """For each ReLU of a depthwise or pointwise part, in order: (the part, products that skip its zeros there, back)."""
    found = []
    channels = network.input_channels
    for layer, spec in zip(network.layers, network.specs):
        after = samples if spec["op"] in ("pool", "dense") else (samples - 1) // spec.get("stride", 1) + 1
        hidden = channels * spec.get("expansion", 1)
        for name, part in layer.parts.items():
            if name == "depthwise":
                found.append((part, after * hidden * layer.outputs, 0))
            elif name == "expand":
                found.append((part, 0, samples * channels * hidden))
            elif name == "pointwise" or spec["op"] == "pointwise":
                found.append((part, 0, after * channels * layer.outputs))
        samples, channels = after, layer.outputs
    return found


def density(network, before):
    """(there, back) of a batch; the values count what is above zero, the gradients are those of a smooth step.

    before: what the ReLUs of `watched` are given, [channels][...], as `fast.forward` fills it in.
    """
    parts = watched(network)
    there = back = 0.0
    for (part, ahead, behind), values in zip(parts, before, strict=True):
        deviation = part.normalisation.weight.detach().abs().clamp_min(1e-3)
        step = torch.sigmoid(values / (STEP_WIDTH * deviation)[:, None, None]).mean()
        share = step + ((values > 0).float().mean() - step).detach()
        there, back = there + ahead * share, back + behind * share
    return there / sum(ahead for _, ahead, _ in parts), back / sum(behind for _, _, behind in parts)


def excess(network, before, first, end, progress):
    """What is added to the loss: how far both densities lie above the wanted one, which falls from `first` to `end`."""
    way = min(1.0, progress / FALL)
    return STRENGTH * sum(
        torch.relu(now - (start + (end - start) * way)) for now, start in zip(density(network, before), first)
    )


@torch.no_grad()
def measured(network, windows, batch=1024):
    """(there, back) of a network with its own statistics (evaluation mode) over windows."""
    network.eval()
    total = torch.zeros(2)
    for part in windows.split(batch):
        before = []
        fast.plain(network, part, None, before)
        total += torch.stack(density(network, before)).cpu() * len(part)
    return (total / len(windows)).tolist()
