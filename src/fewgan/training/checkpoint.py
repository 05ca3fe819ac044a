"""Checkpoints: all that an exact resume needs, in one sealed file that replaces the last at once.

A checkpoint holds tensors under dotted names (`method.`, `ema.`, `optimizer.<name>.`, `feed.`,
`rng.`) and the small rest as JSON in the header. No pickle, so it cannot run code.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from fewgan.errors import InputError
from fewgan.files import read_tensors, write_tensors

Tensors = dict[str, Tensor]


def under(prefix: str, tensors: Tensors) -> Tensors:
    """Names with `prefix.` before them."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def within(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose name begins with `prefix.`, without it."""
    start = prefix + "."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


# --- optimisers -------------------------------------------------------------------------------


def optimizer_state(optimizer: Optimizer) -> tuple[Tensors, list[dict[str, Any]]]:
    """An optimiser's state: tensors named `<parameter>.<key>`, and its groups' hyper-parameters."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{key}": torch.as_tensor(value)
        for index, entry in state["state"].items()
        for key, value in entry.items()
    }
    return tensors, state["param_groups"]


def load_optimizer_state(optimizer: Optimizer, tensors: Tensors, groups: list[Any]) -> None:
    """Put back what `optimizer_state` took.

    Moments get the memory layout of their parameter: the fused Adam walks both flat in memory, so
    that a channels-last weight with a contiguous moment would be updated with others' moments.
    A count that was a plain number (SparseAdam's steps) becomes one again: as a tensor it would be
    raised to powers in single precision.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    entries: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        if tensor.dim() == 0 and not tensor.is_floating_point():
            entries.setdefault(int(index), {})[key] = int(tensor)
            continue
        parameter = parameters[int(index)]
        alike = parameter.detach() if tensor.shape == parameter.shape else tensor
        entries.setdefault(int(index), {})[key] = torch.empty_like(
            alike, dtype=tensor.dtype, device=tensor.device
        ).copy_(tensor)
    optimizer.load_state_dict({"state": entries, "param_groups": groups})


# --- random number generators other than the feed's --------------------------------------------


def rng_state() -> tuple[Tensors, dict[str, Any]]:
    """State of the global generators of torch (CPU and GPUs), numpy and Python."""
    version, words, gauss = random.getstate()
    numpy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    _, keys, place, has_gauss, cached = numpy
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(keys.astype(np.int64))}
    if torch.cuda.is_available():
        states = torch.cuda.get_rng_state_all()
        tensors |= {f"cuda{i}": state for i, state in enumerate(states)}
    rest = {"python": [version, list(words), gauss], "numpy": [place, has_gauss, cached]}
    return tensors, rest


def load_rng_state(tensors: Tensors, rest: dict[str, Any]) -> None:
    """Put back what `rng_state` took; states of GPUs that are not here are left aside."""
    torch.set_rng_state(tensors["torch"])
    for i in range(torch.cuda.device_count()):
        if f"cuda{i}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda{i}"], i)
    version, words, gauss = rest["python"]
    random.setstate((version, tuple(words), gauss))
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, *rest["numpy"]))  # noqa: NPY002


# --- the file -----------------------------------------------------------------------------------


def write(path: Path, tensors: Tensors, meta: dict[str, Any]) -> None:
    """Write a checkpoint; whatever stood at `path` stays until the new one is complete."""
    write_tensors(path, tensors, meta)


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read a checkpoint.

    Raises:
        InputError: It is missing or damaged.
    """
    return read_tensors(path)


def load_matching(module: torch.nn.Module, tensors: Tensors, source: str) -> int:
    """Copy into `module` the tensors that agree with it in name and shape; say how many did.

    Raises:
        InputError: None does, so there is nothing to begin with.
    """
    own = module.state_dict()
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise InputError(f"no weights of {source} fit this method and its settings: check both")
    module.load_state_dict(fitting, strict=False)
    return len(fitting)
