"""The run folder: what a run leaves behind, checked whenever it is read.

config.yaml         all settings; `fewgan train --config config.yaml` repeats the run
model.json          how to build what samples, and the seals of the two files that never change
splits.json         which images were trained on, and which were held out
model.safetensors   the averaged sampler at the best checkpoint
checkpoint/         best.safetensors and last.safetensors, everything for an exact resume
kept/               averaged samplers on the way: of a stream after 0, 1, 2, ... experiences, and
                    with --snapshots after the steps of each check
metrics.jsonl       one line for each logged step
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from pydantic import ValidationError

from fewgan.data.splits import Division
from fewgan.errors import InputError
from fewgan.files import read_json, sha256_file, write_json, write_text
from fewgan.training.settings import RunConfig

FORMAT = 1  # of the run folder; raised when an older fewgan could not read a newer one


class RunFolder:
    """Paths and invariants of a run folder.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.model_file = self.path / "model.json"
        self.splits_file = self.path / "splits.json"
        self.weights_file = self.path / "model.safetensors"
        self.log_file = self.path / "metrics.jsonl"
        self.samples = self.path / "samples"
        self.best = self.path / "checkpoint" / "best.safetensors"
        self.last = self.path / "checkpoint" / "last.safetensors"

    def kept(self, number: int) -> Path:
        """File of an averaged sampler on the way, by experiences learned or by step; 0: before."""
        return self.path / "kept" / f"{number}.safetensors"

    @property
    def numbers(self) -> list[int]:
        """Numbers of the samplers that were kept on the way, ascending."""
        return sorted(int(file.stem) for file in (self.path / "kept").glob("*.safetensors"))

    @classmethod
    def create(
        cls, path: Path, config: RunConfig, model: dict[str, Any], division: Division
    ) -> "RunFolder":
        """Make a run folder at once, complete or not at all.

        Raises:
            InputError: Something stands there already, or it cannot be written.
        """
        check_free(path)
        staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
        folder = cls(staging)
        try:
            (staging / "checkpoint").mkdir(parents=True)
            folder.samples.mkdir()
            text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
            write_text(folder.config_file, text)
            division.save(folder.splits_file)
            seals = {f: sha256_file(staging / f) for f in ("config.yaml", "splits.json")}
            write_json(folder.model_file, {"format": FORMAT, **model, "seals": seals})
            folder.log_file.touch()
            staging.rename(path)
        except OSError as error:
            raise InputError(
                f"cannot make the run folder {path}: {error.strerror}; give another --out"
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return cls(path)

    def read_model(self) -> dict[str, Any]:
        """What `model.json` says.

        Raises:
            InputError: This is no run folder, or the file is damaged or from a newer fewgan.
        """
        if not self.path.is_dir():
            raise InputError(f"there is no run folder {self.path}: check the path")
        if not self.model_file.exists():
            raise InputError(f"{self.path} is not a complete run folder: it has no model.json")
        model = read_json(self.model_file)
        if model["format"] > FORMAT:
            raise InputError(
                f"{self.path} was made by fewgan {model.get('fewgan', '(newer)')}, which is newer "
                "than this one: upgrade fewgan to read it"
            )
        return model

    def read_config(self) -> RunConfig:
        """All settings of the run.

        Raises:
            InputError: The file is missing, damaged or was edited.
        """
        self._check_seal("config.yaml")
        try:
            text = self.config_file.read_text(encoding="utf-8")
            return RunConfig.model_validate(yaml.safe_load(text))
        except (yaml.YAMLError, ValidationError, UnicodeDecodeError):
            raise InputError(f"{self.config_file} is not a run's configuration") from None

    def read_splits(self) -> Division:
        """Which images were trained on, as `selection.choose` chose them.

        Raises:
            InputError: The file is missing or damaged.
        """
        self._check_seal("splits.json")
        return Division.load(self.splits_file)

    def _check_seal(self, name: str) -> None:
        file = self.path / name
        if not file.exists():
            raise InputError(f"{self.path} is not a complete run folder: it has no {name}")
        if sha256_file(file) != self.read_model()["seals"].get(name):
            raise InputError(
                f"{file} is damaged or was edited since the run began: put the original back, "
                "or start a new run with --config"
            )

    def lock(self) -> FileLock:
        """Take the run for this process; the lock is freed when the process ends, however it ends.

        Raises:
            InputError: Another process is training in this folder.
        """
        lock = FileLock(self.path / "checkpoint" / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"another process is training in {self.path}: wait for it, or stop it first"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write in {self.path}: {error.strerror}") from error
        return lock


def check_free(path: Path) -> None:
    """Make sure that a run folder can be made at `path`.

    Raises:
        InputError: Something stands there already.
    """
    if path.is_dir() and any(path.iterdir()):
        what = "another run" if (path / "model.json").exists() else "other files"
        raise InputError(f"{path} already holds {what}: give another --out, or resume that run")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give another --out")


class Log:
    """`metrics.jsonl`: lines that are appended, and cut back to the checkpoint on resume.

    Args:
        path: The file.
        mark: What `mark` gave when the checkpoint was written; None to begin anew.

    Raises:
        InputError: The lines before the checkpoint are not those that were written.
    """

    def __init__(self, path: Path, mark: dict[str, Any] | None = None) -> None:
        self.path = path
        size = mark["bytes"] if mark else 0
        kept = path.read_bytes()[:size] if path.exists() else b""
        self._hash, self._size = hashlib.sha256(kept), len(kept)
        if mark and self._hash.hexdigest() != mark["sha256"]:
            raise InputError(f"{path} is damaged: its lines are not those that were logged")
        with path.open("ab") as file:
            file.truncate(size)

    def append(self, line: dict[str, Any]) -> None:
        """Write one line."""
        data = (json.dumps(line) + "\n").encode()
        with self.path.open("ab") as file:
            file.write(data)
        self._hash.update(data)
        self._size += len(data)

    @property
    def mark(self) -> dict[str, Any]:
        """Size and hash so far, for the checkpoint."""
        return {"bytes": self._size, "sha256": self._hash.hexdigest()}
