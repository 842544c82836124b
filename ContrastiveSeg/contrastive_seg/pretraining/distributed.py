"""Several processes that train as one: under ``torchrun``, the batch is shared and embeddings are joined.

Every process computes the loss on the joined batch. The gradient that flows back through the join
is the sum over the processes; averaging the parameters' gradients then gives exactly the gradient
of one process that sees the whole batch.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.losses import IterativeNormalization


@dataclass(frozen=True)
class Processes:
    """The group of processes that train together.

    Attributes:
        rank: Number of this process, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of a batch."""
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Joins tensors of equal shape along the first axis, with gradient."""
        if self.count == 1:
            return values
        apply: Any = _Joined.apply
        joined: torch.Tensor = apply(values, self.rank, self.count)
        return joined

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the processes, with gradient."""
        if self.count == 1:
            return values
        from torch.distributed.nn.functional import all_reduce

        summed: torch.Tensor = all_reduce(values.contiguous())  # type: ignore[no-untyped-call]
        return summed

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether a flag is set in one process at least; all get the same answer.

        Args:
            flag: Of this process.
            device: On which the processes exchange tensors.
        """
        if self.count == 1:
            return flag
        found = torch.tensor(float(flag), device=device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def average_gradients(self, module: nn.Module) -> None:
        """Makes the gradients of all processes their mean."""
        if self.count == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        if not gradients:
            return
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


class _Joined(torch.autograd.Function):
    """Joins the values of all processes; each gets back the sum of the gradients of its own.

    PyTorch's own differentiable gather mixes up gradients that are not contiguous in memory.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rank: int, count: int) -> torch.Tensor:
        ctx.rank, ctx.count = rank, count
        values = values.contiguous()
        parts = [torch.empty_like(values) for _ in range(count)]
        dist.all_gather(parts, values)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.chunk(ctx.count)[ctx.rank], None, None


def own_device(device: str) -> str:
    """The device of this process by name: of several under ``torchrun`` each takes a GPU of its own.

    Args:
        device: What the user asked for, the same for all processes.

    Raises:
        ContrastiveSegError: ``unknown-device`` where there are fewer GPUs than processes on this computer,
            or all of them would use the same one.
    """
    name = device.strip().lower()
    if _wanted() == 1 or not torch.cuda.is_available():
        return device
    here, there = processes_here(), torch.cuda.device_count()
    if here > 1 and name.startswith("cuda:"):
        raise ContrastiveSegError(
            "unknown-device",
            f"{here} processes on this computer cannot share the device '{device}'.",
            "Use --device cuda, with which each takes a GPU of its own.",
        )
    if name not in ("auto", "cuda"):
        return device
    if here > there:
        raise ContrastiveSegError(
            "unknown-device",
            f"There are {here} processes on this computer, but PyTorch finds {there} CUDA GPU(s).",
            f"Use --nproc-per-node {there}, or --device cpu.",
        )
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def processes_here() -> int:
    """How many processes ``torchrun`` has started on this computer, which share its memory."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _wanted() -> int:
    """How many processes ``torchrun`` has started, on all computers."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _leave() -> None:
    """Closes the connections while Python still runs: their threads must not outlive it."""
    if dist.is_initialized():
        dist.destroy_process_group()


def join_processes(device: torch.device) -> Processes:
    """The group that ``torchrun`` has started; a single process where it has not."""
    if _wanted() == 1:
        return Processes()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL talks over the current one
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return Processes(dist.get_rank(), dist.get_world_size())


class JoinedBatchNorm(nn.BatchNorm2d):
    """Batch norm with the statistics of all processes, on any device.

    PyTorch's SyncBatchNorm needs a GPU.
    """

    processes: Processes = Processes()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised features (B, C, ...)."""
        if not self.training or self.processes.count == 1:
            return super().forward(x)
        axes = [0, *range(2, x.ndim)]
        shape = (1, -1, *([1] * (x.ndim - 2)))
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        count = values.numel() // values.shape[1] * self.processes.count
        mean = self.processes.total(values.sum(dim=axes)) / count
        centred = values - mean.view(shape)
        variance = self.processes.total(centred.square().sum(dim=axes)) / count
        self._remember(mean, variance, count)
        scaled = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)

    def _check_input_dim(self, x: torch.Tensor) -> None:
        """Takes (B, C) too."""


def join_norms(module: nn.Module, processes: Processes) -> nn.Module:
    """The module with the statistics of all processes in every norm; same parameter names."""
    if processes.count == 1:
        return module
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and not isinstance(child, JoinedBatchNorm):
            joined = JoinedBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            joined.load_state_dict(child.state_dict())
            joined.processes = processes
            setattr(module, name, joined.to(next(child.parameters()).device))
        elif isinstance(child, IterativeNormalization):
            child.total = processes.total
        else:
            join_norms(child, processes)
    return module
