"""How numbers and names are written for people, the same in pages, tables and terminals."""

import math
import shlex
from collections.abc import Iterable

from fewgan.metrics.suite import Card, Figure
from fewgan.report.view import RunView

_NAMES = {
    "fid": ("FID", "distance between real and generated features, as two Gaussians"),
    "kid": ("KID", "distance between real and generated features, unbiased"),
    "intra_fid": ("Intra-class FID", "FID inside each class, averaged: the label is obeyed"),
    "intra_kid": ("Intra-class KID", "KID inside each class, averaged: the label is obeyed"),
    "is": ("Inception Score", "sharp, and of many kinds"),
    "precision": ("Precision", "generated images that lie among real ones"),
    "recall": ("Recall", "real images that lie among generated ones"),
    "density": ("Density", "how densely generated images lie among real ones"),
    "coverage": ("Coverage", "real images with a generated one nearby"),
    "accuracy": ("Accuracy", "a classifier sees the class that was asked for"),
    "accuracy_worst_class": ("Worst-class accuracy", "the same, where it is lowest"),
    "cas": ("CAS", "a classifier trained on generated images, tested on real ones"),
    "cas_worst_class": ("Worst-class CAS", "the same, where it is lowest"),
    "uplift": ("Uplift, points", "generated images over real ones alone, for a classifier"),
    "classic_uplift": ("Classic uplift, points", "the best classic augmentation over none"),
    "uplift_over_classic": ("Uplift over classic, points", "generated images beside augmentation"),
    "backward_transfer": ("Backward transfer", "change of earlier classes since they were learned"),
    "forward_transfer": ("Forward transfer", "what was known of classes before they were learned"),
    "forgetting_from_best": ("Forgetting", "fall of earlier classes from their best accuracy"),
    "bytes_kept": ("Bytes kept", "held beside the networks of a single experience"),
    "lpips": ("LPIPS", "perceptual distance between images of a class"),
    "intra_lpips": ("Intra-cluster LPIPS", "variety around each of few training images"),
    "balanced_lpips": ("Balanced LPIPS", "the same, less where some training images have none"),
    "diversity": ("Diversity", "variety inside a class over that of real images"),
    "diversity_worst_class": ("Worst-class diversity", "the same, where it is lowest"),
    "correspondence": ("Correspondence", "more alike to what the source drew of the same latent"),
    "edge_similarity": ("Edge similarity", "to what the source drew of the same latent"),
    "copies": ("Copies", "share that lies closer to a training image than real images do"),
    "copying_excess": ("Copying excess", "nearest to a training image more often than by chance"),
    "nearest_ratio": ("Nearest ratio", "distance to training over distance to held-out images"),
}
NOTHING = "-"


def title(name: str) -> str:
    """A figure's name as people write it."""
    return _NAMES[name][0] if name in _NAMES else name.replace("_", " ").capitalize()


def gloss(name: str) -> str:
    """What a figure says, in a few words; empty for one that is not known here."""
    return _NAMES[name][1] if name in _NAMES else ""


def number(value: float | None) -> str:
    """Four digits that count, thousands separated; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if not value or isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:.{min(4, max(0, 3 - _magnitude(value)))}f}"


def plus_minus(value: float | None, spread: float | None) -> str:
    """A value with its spread, to two digits of the spread: `0.150 ± 0.035`."""
    if value is None or not spread or not math.isfinite(value) or not math.isfinite(spread):
        return number(value)
    digits = min(6, max(0, 1 - _magnitude(spread)))
    return f"{value:.{digits}f} ± {spread:.{digits}f}"


def _magnitude(value: float) -> int:
    """Power of ten of the first digit; of 1 for zero."""
    return math.floor(math.log10(abs(value))) if value else 0


def duration(seconds: float) -> str:
    """A time span in the two largest units that matter."""
    if not math.isfinite(seconds):
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def eyes(card: Card) -> str:
    """What looked at the images; a classifier that is judged by its answers has no features."""
    about = f" ({card.about})" if card.about else ""
    features = f", {number(card.dim)} features" if card.dim else ""
    return f"{card.extractor}{about}{features}"


def card(figure: Figure) -> str:
    """How a figure was measured, in one line: what must stand wherever the figure does."""
    card = figure.card
    herded = f" (herded from {number(card.drawn)})" if card.drawn else ""
    parts = [
        eyes(card),
        f"{number(card.n_fake)} generated{herded} against {number(card.n_real)} real images of "
        f"{card.reference}",
        f"generator trained on {card.train}",
    ]
    if card.steps is not None:
        parts.append(f"{number(card.steps)} steps, {number(card.images_seen)} images seen")
    return " · ".join([*parts, f"seed {card.seed}"])


def remarks(figure: Figure) -> str:
    """What the card says of this figure alone: its neighbours, its spread, its note."""
    parts = [f"k = {figure.card.k}"] if figure.card.metric == "prdc" else []
    if figure.spread is not None:
        parts.append(f"± is {figure.spread_is or 'the spread'}")
    return "; ".join([*parts, figure.card.note] if figure.card.note else parts)


def by_card(figures: Iterable[Figure]) -> list[tuple[str, list[Figure]]]:
    """Figures under the card that they share, in their order."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(card(figure), []).append(figure)
    return list(groups.items())


def commands(run: RunView) -> list[str]:
    """What to type, beside the run folder, to repeat the run and its figures, and to draw more."""
    here, again = shlex.quote(run.name), shlex.quote(f"{run.name}-again")
    lines = [f"fewgan train --config {shlex.quote(f'{run.name}/config.yaml')} --out {again}"]
    if run.evaluation:
        known = run.evaluation
        options = "".join(
            f" --{name} {shlex.quote(str(known[name]))}"
            for name in ("data", "n", "seed", "checkpoint", "herd")
            if known.get(name) is not None
        )
        lines.append(f"fewgan evaluate {again}{options}")
    return [*lines, f"fewgan sample {here} --n 64 --out samples.png"]


def summary(run: RunView) -> str:
    """One paragraph: what was trained, on what, for how long, and how it came out."""
    total, size = run.model.get("train_images"), run.model.get("size", "?")
    kind = "grey" if run.model.get("channels") == 1 else "colour"
    images = f"{number(total)} {kind} images" if total else f"{kind} images"
    classes = f" in {len(run.class_names)} classes" if run.class_names else ""
    last = run.last
    parts = [
        f"{run.method} learnt from {images} of {run.data}{classes}, {size} pixels a side: "
        f"{number(last['step'])} steps, {number(last['images'])} images seen, "
        f"{duration(last['seconds'])} of training."
    ]
    if run.best:
        parts.append(
            f"Its best checkpoint is step {number(run.best['step'])}, chosen without a test image."
        )
    if not run.figures:
        parts.append("It has not been evaluated yet.")
    if run.alarms:
        parts.append(f"Training raised {count(len(run.alarms), 'alarm')}.")
    return " ".join(parts)


def count(amount: int, thing: str) -> str:
    """`1 alarm`, `2 alarms`."""
    return f"{amount:,} {thing}" + ("s" if amount != 1 else "")
