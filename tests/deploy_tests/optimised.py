"""What a runtime makes of a file: the multiset of its operators and the shapes that they make."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

Made = tuple[Counter[tuple[str, tuple[int, ...]]], list[tuple[int, ...]]]


def optimised(proto: onnx.ModelProto) -> Made:
    """Return the multiset of (operator, shape of its first output) after all rewriting, and the outputs' shapes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = _quiet()
        options.optimized_model_filepath = str(path)
        _session(proto, options)
        rewritten = onnx.load(path)
    names = [name for node in rewritten.graph.node for name in node.output if name]
    outputs = [value.name for value in rewritten.graph.output]
    rewritten.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in outputs)
    options = _quiet()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = _session(rewritten, options)
    rng = np.random.default_rng(0)
    feeds = {value.name: rng.standard_normal(value.shape).astype(np.float32) for value in session.get_inputs()}
    shapes = {name: np.shape(value) for name, value in zip(names, session.run(names, feeds), strict=True)}
    made = Counter((node.op_type, shapes[node.output[0]]) for node in rewritten.graph.node)
    return made, [shapes[name] for name in outputs]


def _quiet() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return options


def _session(proto: onnx.ModelProto, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
