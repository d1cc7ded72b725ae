"""Training by several processes, started by ``torchrun``: torch's DistributedDataParallel, one device a process.

Every process takes batches of the recipe's size, so that a step sees as many samples as there are processes times
that size; gradients are averaged. All draw the same order of the data, and process 0 alone writes to the disk.
Without ``torchrun`` each function here does nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as processes
from torch.nn.parallel import DistributedDataParallel

Item = TypeVar("Item")


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that ``torchrun`` started, if it did, and leave them at the end."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    processes.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
        processes.barrier()  # none leaves before the first has written
    finally:
        processes.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return processes.get_world_size() if _joined() else 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return not _joined() or processes.get_rank() == 0


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's items, as many as everyone's."""
    if not _joined():
        return items
    n_processes = count()
    return items[processes.get_rank() : len(items) - len(items) % n_processes : n_processes]


def mean(values: Tensor) -> Tensor:
    """The mean over processes."""
    if _joined():
        processes.all_reduce(values)
        values /= count()
    return values


def copy_buffers(network: nn.Module) -> None:
    """Give every process the running statistics of the first."""
    if _joined():
        for buffer in network.buffers():
            processes.broadcast(buffer, src=0)


def copy_bytes(content: bytes) -> bytes:
    """What the first process holds, in all of them; the others' own content is ignored."""
    if not _joined():
        return content
    device = _device()
    length = torch.tensor([len(content)], device=device)
    processes.broadcast(length, src=0)
    held = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8).to(device)
    values = held if is_first() else torch.empty(max(int(length), 1), dtype=torch.uint8, device=device)
    processes.broadcast(values, src=0)
    return values.cpu().numpy().tobytes()[: int(length)]


def average_gradients(network: nn.Module, loss: Any) -> Any:
    """A loss (views, generator) -> terms of a network whose gradients are averaged over the processes."""
    if not _joined():
        return loss
    # Not every update of a phase reaches every parameter of its network.
    return DistributedDataParallel(_LossModule(network, loss), find_unused_parameters=True)


class _LossModule(nn.Module):
    def __init__(self, network: nn.Module, loss: Any) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, *inputs: Any) -> Any:
        return self.loss(*inputs)


def _joined() -> bool:
    return processes.is_available() and processes.is_initialized()


def _device() -> torch.device:
    return torch.device("cuda" if processes.get_backend() == "nccl" else "cpu")
