"""How many products a network leaves a processor that skips zeros, and training for fewer of them.

Two kinds of zeros spare products:

- Values. The gateway's pointwise convolutions skip inputs that the ReLU of the depthwise convolution before them left
  zero; on the way back they skip what their own ReLU stopped, and for SHAP what it stopped in both of the beats compared.
  The density of a network is the share of those values that is not zero, each weighted with the products that read it:
  (there, back, back for a pair of beats). `excess` asks for less.
- Weights. Products over a linear bottleneck read no zeros: `expand` and the last pointwise convolution on the way
  there, `project` on the way back. They skip groups of weights that are zero: those of one bottleneck channel and
  `GROUP` hidden channels side by side. `Pruning` makes them so.
"""

import functools

import torch

from . import fast

# Width of the step that stands for "above zero" where a gradient is needed, in deviations of the channel.
STEP_WIDTH = 0.3
# Weight of each unit of density above the wanted one, beside a cross-entropy of some hundredths.
STRENGTH = 3.0
# Share of the training over which the wanted density, and the share of weights kept, fall to their end.
FALL = 0.4
# Fewest inputs and outputs of a product that looks for zeros: FEWEST_INPUTS and FEWEST_VECTORS of the gateway's kernels.
FEWEST_INPUTS, FEWEST_OUTPUTS = 32, 24
# Share of what is left of all products' weights that each of them keeps at least.
LEAST = 0.75
# Hidden channels whose weights of one bottleneck channel are zero together: crates/arrhythmianet/src/cpu/simd skips as many.
GROUP = 16


def products(network, samples=128):
    """Each convolution behind the stem but the dense layer: (layer, name of the part, part, rows it computes)."""
    for layer, spec in zip(network.layers, network.specs):
        after = samples if spec["op"] in ("pool", "dense") else (samples - 1) // spec.get("stride", 1) + 1
        if spec["op"] in ("separable", "inverted", "pointwise"):
            for name, part in layer.parts.items():
                yield layer, name, part, samples if name == "expand" else after
        samples = after


def watched(network, samples=128):
    """For each ReLU of a depthwise or pointwise part, in order: (the part, products that skip its zeros there, back)."""

    def skipping(rows, inputs, outputs):
        return rows * inputs * outputs if inputs >= FEWEST_INPUTS and outputs >= FEWEST_OUTPUTS else 0

    found = []
    for layer, name, part, rows in products(network, samples):
        outputs, inputs, _ = part.convolution.weight.shape
        if name == "depthwise":
            found.append((part, skipping(rows, outputs, layer.outputs), 0))
        elif name != "project":
            found.append((part, 0, skipping(rows, outputs, inputs)))
    return found


def density(network, before):
    """(there, back, pair) of a batch; the values count what is above zero, the gradients are those of a smooth step.

    A pair is of beats half a batch apart. before: what the ReLUs of `watched` are given, [channels][batch][time], as
    `fast.forward` fills it in.
    """
    parts = watched(network)
    there = back = pair = 0.0
    for (part, ahead, behind), values in zip(parts, before, strict=True):
        if not ahead and not behind:
            continue
        deviation = part.normalisation.weight.detach().abs().clamp_min(1e-3)
        step = torch.sigmoid(values / (STEP_WIDTH * deviation)[:, None, None])
        share = _valued(step.mean(), (values > 0).float().mean())
        there, back = there + ahead * share, back + behind * share
        if behind:
            other = values.roll(values.shape[1] // 2, 1)
            smooth = 2 * step.mean() - (step * step.roll(step.shape[1] // 2, 1)).mean()
            pair = pair + behind * _valued(smooth, ((values > 0) | (other > 0)).float().mean())
    total = sum(behind for _, _, behind in parts)
    return there / sum(ahead for _, ahead, _ in parts), back / total, pair / total


def _valued(smooth, value):
    """`value`, with the gradient of `smooth`."""
    return smooth + (value - smooth).detach()


def excess(network, before, first, end, progress):
    """What is added to the loss: how far the densities lie above the wanted ones, which fall from `first` to `end`.

    end: as many of (there, back, pair) as are asked for.
    """
    way = min(1.0, progress / FALL)
    return STRENGTH * sum(
        torch.relu(now - (start + (least - start) * way))
        for now, start, least in zip(_density_on(before[0].device.type)(network, before), first, end)
    )


@functools.cache
def _density_on(device):
    return torch.compile(density, dynamic=False) if device == "cuda" and not fast.PLAIN else density


@torch.no_grad()
def measured(network, windows, batch=1024):
    """(there, back, pair) of a network with its own statistics (evaluation mode) over windows."""
    network.eval()
    total = torch.zeros(3)
    for part in windows.split(batch):
        before = []
        fast.plain(network, part, None, before)
        total += torch.stack(density(network, before)).cpu() * len(part)
    return (total / len(windows)).tolist()


def bottlenecks(network, samples=128):
    """The products over linear bottlenecks: (part, rows, axis of the hidden channels in its weights [out][in][1]).

    Axis 0 reads a bottleneck on the way there, axis 1 on the way back.
    """
    axes = {"expand": 0, "conv": 0, "project": 1}
    return [(part, rows, axes[name]) for _, name, part, rows in products(network, samples) if name in axes]


class Pruning:
    """Groups of weights of the products over linear bottlenecks, zeroed little by little; what is zero stays so.

    First go those that add least to the variance of what they are added to, for what they cost; but every product keeps
    `LEAST` of the share that is to be left of all of them. (Without that the first projections went wholly, and the network
    with them.)
    """

    def __init__(self, network, keep):
        """keep: shares of the products to be left in the end (there, back). What is zero already stays so."""
        self.keep = keep
        found = bottlenecks(network)
        if not found:
            raise ValueError("a network without linear bottlenecks has no groups of weights to zero")
        squares = [grouped(part.convolution.weight[:, :, 0].detach().square(), axis) for part, _, axis in found]
        self.masks = [(square > 0).float() for square in squares]

    @torch.no_grad()
    def fall(self, network, windows, progress):
        """Zeroes as many groups as this far into the training are to be zero, judged by a batch of windows."""
        found = bottlenecks(network)
        power = input_power([part for part, _, _ in found], network, windows)
        worth = []
        for (part, rows, axis), read, mask in zip(found, power, self.masks, strict=True):
            added = (
                part.convolution.weight[:, :, 0].square()
                * read
                / part.normalisation.running_var[:, None].clamp_min(1e-12)
            )
            worth.append((grouped(added, axis) * mask).flatten() / rows)
        for way, keep in enumerate(self.keep):
            share = keep + (1 - keep) * (1 - min(1.0, progress / FALL)) ** 3
            chosen = [number for number, (_, _, axis) in enumerate(found) if axis == way]
            left = best([worth[number] for number in chosen], [found[number][1] for number in chosen], share)
            for number, of_product in zip(chosen, left, strict=True):
                self.masks[number].mul_(of_product.view_as(self.masks[number]))
        self.apply(network)

    @torch.no_grad()
    def apply(self, network):
        """Zeroes the groups in a network of the same layers."""
        for (part, _, axis), mask in zip(bottlenecks(network), self.masks, strict=True):
            weight = part.convolution.weight
            weight.mul_(mask.repeat_interleave(GROUP, axis).narrow(axis, 0, weight.shape[axis])[:, :, None])

    def left(self, network):
        """Shares of the products that are left (there, back)."""
        left, total = [0.0, 0.0], [0, 0]
        for (_, rows, axis), mask in zip(bottlenecks(network), self.masks, strict=True):
            left[axis] += rows * float(mask.sum())
            total[axis] += rows * mask.numel()
        return [there / of for there, of in zip(left, total)]


def best(worth, rows, share):
    """1 for the groups of each product that are left, those of most worth, 0 for the others.

    worth: of each product's groups, for what they cost. rows: that each product computes, which is what a group costs.
    """
    marked = [
        values.index_fill(0, values.topk(int(LEAST * share * len(values))).indices, torch.inf) for values in worth
    ]
    every, cost = torch.cat(marked), torch.cat([torch.full_like(values, r) for values, r in zip(worth, rows)])
    order = every.argsort(descending=True)
    left = torch.zeros_like(every)
    left[order] = (cost[order].cumsum(0) <= share * cost.sum()).float()
    return left.split([len(values) for values in worth])


def grouped(values, axis):
    """Sums of [out][in] over each `GROUP` along an axis; the last group may be a smaller one."""
    missing = -values.shape[axis] % GROUP
    padded = torch.nn.functional.pad(values, (0, 0, 0, missing) if axis == 0 else (0, missing))
    return padded.unflatten(axis, (-1, GROUP)).sum(axis + 1)


def input_power(parts, network, windows):
    """Mean square of what each part's convolution reads, by input channel, in evaluation mode."""
    power = {}
    hooks = [
        part.convolution.register_forward_pre_hook(
            lambda module, given: power.update({module: given[0].square().mean((0, 2))})
        )
        for part in parts
    ]
    training = network.training
    network.eval()
    fast.plain(network, windows)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return [power[part.convolution] for part in parts]
