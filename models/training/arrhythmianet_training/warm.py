"""A trainable network that starts where a shipped waveform network stands."""

import torch


@torch.no_grad()
def start_from(network, folded, rows):
    """Fills `network` (with batch normalisation) so that it gives the logits of the `folded` one.

    What the waveform network has no input for starts at zero. The normalisations are set to the statistics of the given
    input rows, so that they change nothing at first.
    """
    folded = folded.to(rows.device)
    windows, values = network.parted(rows)
    x = windows
    for layer, source in zip(network.layers, folded.layers):
        if layer.op == "pool":
            x = x.mean(-1)
            continue
        start = x
        for name, part in layer.parts.items():
            given = source.parts[name]
            if isinstance(part, torch.nn.Linear):
                part.load_state_dict(given.state_dict())
                continue
            part.convolution.weight.zero_()
            part.convolution.weight[:, : given.convolution.weight.shape[1]] = given.convolution.weight
            if part.context is not None:
                part.context.weight.zero_()
            y = part.convolution(x)
            mean, variance = y.mean((0, 2)), y.var((0, 2), unbiased=False)
            norm = part.normalisation
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean + given.convolution.bias)
            x = norm.eval()(y)
            x = torch.relu(x) if part.relu else x
        if layer.residual:
            x = x + start
    network.train()
