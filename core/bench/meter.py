"""Clocks and scales: the time, the memory and the floating-point operations of a call, and a device's peak."""

import ctypes
import gc
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from core.bench.records import Peak

Call = Callable[[], object]

FEWEST, MOST = 3, 1000  # timed calls
PRODUCT_SIDES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
CONVOLUTIONS = {"cpu": (64, 64, 26), "cuda": (64, 256, 64)}  # samples, channels, side of the 3 x 3 convolution
COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes: more than any cache holds
SLOW = 0.25  # seconds a product after which no larger one is tried: it would take eight times as long


def kind(device: torch.device) -> str:
    """ "cuda", or "cpu" for everything else."""
    return "cuda" if device.type == "cuda" else "cpu"


def device_name(device: torch.device) -> str:
    """What its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def load() -> float | None:
    """How many processes wanted a CPU at a time, in the mean of the last minute; None where nothing tells."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def time_call(call: Call, device: torch.device) -> float:
    """Seconds of one call, with all that it left the device to do."""
    _synchronize(device)
    start = time.perf_counter()
    call()
    _synchronize(device)
    return time.perf_counter() - start


def repeat(call: Call, device: torch.device, seconds: float) -> tuple[list[float], int | None]:
    """The seconds of each call until they add up, at least of three, and the most memory held meanwhile.

    Memory is in bytes above what was held before the first call; None where :func:`memory_means` says so.
    """
    before = _reset_memory(device)
    times = _time_calls(call, device, seconds)
    return times, None if before is None else max(0, _peak_memory(device) - before)


def _time_calls(call: Call, device: torch.device, seconds: float) -> list[float]:
    times: list[float] = []
    while len(times) < FEWEST or (sum(times) < seconds and len(times) < MOST):
        times.append(time_call(call, device))
    return times


def memory_means(device: torch.device) -> str:
    """How memory is measured here, or why it is not."""
    if device.type == "cuda":
        return "the most that torch held on the device at once, above what it held before"
    if _reset_memory(device) is None:
        return "not measured: this system does not let a process reset the peak of its resident memory"
    return "the highest resident memory of the process (VmHWM), above what it was before; true to about 1 MiB"


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_memory(device: torch.device) -> int | None:
    """Start the peak anew; the bytes held now, None where that cannot be done."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)  # what was freed must not be there to be used again unseen
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux, proc(5): resets VmHWM
        return _resident("VmRSS")
    except OSError:
        return None


def _peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _resident("VmHWM")


def _resident(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


class _FlopCounter(TorchDispatchMode):
    """Counts by torch's formulas; its own FlopCounterMode knows no types, and breaks ``autograd.grad`` on inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        formula = flop_registry.get(function._overloadpacket)
        if formula is None and function is not torch.ops.prim.device.default:
            with self:  # in inference mode a composite such as "linear" comes whole
                result = function.decompose(*args, **options)
            if result is not NotImplemented:
                return result
        result = function(*args, **options)
        if formula is not None:
            dtype = next(value.dtype for value in args if isinstance(value, Tensor))
            self.counts[_dtype_name(dtype)] += int(formula(*args, **options, out_val=result))
        return result


def count_flops(call: Call) -> dict[str, int]:
    """The floating-point operations of a call, by the type they are computed in.

    Those of matrix products and convolutions, as torch counts them: two a multiplication with its addition,
    whatever algorithm computes them. Everything else counts none.
    """
    with _FlopCounter() as counter:
        call()
    return dict(counter.counts)


def measure_peak(dtype: torch.dtype, device: torch.device, *, seconds: float) -> Peak:
    """The best of square products and a 3 x 3 convolution, and a large copy; about 3 GiB at most.

    A convolution takes part because on some devices the library behind it is the better one, and because on a GPU
    torch lets float32 convolutions round to TF32 but not products.
    """
    with torch.inference_mode():
        found = {**_products(dtype, device, seconds), **_convolution(dtype, device, seconds)}
        copied = COPIED[kind(device)]
        source = torch.ones(copied // dtype.itemsize, dtype=dtype, device=device)
        target = torch.zeros_like(source)
        bytes_per_second = 2 * copied / _best(lambda: target.copy_(source), device, seconds)
    found_with = max(found, key=found.__getitem__)
    return Peak(
        dtype=_dtype_name(dtype),
        flops_per_second=found[found_with],
        found_with=found_with,
        bytes_per_second=bytes_per_second,
    )


def _products(dtype: torch.dtype, device: torch.device, seconds: float) -> dict[str, float]:
    """Flops a second of square matrix products, by what they are."""
    found = {}
    for side in PRODUCT_SIDES[kind(device)]:
        left, right = (_draw((side, side), dtype, device) for _ in range(2))
        best = _best(partial(torch.mm, left, right, out=torch.empty_like(left)), device, seconds)
        found[f"product of two {side} x {side} matrices"] = 2 * side**3 / best
        if best > SLOW:
            break
    return found


def _convolution(dtype: torch.dtype, device: torch.device, seconds: float) -> dict[str, float]:
    """Flops a second of a convolution like the encoders' (Table 4's on a CPU, a wider one for a GPU)."""
    samples, channels, side = CONVOLUTIONS[kind(device)]
    pictures = _draw((samples, channels, side, side), dtype, device).to(memory_format=torch.channels_last)
    weights = _draw((channels, channels, 3, 3), dtype, device).to(memory_format=torch.channels_last)
    best = _best(partial(conv2d, pictures, weights), device, seconds)
    return {f"3 x 3 convolution of {channels} channels": 2 * samples * (side - 2) ** 2 * 9 * channels**2 / best}


def _draw(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)


def _best(call: Call, device: torch.device, seconds: float) -> float:
    call()
    return min(_time_calls(call, device, seconds))


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
