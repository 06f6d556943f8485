"""Spoil a file as disks, editors and strangers do: bytes, and, where it is JSON, its values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    0.5,
    -0.5,
    1e308,
    5e-324,
    "",
    "a",
    "\x00",
    "\x1b[31m",
    "../../../up",
    "𝔘" * 3,
    "x" * 5000,
    [],
    {},
    [[]],
    [1, "a", None],
    {"a": {"b": {"c": []}}},
    {"": 0},
)

# What no value can say, put into the text in place of one.
ODD_TEXTS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 5000,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 5000 + "0" + "}" * 5000,
    "[" * 100000,
    '{"a": 1, "a": 2}',
    "nul",
    "'single'",
    "01",
    "\\u0000",
    '"\ud800"'.encode("utf-8", "surrogatepass").decode("latin-1"),
)
_PLACE = "a place for a text that is no value"


def spoil(content: bytes, rng: random.Random, others: tuple[bytes, ...] = ()) -> bytes:
    """Return a file's content with one to three mutations.

    Args:
        content: A good file.
        rng: Draws everything.
        others: Further files, to splice with.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_MUTATIONS)(content, rng, others or (content,))
    return content


Mutation = Callable[[bytes, random.Random, tuple[bytes, ...]], bytes]


def _flip(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    found = bytearray(content)
    for _ in range(min(len(found), rng.choice((1, 1, 2, 8, 64)))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _overwrite(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    start = rng.randrange(len(content) + 1)
    length = rng.choice((1, 4, 8, 100))
    filling = rng.choice((b"\0", b"\xff", b"9", b"[", b'"', b"\n", rng.randbytes(1))) * length
    return content[:start] + filling + content[start + length :]


def _truncate(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _remove(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice((1, 3, 50)) :]


def _insert(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.choice((b"\0", b"\xef\xbb\xbf", b"\r", b"{}", rng.randbytes(9))) + content[start:]


def _splice(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeat(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 20, 500)))
    return content[:end] + content[start:end] * rng.choice((1, 2, 30)) + content[end:]


def _json(content: bytes, rng: random.Random, others: tuple[bytes, ...]) -> bytes:
    """Change a value of a JSON document, or of one line of a journal."""
    lines = content.split(b"\n")
    whole = _parsed(content)
    if whole is not None:
        return _changed(whole, rng)
    good = [number for number, line in enumerate(lines) if _parsed(line) is not None]
    if not good:
        return _flip(content, rng, others)
    number = rng.choice(good)
    lines[number] = _changed(_parsed(lines[number]), rng)
    return b"\n".join(lines)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _changed(document: Any, rng: random.Random) -> bytes:
    places = _places(document)
    if not places:
        return json.dumps(rng.choice(ODD_VALUES)).encode()
    holder, key = rng.choice(places)
    text = None
    match rng.randrange(6):
        case 0 | 1:
            holder[key] = rng.choice(ODD_VALUES)
        case 2:
            holder[key], text = _PLACE, rng.choice(ODD_TEXTS)
        case 3:
            del holder[key]
        case 4:
            # A value of the document in another's place: of the wrong type, or only the wrong one.
            other, name = rng.choice(places)
            holder[key] = other[name]
        case _ if isinstance(holder, dict):
            holder[rng.choice(("", "\x00", "unknown", "x" * 300, f"{key} "))] = holder.pop(key)
        case _:
            holder.append(rng.choice(ODD_VALUES))
    try:
        found = json.dumps(document)
    # The other value may hold the one that it now stands in.
    except (ValueError, RecursionError):
        return b"{}"
    return (found if text is None else found.replace(json.dumps(_PLACE), text)).encode(errors="surrogatepass")


def _places(document: Any) -> list[tuple[Any, Any]]:
    found, pending = [], [document]
    while pending:
        holder = pending.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            pending.append(holder[key])
    return found


_MUTATIONS: tuple[Mutation, ...] = (_flip, _overwrite, _truncate, _remove, _insert, _splice, _repeat, *[_json] * 5)
