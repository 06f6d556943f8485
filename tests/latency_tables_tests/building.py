"""Build a table in a process of its own; job number `halt` never returns: the process is killed there.

Arguments: the journal, the number of jobs, the job at which to hang (-1: none). One line a started job goes to
standard output.
"""

import sys
import time
from pathlib import Path

import numpy as np

from latency_tables import Rig, Store, build

from .chains import FULL, MACHINE, PROTOCOL, TARGET, chain, job, null_runtime, random_widths


def main(path: str, n: int, halt: int) -> None:
    def artefact(index: int, widths: tuple[int, ...]) -> bytes:
        print(index, flush=True)
        while index == halt:
            time.sleep(1)
        return chain(widths)

    jobs = [
        job(widths, artefact=lambda i=i, w=widths: artefact(i, w))  # type: ignore[misc]
        for i, widths in enumerate(random_widths(n, seed=7))
    ]
    build(
        Rig(null_runtime(), TARGET, Store(Path(path)), MACHINE),
        jobs,
        baseline=job(FULL),
        protocol=PROTOCOL,
        rng=np.random.default_rng(0),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
