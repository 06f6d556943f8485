"""One contender on one model, in the process that was started for it."""

import sys
import warnings
from pathlib import Path

from . import ours, rival
from .models import cases
from .record import Record, StopError

STEPS = {"ours": ours.STEPS, "recipe": rival.STEPS, "plain": rival.STEPS}


def main() -> None:
    contender, name, models, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    warnings.simplefilter("ignore")
    case = next(case for case in cases(models) if case.model == name)
    record = Record(folder / "record.jsonl")
    try:
        if contender == "ours":
            ours.run(case, record, folder)
        else:
            rival.run(case, record, folder, "recipe" if contender == "recipe" else "plain")
    except StopError:
        pass


if __name__ == "__main__":
    main()
