"""The card of a model: `README.md` of the run folder, for whoever is handed the folder alone."""

from pathlib import Path

from fewgan.files import write_text
from fewgan.report.markdown import code, plain, table
from fewgan.report.view import RunView
from fewgan.report.words import by_card, commands, number, plus_minus, remarks, summary, title

INTENDED = (
    "A generator of images like those it was trained on, for research, teaching and augmentation. "
    "It repeats the biases of its data, and with few images it can repeat the images themselves: "
    "read the copies below before sharing what it draws. Whether its images help a classifier is a "
    "question for real images it has never seen."
)


def write_card(run: RunView, path: Path | None = None) -> Path:
    """Write the card to `path`, by default `README.md` in the run folder, and return its path.

    Raises:
        InputError: It cannot be written.
    """
    path = path or run.path / "README.md"
    write_text(path, model_card(run))
    return path


def model_card(run: RunView) -> str:
    """The card as Markdown: what it is, figures with their cards, data and licence, how to use."""
    parts = [f"# {plain(run.method)} on {plain(run.data)}", plain(summary(run))]
    if picture := run.sample_picture:
        parts.append(f"![Generated images](samples/{picture.name})")
    parts += ["## Use", INTENDED, code(commands(run))]
    parts += [
        f"`fewgan resume` goes on where training stopped; `fewgan sample {code_name(run)} --label "
        "CLASS` draws one class. Drawing needs this folder only, never the data."
    ]
    parts += ["## Figures", *_figures(run)]
    if run.uplift:
        parts += ["## Does it help a classifier?", plain(run.uplift["verdict"])]
    if run.alarms:
        lines = [f"- step {number(step)}: {plain(words)}" for step, words in run.alarms]
        parts += ["## Alarms while training", "\n".join(lines)]
    return "\n\n".join([*parts, "## Data", _data(run)]) + "\n"


def code_name(run: RunView) -> str:
    """The folder's name where it can stand in running text as code, else a placeholder."""
    return run.name if run.name.replace("-", "").replace("_", "").isalnum() else "RUN"


def _figures(run: RunView) -> list[str]:
    if not run.figures:
        return ["Not evaluated yet: `fewgan evaluate RUN --data NAME`."]
    parts = []
    for card, members in by_card(run.figures):
        rows = [
            [
                title(figure.name),
                plus_minus(figure.value, figure.spread),
                number(figure.real),
                figure.better,
                plain(remarks(figure)),
            ]
            for figure in members
        ]
        head = ["Figure", "Generated", "Real against real", "Better", "Remarks"]
        parts += [f"Measured with {plain(card)}.", table(head, rows)]
    return parts


def _data(run: RunView) -> str:
    count = run.model.get("train_images")
    lines = [
        f"Data: {plain(run.data)}" + (f", {number(count)} training images" if count else ""),
        f"Classes: {plain(', '.join(run.class_names)) or 'none'}",
        f"Licence of the data: {plain(run.licence)}",
        f"Made with fewgan {plain(str(run.config.get('fewgan', '')))}, networks trained in "
        f"{plain(run.model.get('precision', 'fp32'))}; all settings are in `config.yaml`",
    ]
    lines += [f"{plain(what)}: {plain(how)}" for what, how in run.model.get("remarks", {}).items()]
    return "\n".join(f"- {line}" for line in lines)
