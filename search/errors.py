"""What a caller of `search` can act on, as a tree.

```
LatheError                     (hwprofiles) anything that is not a slip in the calling code
├── ConfigError        exit 2  the config file: unknown key, missing key, wrong type, unit or range
├── ModelError         exit 2  the user's network or its weights do not load
│   └── NothingToCutError      it has nothing that can be cut; carries the reasons
├── DataError          exit 2  the user's data do not fit the task
├── UserExitError      exit 3  the user's network, task or loader ended the program
├── ExportError        exit 3  the network cannot be written as, or sliced from, an ONNX file
├── ProofError         exit 3  a proof on a cut failed: Lathe got this network wrong
├── BundleError        exit 2  a bundle is damaged, or calls what a bundle may not
├── RunFolderError     exit 2  the run folder or a checkpoint in it belongs to another run
└── TrainingError      exit 3  the loss is no longer a number; carries the last good state
```

`exit_code` is what the command line ends with: 2 for wrong use, 3 for a failure on the way.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hwprofiles import LatheError


class ConfigError(LatheError):
    """The config cannot be used as it stands."""

    exit_code: ClassVar[int] = 2


class ModelError(LatheError):
    """The user's network or its weights cannot be loaded or called."""

    exit_code: ClassVar[int] = 2


class NothingToCutError(ModelError):
    """The user's network has no dim that is free and no block that can go.

    Attributes:
        frozen: (dim, why it keeps its size) of all that cannot be cut.
    """

    def __init__(self, message: str, frozen: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.frozen = tuple(frozen)


class DataError(LatheError):
    """The user's data cannot be read, or do not fit the task."""

    exit_code: ClassVar[int] = 2


class UserExitError(LatheError):
    """The user's own code called `sys.exit`, or raised SystemExit in another way."""

    exit_code: ClassVar[int] = 3


class ExportError(LatheError):
    """The network cannot be exported, or its exported file does not compute what it computes."""

    exit_code: ClassVar[int] = 3


class ProofError(LatheError):
    """A cut network does not compute what it has to: something in Lathe is wrong for this network."""

    exit_code: ClassVar[int] = 3


class BundleError(LatheError):
    """A bundle cannot be read or written."""

    exit_code: ClassVar[int] = 2


class RunFolderError(LatheError):
    """A run folder, or a file in it, belongs to another run or is damaged."""

    exit_code: ClassVar[int] = 2


class TrainingError(LatheError):
    """The training had to stop.

    Attributes:
        state: State of the network at the end of the last good epoch (name -> tensor). The network that was being
            trained holds it too.
        result: The `FitResult` up to there.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, state: Mapping[str, Any], result: object) -> None:
        super().__init__(message)
        self.state = state
        self.result = result


def is_disk_full(exc: BaseException) -> bool:
    """Tell whether an exception, or what it came from, is a disk without room.

    Libraries in other languages say so in words only.
    """
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if not isinstance(seen, LatheError) and os.strerror(errno.ENOSPC) in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
