"""The networks in PyTorch on a GPU, eager and compiled, beside what the card can do at most.

`pytorch_gpu.py [--device cuda] [--batch 4096] [--ours BEATS_PER_SECOND]`, with the packages of
models/training. Our own figure comes from
`cargo run --release --manifest-path tools/Cargo.toml --features gpu --bin gpu_bench` on the same card. `--device cpu` is a dry
run: it shows that networks, checks and timing work.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benches" / "peers"))

from network import Network, Operation  # noqa: E402

TOLERANCE = 1e-4


class Module(nn.Module):
    """The operations of a network without context, batch norm folded."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.kinds = [(operation.kind, operation.relu) for operation in network.operations]
        self.layers = nn.ModuleList(_layer(operation) for operation in network.operations)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        saved = values
        for (kind, relu), layer in zip(self.kinds, self.layers):
            if kind == "save":
                saved = values
            elif kind == "add":
                values = values + saved
            elif kind == "pool":
                values = values.mean(dim=2)
            else:
                values = layer(values)
                if relu:
                    values = torch.relu(values)
        return values


def _layer(operation: Operation) -> nn.Module:
    if operation.weight is None:
        return nn.Identity()
    shape = operation.weight.shape
    if operation.kind == "dense":
        layer = nn.Linear(shape[1], shape[0])
    else:
        groups = shape[0] if operation.kind == "depthwise" else 1
        layer = nn.Conv1d(
            shape[1] * groups,
            shape[0],
            shape[2],
            stride=operation.stride,
            padding=shape[2] // 2,
            groups=groups,
        )
    layer.weight.data = torch.from_numpy(operation.weight.copy())
    layer.bias.data = torch.from_numpy(operation.bias.copy())
    return layer


def seconds(call, device: torch.device, budget: float) -> float:
    """Median time of a call, by the device's own clock where it has one."""
    for _ in range(5):
        call()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < budget or len(times) < 5:
        if device.type == "cuda":
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            call()
            after.record()
            after.synchronize()
            times.append(before.elapsed_time(after) * 1e-3)
        else:
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
    return float(np.median(times))


def peaks(device: torch.device, budget: float) -> tuple[float, float]:
    """FLOP/s of a large float32 product without TF32, bytes/s of a large copy (read and write)."""
    size = 4096 if device.type == "cuda" else 512
    one, other = (torch.randn(size, size, device=device) for _ in range(2))
    product = seconds(lambda: torch.mm(one, other), device, budget)
    source = torch.empty(size * size * 4, device=device)
    target = torch.empty_like(source)
    copy = seconds(lambda: target.copy_(source), device, budget)
    return 2 * size**3 / product, 2 * source.nbytes / copy


def operations(network: Network) -> int:
    """Floating-point operations of a beat: two for each multiply-add."""
    time_steps, total = network.samples, 0
    for operation in network.operations:
        if operation.weight is None:
            continue
        if operation.kind == "dense":
            time_steps = 1
        time_steps = -(-time_steps // operation.stride)
        total += 2 * operation.weight.size * time_steps
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each figure")
    parser.add_argument("--mode", default="max-autotune", help="of torch.compile")
    parser.add_argument("--ours", type=float, nargs=2, metavar=("V1", "V2"),
                        help="beats a second of gpu_bench's device time at this batch")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    if device.type == "cuda":
        print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    else:
        print(f"dry run on the CPU, PyTorch {torch.__version__}: no figure of a GPU")
    flops, bandwidth = peaks(device, arguments.seconds)
    print(f"float32 product {flops * 1e-12:.2f} TFLOP/s, copy {bandwidth * 1e-9:.0f} GB/s")
    for place, name in enumerate(("v1", "v2")):
        network = Network.read(ROOT / "models" / f"{name}.safetensors")
        golden = load_file(ROOT / "models" / "golden" / f"{name}.safetensors")
        module = Module(network).eval().to(device)
        beats = torch.from_numpy(golden["input"]).reshape(-1, network.channels, network.samples)
        repeats = -(-arguments.batch // len(beats))
        host = beats.repeat(repeats, 1, 1)[: arguments.batch].contiguous()
        if device.type == "cuda":
            host = host.pin_memory()
        windows = host.to(device)
        work = operations(network)
        for mode in ("eager", "compiled"):
            run = module if mode == "eager" else torch.compile(module, mode=arguments.mode)
            with torch.inference_mode():
                found = run(windows)[: len(beats)].cpu().numpy()
                worst = np.abs(found - golden["logits"][: len(found)]).max()
                assert worst <= TOLERANCE, f"{name} {mode}: a logit is {worst} off"
                call = seconds(lambda: run(windows), device, arguments.seconds)
                copied = seconds(lambda: run(host.to(device, non_blocking=True)).cpu(), device, arguments.seconds)
            rate = arguments.batch / call
            line = (
                f"{name} {mode}: {rate:,.0f} beats/s with windows and logits on the device, {rate * work / flops:.1%} of the "
                f"product's peak; {arguments.batch / copied:,.0f} beats/s with both copied"
            )
            if arguments.ours:
                line += f"; on the device ours {arguments.ours[place] / rate:.2f} times as fast"
            print(line)
        if arguments.ours:
            rate = arguments.ours[place]
            traffic = 4 * (network.channels * network.samples + 5)
            print(
                f"{name} ours: {rate * work / flops:.1%} of the product's peak, "
                f"{rate * traffic / bandwidth:.1%} of the bandwidth (window in, logits out)"
            )


if __name__ == "__main__":
    main()
