"""A stand-in for the library TensorRT: its names, with the work done by ONNX Runtime.

Real bindings are checked against the notes of `fake_bindings`, so nothing may be here that they lack.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from .fake_bindings import (
    ENUMS,
    BuilderFlag,
    ILogger,
    IProfiler,
    LayerInformationFormat,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    Noted,
    ProfilingVerbosity,
    Severity,
    TensorIOMode,
)

_TYPES: dict[int, Any] = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.FLOAT16: np.float16,
    onnx.TensorProto.INT64: np.int64,
}


class ITensor(Noted):
    def __init__(self, value: onnx.ValueInfoProto) -> None:
        sizes = value.type.tensor_type.shape.dim
        self._name = value.name
        self._shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in sizes)
        self._type = value.type.tensor_type.elem_type

    @property
    def name(self) -> str:
        return self._name

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> int:
        return self._type


class INetworkDefinition(Noted):
    def __init__(self, flags: int) -> None:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        self._model: onnx.ModelProto | None = None

    @property
    def num_inputs(self) -> int:
        assert self._model is not None
        return len(self._model.graph.input)

    def get_input(self, index: int) -> ITensor:
        assert self._model is not None
        return ITensor(self._model.graph.input[index])


class ParserError(Noted):
    def __init__(self, desc: str, operator: str, name: str) -> None:
        self._texts = desc, operator, name

    def desc(self) -> str:
        return self._texts[0]

    def node_operator(self) -> str:
        return self._texts[1]

    def node_name(self) -> str:
        return self._texts[2]


class OnnxParser(Noted):
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []

    def parse(self, model: bytes) -> bool:
        try:
            found = onnx.load_from_string(model)
        except Exception:
            self._logger.log(Severity.ERROR, "the file is no ONNX model")
            return False
        for node in found.graph.node:
            if not onnx.defs.has(node.op_type):
                self._errors.append(ParserError("no importer registered", node.op_type, node.name))
        self._network._model = found
        return not self._errors

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class IOptimizationProfile(Noted):
    def __init__(self) -> None:
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        assert min == opt == max
        self._shapes[input] = tuple(opt)


class IHostMemory(bytes):
    pass


class ITimingCache(Noted):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content + b"*")


class IBuilderConfig(Noted):
    def __init__(self) -> None:
        self._flags: set[BuilderFlag] = {BuilderFlag.TF32}
        self._profiles: list[IOptimizationProfile] = []
        self._cache: ITimingCache | None = None
        self._verbosity = ProfilingVerbosity.NONE

    @property
    def profiling_verbosity(self) -> ProfilingVerbosity:
        return self._verbosity

    @profiling_verbosity.setter
    def profiling_verbosity(self, value: ProfilingVerbosity) -> None:
        self._verbosity = value

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert pool_size > 0

    def set_flag(self, flag: BuilderFlag) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags.discard(flag)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache._content.startswith(b"foreign"):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache:
        assert self._cache is not None
        return self._cache

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return 0


class Builder(Noted):
    built: ClassVar[list[frozenset[BuilderFlag]]] = []
    """Flags of the engines that were built."""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        assert config._verbosity == ProfilingVerbosity.DETAILED
        assert network._model is not None
        if any(node.op_type == "Hardmax" for node in network._model.graph.node):
            self._logger.log(Severity.WARNING, "not this")
            self._logger.log(Severity.ERROR, "could not find any implementation for node {Hardmax}")
            return None
        Builder.built.append(frozenset(config._flags))
        chosen = {name for profile in config._profiles for name in profile._shapes}
        inputs = [network.get_input(place) for place in range(network.num_inputs)]
        assert chosen == {value.name for value in inputs if -1 in value.shape}
        return IHostMemory(network._model.SerializeToString())


class EngineInspector(Noted):
    def __init__(self, layers: list[dict[str, Any]]) -> None:
        self._layers, self._context = layers, None

    @property
    def execution_context(self) -> Any:
        return self._context

    @execution_context.setter
    def execution_context(self, value: Any) -> None:
        self._context = value

    def get_engine_information(self, format: LayerInformationFormat) -> str:
        assert format is LayerInformationFormat.JSON
        return json.dumps({"Layers": self._layers, "I/O Tensors": []})


class IExecutionContext(Noted):
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine, self._shapes, self._places = engine, dict[str, tuple[int, ...]](), dict[str, int]()
        self._profiler: Any = None
        self._verbosity: Any = None

    @property
    def profiler(self) -> Any:
        return self._profiler

    @profiler.setter
    def profiler(self, value: Any) -> None:
        self._profiler = value

    @property
    def nvtx_verbosity(self) -> Any:
        return self._verbosity

    @nvtx_verbosity.setter
    def nvtx_verbosity(self, value: Any) -> None:
        self._verbosity = value

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = next(iter(self._shapes.values()))[0]
        return tuple(batch if size < 0 else size for size in self._engine._values[name]._shape)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._places[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        feeds = {name: self._at(name, shape) for name, shape in self._shapes.items()}
        outputs = [value.name for value in self._engine._model.graph.output]
        for name, found in zip(outputs, self._engine._session.run(outputs, feeds), strict=True):
            # ONNX Runtime computes half precision in float32 here, so that what overflows is only seen at the end.
            with np.errstate(over="ignore"):
                self._at(name, found.shape)[...] = found.astype(np.float16) if self._engine._is_half else found
        if self._profiler is not None:
            for place, layer in enumerate(self._engine._layers):
                self._profiler.report_layer_time(layer["Name"], 1.0 + place)
        return True

    def _at(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        dtype = np.dtype(_TYPES[self._engine._values[name]._type])
        memory = (ctypes.c_byte * (dtype.itemsize * int(np.prod(shape)))).from_address(self._places[name])
        array: NDArray[Any] = np.ndarray(shape, dtype, memory)
        return array


class ICudaEngine(Noted):
    def __init__(self, plan: bytes) -> None:
        self._model = onnx.load_from_string(plan)
        self._session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        self._is_half = any(t.data_type == onnx.TensorProto.FLOAT16 for t in self._model.graph.initializer)
        graph = self._model.graph
        self._values = {value.name: ITensor(value) for value in (*graph.input, *graph.output)}
        self._layers = _fused(graph)

    @property
    def num_io_tensors(self) -> int:
        return len(self._values)

    def get_tensor_name(self, index: int) -> str:
        return str(list(self._values)[index])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        is_input = any(value.name == name for value in self._model.graph.input)
        return TensorIOMode.INPUT if is_input else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._values[name]._shape

    def get_tensor_dtype(self, name: str) -> int:
        return self._values[name]._type

    def create_execution_context(self) -> IExecutionContext:
        return IExecutionContext(self)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self._layers)


def _fused(graph: onnx.GraphProto) -> list[dict[str, Any]]:
    """Return the layers of a graph: a convolution or a sum takes what is pointwise and right behind it."""
    groups: list[list[onnx.NodeProto]] = []
    for node in graph.node:
        if node.op_type in ("Relu", "Add") and groups and groups[-1][-1].output[0] in node.input:
            groups[-1].append(node)
        else:
            groups.append([node])
    return [
        {
            "Name": " + ".join(node.name for node in group),
            "LayerType": group[0].op_type,
            "Outputs": [{"Name": group[-1].output[0]}],
            "Metadata": "\x1e".join(f"[ONNX Layer: {node.name}]" for node in group),
        }
        for group in groups
    ]


class Runtime(Noted):
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if serialized_engine:
            return ICudaEngine(serialized_engine)
        self._logger.log(Severity.ERROR, "the plan is of another version")
        return None


def nptype(trt_type: int) -> Any:
    return _TYPES[trt_type]


class HostMemory:
    """Stands in for `hwprofiles.runtimes.cuda.Memory`: arrays in ordinary memory."""

    handle = 7

    def wait(self) -> None:
        pass

    def place(self, array: NDArray[Any]) -> Any:
        held = np.array(array)
        return SimpleNamespace(array=held, data_ptr=lambda: held.ctypes.data)

    def back(self, tensor: Any) -> NDArray[Any]:
        return np.array(tensor.array)


def module(version: str = "11.4.0") -> SimpleNamespace:
    """Return the library of a version."""
    classes: tuple[Callable[..., Any], ...] = (ILogger, IProfiler, Builder, OnnxParser, Runtime, *ENUMS)
    return SimpleNamespace(__version__=version, nptype=nptype, **{cls.__name__: cls for cls in classes})
