"""The house agrees with itself: names, recipes, pages, docstrings, imports, what is shipped."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from fewgan import api, cli, methods
from fewgan.errors import InputError
from fewgan.training.settings import RunSettings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "fewgan"
MODULES = sorted(SOURCE.rglob("*.py"))
METHODS = [i for i in methods.available().values() if i.module.startswith("fewgan.")]
LAYERS = (
    ("errors",),
    ("files",),
    ("data",),
    ("networks", "losses"),
    ("metrics",),
    ("methods", "training"),
    ("report", "outputs"),
    ("api",),
    ("benchmark",),
    ("cli",),
    ("__main__",),
)
"""From the ground up: a module imports from its own layer and from those before it."""
STRANGERS = {"networks": "losses", "losses": "networks"}
"""Neighbours in a layer that know nothing of each other."""


def module_id(path: Path) -> str:
    return str(path.relative_to(SOURCE.parent))


def tracked() -> list[Path]:
    """Text files that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / line for line in listed.stdout.splitlines()]
    return [f for f in files if f.is_file() and f.suffix not in (".png", ".npz", ".safetensors")]


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", METHODS, ids=lambda info: info.name)
def test_settings_keep_their_range_whatever_their_default(info):
    kind = methods.find(info.name)
    outside = {"g_lr": -1, "d_lr": 0, "beta1": 1, "beta2": -0.1, "d_steps": 0, "g_class_weight": -1}
    for name, value in outside.items():
        if name in kind.Settings.model_fields:
            with pytest.raises(InputError, match=f"setting {name} = "):
                api.make_config(kind, {"data": "digits", name: value})


@pytest.mark.parametrize("info", METHODS, ids=lambda info: info.name)
def test_header_of_a_method_is_what_its_class_says(info):
    kind = methods.find(info.name)
    assert kind.name == info.name
    assert kind.__module__ == info.module
    # Python can import no name that begins with a digit: `2ngan` lives in two_ngan.py.
    file = re.sub("[-+]", "_", re.sub("^2", "two_", info.name))
    assert info.module == f"fewgan.methods.{file}"
    assert kind.Settings.__doc__
    assert f"`{info.name}`" in kind.Settings.__doc__


@pytest.mark.parametrize("info", METHODS, ids=lambda info: info.name)
def test_settings_of_a_method_are_explained_and_their_defaults_pass(info):
    settings = methods.find(info.name).Settings
    settings.model_validate(settings().model_dump())
    assert [n for n, field in settings.model_fields.items() if not field.description] == []


def choices(annotation: Any) -> list[Any]:
    """Values that a type offers by name."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for part in get_args(annotation) for value in choices(part)]


def parsed(kind: Any, words: list[str]) -> dict[str, Any]:
    """What the command line's parser hands on to `fewgan.train`."""

    class HandedError(Exception):
        pass

    def start(**values: Any) -> None:
        raise HandedError(values)

    with pytest.raises(HandedError) as handed:
        cli.train._parser("train", "", kind, start)(words)
    return handed.value.args[0]


@pytest.mark.parametrize("info", [None, *METHODS], ids=lambda info: info.name if info else "run")
def test_flags_take_every_choice_that_their_help_offers(info):
    kind = methods.find(info.name if info else "dcgan")
    own = kind.Settings if info else RunSettings
    for name, field in own.model_fields.items():
        for value in choices(field.annotation):
            flag = f"--{name.replace('_', '-')}"
            assert parsed(kind, [flag, str(value)])[name] == value, flag


@pytest.mark.parametrize("info", METHODS, ids=lambda info: info.name)
def test_no_setting_of_a_method_is_called_as_one_of_a_run(info):
    own = methods.find(info.name).Settings.model_fields
    assert not own.keys() & RunSettings.model_fields.keys()


@pytest.mark.parametrize("info", METHODS, ids=lambda info: info.name)
def test_method_has_a_recipe_and_a_page_that_runs_it(info):
    recipes = [api.read_config(file)["method"] for file in (ROOT / "recipes").glob("*.yaml")]
    assert info.name in recipes
    page = (ROOT / "docs" / "methods" / f"{info.name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {info.name}\n")
    command = "fewgan adapt RUN" if info.regime == "adapt" else "fewgan train"
    assert f"{command} {info.name} " in re.sub(r"adapt runs/\S+", "adapt RUN", page)
    assert info.name in (ROOT / "README.md").read_text(encoding="utf-8")


# --- the source ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_says_what_it_is(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text
    assert text.splitlines()[0].endswith((".", ":", "?"))


def layer(module: str) -> int:
    """The layer of `fewgan.<part>...`; the package itself is below all, as it imports lazily."""
    part = [*module.split("."), ""][1]
    return next((i for i, names in enumerate(LAYERS) if part in names), -1)


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_imports_point_down_only(path):
    own = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    if own == "fewgan.__init__":
        return  # offers the API by name, and imports it when it is first used
    assert layer(own) >= 0, f"tell test_consistency.LAYERS where {own} stands"
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fewgan":
            imported |= {f"fewgan.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    ours = {name for name in imported if name.split(".")[0] == "fewgan"}
    assert [name for name in sorted(ours) if layer(name) > layer(own)] == []
    strange = STRANGERS.get(own.split(".")[1])
    assert [name for name in sorted(ours) if name.split(".")[1:2] == [strange]] == []


def test_no_module_asks_which_method_it_works_for():
    names = "|".join(info.name for info in METHODS)
    branch = re.compile(rf"\b(if|elif|case)\b.*[\"']({names})[\"']")
    found = [
        f"{module_id(path)}: {line.strip()}"
        for path in MODULES
        for line in path.read_text(encoding="utf-8").splitlines()
        if branch.search(line)
    ]
    assert found == []


def test_every_command_has_a_worked_example():
    lacking = []
    for app, prefix in ((cli.app, ""), (cli.data.data_app, "data ")):
        for name in app:
            command = app[name]
            if name.startswith("-") or command is cli.data.data_app:
                continue
            text = command.default_command.__doc__ or ""
            if f"Example: `fewgan {prefix}{name}" not in text:
                lacking.append(prefix + name)
    assert lacking == []


# --- what is shipped ----------------------------------------------------------------------------


def test_text_names_no_home_folder_and_no_registry():
    # Put together here, so that this file does not hold what it looks for.
    homes = ["/" + "home/", "/" + "root/", "/" + "Users/", "C:" + "\\Users"]
    registries = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "registry." + "npm"]
    registries += ["deb." + "debian.org", "download." + "pytorch.org"]
    pattern = re.compile("|".join(map(re.escape, homes + registries)))
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_constraints_pin_everything_that_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    asked = {_name(line) for lines in [project["dependencies"], *extras] for line in lines}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", pin)] == []
    assert len({_name(pin) for pin in pins}) == len(pins)
    assert asked - {_name(pin) for pin in pins} - {"fewgan"} == set()


def _name(requirement: str) -> str:
    """The distribution that a requirement names, in its normal form."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]).lower()


def test_version_is_the_same_everywhere():
    from fewgan import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert __version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_wheel_holds_the_whole_package(tmp_path):
    """Built as pip would build it, where the build tool is installed."""
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert "fewgan/py.typed" in names
    assert {module_id(path) for path in MODULES} <= names
    assert not [name for name in names if name.startswith("tests/")]
