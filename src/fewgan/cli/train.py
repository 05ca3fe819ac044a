"""Training and going on with it. The settings of a method, pydantic models, become its flags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from fewgan import methods
from fewgan.cli.base import Json, app, display
from fewgan.errors import InputError
from fewgan.training.settings import RunSettings

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
    _train_app(name)(list(tokens))


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


def _train_app(name: str) -> App:
    """The parser for one method: the run's settings and the method's own, as flags."""
    inner = App(
        name=f"fewgan train {name or 'METHOD'}",
        help=train.__doc__,
        help_format="markdown",
        version_flags=[],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    general = Parameter(name="*", group=Group("Run", sort_key=1))

    if not name:

        @inner.default
        def overview(run: Annotated[RunSettings, general] = DEFAULTS) -> None: ...

        return inner
    kind = methods.find(name)
    own = Parameter(name="*", group=Group(f"Settings of {name}", sort_key=2))
    settings: Any = kind.Settings
    defaults = settings()

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
        display(api.summary(api.train(kind, out=out, **values)), as_json)

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
