"""Kill the demo ten times at random moments, on the real runtime, and compare with a run that nobody disturbed.

    python benchmarks/killed.py FINISHED_DEMO_FOLDER [--kills 10] [--folder runs/killed]

Both runs begin with the trained weights and the latency table of a finished demo. Each kill -9 is followed by the same
command. Writes benchmarks/results/killed.json: the moments, whether the candidates are equal, and whether the journal
of the table has lost or repeated a measurement.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def begin(source: Path, folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    for name in (f"trained-{seed}.safetensors", "table.jsonl"):
        shutil.copy(source / name, folder / name)


def start(folder: Path, seed: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "search", "demo", "--json", "--seed", str(seed), "--out", str(folder)]
    return subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def jobs(folder: Path) -> list[str]:
    lines = (folder / "table.jsonl").read_text().splitlines()[1:]
    return [json.loads(line)["job"] for line in lines]


def candidate(folder: Path) -> dict:
    return json.loads((folder / "bundle" / "structure.json").read_text())["candidate"]


def stage(folder: Path) -> str:
    """What the run folder shows of how far the run had come."""
    seen = [name for name in ("objectives.jsonl", "study-0.log", "candidates", "bundle") if (folder / name).exists()]
    return seen[-1] if seen else "table.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/killed"))
    arguments = parser.parse_args()
    folder, rng = arguments.folder.resolve(), random.Random(arguments.seed)
    calm, disturbed = folder / "calm", folder / "disturbed"
    for place in (calm, disturbed):
        shutil.rmtree(place, ignore_errors=True)
        begin(arguments.source, place, arguments.seed)
    before = jobs(calm)
    began = time.monotonic()
    verdicts = [json.loads(start(calm, arguments.seed).communicate()[0])["verdict"]]
    whole_s = time.monotonic() - began
    moments = []
    while len(moments) < arguments.kills:
        process = start(disturbed, arguments.seed)
        moment = rng.uniform(0.0, whole_s)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append({"after_s": moment, "reached": stage(disturbed)})
            print(f"killed after {moment:.1f} s, {stage(disturbed)} was there", flush=True)
        else:
            # It ended before the moment came: begin anew, so that every kill hits a run at work.
            shutil.rmtree(disturbed)
            begin(arguments.source, disturbed)
    verdicts.append(json.loads(start(disturbed, arguments.seed).communicate()[0])["verdict"])
    result = {
        "kills": moments,
        "undisturbed_s": whole_s,
        "verdicts": verdicts,
        "same_candidate": candidate(calm) == candidate(disturbed),
        "measurements_before": len(before),
        "measurements_after": len(jobs(disturbed)),
        "repeated": len(jobs(disturbed)) - len(set(jobs(disturbed))),
        "lost": len(set(before) - set(jobs(disturbed))),
    }
    print(json.dumps(result))
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "killed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
