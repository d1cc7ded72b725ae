"""How fast the lab computes on a device, how much memory it takes, and how far that is from the device's limit."""

from core.bench.records import BenchReport, BenchSpec, Measurement, Peak, PromiseCheck, Skipped
from core.bench.run import bench
from core.bench.words import notes, promise_rows, rows

__all__ = [
    "BenchReport",
    "BenchSpec",
    "Measurement",
    "Peak",
    "PromiseCheck",
    "Skipped",
    "bench",
    "notes",
    "promise_rows",
    "rows",
]
