"""ArrhythmiNet V1 and V2 (our reconstruction), described by the same layer list that the weights file carries.

A network is a list of layer descriptions (`op` and its sizes). `Network` builds the trainable form, with batch
normalisation behind every convolution; `export.fold` turns it into the shipped form, where the normalisation is part
of the convolution. Both forms are the same class, so the golden vectors come from the shipped weights.
"""

import torch
from torch import nn

from .layout import WINDOW_SAMPLES


class Convolution(nn.Module):
    """Convolution, batch normalisation (absent when folded), optional ReLU."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, relu=True, folded=False, context=0):
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=folded)
        self.context = nn.Linear(context, outputs, bias=False) if context else None
        self.normalisation = None if folded else nn.BatchNorm1d(outputs)
        self.relu = relu

    def forward(self, x, context=None):
        x = self.convolution(x)
        if self.context is not None:
            x = x + self.context(context)[:, :, None]  # the same at every position, edges included
        if self.normalisation is not None:
            x = self.normalisation(x)
        return torch.relu(x) if self.relu else x


class Layer(nn.Module):
    """One entry of the layer list. Its parts carry the names of the tensors in the weights file."""

    def __init__(self, inputs, spec, folded, context=0):
        super().__init__()
        self.op = spec["op"]
        self.residual = False
        self.outputs = spec.get("out", inputs)
        parts = {}
        if self.op == "stem":
            parts["conv"] = Convolution(
                inputs, self.outputs, spec["kernel"], spec["stride"], folded=folded, context=context
            )
        elif self.op == "pointwise":
            parts["conv"] = Convolution(inputs, self.outputs, folded=folded)
        elif self.op == "separable":
            parts["depthwise"] = Convolution(
                inputs, inputs, spec["kernel"], spec["stride"], groups=inputs, folded=folded
            )
            parts["pointwise"] = Convolution(inputs, self.outputs, folded=folded)
        elif self.op == "inverted":
            hidden = inputs * spec["expansion"]
            parts["expand"] = Convolution(inputs, hidden, folded=folded)
            parts["depthwise"] = Convolution(
                hidden, hidden, spec["kernel"], spec["stride"], groups=hidden, folded=folded
            )
            parts["project"] = Convolution(hidden, self.outputs, relu=False, folded=folded)
            self.residual = inputs == self.outputs and spec["stride"] == 1
        elif self.op == "dense":
            parts["dense"] = nn.Linear(inputs, self.outputs)
        elif self.op != "pool":
            raise ValueError(f"unknown layer {self.op!r}")
        self.parts = nn.ModuleDict(parts)

    def forward(self, x):
        if self.op == "pool":
            return x.mean(dim=-1)
        y = x
        for part in self.parts.values():
            y = part(y)
        return x + y if self.residual else y


class Network(nn.Module):
    """The network of a layer list.

    Input windows [batch][channels][128] and, where the network has `context` values, those [batch][context]; output
    logits [batch][5].
    """

    def __init__(self, layers, input_channels=1, folded=False, context=0):
        super().__init__()
        self.specs = layers
        self.input_channels = input_channels
        self.context = context
        self.dropout = 0.0  # share of the pooled features left out in training
        channels = input_channels
        built = []
        for spec in layers:
            layer = Layer(channels, spec, folded, context if spec["op"] == "stem" else 0)
            channels = layer.outputs
            built.append(layer)
        self.layers = nn.ModuleList(built)

    def forward(self, x, context=None):
        return self.layer_outputs(x, context)[-1]

    def from_rows(self, rows):
        """The same of input rows as the gateway passes them: [batch][channels * 128 + context]."""
        return self(*self.parted(rows))

    def parted(self, rows):
        values = self.input_channels * WINDOW_SAMPLES
        windows = rows[:, :values].reshape(len(rows), self.input_channels, WINDOW_SAMPLES)
        return windows, (rows[:, values:] if self.context else None)

    def layer_outputs(self, x, context=None):
        """Every layer's output, in order: feature maps [batch][channels][time], after pooling [batch][channels]."""
        outputs = []
        for layer in self.layers:
            x = layer.parts["conv"](x, context) if layer.op == "stem" else layer(x)
            if layer.op == "pool" and self.training and self.dropout:
                x = nn.functional.dropout(x, self.dropout)
            outputs.append(x)
        return outputs


@torch.no_grad()
def predict(network, windows, batch=2048):
    """Logits of normalised windows [beats][1][128], as numpy."""
    network.eval()
    return torch.cat([network(chunk).cpu() for chunk in windows.split(batch)]).numpy()


@torch.no_grad()
def average(averaged, network, decay):
    """Exponential moving average of weights and of the running statistics of the batch normalisation."""
    pairs = list(zip(averaged.state_dict().values(), network.state_dict().values()))
    real = [(old, new) for old, new in pairs if old.dtype.is_floating_point]
    torch._foreach_lerp_(*map(list, zip(*real)), 1 - decay)
    for old, new in pairs:
        if not old.dtype.is_floating_point:
            old.copy_(new)
