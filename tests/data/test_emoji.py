"""Emoji sets from small packages in the published layout, and the pairs made of them."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fewgan.data import emoji_pairs, load, sources
from fewgan.data.carriers import Npm
from fewgan.data.emoji import Style, svg
from fewgan.data.emoji_pairs import divide, shared_names
from fewgan.data.fetching import fetch_source, home
from fewgan.data.source import Request
from fewgan.data.svg import render
from fewgan.errors import InputError
from fewgan.files import sha256_file

NAMES = [f"thing-{i:02d}" for i in range(20)]


def square(colour: str) -> str:
    return f'<rect width="8" height="8" fill="{colour}"/>'


def write_package(folder: Path, names: list[str], channel: int, categories: bool = True) -> Path:
    """A package whose emoji number i fills the square with 10 i in one channel."""
    (folder / "package").mkdir(parents=True)
    icons = {}
    for i, name in enumerate(names):
        colour = "".join(f"{10 * i if c == channel else 0:02x}" for c in range(3))
        icons[name] = {"body": square(f"#{colour}")}
    icons["secret"] = {"body": square("#ffffff"), "hidden": True}
    content = {"prefix": "tiny", "icons": icons, "width": 8, "height": 8}
    (folder / "package" / "icons.json").write_text(json.dumps(content))
    groups = {"Even": names[::2], "Odd": [*names[1::2], "secret"]} if categories else {}
    said = {"categories": groups} if categories else {}
    (folder / "package" / "metadata.json").write_text(json.dumps(said))
    return folder


def style(name: str, folder: Path) -> Style:
    digest = sha256_file(folder / "package" / "icons.json")
    return Style(name, "CC0", Npm("tiny", "1.0.0", ""), digest, "tiny")


@pytest.fixture
def tiny(machine: Path) -> Style:
    folder = write_package(machine / "published", NAMES, 0)
    made = style("tiny", folder)
    fetch_source(made.source, folder)
    return made


# --- drawing ------------------------------------------------------------------------------------


def test_an_icon_is_drawn_on_white_in_the_middle_of_a_square():
    collection = {"width": 8, "height": 8, "icons": {"wide": {"body": square("#0000ff")}}}
    collection["icons"]["wide"] |= {"height": 4}
    # Four units of blue, 8 wide, in a square of 8: two units of margin above and below.
    collection["icons"]["wide"]["body"] = '<rect width="8" height="4" fill="#0000ff"/>'
    image = render(svg(collection, "wide"), 16)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 16, 16)
    assert image[:, 4:12].unique(dim=1).unique(dim=2).flatten().tolist() == [0, 0, 255]
    assert image[:, :4].eq(255).all()
    assert image[:, 12:].eq(255).all()


def test_an_icon_may_begin_elsewhere():
    icon = {"body": '<rect x="-4" y="2" width="4" height="4"/>', "left": -4, "top": 2}
    collection = {"width": 4, "height": 4, "icons": {"moved": icon}}
    assert render(svg(collection, "moved"), 8).eq(0).all()


# --- a vendor -----------------------------------------------------------------------------------


def test_classes_are_the_categories_and_hidden_icons_stay_hidden(tiny):
    images = tiny.read(Request(size=8))
    assert images.class_names == ("Even", "Odd")
    assert images.counts() == [10, 10]
    assert images.labels.tolist() == [0, 1] * 10
    assert images.images[:, 0, 0, 0].tolist() == [10 * i for i in range(20)]
    assert images.images[:, 1:].eq(0).all()
    assert (images.name, images.licence) == ("emoji-tiny", "CC0")
    assert tiny.read(Request()).size == 64


def test_a_package_without_categories_has_no_classes(machine):
    folder = write_package(machine / "published", NAMES, 1, categories=False)
    plain = style("plain", folder)
    fetch_source(plain.source, folder)
    images = plain.read(Request(size=8))
    assert images.class_names == ()
    assert images.labels.tolist() == [-1] * 20


def test_drawings_are_kept(tiny, monkeypatch):
    first = tiny.read(Request(size=12))
    monkeypatch.setattr("fewgan.data.svg.render", None)
    assert tiny.read(Request(size=12)).digest == first.digest


def test_an_archive_serves_and_another_content_is_refused(machine):
    folder = write_package(machine / "published", NAMES, 0)
    with tarfile.open(machine / "tiny.tgz", "w:gz") as packed:
        packed.add(folder / "package", "package")
    right = style("tiny", folder)
    assert "archive" in fetch_source(right.source, machine / "tiny.tgz").served_by
    wrong = replace(right, name="wrong", sha256="0" * 64)
    with pytest.raises(InputError, match=r"its icons\.json is not the published one"):
        fetch_source(wrong.source, machine / "tiny.tgz")
    with pytest.raises(InputError, match=r"it has no icons\.json"):
        fetch_source(wrong.source, machine)


def test_the_table_has_every_style_and_the_pairs():
    flavours = ("fluent", "fluent-flat", "fluent-high-contrast")
    named = {f"emoji-{name}" for name in ("noto", *flavours, "openmoji", "twemoji")}
    assert named | {"emoji-pairs"} <= set(sources())
    assert not sources()["emoji-noto"].test_split
    assert sources()["emoji-pairs"].test_split


def test_an_unfetched_set_says_how_to_fetch_it(machine):
    with pytest.raises(InputError, match="run `fewgan data fetch emoji-noto`"):
        load("emoji-noto")


# --- pairs --------------------------------------------------------------------------------------


def test_variants_of_skin_tone_are_left_out():
    a = ["ox", "artist", "artist-dark", "artist-medium-light", "artist-dark-skin-tone", "ab"]
    assert shared_names(a, [*a, "zebra"]) == ["ab", "artist", "ox"]
    # Without its plain form the one in a tone stays, as nothing is like it.
    assert shared_names(["hand-light-skin-tone"], ["hand-light-skin-tone"]) == [
        "hand-light-skin-tone"
    ]
    assert shared_names(["moon", "moon-dark-side"], ["moon", "moon-dark-side"]) == [
        "moon",
        "moon-dark-side",
    ]


def test_names_are_divided_into_disjoint_parts():
    a, b, test = divide(NAMES)
    assert sorted(a + b + test) == NAMES
    assert (len(a), len(b), len(test)) == (8, 8, 4)
    assert divide(NAMES) == (a, b, test)
    assert [part == sorted(part) for part in (a, b, test)] == [True] * 3


@pytest.fixture
def two(machine: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Style]:
    """Two vendors: number i is 10 i red by the one, 10 i blue by the other, who draws more."""
    styles = {}
    for name, names, channel in (("red", NAMES, 0), ("blue", [*NAMES, "extra"], 2)):
        folder = write_package(machine / name, names, channel)
        styles[name] = style(name, folder)
        fetch_source(styles[name].source, folder)
    monkeypatch.setattr(emoji_pairs, "STYLES", styles)
    monkeypatch.setattr(emoji_pairs, "DEFAULT", "red,blue")
    return styles


def test_training_is_unpaired_and_test_images_are_pairs(two):
    train = emoji_pairs.read(Request("train", size=8))
    test = emoji_pairs.read(Request("test", size=8))
    assert train.class_names == test.class_names == ("red", "blue")
    assert (train.counts(), test.counts()) == ([8, 8], [4, 4])

    def numbers(images, domain):
        return (images.images[images.labels == domain].amax((1, 2, 3)) // 10).tolist()

    shown = numbers(train, 0) + numbers(train, 1)
    assert numbers(test, 0) == numbers(test, 1)
    assert len({*shown, *numbers(test, 0)}) == 20
    assert test.images[:4, 0].sum() == test.images[4:, 2].sum() > 0
    assert train.images[:8, 1:].sum() == train.images[8:, :2].sum() == 0


def test_the_other_way_round_is_the_same_division(two):
    there = emoji_pairs.read(Request("test", "red,blue", 8))
    back = emoji_pairs.read(Request("test", "blue,red", 8))
    assert torch.equal(there.images[:4], back.images[4:])


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("red", "emoji-pairs:red is no pair: write it like red,blue"),
        ("red,red", "is no pair"),
        ("red,bleu", "unknown emoji style 'bleu': did you mean 'blue'"),
    ],
)
def test_wrong_pairs_get_one_line(two, option, says):
    with pytest.raises(InputError, match=says):
        emoji_pairs.read(Request("train", option))


def test_fetching_pairs_fetches_what_they_are_made_of(machine, monkeypatch):
    asked = []
    monkeypatch.setattr(emoji_pairs, "fetch_source", lambda source: asked.append(source.name))
    monkeypatch.setattr(emoji_pairs, "is_here", lambda name: name in asked)
    found = fetch_source(emoji_pairs.SOURCE)
    assert asked == ["emoji-fluent-flat", "emoji-openmoji"]
    assert found.served_by == "emoji-fluent-flat and emoji-openmoji"
    assert home("emoji-pairs").is_dir()
    asked.clear()
    with pytest.raises(InputError, match="fetch emoji-fluent-flat from it"):
        fetch_source(emoji_pairs.SOURCE, machine)
