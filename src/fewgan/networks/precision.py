"""Arithmetic of a network while it trains: fp32 throughout, or bf16 inside.

bf16 has the range of fp32 and 8 bits of its precision, so nothing needs scaling. Weights,
optimisers, heads, losses and averages stay fp32; a network takes fp32 in and gives fp32 out. In
eval mode everything is fp32: samples do not depend on what the machine is good at.
"""

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """Base of a network whose layers may compute in bf16 while it trains."""

    precision: str = "fp32"

    def arithmetic(self, x: Tensor) -> torch.autocast:
        """Context for the forward pass on x."""
        low = self.training and self.precision == "bf16"
        return torch.autocast(x.device.type, torch.bfloat16, enabled=low)


def set_precision(module: nn.Module, precision: str) -> None:
    """Let every network in `module` train in `fp32` or `bf16`."""
    for part in module.modules():
        if isinstance(part, Mixed):
            part.precision = precision


def resolve(wish: str, device: torch.device) -> str:
    """`fp32` or `bf16`, for a wish that may be `auto`.

    `auto` is bf16 on GPUs and processors with units that multiply matrices of it. With vector
    instructions alone (AVX-512 BF16) a training step takes 1.1 to 1.7 times as long as in fp32.
    """
    if wish != "auto":
        return wish
    return "bf16" if _multiplies_bf16(device) else "fp32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch cannot say
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
