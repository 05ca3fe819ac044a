"""Drawn faces: put together by Node from packages in the published layout, and kept."""

import gzip
import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from fewgan.data import faces, sources
from fewgan.data.carriers import Npm
from fewgan.data.faces import FILE, Parts, Style
from fewgan.data.fetching import fetch_source, home
from fewgan.data.source import Request, Unavailable
from fewgan.errors import InputError

NODE = shutil.which("node")
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{}</svg>'
HALVES = [SQUARE.format(f'<rect x="{x}" width="4" height="8" fill="#0000ff"/>') for x in (0, 4, 4)]


def write_file(folder: Path, drawings: list[str]) -> str:
    """The file of a style's faces, and the hash of what is in it."""
    folder.mkdir(exist_ok=True)
    content = json.dumps(drawings).encode()
    (folder / FILE).write_bytes(gzip.compress(content))
    return hashlib.sha256(content).hexdigest()


def style(sha256: str) -> Style:
    return Style("tiny", "CC0", Parts(Npm("@tiny/parts", "1.0.0", ""), 3), sha256, "tiny")


def test_faces_are_drawn_on_white_and_have_no_classes(machine):
    tiny = style(write_file(machine / "here", HALVES))
    fetch_source(tiny.source, machine / "here")
    images = tiny.read(Request(size=8))
    assert images.images.shape == (3, 3, 8, 8)
    assert (images.class_names, images.labels.tolist()) == ((), [-1] * 3)
    assert (images.name, images.licence) == ("faces-tiny", "CC0")
    left, right = images.images[0].split(4, dim=2)
    assert left.unique(dim=1).unique(dim=2).flatten().tolist() == [0, 0, 255]
    assert right.eq(255).all()
    assert tiny.read(Request()).size == 64


def test_drawings_are_kept(machine, monkeypatch):
    tiny = style(write_file(machine / "here", HALVES))
    fetch_source(tiny.source, machine / "here")
    first = tiny.read(Request(size=12))
    monkeypatch.setattr("fewgan.data.svg.render", None)
    assert tiny.read(Request(size=12)).digest == first.digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no folder here holds it.* Remedy: put faces.json.gz, from a machine"),
        (b"no gzip", "its faces.json.gz is damaged"),
        (gzip.compress(b"[]")[:-9], "its faces.json.gz is damaged"),
        (gzip.compress(b"[]"), "its faces.json.gz does not hold the known faces"),
    ],
)
def test_other_files_are_refused(machine, content, says):
    tiny = style(write_file(machine / "here", HALVES))
    (machine / "here" / FILE).unlink()
    if content is not None:
        (machine / "here" / FILE).write_bytes(content)
    with pytest.raises(InputError, match=says):
        fetch_source(tiny.source, machine / "here")


def test_a_file_that_was_damaged_later_is_named(machine):
    tiny = style(write_file(machine / "here", HALVES))
    fetch_source(tiny.source, machine / "here")
    (home("faces-tiny") / FILE).write_bytes(b"")
    with pytest.raises(InputError, match=r"faces\.json\.gz is missing or damaged: delete its"):
        tiny.read(Request(size=8))


# --- putting faces together -----------------------------------------------------------------------

CORE = "export const createAvatar = (style, { seed }) => style.draw(seed);"
PARTS = "export const draw = (seed) => `<svg>${seed}</svg>`;"


@pytest.fixture
def registry(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Two packages, served by a stand-in for npm."""
    npms = []
    for name, program in (("core", CORE), ("parts", PARTS)):
        package = machine / name / "package"
        package.mkdir(parents=True)
        (package / "index.js").write_text(program)
        (package / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
        archive = machine / f"{name}.tgz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(package, "package")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        npms.append(Npm(f"@dicebear/{name}", "1.0.0", digest))
    client = machine / "bin" / "npm"
    find = f'name=${{3#@dicebear/}}\ncp {machine}/"${{name%@*}}".tgz .'
    client.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{find}\n")
    client.chmod(0o755)
    monkeypatch.setattr(faces, "_CORE", npms[0])
    return Parts(npms[1], 3)


@pytest.mark.skipif(NODE is None, reason="there is no node here")
def test_node_puts_faces_together_by_number(registry, machine, tmp_path):
    (machine / "bin" / "node").symlink_to(NODE)
    work = tmp_path / "work"
    work.mkdir()
    assert registry.bring(work) == work
    assert registry.name == "npm package @dicebear/core 1.0.0 and @dicebear/parts"
    drawings = json.loads(gzip.decompress((work / FILE).read_bytes()))
    assert drawings == [f"<svg>{i}</svg>" for i in range(3)]


def test_without_node_the_reason_is_given(registry, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(Unavailable, match="there is no node here"):
        registry.bring(work)


def test_the_table_has_every_style():
    names = ("avataaars", "toon-head", "adventurer", "micah", "lorelei", "notionists")
    assert {f"faces-{name}" for name in names} <= set(sources())
    assert len({s.sha256 for s in faces.STYLES}) == len(names)
