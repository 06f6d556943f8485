"""Which architectures can be cut, how fast and how well: Lathe and Torch-Pruning over 49 families of timm.

    python -m benchmarks.coverage [--models FILE] [--only NAME ...] [--contender ours|rival] [--resume] [--table]

Run it from the root of the repository. Each model and contender has a process of its own with limits on time and
memory; weights are random (seed 0). A row of the results file stays until it is run again; with --resume only missing
rows are run, with --table none. Writes benchmarks/results/coverage.json and .png, and prints the totals beside what
was asked for.

`__main__` runs the processes, `child` is what runs in one of them, `ours` and `rival` are the contenders' steps,
`checks` is what both are measured with, `totals` and `picture` say what came out.
"""
