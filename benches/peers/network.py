"""A weights file as a list of operations on [channels][time], the same for every exporter."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

METADATA_KEY = "ecg_gateway"


@dataclass
class Operation:
    """`kind`: convolution, pointwise, depthwise, save, add, pool or dense.

    `save` keeps the activation for the next `add`. `weight` is as in the file: [out][in][kernel],
    of a depthwise convolution [channels][1][kernel], of the dense layer [out][in].
    """

    kind: str
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    stride: int = 1
    relu: bool = False
    # [out][values] of what is added at every position before the ReLU.
    context: np.ndarray | None = None


@dataclass
class Network:
    name: str
    channels: int
    samples: int
    context: int
    operations: list[Operation]

    @staticmethod
    def read(path: Path) -> "Network":
        with safe_open(path, "np") as file:
            description = json.loads(file.metadata()[METADATA_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        operations: list[Operation] = []
        channels = description["input"]["channels"]
        for index, layer in enumerate(description["layers"]):

            def add(kind: str, part: str, relu: bool = True, stride: int = 1, **more) -> None:
                name = f"layers.{index}.{part}"
                weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
                operations.append(Operation(kind, weight, bias, stride, relu, **more))

            match layer["op"]:
                case "stem":
                    context = tensors.get(f"layers.{index}.context.weight")
                    add("convolution", "conv", stride=layer["stride"], context=context)
                case "separable":
                    add("depthwise", "depthwise", stride=layer["stride"])
                    add("pointwise", "pointwise")
                case "inverted":
                    residual = layer["stride"] == 1 and channels == layer["out"]
                    if residual:
                        operations.append(Operation("save"))
                    add("pointwise", "expand")
                    add("depthwise", "depthwise", stride=layer["stride"])
                    add("pointwise", "project", relu=False)
                    if residual:
                        operations.append(Operation("add"))
                case "pointwise":
                    add("pointwise", "conv")
                case "pool":
                    operations.append(Operation("pool"))
                case "dense":
                    add("dense", "dense", relu=False)
                case other:
                    raise ValueError(f"{path}: layer {index}: found op {other!r}")
            channels = layer.get("out", channels)
        shape = description["input"]
        return Network(
            description["name"],
            shape["channels"],
            shape["samples"],
            shape.get("context", 0),
            operations,
        )
