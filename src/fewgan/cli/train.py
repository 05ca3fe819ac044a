"""Training and going on with it. The settings of a method, pydantic models, become its flags."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from fewgan import methods
from fewgan.cli.base import Json, app, display
from fewgan.errors import InputError
from fewgan.training.settings import RunSettings

if TYPE_CHECKING:
    from fewgan.methods.base import Method

DEFAULTS = RunSettings()


@app.command(help_flags=[], version_flags=[])
def train(*tokens: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Train METHOD on --data, and leave a run folder behind.

    Example: `fewgan train acgan --data mnist --steps 4000 --width 32`

    `fewgan train --help` shows what all methods share, `fewgan train METHOD --help` everything.
    """
    name = next(iter(tokens), "")
    if name.startswith("-") or not name:
        name = _method_of_config(tokens)
    else:
        tokens = tokens[1:]
    if not name:
        _parser("train METHOD", train.__doc__)(list(tokens))
        return

    def run(**given: Any) -> Any:
        from fewgan import api

        return api.train(name, **given)

    _parser(f"train {name}", train.__doc__, methods.find(name), run)(list(tokens))


@app.command(help_flags=[], version_flags=[])
def adapt(*tokens: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Go on from the trained run RUN by METHOD, with the images of --data; RUN stays as it is.

    Example: `fewgan adapt runs/acgan-mnist mergan-ra --data letters --steps 500`

    A method that keeps learning adds the classes of --data to those that RUN knows. A run that was
    meta-trained needs no METHOD: it takes the steps that it was trained to take.
    `fewgan adapt RUN METHOD --help` shows every setting.
    """
    words = list(takewhile(lambda word: not word.startswith("-"), tokens[:2]))
    if not words:
        if not {"--help", "-h"} & set(tokens):
            raise InputError("name a run and a method: fewgan adapt RUN METHOD --data FOLDER")
        _parser("adapt RUN METHOD", adapt.__doc__)(list(tokens))
        return
    from fewgan import api

    source, method = api.load(words[0]), words[1] if words[1:] else None

    def run(**given: Any) -> Any:
        return api.adapt(source, method, **given)

    kind = api.onto(source, method)
    _parser(f"adapt RUN {kind.name}", adapt.__doc__, kind, run)(list(tokens[len(words) :]))


def _method_of_config(tokens: Sequence[str]) -> str:
    """The method that a --config file names, or nothing when help was asked for."""
    if "--help" in tokens or "-h" in tokens:
        return ""
    if "--config" not in tokens or tokens[-1] == "--config":
        raise InputError("name a method: fewgan train METHOD --data NAME (see `fewgan methods`)")
    from fewgan import api

    method = api.read_config(tokens[tokens.index("--config") + 1]).get("method")
    if not method:
        raise InputError("--config names no method: fewgan train METHOD --config FILE")
    return str(method)


def _parser(
    words: str,
    text: str | None,
    kind: "type[Method] | None" = None,
    run: Callable[..., Any] | None = None,
) -> App:
    """The parser of a command that trains: the run's settings and the method's own, as flags."""
    inner = App(
        name=f"fewgan {words}",
        help=text,
        help_format="markdown",
        version_flags=[],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    general = Parameter(name="*", group=Group("Run", sort_key=1))

    if kind is None or run is None:

        @inner.default
        def overview(run: Annotated[RunSettings, general] = DEFAULTS) -> None: ...

        return inner
    own = Parameter(name="*", group=Group(f"Settings of {kind.name}", sort_key=2))
    settings: Any = kind.Settings
    defaults, start = settings(), run

    def main(
        *,
        run: Annotated[RunSettings, general] = DEFAULTS,
        method: Annotated[settings, own] = defaults,
        config: Path | None = None,
        out: Path | None = None,
        as_json: Json = False,
    ) -> None:
        from fewgan import api

        values = api.read_config(config) if config else {}
        values.pop("method", None)
        for given in (run, method):
            values |= given.model_dump(exclude_unset=True)
        display(api.summary(start(out=out, **values)), as_json)

    inner.default(main)
    return inner


@app.command
def resume(run: Path, *, as_json: Json = False) -> None:
    """Go on with an interrupted run, exactly as if it had not been interrupted.

    Example: `fewgan resume runs/acgan-mnist`

    Args:
        run: The run folder.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import api

    display(api.summary(api.resume(run)), as_json)
