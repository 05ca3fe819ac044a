"""What there is: methods and data sets."""

from pathlib import Path

from cyclopts import App

from fewgan import methods
from fewgan.cli.base import Json, app, display
from fewgan.errors import InputError

data_app = App(name="data", help="Data sets: list, fetch, show.")
app.command(data_app)


@app.command(name="methods")
def list_methods(*, as_json: Json = False) -> None:
    """List the methods by regime, one line each.

    Example: `fewgan methods`
    """
    infos = methods.available().values()
    rows = [{"method": i.name, "regime": i.regime, "summary": i.summary} for i in infos]
    display(rows, as_json)


@data_app.command(name="list")
def list_data(*, as_json: Json = False) -> None:
    """List the named data sets, what they hold and how to get them.

    Example: `fewgan data list`
    """
    from fewgan import outputs

    display(outputs.list_data(), as_json)


@data_app.command
def fetch(*names: str, source: Path | None = None, as_json: Json = False) -> None:
    """Bring data sets to this machine, once, checked by hash.

    Example: `fewgan data fetch mnist fashion-mnist`

    Args:
        names: Data sets to fetch.
        source: A folder or archive on this machine that holds the data set.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import data

    if not names:
        raise InputError("name a data set to fetch: fewgan data fetch mnist")
    rows = []
    for name in names:
        found = data.fetch(name, source)
        rows.append({"data": name, "served by": found.served_by, "folder": str(found.path)})
    display(rows, as_json)


@data_app.command
def show(
    name: str,
    *,
    size: int = 32,
    out: Path | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    as_json: Json = False,
) -> None:
    """Show counts and classes of a data set or a folder, and draw a preview.

    Example: `fewgan data show my_photos --out preview.png`

    Args:
        name: A named data set or a folder of images.
        size: Side in pixels to show the images at.
        out: Picture to draw; `<name>-preview.png` in the current folder when left out.
        skip_corrupt: Leave out images that cannot be read.
        overwrite: Replace the picture if it exists.
        as_json: Print one JSON object instead of tables.
    """
    from fewgan import outputs

    summary, rows = outputs.show_data(name, size, out, skip_corrupt, overwrite)
    if as_json:
        display({**summary, "classes": rows}, True)
    else:
        display(summary, False)
        display(rows, False)
