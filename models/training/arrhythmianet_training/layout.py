"""What the networks are made of, as plain data: labels, layer lists, limits. Needs nothing but Python."""

LABELS = ["N", "L", "R", "A", "V"]
WINDOW_SAMPLES = 128
PARAMETER_LIMITS = {"v1": 77_358, "v2": 40_386}
KERNEL = 7
PADDING = KERNEL // 2


def _separable(out, stride):
    return {"op": "separable", "out": out, "kernel": KERNEL, "stride": stride}


def _inverted(out, stride, expansion):
    return {"op": "inverted", "out": out, "kernel": KERNEL, "stride": stride, "expansion": expansion}


_STEM = {"op": "stem", "out": 16, "kernel": KERNEL, "stride": 2}
_HEAD = [{"op": "pool"}, {"op": "dense", "out": len(LABELS)}]

# What a network is given beside its layers: (waveform channels, context values). See context.py.
WAVEFORM_ONLY, WITH_CONTEXT = (1, 0), (2, 16)

LAYERS = {
    "v1": [
        _STEM,
        *(
            _separable(out, stride)
            for out, stride in [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (144, 2), (128, 1)]
        ),
        *_HEAD,
    ],
    "v2": [
        _STEM,
        *(
            _inverted(out, stride, expansion)
            for out, stride, expansion in [(16, 1, 2), (24, 2, 3), (24, 1, 3), (32, 2, 3), (32, 1, 3), (48, 2, 3)]
        ),
        {"op": "pointwise", "out": 112},
        *_HEAD,
    ],
}
ARCHITECTURES = {
    "v1": "ArrhythmiNet V1 (our reconstruction)",
    "v2": "ArrhythmiNet V2 (our reconstruction)",
}
A_OUTPUT, V_OUTPUT = LABELS.index("A"), LABELS.index("V")


def multiply_accumulates(layers, input_channels=1, samples=WINDOW_SAMPLES, context=0):
    """Multiply-accumulates of one window, convolutions and dense layer (padding counted as work)."""
    channels, total = input_channels, 0
    for spec in layers:
        op, out = spec["op"], spec.get("out", channels)
        after = samples if op in ("pool", "dense", "pointwise") else (samples - 1) // spec["stride"] + 1
        if op == "stem":
            total += after * out * channels * spec["kernel"] + out * context
        elif op == "separable":
            total += after * channels * (spec["kernel"] + out)
        elif op == "inverted":
            hidden = channels * spec["expansion"]
            total += samples * channels * hidden + after * hidden * (spec["kernel"] + out)
        elif op == "pointwise":
            total += samples * channels * out
        elif op == "dense":
            total += channels * out
        channels = out
        samples = 1 if op == "pool" else after
    return total
