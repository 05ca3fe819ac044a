"""Arithmetic of a network while it trains: fp32 throughout, or bf16 inside.

bf16 has the range of fp32 and 8 bits of its precision, so nothing needs scaling. Weights,
optimisers, heads, losses and averages stay fp32; a network takes fp32 in and gives fp32 out. In
eval mode everything is fp32: samples do not depend on what the machine is good at.
"""

import contextlib
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewgan.errors import InputError
from fewgan.files import cache_folder, read_json, write_json

ENOUGH = 1.25  # times as fast, for bf16 to be worth its rounding


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

    `auto` is bf16 on GPUs and processors with units that multiply matrices of it. Where there are
    vector instructions alone (AVX-512 BF16), some processors are faster with them and some slower:
    one convolution is timed both ways, once a machine.
    """
    if wish != "auto":
        return wish
    return "bf16" if _multiplies_bf16(device) else "fp32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch cannot say
        return False
    known = torch.cpu.get_capabilities()
    if known.get("amx_bf16"):
        return True
    return bool(known.get("avx512_bf16")) and _gain(str(known.get("cpu_name"))) > ENOUGH


def _gain(processor: str) -> float:
    """Time of a convolution in fp32 over that in bf16, as noted when it was first asked for.

    A run must not change its arithmetic with what else the machine is doing, so the answer is kept.
    """
    place = cache_folder() / "precision.json"
    asked = f"{processor}, torch {torch.__version__}"
    try:
        noted = read_json(place)
    except InputError:
        noted = {}
    if asked not in noted:
        noted[asked] = seconds(torch.float32) / seconds(torch.bfloat16)
        with contextlib.suppress(InputError):  # no place to keep it: ask again next time
            write_json(place, noted)
    return float(noted[asked])


def seconds(dtype: torch.dtype) -> float:
    """Shortest time of a convolution of a training step, there and back, in numbers of `dtype`."""
    x, weight = (
        torch.ones(shape, dtype=dtype)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_(True)
        for shape in ((32, 64, 16, 16), (128, 64, 4, 4))
    )
    times = []
    for _ in range(8):
        began = time.perf_counter()
        F.conv2d(x, weight, stride=2, padding=1).sum().backward()
        times.append(time.perf_counter() - began)
    return min(times)
