"""A thousand attacks in one process: ``python -m tests.trials.soak --runs 1000`` prints its memory as JSON.

They go through the queue and are kept as a server keeps them, each of another seed, in a folder of its own.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.jobs import JobQueue
from core.lab import Lab
from core.records import AttackSpec, SweepReport, SweepSpec
from core.store import ResultStore

ATTACKS = ("noise", "fgsm")
LOOKS = 20  # at the memory


def memory() -> float:
    """Resident memory of this process in MiB (Linux)."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Run them one after another and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.trials.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="attacks (1000)")
    parser.add_argument("--samples", type=int, default=64, help="of each (64)")
    parser.add_argument("--target", default="noisy_digits/simvc", help="what is attacked (noisy_digits/simvc)")
    options = parser.parse_args()
    dataset, model = options.target.split("/")
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(store=ResultStore(computed=Path(folder), limit=4 * 2**20))
        queue, sizes, began, failed = JobQueue(), [], time.monotonic(), 0
        for run in range(options.runs):
            attack = AttackSpec(
                dataset=dataset,
                model=model,
                attack=ATTACKS[run % len(ATTACKS)],
                epsilon=0.2,
                samples=options.samples,
                seed=run,
            )
            spec = SweepSpec(attack=attack, points=3)

            def start(spec: SweepSpec = spec) -> Iterator[SweepReport]:
                for report in lab.sweep(spec):
                    yield report
                    if report.finished:
                        lab.keep(report)
                        lab.map(report)

            queue.submit(spec.digest, start, owner="soak", title="soak", weigh=lambda report: report.nbytes)
            while not queue.join(60):
                queue.present("soak")
            job = queue.get(spec.digest)
            failed += job is None or job.state != "done"
            if run % max(1, options.runs // LOOKS) == 0 or run == options.runs - 1:
                sizes.append(round(memory()))
                print(f"{run + 1} runs: {sizes[-1]} MiB", file=sys.stderr, flush=True)
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    found = {
        "runs": options.runs,
        "failed": failed,
        "seconds": round(time.monotonic() - began),
        "memory_mib": sizes,
        "stored_bytes": stored,
    }
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main()
