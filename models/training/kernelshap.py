"""KernelSHAP (Lundberg and Lee 2017) over pieces of the beat: what the gateway's DeepSHAP is compared with.

    cargo build --release --example attributions
    python kernelshap.py v1 v2 v1-context v2-context --attributions ../../target/release/examples/attributions

For 50 beats of models/golden/parity-NAME.safetensors (test beats, every class alike) and the class each is called: the
Shapley values of 16 pieces of 64 ms (in a context network the same piece of window and residual together, and the sixteen
RR values as one more player), each coalition's value being the mean logit over the 32 background beats with the
coalition's pieces taken from the beat. 1,024 coalitions drawn in pairs with the Shapley kernel's weights, solved with
the constraint that the values sum to the logit less its mean over the background. Printed: Spearman's rank correlation
with the gateway's attributions summed over the same pieces, its median and lower decile over the beats, and how far the
gateway's values for the RR are from KernelSHAP's, of the range of both.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy.stats import spearmanr

from export import load_weights

MODELS = Path(__file__).resolve().parent.parent
BEATS = 50
PIECES = 16
COALITIONS = 1_024
SEED = 20250503


def players(length):
    """Columns of each player."""
    window = 128
    piece = window // PIECES
    channels = 1 if length == window else 2
    columns = [
        np.concatenate([np.arange(k * piece, (k + 1) * piece) + window * c for c in range(channels)]) for k in range(PIECES)
    ]
    if length > window:
        columns.append(np.arange(2 * window, length))
    return columns


def coalitions(count, generator):
    """Random coalitions and their complements, sizes after the Shapley kernel."""
    sizes = np.arange(1, count)
    weight = (count - 1) / (sizes * (count - sizes))
    drawn = generator.choice(sizes, COALITIONS // 2, p=weight / weight.sum())
    masks = np.zeros((COALITIONS, count), dtype=bool)
    for row, size in enumerate(drawn):
        masks[2 * row, generator.permutation(count)[:size]] = True
        masks[2 * row + 1] = ~masks[2 * row]
    return masks


@torch.no_grad()
def shapley(network, row, background, target, columns, generator):
    masks = coalitions(len(columns), generator)
    wide = np.zeros((len(masks), len(row)), dtype=bool)
    for player, of in enumerate(columns):
        wide[:, of] = masks[:, player : player + 1]
    wide, row = torch.from_numpy(wide), torch.from_numpy(row)
    mixed = torch.where(wide[:, None, :], row, background).flatten(0, 1)
    value = torch.cat([network.from_rows(part)[:, target] for part in mixed.split(8192)])
    value = value.view(len(masks), -1).mean(1).double().numpy()
    base = network.from_rows(background)[:, target].mean().item()
    total = network.from_rows(row[None])[0, target].item() - base
    # The last player's value is what the others leave of the total.
    design = masks[:, :-1].astype(float) - masks[:, -1:]
    solved = np.linalg.lstsq(design, value - base - masks[:, -1] * total, rcond=None)[0]
    return np.append(solved, total - solved.sum())


def gateways(program, name, rows, targets):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / part for part in ("rows", "classes", "out")]
        paths[0].write_bytes(rows.astype("<f4").tobytes())
        paths[1].write_bytes(targets.astype(np.uint8).tobytes())
        subprocess.run([program, name, *map(str, paths)], check=True)
        return np.frombuffer(paths[2].read_bytes(), "<f4").reshape(rows.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--attributions", required=True, help="the built example")
    options = parser.parse_args()
    torch.set_num_threads(1)
    background = load_file(MODELS / "background.safetensors")["input"].astype(np.float32)
    print("| network | beats | rank correlation, median | lower decile | RR values, difference of range |")
    print("| --- | --- | --- | --- | --- |")
    for name in options.names:
        parity = load_file(MODELS / "golden" / f"parity-{name}.safetensors")
        network, _ = load_weights(MODELS / f"{name}.safetensors")
        chosen = np.linspace(0, len(parity["input"]) - 1, BEATS).round().astype(int)
        rows = parity["input"][chosen].astype(np.float32)
        with torch.no_grad():
            targets = network.from_rows(torch.from_numpy(rows)).argmax(1).numpy()
        ours = gateways(options.attributions, name, rows, targets)
        columns = players(rows.shape[1])
        other = torch.from_numpy(background[:, : rows.shape[1]])
        generator = np.random.Generator(np.random.PCG64(SEED))
        likeness, apart = [], []
        for row, target, values in zip(rows, targets, ours):
            kernel = shapley(network, row, other, target, columns, generator)
            deep = np.array([values[of].sum() for of in columns])
            likeness.append(spearmanr(kernel[:PIECES], deep[:PIECES]).statistic)
            if len(columns) > PIECES:
                spread = np.abs(np.concatenate([kernel, deep])).max()
                apart.append(abs(kernel[-1] - deep[-1]) / spread)
        rr = f"{np.median(apart):.2f}" if apart else "-"
        print(f"| {name} | {BEATS} | {np.median(likeness):.3f} | {np.quantile(likeness, 0.1):.3f} | {rr} |", flush=True)


if __name__ == "__main__":
    main()
