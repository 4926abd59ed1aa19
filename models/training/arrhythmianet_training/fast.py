"""The same training step, faster: on a CPU core with `fast.c`, compiled on first use where there is a C compiler; on a
GPU with what PyTorch's own compiler makes of `composed`.

Only the order of the sums differs from PyTorch's own layers. Without a compiler `forward` is the network itself.
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

_SOURCE = Path(__file__).with_name("fast.c")


PLAIN = bool(os.environ.get("ECG_TRAINING_PLAIN"))  # PyTorch's own layers throughout


def _library():
    compiler = shutil.which("cc")
    if compiler is None or PLAIN:
        return None
    folder = tempfile.mkdtemp(prefix="ecg-training-")
    path = os.path.join(folder, "fast.so")
    made = subprocess.run(
        [
            compiler,
            "-O3",
            "-march=native",
            "-mprefer-vector-width=512",
            "-ffast-math",
            "-shared",
            "-fPIC",
            str(_SOURCE),
            "-o",
            path,
        ],
        capture_output=True,
    )
    library = ctypes.CDLL(path) if made.returncode == 0 else None
    shutil.rmtree(folder)
    return library


LIBRARY = _library()


def _at(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def _long(*values):
    return [ctypes.c_long(v) for v in values]


class _Depthwise(torch.autograd.Function):
    """x [channels][batch][time], w [channels][1][7]."""

    @staticmethod
    def forward(ctx, x, w, stride):
        c, b, t = x.shape
        y = x.new_empty(c, b, (t - 1) // stride + 1)
        failed = LIBRARY.depthwise_forward(_at(x), _at(w), _at(y), *_long(c, b, t, stride))
        assert not failed, f"depthwise convolution over {t} samples, stride {stride}"
        ctx.save_for_backward(x, w)
        ctx.stride = stride
        return y

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dy = dy.contiguous()
        dx, dw = torch.empty_like(x), torch.empty_like(w)
        LIBRARY.depthwise_backward(_at(dy), _at(x), _at(w), _at(dx), _at(dw), *_long(*x.shape, ctx.stride))
        return dx, dw, None


class _Norm(torch.autograd.Function):
    """Batch normalisation of [channels][...] with the batch's statistics, which come back beside the output."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps, relu):
        c = x.shape[0]
        y, (mean, variance, inverse) = torch.empty_like(x), x.new_empty(3, c)
        n = x.numel() // c
        LIBRARY.norm_forward(
            *map(_at, (x, gamma, beta, y, mean, variance, inverse)),
            *_long(c, n),
            ctypes.c_float(eps),
            ctypes.c_int(relu),
        )
        ctx.save_for_backward(x, y, gamma, mean, inverse)
        ctx.relu = relu
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, dy, _mean, _variance):
        x, y, gamma, mean, inverse = ctx.saved_tensors
        dy = dy.contiguous()
        c = x.shape[0]
        dx, (dgamma, dbeta) = torch.empty_like(x), x.new_empty(2, c)
        LIBRARY.norm_backward(
            *map(_at, (dy, x, y, gamma, mean, inverse, dx, dgamma, dbeta)),
            *_long(c, x.numel() // c),
            ctypes.c_int(ctx.relu),
        )
        return dx, dgamma, dbeta, None, None


def _shifted(x, w, stride):
    """The depthwise convolution as a sum of its taps, for a compiler to make one loop of."""
    last = stride * ((x.shape[-1] - 1) // stride) + 1
    padded = torch.nn.functional.pad(x, (3, 3))
    return sum(w[:, 0, k, None, None] * padded[..., k : k + last : stride] for k in range(7))


def _norm(x, gamma, beta, eps, relu):
    """As `_Norm`, composed of PyTorch's operations."""
    mean, variance = x.mean((1, 2)), x.var((1, 2), unbiased=False)
    scale = gamma * (variance + eps).rsqrt()
    y = x * scale[:, None, None] + (beta - mean * scale)[:, None, None]
    return torch.relu(y) if relu else y, mean.detach(), variance.detach()


# A depthwise convolution and a normalisation: of `fast.c`, and for PyTorch's compiler.
_CORE = (_Depthwise.apply, _Norm.apply)
_COMPOSED = (_shifted, _norm)


def _normalised(part, x, before, norm_of):
    norm = part.normalisation
    watch = before is not None and part.relu
    y, mean, variance = norm_of(x, norm.weight, norm.bias, norm.eps, part.relu and not watch)
    n = x.numel() // x.shape[0]
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
    if watch:
        before.append(y)
        y = torch.relu(y)
    return y


def _pointwise(part, x, before, kernels):
    c, b, t = x.shape
    weight = part.convolution.weight[:, :, 0]
    return _normalised(part, (weight @ x.reshape(c, b * t)).view(-1, b, t), before, kernels[1])


def _depthwise(part, x, before, kernels):
    y = kernels[0](x, part.convolution.weight, part.convolution.stride[0])
    return _normalised(part, y, before, kernels[1])


def plain(network, windows, context=None, before=None):
    """As `forward`, through PyTorch's own layers, in either mode."""
    hooks = []
    if before is not None:
        parts = (part for layer in network.layers if layer.op != "stem" for part in layer.parts.values())
        watched = [part.normalisation for part in parts if getattr(part, "relu", False)]
        hooks = [norm.register_forward_hook(lambda _, __, y: before.append(y.transpose(0, 1))) for norm in watched]
    logits = network(windows, context)
    for hook in hooks:
        hook.remove()
    return logits


def _channels_first(network, windows, context, before, kernels):
    x = windows
    for layer in network.layers:
        parts = layer.parts
        if layer.op == "stem":
            part = parts["conv"]
            x = part.convolution(x).transpose(0, 1)
            if context is not None:
                x = x + part.context(context).t()[:, :, None]
            x = _normalised(part, x.contiguous(), None, kernels[1])
        elif layer.op == "separable":
            x = _depthwise(parts["depthwise"], x, before, kernels)
            x = _pointwise(parts["pointwise"], x, before, kernels)
        elif layer.op == "inverted":
            y = _pointwise(parts["expand"], x, before, kernels)
            y = _depthwise(parts["depthwise"], y, before, kernels)
            y = _pointwise(parts["project"], y, before, kernels)
            x = x + y if layer.residual else y
        elif layer.op == "pointwise":
            x = _pointwise(parts["conv"], x, before, kernels)
        elif layer.op == "pool":
            x = torch.nn.functional.dropout(x.mean(dim=-1).t(), network.dropout)
        else:
            x = parts["dense"](x)
    return x


def composed(network, windows, context=None, watch=False):
    """(logits, what the ReLUs are given where `watch`), from PyTorch's operations alone, for its compiler."""
    before = [] if watch else None
    return _channels_first(network, windows, context, before, _COMPOSED), before


@functools.cache
def _compiled():
    return torch.compile(composed, dynamic=False)


def forward(network, windows, context=None, before=None):
    """Logits of a training step: as `network(windows, context)` in training mode.

    before: a list that gets what each ReLU behind the stem is given, [channels][batch][time].
    """
    if windows.is_cuda and not PLAIN:
        logits, watched = _compiled()(network, windows, context, before is not None)
        if before is not None:
            before.extend(watched)
        return logits
    if LIBRARY is None or windows.is_cuda:
        return plain(network, windows, context, before)
    return _channels_first(network, windows, context, before, _CORE)
