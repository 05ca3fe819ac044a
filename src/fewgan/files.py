"""Files that survive: written atomically, sealed with a hash, and unable to run code when read.

A *sealed* file carries the SHA-256 of its own content, so that a flipped bit, a cut tail or a
swapped file is noticed when it is read and never becomes a wrong picture or a wrong figure.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fewgan.errors import InputError


def cache_folder() -> Path:
    """Where data and trained extractors are kept: `$FEWGAN_HOME`, else `~/.cache/fewgan`."""
    return Path(os.environ.get("FEWGAN_HOME") or Path.home() / ".cache" / "fewgan")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path` at once.

    A crash, a full disk or a kill leaves whatever stood at `path` untouched.

    Raises:
        InputError: There is no space, or no permission to write.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot write {path}: {reason}; free some space or choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- sealed JSON ------------------------------------------------------------------------------


def _json_seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as indented JSON with its own seal under `sha256`, atomically."""
    write_text(path, json.dumps({**content, "sha256": _json_seal(content)}, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote, without the seal.

    Raises:
        InputError: The file is missing, is not JSON, or does not match its seal.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        seal = content.pop("sha256")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; is the folder complete?") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InputError(f"{path} is damaged: not the JSON that fewgan writes") from None
    if seal != _json_seal(content):
        raise InputError(f"{path} is damaged or was edited: its content does not match its seal")
    return content


# --- sealed tensors ---------------------------------------------------------------------------


def _tensor_seal(tensors: Mapping[str, Tensor], meta: str) -> str:
    digest = hashlib.sha256(meta.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"|{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write named tensors and JSON-able `meta` as one sealed safetensors file, atomically."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(meta, sort_keys=True)
    data = save(held, {"fewgan": text, "sha256": _tensor_seal(held, text)})
    with atomic(path) as partial:
        partial.write_bytes(data)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote: the tensors on the CPU, and the meta data.

    Raises:
        InputError: The file is missing, cut, damaged, or not one of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text, seal = header["fewgan"], header["sha256"]
    except OSError as error:
        reason = error.strerror or "no such file"
        raise InputError(f"cannot read {path}: {reason}; is the folder complete?") from None
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError):
        raise InputError(f"{path} is damaged: not a file that fewgan wrote") from None
    if seal != _tensor_seal(tensors, text):
        raise InputError(f"{path} is damaged: its content does not match its seal")
    return tensors, json.loads(text)
