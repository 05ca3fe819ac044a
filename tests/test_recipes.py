"""Every recipe: its settings are valid, and it trains into a run that can be opened."""

from pathlib import Path

import pytest

import fewgan
from fewgan import api, data, methods
from fewgan.cli import main
from fewgan.training.settings import RunSettings

OF_META = {"inner": "reptile-1mlp"}
RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))
TINY = {
    "data": "digits", "steps": 2, "batch-size": 8, "check-images": 40, "width": 4, "d-width": 4,
}  # fmt: skip


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def recipe(request) -> Path:
    return request.param


def test_settings_are_known_in_range_and_kept(recipe):
    given = api.read_config(recipe)
    kind = methods.find(given.pop("method"))
    config = api.make_config(kind, given | ({"source": "runs/any"} if kind.adapts else {}))
    resolved = config.model_dump() | config.settings
    assert {name: resolved[name] for name in given} == given


def test_data_set_exists_and_names_the_file(recipe):
    config = api.read_config(recipe)
    assert config["data"] in data.sources()
    assert recipe.stem == f"{config['data']}-{config['method']}"


def test_comment_says_what_to_expect_and_how_long(recipe):
    lines = recipe.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line for line in lines if line.startswith("#"))
    assert lines[0].startswith("# ")
    assert "Expect" in comment
    assert any(word in comment for word in ("second", "minute", "hour"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, str]:
    """A run to adapt, of each method that recipes to adapt need."""
    place, given = tmp_path_factory.mktemp("source"), {k.replace("-", "_"): TINY[k] for k in TINY}
    for name in {"acgan", *OF_META.values()}:
        fewgan.train(name, out=place / name, progress=False, **given)
    return {name: str(place / name) for name in ("acgan", *OF_META.values())}


def test_trains_on_stand_in_data_into_a_run_that_draws(recipe, sources, tmp_path):
    config = api.read_config(recipe)
    kind = methods.find(config["method"])
    known = {*kind.Settings.model_fields, *RunSettings.model_fields}
    words, tiny = ["train"], {n: v for n, v in TINY.items() if n.replace("-", "_") in known}
    if kind.adapts:  # networks are the source's
        source = sources[OF_META.get(config["method"], "acgan")]
        words = ["adapt", source, config["method"]]
        tiny = {name: value for name, value in tiny.items() if "width" not in name}
    flags = [word for name, value in tiny.items() for word in (f"--{name}", str(value))]
    out = tmp_path / "run"
    assert main([*words, "--config", str(recipe), *flags, "--out", str(out)]) == 0
    run = fewgan.load(out)
    assert run.model["method"].partition(":")[0] == config["method"]
    size = config.get("size", 32)
    assert run.sample(3).shape == (3, 1, size, size)
    repeated = api.read_config(out / "config.yaml")
    assert (repeated["steps"], repeated["width"]) == (2, 4)  # flags win over the file
    assert repeated["seed"] == config["seed"]
