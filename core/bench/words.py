"""A bench's report as rows of a table and sentences."""

from core.bench.records import BenchReport, Measurement

Row = tuple[str, ...]

BUSY = 0.5  # processes; more disturb what is measured

HEADER = ("model", "what", "batch", "ms", "from … to", "samples/s", "GFLOP", "GFLOP/s", "of peak", "MiB")
PROMISE_HEADER = ("model", "what", "promised s", "took s", "")


def rows(report: BenchReport) -> tuple[Row, list[Row]]:
    """The header and one row a measurement; "-" where there is nothing to say."""
    return HEADER, [_row(measured) for measured in report.measurements]


def promise_rows(report: BenchReport) -> tuple[Row, list[Row]]:
    """The header and one row a promise."""
    return PROMISE_HEADER, [
        (p.model, p.what, f"{p.promised_seconds:g}", f"{p.seconds:.2f}", "kept" if p.kept else "BROKEN")
        for p in report.promises
    ]


def notes(report: BenchReport) -> list[str]:
    """What was measured on and how, and a sentence for everything that was skipped."""
    spec = report.spec
    lines = [
        f"{report.device_name} ({report.device}, {report.threads} CPU threads), torch {report.torch}; "
        f"random pictures as {spec.dataset} has them, {spec.precision} convolutions, ε = {spec.epsilon:g}"
    ]
    lines += [
        f"Peak in {peak.dtype}: {peak.flops_per_second / 1e9:,.0f} GFLOP/s ({peak.found_with}); "
        f"a copy moves {peak.bytes_per_second / 1e9:,.0f} GB/s"
        for peak in report.peaks
    ]
    if report.tensor_float:
        lines.append("Convolutions in float32 may round to TF32, as torch has it.")
    if report.load is not None and report.load > BUSY:
        lines.append(f"The machine was busy: {report.load:.1f} processes wanted a CPU before the bench began.")
    lines.append(f"Memory: {report.memory_means}.")
    lines += [f"Skipped {s.what} of {s.model}: {s.reason}" for s in report.skipped]
    return lines


def _row(measured: Measurement) -> Row:
    share, memory = measured.share_of_peak, measured.memory_bytes
    return (
        measured.model,
        measured.what,
        str(measured.batch),
        _milliseconds(measured.seconds),
        f"{_milliseconds(measured.fastest)} … {_milliseconds(measured.slowest)}",
        f"{measured.samples_per_second:,.0f}",
        f"{measured.flops / 1e9:.3g}" if measured.flops else "-",
        f"{measured.flops_per_second / 1e9:,.1f}" if measured.flops else "-",
        "-" if share is None else f"{share:.1%}",
        "-" if memory is None else f"{memory / 2**20:,.1f}",
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.2f}"
