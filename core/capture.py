"""A training step as one CUDA graph: its kernels are tiny, so that launching them one by one bounds the time."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # steps that run as usual first, as capturing demands: they allocate what stays


class CapturedStep:
    """Runs a step as it is for the first batches, then replays it; the numbers are those of the plain step.

    ``step`` takes rows (B,), always as many, and may not wait for the device; ``generator`` must live on it.
    """

    def __init__(self, step: Callable[[Tensor], dict[str, Tensor]], generator: torch.Generator) -> None:
        self._step = step
        self._generator = generator
        self._seen = 0
        self._stream = torch.cuda.Stream(device=generator.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._rows = torch.empty(0)
        self._terms: dict[str, Tensor] = {}

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        """The loss terms of one step."""
        if self._graph is None and self._seen < WARM_UP:
            self._seen += 1
            return self._run_beside(rows)
        if self._graph is None:
            self._rows = rows.clone()
            self._graph = self._record()
        self._rows.copy_(rows)
        self._graph.replay()
        return {name: term.clone() for name, term in self._terms.items()}  # the next replay overwrites them

    def _run_beside(self, rows: Tensor) -> dict[str, Tensor]:
        """One plain step on a stream of its own."""
        current = torch.cuda.current_stream(rows.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            terms = self._step(rows)
        current.wait_stream(self._stream)
        return terms

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._terms = self._step(self._rows)
        return graph
