"""Writes the networks for the peers: `export.py OUT WEIGHTS... --batches 1 8 64`.

`OUT/NAME-beats.safetensors` with the 1,024 real beats of the weights' `golden/parity-NAME` and PyTorch's logits, in
float32; `OUT/NAME-BATCH.onnx` over [batch][channels][time], `OUT/NAME-BATCH-flat.onnx` over
[batch][channels][1][time], `OUT/NAME-BATCH.tflite` over [batch][1][time][channels].
"""

import argparse
from pathlib import Path

import onnx
import onnx_file
import numpy
import tflite_file
from network import Network
from safetensors.numpy import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--batches", type=int, nargs="+", required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in arguments.weights:
        network = Network.read(path)
        beats = load_file(path.parent / "golden" / f"parity-{network.name}.safetensors")
        beats = {key: beats[key].astype(numpy.float32) for key in ("input", "logits")}
        save_file(beats, arguments.out / f"{network.name}-beats.safetensors")
        for batch in arguments.batches:
            stem = arguments.out / f"{network.name}-{batch}"
            onnx.save(onnx_file.model(network, batch, flat=False), f"{stem}.onnx")
            onnx.save(onnx_file.model(network, batch, flat=True), f"{stem}-flat.onnx")
            Path(f"{stem}.tflite").write_bytes(tflite_file.model(network, batch))


if __name__ == "__main__":
    main()
