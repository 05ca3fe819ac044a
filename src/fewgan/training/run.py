"""A run, read back from its folder: what it is, and what it draws."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fewgan import methods
from fewgan.data.imageset import ImageSet, to_bytes, to_float
from fewgan.data.resize import fit
from fewgan.errors import InputError, unknown
from fewgan.methods.base import Method
from fewgan.networks.build import ImageSpec
from fewgan.networks.latents import slerp
from fewgan.networks.translation import INTO, Direction, Translator
from fewgan.training import checkpoint
from fewgan.training.folder import RunFolder

Checkpoint = Literal["best", "last"] | int
"""The best, the last, or one kept on the way: by experiences of a stream, or else by step."""

Asked = str | int | Sequence[str | int] | None
"""A class by name or by its number in the data set; several; or None for all."""


class Run:
    """A finished or unfinished run. Sampling needs this folder only, never the data.

    Args:
        path: The run folder.

    Raises:
        InputError: This is no run folder, or it is damaged or from a newer fewgan.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder(path)
        self.path = self.folder.path
        self.model = self.folder.read_model()
        self.class_names: tuple[str, ...] = tuple(self.model["class_names"])
        """Classes that can be asked for; empty when the run is unconditional."""
        self.class_indices = torch.tensor(self.model["class_indices"], dtype=torch.long)
        """Their numbers in the data set, int64 [len(class_names)]."""
        self._samplers: dict[Checkpoint, nn.Module] = {}
        self.about: dict[Checkpoint, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.model['method']} on {self.model['data']})"

    @property
    def spec(self) -> ImageSpec:
        """Channels, size and number of classes of its images."""
        return ImageSpec(self.model["channels"], self.model["size"], self.model["classes"])

    def sampler(self, which: Checkpoint = "best") -> nn.Module:
        """The averaged generator of a checkpoint, in eval mode on the CPU.

        Raises:
            InputError: The weights are missing, damaged, or of a method that is not installed.
        """
        if which not in self._samplers:
            state, self.about[which] = self._weights(which)
            method = methods.find(self.model["method"])
            settings = method.Settings.model_validate(self.model["settings"])
            sampler = method.make_sampler(settings, self.spec)
            self._fill(sampler, state)
            self._samplers[which] = sampler.eval().requires_grad_(False)
        return self._samplers[which]

    def method(self, which: Literal["best", "last"] = "best") -> Method:
        """The method with all that it had learned at a checkpoint, in eval mode on the CPU.

        Raises:
            InputError: The checkpoint is missing, damaged, or of a method that is not installed.
        """
        kind = methods.find(self.model["method"])
        method = kind(kind.Settings.model_validate(self.model["settings"]), self.spec)
        tensors, _ = checkpoint.read(getattr(self.folder, which))
        self._fill(method, checkpoint.within("method", tensors))
        return method.eval().requires_grad_(False)

    def _fill(self, network: nn.Module, state: dict[str, Tensor]) -> None:
        try:
            network.load_state_dict(state)
        except RuntimeError:
            raise InputError(
                f"the weights in {self.path} do not fit its model.json: was a file swapped?"
            ) from None

    def weights_file(self, which: Checkpoint = "best") -> Path:
        """The file that holds the averaged generator of a checkpoint.

        Raises:
            InputError: No checkpoint of that number was kept.
        """
        if isinstance(which, int):
            if which not in self.folder.numbers:
                kept = ", ".join(map(str, self.folder.numbers)) or "none: train with --snapshots"
                raise InputError(f"{self.path} kept no checkpoint {which}; it kept {kept}")
            return self.folder.kept(which)
        return self.folder.last if which == "last" else self.folder.weights_file

    def _weights(self, which: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, meta = checkpoint.read(self.weights_file(which))
        # The last one has all that training needs beside it.
        return checkpoint.within("ema", tensors) if which == "last" else tensors, meta

    def labels(self, n: int, label: Asked = None) -> Tensor:
        """Labels int64 [n] as the model counts them: one class, or several in equal shares.

        Raises:
            InputError: There is no such class.
        """
        if n < 1:
            raise InputError(f"{n} images were asked for: ask for at least 1")
        if label is None:
            return torch.arange(n) % max(1, len(self.class_names))
        asked = [label] if isinstance(label, str | int) else label
        places = torch.tensor([self.class_place(one) for one in asked])
        return places[torch.arange(n) % len(places)]

    def class_place(self, label: str | int) -> int:
        """Where the model counts a class, given by its name or by its number in the data set.

        Raises:
            InputError: There is no such class, or the run is unconditional.
        """
        if not self.class_names:
            raise InputError(f"{self.path} knows no classes: leave out the label {label!r}")
        numbers = [str(i) for i in self.class_indices.tolist()]
        for known in (list(self.class_names), numbers):
            if str(label) in known:
                return known.index(str(label))
        raise unknown("class", str(label), self.class_names)

    @torch.no_grad()
    def draw(self, z: Tensor, y: Tensor, which: Checkpoint = "best", batch: int = 128) -> Tensor:
        """Images float32 [N,C,H,W] in [-1, 1] for latents z [N,D] and model labels y [N]."""
        sampler = self.sampler(which)
        pairs = zip(z.split(batch), y.split(batch), strict=True)
        return torch.cat([sampler(part, label).contiguous() for part, label in pairs])

    def sample(
        self,
        n: int = 64,
        label: Asked = None,
        seed: int = 0,
        which: Checkpoint = "best",
        batch: int = 128,
    ) -> Tensor:
        """Draw images float32 [n,C,H,W] in [-1, 1].

        Args:
            n: How many.
            label: A class by name or by its number in the data set; several, or all if None, in
                equal shares.
            seed: The same seed gives the same images, whatever the batch size.
            which: The best checkpoint, or the last.
            batch: Images made at once.
        """
        y = self.labels(n, label)
        z = self.sampler(which).latents(y, torch.Generator().manual_seed(seed))  # type: ignore[operator]
        return self.draw(z, y, which, batch)

    def imageset(
        self,
        n: int = 64,
        label: Asked = None,
        seed: int = 0,
        which: Checkpoint = "best",
        batch: int = 128,
    ) -> ImageSet:
        """What `sample` draws, as bytes, with labels as the model counts them (-1 without)."""
        y = self.labels(n, label)
        z = self.sampler(which).latents(y, torch.Generator().manual_seed(seed))  # type: ignore[operator]
        # Converted a batch at a time: bytes of ten thousand images are small, their floats not.
        pairs = zip(z.split(batch), y.split(batch), strict=True)
        images = torch.cat([to_bytes(self.draw(zs, ys, which, batch)) for zs, ys in pairs])
        labels = y if self.class_names else torch.full((n,), -1)
        name = f"{self.model['method']} trained on {self.model['data']}"
        return ImageSet(images, labels, self.class_names, name, self.model["licence"])

    def translator(self, which: Checkpoint = "best") -> Translator:
        """The sampler, if it translates.

        Raises:
            InputError: It does not.
        """
        sampler = self.sampler(which)
        if not isinstance(sampler, Translator):
            raise InputError(
                f"{self.path} is a run of {self.model['method']}, which draws images and does not "
                "translate them: train cyclegan on two classes"
            )
        return sampler

    @torch.no_grad()
    def translate(
        self,
        images: Tensor,
        direction: Direction = "a2b",
        which: Checkpoint = "best",
        batch: int = 32,
    ) -> Tensor:
        """Translate images of one domain into the other.

        Args:
            images: uint8 [N,C,H,H], or float [N,C,H,H] in [-1, 1]; brought to the run's size and
                channels, as data are when they are loaded.
            direction: From the first class to the second (`a2b`), or back.
            which: The best checkpoint, or the last.
            batch: Images translated at once; the result does not depend on it.

        Returns:
            float32 [N,C,S,S] in [-1, 1], of the run's channels and size.

        Raises:
            InputError: The run does not translate, the direction is unknown, or these are no
                square images.
        """
        translator = self.translator(which)
        if direction not in INTO.values():
            raise unknown("direction", direction, sorted(INTO.values()))
        if images.dim() != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
            raise InputError(
                f"images of shape {list(images.shape)} cannot be translated: give [N,C,H,H], C 1 "
                "or 3"
            )
        if images.shape[1:] != (self.spec.channels, self.spec.size, self.spec.size):
            images = images if images.dtype == torch.uint8 else to_bytes(images)
            images = fit(images, self.spec.size, self.spec.channels)
        parts = (to_float(x) if x.dtype == torch.uint8 else x.float() for x in images.split(batch))
        return torch.cat([translator.translate(x, direction).contiguous() for x in parts])

    def own_labels(self, labels: Tensor) -> Tensor:
        """Model labels int64 [N] as the data set's own class indices; -1 without classes."""
        return self.class_indices[labels] if self.class_names else labels

    def interpolate(
        self,
        label: str | int | None = None,
        rows: int = 8,
        columns: int = 10,
        seed: int = 0,
        which: Checkpoint = "best",
    ) -> Tensor:
        """Walk from one latent to another on a great circle, a row for each pair.

        Returns:
            Images float32 [rows * columns, C, H, W] in [-1, 1]; within a row the label is fixed.
        """
        y = self.labels(rows, label)
        generator = torch.Generator().manual_seed(seed)
        sampler = self.sampler(which)
        start, end = (sampler.latents(y, generator) for _ in range(2))  # type: ignore[operator]
        between: Any = getattr(sampler, "between", slerp)  # where a latent is no place on a sphere
        steps = torch.linspace(0, 1, columns).tolist()
        z = torch.stack([between(start, end, t) for t in steps], 1)
        return self.draw(z.flatten(0, 1), y.repeat_interleave(columns), which)

    def walk_to(
        self,
        other: "Run",
        rows: int = 8,
        columns: int = 10,
        seed: int = 0,
        which: Checkpoint = "best",
    ) -> Tensor:
        """Walk from this run's weights to another's, as between two domains adapted to.

        Weights move on straight lines, which stays among generators that draw where both were
        adapted from one source by few steps.

        Args:
            other: A run with the same networks.
            rows: Latents, one a row; with classes, these in turn.
            columns: Places on the way, both ends among them.
            seed: Of the latents.
            which: The checkpoint of both.

        Returns:
            Images float32 [rows * columns, C, H, W] in [-1, 1].

        Raises:
            InputError: The networks differ.
        """
        here, there = (run.sampler(which).state_dict() for run in (self, other))
        form = {name: value.shape for name, value in here.items()}
        if form != {name: value.shape for name, value in there.items()}:
            raise InputError(
                f"{self.path} and {other.path} have other networks: give two runs that were "
                "adapted from the same one by the same method"
            )
        y = self.labels(rows)
        z = self.sampler(which).latents(y, torch.Generator().manual_seed(seed))  # type: ignore[operator]
        between = copy.deepcopy(self.sampler(which))
        images = []
        for t in torch.linspace(0, 1, columns).tolist():
            between.load_state_dict({n: _between(here[n], there[n], t) for n in here})
            with torch.no_grad():
                images.append(between(z, y).contiguous())
        return torch.stack(images, 1).flatten(0, 1)


def _between(a: Tensor, b: Tensor, t: float) -> Tensor:
    """A value on the way from a to b; what cannot be divided changes at the middle."""
    if a.is_floating_point():
        return torch.lerp(a, b, t)
    return a if t < 0.5 else b
