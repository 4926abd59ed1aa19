"""Writes ONNX, with the batch size as a number, in one of two layouts."""

import numpy as np
import onnx
from network import Network, Operation
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def model(network: Network, batch: int, flat: bool) -> onnx.ModelProto:
    """`flat`: Conv over [batch][channels][1][time], which ONNX Runtime has blocked kernels for;
    otherwise over [batch][channels][time]."""
    graph = _Graph(batch, flat)
    window = graph.shape(network.channels, network.samples)
    inputs = [helper.make_tensor_value_info("window", TensorProto.FLOAT, window)]
    if network.context:
        shape = [batch, network.context]
        inputs.append(helper.make_tensor_value_info("context", TensorProto.FLOAT, shape))
    current, saved = "window", ""
    for operation in network.operations:
        match operation.kind:
            case "save":
                saved = current
            case "add":
                current = graph.node("Add", [current, saved])
            case "pool":
                current = graph.node("GlobalAveragePool", [current])
                current = graph.node("Flatten", [current])
            case "dense":
                names = graph.constants(operation.weight, operation.bias)
                current = graph.node("Gemm", [current, *names], transB=1)
            case _:
                current = graph.convolution(current, operation)
    graph.nodes[-1].output[0] = "logits"
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 5])]
    made = helper.make_graph(graph.nodes, network.name, inputs, outputs, graph.initializers)
    made = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


class _Graph:
    def __init__(self, batch: int, flat: bool) -> None:
        self.batch, self.flat = batch, flat
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def shape(self, channels: int, time: int) -> list[int]:
        return [self.batch, channels, *([1] if self.flat else []), time]

    def node(self, kind: str, inputs: list[str], **attributes) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constants(self, *values: np.ndarray) -> list[str]:
        names = [f"w{len(self.initializers) + index}" for index in range(len(values))]
        for name, value in zip(names, values):
            self.initializers.append(numpy_helper.from_array(value, name))
        return names

    def convolution(self, current: str, operation: Operation) -> str:
        weight = operation.weight[:, :, None, :] if self.flat else operation.weight
        kernel = weight.shape[2:]
        pads = [size // 2 for size in kernel] * 2
        strides = [1, operation.stride] if self.flat else [operation.stride]
        group = weight.shape[0] if operation.kind == "depthwise" else 1
        names = self.constants(weight, operation.bias)
        current = self.node(
            "Conv",
            [current, *names],
            kernel_shape=kernel,
            pads=pads,
            strides=strides,
            group=group,
        )
        if operation.context is not None:
            bias = np.zeros(len(operation.context), np.float32)
            names = self.constants(operation.context, bias)
            added = self.node("Gemm", ["context", *names], transB=1)
            axes = self.constants(np.array([2, 3] if self.flat else [2]))
            added = self.node("Unsqueeze", [added, *axes])
            current = self.node("Add", [current, added])
        return self.node("Relu", [current]) if operation.relu else current
