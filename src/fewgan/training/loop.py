"""The training loop: one for every method."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewgan.data.feed import Feed
from fewgan.data.imageset import ImageSet
from fewgan.errors import FewganError, InputError
from fewgan.methods.base import Method, Terms
from fewgan.training import checkpoint
from fewgan.training.ema import EMA
from fewgan.training.engine import Engine
from fewgan.training.folder import Log, RunFolder
from fewgan.training.monitor import Best, Check, Monitor, better, loss_alarm
from fewgan.training.settings import RunConfig

AUTOSAVE = 60.0  # seconds between checkpoints when checks are rarer
PICTURE_COLUMNS = 10  # samples of each class in the grid of fixed latents


class Interrupted(KeyboardInterrupt):
    """The person pressed Ctrl-C; the state is saved, and `fewgan resume` goes on."""


class Listener:
    """Something that watches a run: a progress bar, a tracker, a drawer of pictures."""

    def started(self, step: int, share: float) -> None:
        """Training goes on after `step`, when `share` in [0, 1] of the budget is spent."""

    def stepped(self, step: int, share: float, images_per_second: float) -> None:
        """A step is done; told a few times a second."""

    def logged(self, line: dict[str, Any]) -> None:
        """A line was written to metrics.jsonl."""

    def checked(self, line: dict[str, Any], pictures: Tensor, labels: Tensor) -> None:
        """A check was made; `pictures` uint8 [N,C,H,W] come from the fixed latents."""

    def ended(self) -> None:
        """Training stopped, for whatever reason."""


class Trainer:
    """Trains a method on images, inside a run folder.

    Args:
        folder: The run folder, locked by the caller.
        config: The run's settings.
        method: The method, on the engine's device.
        images: Training images, on the engine's device.
        engine: Device and processes.
        listeners: Who watches; only the main process should have any.
        stream: Classes of each experience, in order; nothing: all images are one experience.
        unlabelled: More images, on the engine's device, for a method that needs no labels.

    Of a stream, an experience after another is trained for the steps of the configuration, and
    nothing in here holds images of another than the present one but `stream` itself.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        method: Method,
        images: ImageSet,
        engine: Engine,
        listeners: Sequence[Listener] = (),
        stream: Sequence[Sequence[int]] = (),
        unlabelled: ImageSet | None = None,
    ) -> None:
        self.unlabelled = unlabelled
        self.folder, self.config, self.method = folder, config, method
        self.engine, self.listeners = engine, listeners
        whole = method.together or not stream
        self.streaming = not whole
        self.stream = [images] if whole else [images.of_classes(classes) for classes in stream]
        self.steps_each = config.steps
        if config.steps and whole and stream:
            self.steps_each = config.steps * len(stream)
        self.ema = EMA(method.sampler, config.ema_decay)
        self._show(0, torch.Generator().manual_seed(config.seed))
        engine.share_gradients(method.optimizers.values())
        self._rates = {
            name: [group["lr"] for group in optimizer.param_groups]
            for name, optimizer in method.optimizers.items()
        }
        self.step, self.seconds = 0, 0.0
        self.best: Best | None = None
        self.log: Log | None = None

    def _show(self, experience: int, generator: torch.Generator) -> None:
        """Feed and watch by the images of one experience."""
        config, images = self.config, self.stream[experience]
        self.experience = experience
        self.feed = Feed(
            images,
            config.batch_size,
            generator,
            flip=images.flip if config.flip is None else config.flip,
            warp=config.warp,
            prior=config.label_prior,
            balance=config.class_balance,
            unlabelled=self.unlabelled,
            rank=self.engine.rank,
            world=self.engine.world,
        )
        self.monitor = Monitor(images, self.ema.module, config.check_images, config.seed)

    def _next(self) -> None:
        """Go on to the next experience; what is random goes on where it stood."""
        seen = self.feed.seen
        self._show(self.experience + 1, self.feed.generator)
        self.feed.seen = seen
        self.method.begin(self.feed, self.ema.module)

    # --- state ----------------------------------------------------------------------------------

    def save(self, path_is_best: bool = False) -> None:
        """Write the checkpoint: `last`, or `best` with the model that samples."""
        self._guard()
        if self.log is None:
            return
        tensors = checkpoint.under("method", self.method.state_dict())
        tensors |= checkpoint.under("ema", self.ema.module.state_dict())
        tensors |= checkpoint.under("feed", self.feed.state_dict())
        rng, rng_rest = checkpoint.rng_state()
        tensors |= checkpoint.under("rng", rng)
        groups = {}
        for name, optimizer in self.method.optimizers.items():
            state, groups[name] = checkpoint.optimizer_state(optimizer)
            tensors |= checkpoint.under(f"optimizer.{name}", state)
        meta: dict[str, Any] = {
            "step": self.step,
            "experience": self.experience,
            "images": self.feed.seen,
            "seconds": self.seconds,
        }
        best = asdict(self.best) if self.best else None
        meta |= {"best": best, "log": self.log.mark, "groups": groups, "rng": rng_rest}
        checkpoint.write(self.folder.best if path_is_best else self.folder.last, tensors, meta)
        if path_is_best or (self.step and self.best is None):
            self._write_sampler(self.folder.weights_file, {"best": best})

    def _keep(self, number: int) -> None:
        """Keep the averaged sampler as it stands after so many experiences, or steps."""
        if self.log is not None:
            kept = {"bytes_kept": self.method.bytes_kept}
            self._write_sampler(self.folder.kept(number), kept)

    def _write_sampler(self, file: Path, more: dict[str, Any]) -> None:
        about = {"step": self.step, "images": self.feed.seen, "seconds": self.seconds}
        checkpoint.write(file, self.ema.module.state_dict(), about | more)

    def load(self) -> None:
        """Go back to the last checkpoint, or stay at the beginning when there is none yet."""
        meta: dict[str, Any] = {"log": None}
        if self.folder.last.exists():
            tensors, meta = checkpoint.read(self.folder.last)
            self.method.load_state_dict(checkpoint.within("method", tensors))
            self.ema.module.load_state_dict(checkpoint.within("ema", tensors))
            if meta.get("experience", 0):
                self._show(meta["experience"], self.feed.generator)
            self.feed.load_state_dict(checkpoint.within("feed", tensors))
            checkpoint.load_rng_state(checkpoint.within("rng", tensors), meta["rng"])
            for name, optimizer in self.method.optimizers.items():
                state = checkpoint.within(f"optimizer.{name}", tensors)
                checkpoint.load_optimizer_state(optimizer, state, meta["groups"][name])
            self.step, self.seconds = meta["step"], meta["seconds"]
            self.best = Best(**meta["best"]) if meta["best"] else None
        elif self.folder.best.exists() or self.folder.log_file.stat().st_size:
            raise InputError(f"{self.folder.last} is missing: put it back, or start a new run")
        else:
            self.method.begin(self.feed, self.ema.module)
        if self.engine.main:
            self.log = Log(self.folder.log_file, meta["log"])
        self.engine.wait()
        if not self.folder.last.exists():
            if self.streaming:
                self._keep(0)
            self.save()  # from here on, a missing checkpoint is a lost one

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Train from where the state stands to the end of the budget.

        Raises:
            Interrupted: Ctrl-C was pressed; the state is saved.
            FewganError: A loss is no longer finite; the last good state is kept.
        """
        for listener in self.listeners:
            listener.started(self.step, self.share)
        try:
            with _ctrl_c() as pressed:
                self._run(pressed)
        finally:
            for listener in self.listeners:
                listener.ended()

    def _run(self, pressed: threading.Event) -> None:
        since: list[Terms] = []
        began, told, saved = time.perf_counter() - self.seconds, 0.0, time.perf_counter()
        first = self.feed.seen, time.perf_counter()
        while not self._done():
            if self.within >= 1:
                self._next()
                since = []
            self._set_rates()
            since.append(self.method.step(self.feed))
            self.step += 1
            self.engine.average_buffers(self.method)
            # The average warms up anew in each experience: of the one before it must not lag.
            self.ema.update(self.step - self._began)
            now = time.perf_counter()
            # Clocks differ between processes: where they decide something, on one time for all.
            self.seconds = self.engine.mean(now - began) if self.config.minutes else now - began
            rate = (self.feed.seen - first[0]) / (now - first[1])
            if now - told > 0.2:
                told = now
                for listener in self.listeners:
                    listener.stepped(self.step, self.share, rate)
            if self.step % self.config.log_every == 0:
                self._log_losses(since, rate)
                since = []
            if self.step % self.config.check_every == 0 or self.within >= 1:
                self._check()
                self.save()
                saved = time.perf_counter()
            elif now - saved > AUTOSAVE:
                self.save()
                saved = now
            if self.engine.any(pressed.is_set()):
                self.save()
                raise Interrupted(
                    f"interrupted at step {self.step}, all is saved: "
                    f"fewgan resume {self.folder.path} goes on"
                )

    @property
    def share(self) -> float:
        """Share of the whole budget that is spent; 1 at the end."""
        return (self.experience + self.within) / len(self.stream)

    @property
    def within(self) -> float:
        """Share of the present experience's budget, in steps or minutes, that is spent."""
        steps, minutes = self.steps_each, self.config.minutes
        spent = (self.step - self._began) / steps if steps else 0.0
        return min(1.0, max(spent, self.seconds / (60 * minutes) if minutes else 0.0))

    @property
    def _began(self) -> int:
        """The step after which the present experience began."""
        return self.experience * (self.steps_each or 0)

    def _set_rates(self) -> None:
        """Set the learning rates for this point of the experience."""
        if not self.config.lr_decay:
            return
        factor = min(1.0, (1 - self.within) / self.config.lr_decay)
        for name, rates in self._rates.items():
            # A resume replaces the groups, so they are looked up each time.
            groups = self.method.optimizers[name].param_groups
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * factor

    def _done(self) -> bool:
        return self.share >= 1

    def _log_losses(self, since: list[Terms], rate: float) -> None:
        values = {
            name: torch.stack([terms[name].float() for terms in since]).mean().item()
            for name in since[-1]
        }
        alarm = loss_alarm(values)
        self._write({**values, "images_per_second": round(rate, 1)}, alarm)
        self._guard()

    def _guard(self) -> None:
        """Never let weights that are no longer finite reach a checkpoint."""
        if all(p.isfinite().all() for p in self.method.parameters()):
            return
        kept = f"the best, of step {self.best.step}, is kept" if self.best else "none is kept"
        raise FewganError(
            f"training broke down: at step {self.step} the weights are no longer finite; "
            f"of the checkpoints {kept}: try a lower learning rate, or --spectral --spectral-head"
        )

    def _check(self) -> None:
        self._guard()
        check: Check = self.monitor.check(self.ema.module, self.share)
        # Of a stream the figure sees the present classes only: by it, to forget would be best.
        # Of a few novel images among many it sees hardly any, and copies of these would please.
        contest = not (self.streaming or self.config.shows_few_novel) and self.method.compared
        best = better(self.best if contest else None, self.step, check)
        self.best = best or self.best
        values = {"kid": check.kid, "kid_error": check.kid_error, "diversity": check.diversity}
        values |= {"diversity_min": check.diversity_min, "best": bool(best)}
        line = self._write(values, check.alarm)
        if best:
            self.save(path_is_best=True)
        if self.streaming and self.within >= 1:
            self._keep(self.experience + 1)
        elif self.config.snapshots and not self.streaming:
            self._keep(self.step)
        pictures, labels = self.pictures()
        for listener in self.listeners:
            listener.checked(line, pictures, labels)

    def pictures(self) -> tuple[Tensor, Tensor]:
        """What is drawn now of the fixed latents, uint8 [N,C,H,W], and of which classes."""
        count = PICTURE_COLUMNS * max(PICTURE_COLUMNS, self.monitor.classes)
        labels = self.monitor.labels[:count]
        return self.monitor.generate(self.ema.module)[: len(labels)].cpu(), labels

    def _write(self, values: dict[str, Any], alarm: str | None) -> dict[str, Any]:
        line = {"step": self.step, "seconds": round(self.seconds, 3), "images": self.feed.seen}
        line |= values | ({"alarm": alarm} if alarm else {})
        if self.log is not None:
            self.log.append(line)
        for listener in self.listeners:
            listener.logged(line)
        return line


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """Let the first Ctrl-C (or a request to end) finish the step; a second one stops at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def handle(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_settings(kind: type[Method], config: RunConfig, world: int) -> None:
    """Make sure that the method can do what is asked of it, in so many processes.

    Raises:
        InputError: The method trains in one process, on images as they are, or without novel
            classes, or the batch size is no multiple of the number of processes.
    """
    if config.shows_few_novel and not kind.few_novel:
        raise InputError(
            f"{kind.name} learns from base classes, and novel ones come with fewgan adapt: "
            "leave out --shots or --novel"
        )
    if kind.as_they_are and (config.flip or config.warp):
        raise InputError(f"{kind.name} needs images as they are: leave out --flip and --warp")
    if world > 1 and not kind.shared_out:
        raise InputError(f"{kind.name} trains in one process: start it without torchrun")
    if config.batch_size % world:
        raise InputError(
            f"--batch-size {config.batch_size} cannot be shared by {world} processes: "
            f"make it a multiple of {world}"
        )
