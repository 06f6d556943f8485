"""The command `lathe`, also as `python -m search`. It is ready for signals before anything heavy is imported."""

from __future__ import annotations

import sys

from . import stopping, streams


def main() -> None:
    """Run the command line and exit with its status."""
    stopping.end_at_once()
    sys.exit(_status(sys.argv[1:]))


def _status(arguments: list[str]) -> int:
    if not streams.guard():
        streams.tell("error: The answer goes to standard output, but that is closed: open it, or send it to a file.")
        return streams.UNWRITTEN
    # Takes seconds, and a signal in between must not reach the libraries that are half imported.
    from .cli import call

    try:
        with stopping.unwinding():
            status = call(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            return status
    except stopping.Stopped as exc:
        stopping.tell_stopped()
        return exc.status
    except streams.Unwritten as exc:
        if exc.is_worth_telling:
            streams.tell(str(exc))
        return exc.status


if __name__ == "__main__":
    main()
