"""Writes a LiteRT flatbuffer: channels last, ReLU fused, padding where SAME would differ."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from network import Network, Operation

OPERATORS = schema.BuiltinOperator
RELU = schema.ActivationFunctionType.RELU
LINEAR = schema.ActivationFunctionType.NONE


def model(network: Network, batch: int) -> bytes:
    graph = _Graph()
    window = graph.tensor([batch, 1, network.samples, network.channels])
    inputs = [window]
    if network.context:
        inputs.append(graph.tensor([batch, network.context]))
    current, saved = window, 0
    for operation in network.operations:
        match operation.kind:
            case "save":
                saved = current
            case "add":
                current = graph.add(current, saved, LINEAR)
            case "pool":
                current = graph.mean(current)
            case "dense":
                current = graph.dense(current, operation.weight, operation.bias)
            case _:
                current = graph.convolution(current, operation, inputs)
    return graph.finish(network.name, inputs, current)


class _Graph:
    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.operators: list[schema.OperatorT] = []
        self.codes: list[int] = []
        # By convention the first buffer is empty: what has no constant value refers to it.
        self.buffers = [schema.BufferT()]

    def tensor(self, shape: list[int]) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = shape, schema.TensorType.FLOAT32, 0
        tensor.name = f"t{len(self.tensors)}"
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, values: np.ndarray) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        index = self.tensor(list(values.shape))
        self.tensors[index].buffer = len(self.buffers) - 1
        if values.dtype == np.int32:
            self.tensors[index].type = schema.TensorType.INT32
        return index

    def operator(self, code: int, inputs: list[int], shape: list[int], options=None) -> int:
        if code not in self.codes:
            self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [self.tensor(shape)]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.operators.append(operator)
        return operator.outputs[0]

    def shape(self, tensor: int) -> list[int]:
        return self.tensors[tensor].shape

    def add(self, one: int, other: int, activation: int) -> int:
        options = schema.AddOptionsT()
        options.fusedActivationFunction = activation
        return self.operator(OPERATORS.ADD, [one, other], self.shape(one), options)

    def mean(self, current: int) -> int:
        batch, _, _, channels = self.shape(current)
        options = schema.ReducerOptionsT()
        options.keepDims = False
        axes = self.constant(np.array([1, 2], np.int32))
        return self.operator(OPERATORS.MEAN, [current, axes], [batch, channels], options)

    def dense(self, current: int, weight: np.ndarray, bias: np.ndarray) -> int:
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = LINEAR
        inputs = [current, self.constant(weight), self.constant(bias)]
        shape = [self.shape(current)[0], len(weight)]
        return self.operator(OPERATORS.FULLY_CONNECTED, inputs, shape, options)

    def convolution(self, current: int, operation: Operation, inputs: list[int]) -> int:
        batch, _, time, channels = self.shape(current)
        outputs, _, kernel = operation.weight.shape
        depthwise = operation.kind == "depthwise"
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.strideH, options.strideW = 1, operation.stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.padding = schema.Padding.SAME
        options.fusedActivationFunction = RELU if operation.relu else LINEAR
        if operation.context is not None:
            options.fusedActivationFunction = LINEAR
        if depthwise:
            options.depthMultiplier = 1
            weight = operation.weight.transpose(1, 2, 0)[None]
        else:
            weight = operation.weight.transpose(0, 2, 1)[:, None]
        if operation.stride != 1 and kernel > 1:
            # SAME would pad less before than after.
            half = kernel // 2
            pads = self.constant(np.array([[0, 0], [0, 0], [half, half], [0, 0]], np.int32))
            shape = [batch, 1, time + 2 * half, channels]
            current = self.operator(OPERATORS.PAD, [current, pads], shape, schema.PadOptionsT())
            options.padding = schema.Padding.VALID
        code = OPERATORS.DEPTHWISE_CONV_2D if depthwise else OPERATORS.CONV_2D
        tensors = [current, self.constant(weight), self.constant(operation.bias)]
        shape = [batch, 1, -(-time // operation.stride), outputs]
        current = self.operator(code, tensors, shape, options)
        if operation.context is None:
            return current
        added = self.dense(inputs[1], operation.context, np.zeros(outputs, np.float32))
        shape = [batch, 1, 1, outputs]
        options = schema.ReshapeOptionsT()
        options.newShape = shape
        target = self.constant(np.array(shape, np.int32))
        added = self.operator(OPERATORS.RESHAPE, [added, target], shape, options)
        return self.add(current, added, RELU if operation.relu else LINEAR)

    def finish(self, name: str, inputs: list[int], output: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = inputs, [output], name
        made = schema.ModelT()
        made.version, made.description = 3, name
        made.subgraphs, made.buffers = [graph], self.buffers
        made.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            made.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(made.Pack(builder), b"TFL3")
        return bytes(builder.Output())
