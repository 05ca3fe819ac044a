"""The documentation holds: its commands parse, its links lead somewhere, its example runs."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import fewgan
from fewgan import cli, methods
from fewgan.files import read_tensors
from fewgan.training.run import Run

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
INLINE = re.compile(r"`(fewgan [^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
EXAMPLE = "pgan"  # the method that CONTRIBUTING.md adds
PLACEHOLDERS = {
    "METHOD": "acgan",
    "$method": "acgan",
    "$seed": "0",
    "runs/mnist/config.yaml": "recipes/mnist-acgan.yaml",
}


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> list[list[str]]:
    """Every fewgan command line of a page, as tokens after `fewgan`."""
    text = page.read_text(encoding="utf-8")
    shell = [body for language, body in FENCE.findall(text) if language in ("bash", "console")]
    lines = [line for body in shell for line in body.replace("\\\n", " ").splitlines()]
    lines += INLINE.findall(FENCE.sub("", text))
    found = []
    for line in lines:
        for words in _simple_commands(line):
            if "fewgan" in words:
                found.append([PLACEHOLDERS.get(w, w) for w in words[words.index("fewgan") + 1 :]])
    return found


def _simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a shell line, which may chain several with && or ;."""
    words = shlex.split(line.removeprefix("$ "), comments=True)
    split: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", ";", "|"):
            split.append([])
        else:
            split[-1].append(word)
    return split


COMMANDS = [
    pytest.param(words, id=f"{page_id(page)}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
    if EXAMPLE not in words and f"recipes/digits-{EXAMPLE}.yaml" not in words
]


def parse(words: list[str]) -> None:
    """Let the command line's own parser judge the words, without running anything."""
    parser, tokens = cli.app, words
    if words[0] == "adapt" and len(words) > 3:
        name, tokens = ("inner", words[2:]) if words[2].startswith("-") else (words[2], words[3:])
        source = "reptile-2mlp" if name == "inner" else "acgan"
        kind = methods.find(name).onto(methods.find(source))
        parser = cli.train._parser("adapt", "", kind, print)
    elif words[0] == "train":
        tokens = words[1:]
        named = tokens and not tokens[0].startswith("-")
        name = tokens.pop(0) if named else cli.train._method_of_config(tokens)
        if not name:
            return
        parser = cli.train._parser("train", "", methods.find(name), print)
    parser.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", COMMANDS)
def test_command_parses(words, monkeypatch):
    monkeypatch.chdir(ROOT)  # recipes are named from the root
    if words and words[0].isalpha() and "--help" not in words:
        parse(words)
    else:
        assert words == [] or words[0].startswith("--") or words[0] in cli.app


def test_parser_refuses_what_the_program_would():
    with pytest.raises(Exception, match="widht"):
        parse(["train", "acgan", "--widht", "4"])
    with pytest.raises(Exception, match="tarin"):
        parse(["tarin"])


def test_readme_and_quickstart_show_the_main_commands():
    shown = {
        words[0]
        for page in (ROOT / "README.md", ROOT / "docs" / "quickstart.md")
        for words in commands(page)
        if words
    }
    assert {"data", "train", "resume", "sample", "evaluate", "report"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_to_files(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = {a or b for a, b in LINK.findall(text)}
    local = {link.split("#")[0] for link in links if "://" not in link}
    missing = [link for link in local if link and not (page.parent / link).exists()]
    assert missing == []


def test_readme_python_runs(tmp_path, monkeypatch):
    """The snippet as it is printed, with a small budget slipped under it."""
    (code,) = [
        body
        for language, body in FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if language == "python"
    ]
    train, evaluate = fewgan.train, fewgan.evaluate
    small = {"width": 4, "batch_size": 8, "check_images": 40, "progress": False}

    def quick_train(method, **given):
        return train(method, **{**given, **small, "steps": 2})

    def quick_evaluate(run, data):
        return evaluate(run, data, metrics=["kid"], n=40, extractor="random", progress=False)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fewgan, "train", quick_train, raising=False)
    monkeypatch.setattr(fewgan, "evaluate", quick_evaluate, raising=False)
    names: dict = {}
    exec(code, names)
    assert names["images"].shape == (64, 1, 32, 32)
    assert isinstance(names["again"], Run)
    assert names["scores"]["figures"][0]["name"] == "kid"


# --- the way in for the next method: CONTRIBUTING's example, from outside the package ------------


def example(name: str) -> str:
    """The code block that CONTRIBUTING.md prints under a file's name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    match = re.search(rf"^\*\*`{re.escape(name)}`\*\*\n\n```\w+\n(.*?)^```", text, re.M | re.S)
    assert match, f"CONTRIBUTING.md shows no {name}"
    return match[1]


@pytest.fixture(scope="module")
def outside(tmp_path_factory) -> Path:
    """A folder with the example as an installed package: module, entry point, test and recipe."""
    folder = tmp_path_factory.mktemp("outside")
    points = re.search(r"^(pgan = .*)$", example("pyproject.toml"), re.M)
    assert points
    files = {
        "fewgan_pgan.py": example("src/fewgan/methods/pgan.py"),
        "test_pgan.py": example("tests/methods/test_pgan.py"),
        "digits-pgan.yaml": example("recipes/digits-pgan.yaml"),
        "fewgan_pgan-0.1.dist-info/METADATA": "Name: fewgan-pgan\nVersion: 0.1\n",
        "fewgan_pgan-0.1.dist-info/entry_points.txt": f"[fewgan.methods]\n{points[1]}\n".replace(
            '"', ""
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def environment(outside: Path) -> dict[str, str]:
    """Environment variables under which Python finds the example."""
    path = os.pathsep.join(filter(None, [str(outside), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def python(outside: Path, *words: str) -> str:
    """Run `python -m ...` where the example is installed, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env=environment(outside),
        cwd=outside,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_example_is_listed_and_has_flags_of_its_own(outside):
    assert "projection GAN" in " ".join(python(outside, "fewgan", "methods").split())
    text = python(outside, "fewgan", "train", "pgan", "--help")
    assert "Settings of pgan" in text
    assert "hinge]" in text.split("Form of the adversarial loss")[1].split("--d-steps")[0]


def test_example_trains_samples_and_resumes_to_the_same_bits(outside):
    words = ["fewgan", "train", "--config", "digits-pgan.yaml", "--steps", "40", "--size", "16"]
    words += ["--width", "4", "--batch-size", "8", "--check-every", "5", "--check-images", "40"]
    python(outside, *words, "--out", "whole")
    python(outside, "fewgan", "sample", "whole", "--label", "7", "--n", "4", "--out", "sevens.npz")
    with np.load(outside / "sevens.npz") as sevens:
        assert sevens["images"].shape == (4, 16, 16, 1)
        assert sevens["labels"].tolist() == [7, 7, 7, 7]

    killed = subprocess.Popen(
        [sys.executable, "-m", *words, "--out", "killed"],
        env=environment(outside),
        cwd=outside,
        stderr=subprocess.DEVNULL,
    )
    last = Path("checkpoint", "last.safetensors")
    while killed.poll() is None and not (outside / "killed" / last).exists():
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    python(outside, "fewgan", "resume", "killed")
    one, other = (read_tensors(outside / run / last)[0] for run in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_example_passes_its_own_test(outside):
    assert "2 passed" in python(outside, "pytest", "-q", "-p", "no:cacheprovider", "test_pgan.py")


@pytest.mark.parametrize("name", ["src/fewgan/methods/pgan.py", "tests/methods/test_pgan.py"])
@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_example_keeps_the_house_style(name, check):
    ruff = [sys.executable, "-m", "ruff", *check, "--stdin-filename", name, "-"]
    done = subprocess.run(ruff, input=example(name), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
