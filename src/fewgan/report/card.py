"""README.md of a run folder: what it is, for whoever finds it later."""

from pathlib import Path

from fewgan.files import write_text
from fewgan.report.view import RunView, card_line, label, number, with_spread


def write_card(view: RunView, path: Path) -> Path:
    """Write the card of a run in Markdown.

    Raises:
        InputError: It cannot be written.
    """
    write_text(path, "\n\n".join([*_what(view), *_figures(view), *_how(view)]) + "\n")
    return path


def _what(view: RunView) -> list[str]:
    model, about = view.model, view.about
    classes = ", ".join(name.replace("|", "/") for name in model["class_names"]) or "none"
    facts = {
        "method": model["method"],
        "data": f"{model['data']} ({model['train_images']:,} training images)",
        "licence of the data": model["licence"],
        "images": f"{model['size']} px, {'grey' if model['channels'] == 1 else 'colour'}",
        "classes": classes,
        "step": f"{about['step']:,} of {view.last_step:,}",
        "images seen": f"{about['images']:,}",
        "seed": str(view.config["seed"]),
        "fewgan": model["fewgan"],
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return [f"# {view.title}", f"| | |\n|---|---|\n{rows}"]


def _figures(view: RunView) -> list[str]:
    if not view.figures:
        return ["Not evaluated yet."]
    rows = "\n".join(
        f"| {label(f['name'])} | {with_spread(f)} | {number(f['real'])} |" for f in view.figures
    )
    cards = "\n".join(f"- {line}" for line in sorted({card_line(f["card"]) for f in view.figures}))
    return [f"| figure | generated | real images |\n|---|---|---|\n{rows}", cards]


def _how(view: RunView) -> list[str]:
    # The folder may be renamed or moved: from inside it, it is always the dot.
    commands = ["sample . --n 64 --out samples.png", "resume .", "report ."]
    lines = "\n".join(f"fewgan {command}" for command in commands)
    return [f"In this folder:\n\n```\n{lines}\n```"]
