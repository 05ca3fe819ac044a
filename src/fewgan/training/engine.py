"""Devices and processes: one process by default, several under `torchrun`, the same code.

Networks stay raw, with no wrapper, so that they can be copied, averaged and called functionally.
A hook averages the gradients before each optimiser's step, and floating-point buffers are
averaged after each step; with the same draws shared out (see `Feed`) all processes then hold the
same bits.
"""

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from fewgan.errors import InputError


class Engine:
    """Where this process computes, and how it agrees with the others.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: A GPU was asked for and there is none.
    """

    def __init__(self, device: str = "auto") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("no GPU can be used here: give --device cpu, or leave it at auto")
        cpu = device == "cpu" or not torch.cuda.is_available()
        self.accelerator: Any = None
        self.rank, self.world = 0, int(os.environ.get("WORLD_SIZE", "1"))
        self.device = torch.device("cpu" if cpu else "cuda")
        if self.world > 1:
            from accelerate import Accelerator

            self.accelerator = Accelerator(cpu=cpu)
            self.rank, self.device = self.accelerator.process_index, self.accelerator.device

    @property
    def main(self) -> bool:
        """This process writes the run folder and shows the progress."""
        return self.rank == 0

    def share_gradients(self, optimizers: Iterable[Optimizer]) -> None:
        """Average gradients over the processes before every step of these optimisers."""
        if self.world > 1:
            for optimizer in optimizers:
                optimizer.register_step_pre_hook(self._average_gradients)

    def _average_gradients(self, optimizer: Optimizer, *_: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._average([p.grad for p in parameters if p.grad is not None])

    def average_buffers(self, module: torch.nn.Module) -> None:
        """Make floating-point buffers, such as running statistics, their mean over processes."""
        if self.world > 1:
            self._average([b for b in module.buffers() if b.is_floating_point()])

    def _average(self, tensors: list[Tensor]) -> None:
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        mean = self.accelerator.reduce(flat, "mean")
        with torch.no_grad():
            for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Is `flag` true in any process? All get the same answer."""
        if self.world == 1:
            return flag
        total = self.accelerator.reduce(torch.tensor(float(flag), device=self.device), "sum")
        return bool(total.item() > 0)

    def mean(self, value: float) -> float:
        """The mean of `value` over the processes, the same in all of them."""
        if self.world == 1:
            return value
        total = self.accelerator.reduce(torch.tensor(value, device=self.device), "mean")
        return float(total.item())

    def share(self, value: str) -> str:
        """The main process's value, in every process."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([value])[0])

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()
