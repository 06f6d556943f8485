"""Let `python -m search` be the command `lathe`."""

from .cli import main

main()
