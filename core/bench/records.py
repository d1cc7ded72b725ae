"""What a bench is asked and what it answers. Plain values only: ``dataclasses.asdict`` makes any of them JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from core.data import DATASETS
from core.errors import LabError
from core.models import MODELS
from core.models.encoders import Precision
from core.records import check_epsilon, check_seed

LARGEST_BATCH = 2**16
LONGEST = 3600.0  # seconds a measurement


@dataclass(frozen=True, kw_only=True)
class BenchSpec:
    """What is measured. Raises :class:`LabError` for names that are not there and numbers out of range."""

    dataset: str = "noisy_digits"  # whose shapes the random pictures have
    models: tuple[str, ...] = ()  # names in MODELS; empty for all
    batch: int | None = None  # samples of encode and the attacks; None for what suits the device
    seconds: float = 0.5  # that each measurement goes on for, after warming up; never fewer than three calls
    epsilon: float = 0.2  # of every attack, linf on [0, 1]
    precision: Precision = "float32"  # of the models' convolutions, in everything measured
    capture: bool = False  # training steps are replayed as CUDA graphs; changes nothing elsewhere than on a GPU
    seed: int = 0

    def __post_init__(self) -> None:
        DATASETS[self.dataset]
        for name in self.models:
            MODELS[name]
        if self.batch is not None and not 1 <= self.batch <= LARGEST_BATCH:
            raise LabError(f"A batch must have from 1 to {LARGEST_BATCH} samples, got {self.batch}.")
        if not 0 <= self.seconds <= LONGEST:
            raise LabError(f"A measurement takes from 0 to {LONGEST:g} seconds, got {self.seconds:g}. Try 0.5.")
        if self.precision not in ("float32", "bfloat16"):
            raise LabError(f"The precision is float32 or bfloat16, got {self.precision!r}.")
        check_epsilon(self.epsilon, "linf")
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most that a device was seen to do with one type of numbers."""

    dtype: str
    flops_per_second: float
    found_with: str  # the product or convolution that reached it
    bytes_per_second: float  # of a large copy; a byte read and written counts twice


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one call costs: ``batch`` samples encoded, attacked, or trained on for one step."""

    model: str
    what: str
    batch: int
    calls: int  # how many were timed; of training, epochs
    seconds: float  # a call, the median
    fastest: float  # seconds
    slowest: float  # seconds
    samples_per_second: float
    flops: int  # a call
    flops_by_dtype: dict[str, int]
    flops_per_second: float
    share_of_peak: float | None  # of the time, what the same flops take at the peaks of their types; None without flops
    memory_bytes: int | None  # the most held at once above what was there before; None where nothing tells


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What could not be measured, and why."""

    model: str
    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PromiseCheck:
    """A promise of the design, made for two CPU cores, and what one run took here."""

    model: str
    what: str
    promised_seconds: float
    seconds: float
    kept: bool


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """The bench as far as it has come."""

    spec: BenchSpec
    device: str  # "cpu", "cuda"
    device_name: str
    torch: str  # version
    threads: int  # of the CPU
    load: float | None  # processes that wanted a CPU in the minute before; None where nothing tells
    tensor_float: bool | None  # whether a GPU's float32 convolutions may round to TF32, as torch has it; None on a CPU
    memory_means: str  # how memory was measured, or why not
    batch: int  # of encode and the attacks
    peaks: tuple[Peak, ...]
    measurements: tuple[Measurement, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    promises: tuple[PromiseCheck, ...] = ()
    progress: float = 0.0  # share of the work that is done, 0 to 1


Result = Measurement | Skipped | PromiseCheck


def measurement(
    model: str,
    what: str,
    batch: int,
    times: Sequence[float],
    flops: Mapping[str, int],
    memory: int | None,
    peaks: Sequence[Peak],
) -> Measurement:
    """The record of some timed calls (seconds each) of so many flops, by the type they are computed in."""
    seconds, total = median(times), sum(flops.values())
    return Measurement(
        model=model,
        what=what,
        batch=batch,
        calls=len(times),
        seconds=seconds,
        fastest=min(times),
        slowest=max(times),
        samples_per_second=batch / seconds,
        flops=total,
        flops_by_dtype=dict(flops),
        flops_per_second=total / seconds,
        share_of_peak=share_of_peak(flops, seconds, peaks),
        memory_bytes=memory,
    )


def share_of_peak(flops: Mapping[str, int], seconds: float, peaks: Sequence[Peak]) -> float | None:
    """How much of ``seconds`` the flops would take at the peaks; None without flops, or for a type without a peak.

    It may pass 1 where an algorithm (Winograd's, say) needs fewer operations than are counted.
    """
    rates = {peak.dtype: peak.flops_per_second for peak in peaks}
    if not flops or not set(flops) <= set(rates):
        return None
    return sum(count / rates[dtype] for dtype, count in flops.items()) / seconds
