"""Files and documents as they enter and leave: read within bounds, checked before use, written whole or not at all."""

from .documents import Shape, check_shape, parse_json
from .onnx_file import MOST_ONNX_BYTES, check_onnx, onnx_content, read_onnx
from .whole import (
    MOST_JOURNAL_BYTES,
    MOST_JSON_BYTES,
    check_plain,
    clear_unfinished,
    make_whole,
    open_journal,
    opened_whole,
    read_rest,
    read_whole,
    sync_folder,
    write_whole,
    writing_whole,
)

__all__ = [
    "MOST_JOURNAL_BYTES",
    "MOST_JSON_BYTES",
    "MOST_ONNX_BYTES",
    "Shape",
    "check_onnx",
    "check_plain",
    "check_shape",
    "clear_unfinished",
    "make_whole",
    "onnx_content",
    "open_journal",
    "opened_whole",
    "parse_json",
    "read_onnx",
    "read_rest",
    "read_whole",
    "sync_folder",
    "write_whole",
    "writing_whole",
]
