"""KernelSHAP (Lundberg and Lee 2017) over pieces of the beat: what the gateway's DeepSHAP is compared with.

    pip install -r ../../benches/peers/requirements.txt
    cargo build --release --manifest-path tools/Cargo.toml --bin attributions
    python -m arrhythmianet_training.kernelshap v1 v2 v1-context v2-context --attributions ../../tools/target/release/attributions

KernelSHAP asks a network for its output and nothing else, so it needs no PyTorch: ONNX Runtime runs the network that
`benches/peers` exports from the weights file, a second implementation beside the gateway's.

For 200 beats of models/golden/parity-NAME.safetensors (test beats, every class alike) and the class each is called: the
Shapley values of 16 pieces of 64 ms (in a context network the same piece of window and residual together, and the sixteen
RR values as one more player), each coalition's value being the mean logit over the 32 background beats with the
coalition's pieces taken from the beat. 512 coalitions drawn in pairs with the Shapley kernel's weights, solved with
the constraint that the values sum to the logit less its mean over the background. Printed, by network and class called:
Spearman's rank correlation with the gateway's attributions summed over the same pieces (median and lower decile over the
beats), how often both name the same piece as the most important one, how far the gateway's values for the RR are from
KernelSHAP's, of the largest value of both, and what KernelSHAP of a second draw of coalitions correlates with the first:
more than that no method could reach.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

MODELS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(MODELS.parent / "benches" / "peers"))

import onnx_file  # noqa: E402
from network import Network  # noqa: E402

LABELS = "NLRAV"
BEATS = 200
WINDOW = 128
PIECES = 16
COALITIONS = 512
# Every so many beats are solved a second time, with other coalitions.
AGAIN = 10
BATCH = 2_048
SEED = 20250503


class Forward:
    """Logits of rows as the gateway lays them out: window, residual, RR values."""

    def __init__(self, name):
        self.network = Network.read(MODELS / f"{name}.safetensors")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = onnx_file.model(self.network, BATCH, flat=True).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, rows):
        found = []
        waveform = self.network.channels * self.network.samples
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            full = np.zeros((BATCH, rows.shape[1]), np.float32)
            full[: len(part)] = part
            inputs = {"window": full[:, :waveform].reshape(BATCH, self.network.channels, 1, -1)}
            if self.network.context:
                inputs["context"] = full[:, waveform:]
            found.append(self.session.run(None, inputs)[0][: len(part)])
        return np.concatenate(found)


def players(length):
    """Columns of each player."""
    piece = WINDOW // PIECES
    channels = 1 if length == WINDOW else 2
    columns = [
        np.concatenate([np.arange(k * piece, (k + 1) * piece) + WINDOW * c for c in range(channels)])
        for k in range(PIECES)
    ]
    if length > WINDOW:
        columns.append(np.arange(2 * WINDOW, length))
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


def shapley(forward, row, background, target, columns, generator):
    masks = coalitions(len(columns), generator)
    wide = np.zeros((len(masks), len(row)), dtype=bool)
    for player, of in enumerate(columns):
        wide[:, of] = masks[:, player : player + 1]
    mixed = np.where(wide[:, None, :], row, background).reshape(-1, len(row))
    value = forward(mixed)[:, target].reshape(len(masks), -1).mean(1, dtype=np.float64)
    base = forward(background)[:, target].mean(dtype=np.float64)
    total = float(forward(row[None])[0, target]) - base
    # The last player's value is what the others leave of the total.
    design = masks[:, :-1].astype(float) - masks[:, -1:]
    solved = np.linalg.lstsq(design, value - base - masks[:, -1] * total, rcond=None)[0]
    return np.append(solved, total - solved.sum())


def spearman(a, b):
    """Rank correlation; no two of these values are equal."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


def gateways(program, name, rows, targets):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / part for part in ("rows", "classes", "out")]
        paths[0].write_bytes(rows.astype("<f4").tobytes())
        paths[1].write_bytes(targets.astype(np.uint8).tobytes())
        subprocess.run([program, name, *map(str, paths)], check=True)
        return np.frombuffer(paths[2].read_bytes(), "<f4").reshape(rows.shape)


def compare(program, name, background):
    """One row a beat: class, rank correlation, same largest piece, RR apart, correlation of two draws."""
    parity = load_file(MODELS / "golden" / f"parity-{name}.safetensors")
    chosen = np.linspace(0, len(parity["input"]) - 1, BEATS).round().astype(int)
    rows = parity["input"][chosen].astype(np.float32)
    forward = Forward(name)
    logits = forward(rows)
    if np.abs(logits - parity["logits"][chosen]).max() > 1e-3:
        raise SystemExit(f"{name}: the exported network's logits are not those of the golden file")
    targets = logits.argmax(1)
    ours = gateways(program, name, rows, targets)
    columns = players(rows.shape[1])
    other = background[:, : rows.shape[1]]
    generator = np.random.Generator(np.random.PCG64(SEED))
    found = []
    for beat, (row, target, values) in enumerate(zip(rows, targets, ours)):
        kernel = shapley(forward, row, other, target, columns, generator)
        deep = np.array([values[of].sum() for of in columns])
        apart = again = np.nan
        if len(columns) > PIECES:
            apart = abs(kernel[-1] - deep[-1]) / np.abs(np.concatenate([kernel, deep])).max()
        if beat % AGAIN == 0:
            second = shapley(forward, row, other, target, columns, generator)
            again = spearman(kernel[:PIECES], second[:PIECES])
        kernel, deep = kernel[:PIECES], deep[:PIECES]
        found.append((target, spearman(kernel, deep), kernel.argmax() == deep.argmax(), apart, again))
    return np.array(found, dtype=float)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--attributions", required=True, help="the built example")
    options = parser.parse_args()
    background = load_file(MODELS / "background.safetensors")["input"].astype(np.float32)
    print(
        "| network | class | beats | rank correlation, median | lower decile | same piece first, % | RR apart, % | two draws |"
    )
    print("|" + " --- |" * 8)
    for name in options.names:
        found = compare(options.attributions, name, background)
        for label in [*range(len(LABELS)), None]:
            of = found if label is None else found[found[:, 0] == label]
            rr = "-" if np.isnan(of[:, 3]).all() else f"{100 * np.nanmedian(of[:, 3]):.0f}"
            again = "-" if np.isnan(of[:, 4]).all() else f"{np.nanmedian(of[:, 4]):.2f}"
            likeness = f"{np.median(of[:, 1]):.2f} | {np.quantile(of[:, 1], 0.1):.2f}"
            called = "all" if label is None else LABELS[label]
            print(
                f"| {name} | {called} | {len(of)} | {likeness} | {100 * of[:, 2].mean():.0f} | {rr} | {again} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
