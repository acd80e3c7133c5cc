"""Stories of people who give a folder of pictures: what is read, how it is split, and what each mistake is answered."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn import fill, picture
from openset.data.check import check
from openset.data.folders import Dataset, keep_documents, read_folder
from openset.data.split import split_groups
from openset.errors import DataError


def where(dataset: Dataset, root: Path) -> dict[str, str]:
    """Path below the root -> side of the split."""
    return {os.path.relpath(item.path, root): item.split for item in dataset.items}


def noted(dataset: Dataset, *words: str) -> bool:
    return any(all(word in note for word in words) for note in dataset.notes)


def test_class_folders_become_labels_and_a_stratified_split(tmp_path: Path) -> None:
    dataset = read_folder(fill(tmp_path, dog=20, cat=40))
    assert dataset.labels == ("cat", "dog")
    assert dataset.counts() == {"train": (28, 14), "val": (6, 3), "test": (6, 3)}
    assert all(Path(item.path).parent.name == dataset.labels[item.label] for item in dataset.items)
    assert sorted(item.path for item in dataset.items) == [item.path for item in dataset.items]
    assert [item for side in ("train", "val", "test") for item in dataset.of(side)]
    assert dataset.notes == ()


def test_the_split_depends_on_the_seed_and_the_names_alone(tmp_path: Path) -> None:
    here = fill(tmp_path / "here", a=12, b=12)
    there = tmp_path / "somewhere" / "else"
    for path in sorted(here.rglob("*.png"), reverse=True):  # written in another order, under another root
        (there / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there / path.parent.name)
    assert where(read_folder(here, seed=3), here) == where(read_folder(there, seed=3), there)
    assert where(read_folder(here, seed=3), here) != where(read_folder(here, seed=4), here)


def test_a_relative_root_gives_the_same_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "data", a=9, b=9)
    monkeypatch.chdir(tmp_path)
    relative = read_folder("data/")
    assert {item.path for item in relative.items} == {f"data/{k}/{n:03}.png" for k in "ab" for n in range(9)}
    absolute = read_folder(tmp_path / "data")
    assert where(relative, Path("data")) == where(absolute, tmp_path / "data")


def test_a_picture_added_moves_few_others(tmp_path: Path) -> None:
    before = where(read_folder(fill(tmp_path, a=60)), tmp_path)
    picture(999).save(tmp_path / "a" / "new.png")
    after = where(read_folder(tmp_path), tmp_path)
    assert sum(after[path] != side for path, side in before.items()) <= 6


def test_copies_of_a_picture_stay_on_one_side(tmp_path: Path) -> None:
    """Ten photographs, each saved in four sizes under names that hide it, in nested folders."""
    for n in range(40):
        folder = tmp_path / "bird" / f"camera{n % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        picture(n // 4).resize((40 + 9 * (n % 4),) * 2).save(folder / f"{n:02}.jpg", quality=60 + 8 * (n % 4))
    dataset = read_folder(tmp_path)
    sides = [{i.split for i in dataset.items if int(Path(i.path).stem) // 4 == one} for one in range(10)]
    assert all(len(side) == 1 for side in sides)
    assert len(dataset.of("train")) == 28
    assert all(count >= 4 for (count,) in dataset.counts().values())
    assert noted(dataset, "40 pictures", "10 groups")


def test_the_same_picture_in_two_classes_is_kept_together_and_told(tmp_path: Path) -> None:
    fill(tmp_path, wolf=10, husky=10)
    picture(7).save(tmp_path / "wolf" / "same.png")
    picture(7).save(tmp_path / "husky" / "same.png")
    dataset = read_folder(tmp_path)
    assert len({i.split for i in dataset.items if i.path.endswith("same.png")}) == 1
    assert noted(dataset, "more than one class", "husky and wolf", "openset check")


@pytest.mark.parametrize(("pictures", "sides"), [(1, ["train"]), (2, ["train", "val"]), (3, ["train", "val", "test"])])
def test_a_tiny_class_goes_to_train_first_then_val_and_it_is_said(
    tmp_path: Path, pictures: int, sides: list[str]
) -> None:
    dataset = read_folder(fill(tmp_path, large=20, tiny=pictures))
    tiny = dataset.labels.index("tiny")
    assert [side for side, counts in dataset.counts().items() if counts[tiny]] == sides
    assert noted(dataset, "'tiny'", f"{pictures} picture") == (pictures < 3)


def test_five_copies_of_one_picture_count_as_one(tmp_path: Path) -> None:
    fill(tmp_path, large=10)
    (tmp_path / "once").mkdir()
    for n in range(5):
        picture(1).save(tmp_path / "once" / f"{n}.png")
    dataset = read_folder(tmp_path)
    once = dataset.labels.index("once")
    assert {side: counts[once] for side, counts in dataset.counts().items()} == {"train": 5, "val": 0, "test": 0}
    assert noted(dataset, "'once'", "5 pictures (1 once copies are counted as one)", "val or test")


def test_a_split_that_is_given_is_kept(tmp_path: Path) -> None:
    for side, n in (("train", 6), ("valid", 3), ("test", 2)):
        fill(tmp_path / side, cat=n, dog=n)
    dataset = read_folder(tmp_path)
    assert dataset.counts() == {"train": (6, 6), "val": (3, 3), "test": (2, 2)}
    assert all(Path(i.path).parts[-3] == {"val": "valid"}.get(i.split, i.split) for i in dataset.items)


def test_a_missing_val_is_taken_from_train_and_never_from_test(tmp_path: Path) -> None:
    fill(tmp_path / "train", cat=17, dog=17)
    fill(tmp_path / "test", cat=5, dog=5)
    dataset = read_folder(tmp_path)
    assert dataset.counts() == {"train": (14, 14), "val": (3, 3), "test": (5, 5)}
    assert all("/test/" in i.path for i in dataset.of("test"))
    assert noted(dataset, "val taken from train/")


def test_a_missing_test_is_taken_from_the_given_val(tmp_path: Path) -> None:
    """Whoever set val apart did so on purpose (other people, other days): train must not leak into test."""
    fill(tmp_path / "Train", cat=10, dog=10)
    fill(tmp_path / "validation", cat=6, dog=6)
    dataset = read_folder(tmp_path)
    assert dataset.counts() == {"train": (10, 10), "val": (3, 3), "test": (3, 3)}
    assert noted(dataset, "test taken from val/")
    unasked = read_folder(tmp_path, split=(0.8, 0.2, 0.0))
    assert unasked.counts() == {"train": (10, 10), "val": (6, 6), "test": (0, 0)}


def test_train_alone_is_split_in_three(tmp_path: Path) -> None:
    fill(tmp_path / "train", cat=20, dog=20)
    assert read_folder(tmp_path).counts() == {"train": (14, 14), "val": (3, 3), "test": (3, 3)}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert read_folder(fill(tmp_path, train=5, car=5, test=5)).labels == ("car", "test", "train")


def test_what_the_system_leaves_behind_is_passed_over_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, cat=5, dog=5)
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._000.png", "dog/desktop.ini", "cat/notes.txt", "dog/labels.csv"):
        (tmp_path / name).write_bytes(b"x")
    for folder in ("__MACOSX/cat", ".ipynb_checkpoints", "dog/.hidden"):
        (tmp_path / folder).mkdir(parents=True)
        picture(1).save(tmp_path / folder / "copy.png")
    dataset = read_folder(tmp_path)
    assert dataset.labels == ("cat", "dog")
    assert len(dataset.items) == 10
    assert noted(dataset, "7 hidden or left behind by the system", "2 not pictures by their names", ".txt", ".csv")


def test_pictures_beside_the_class_folders_are_told(tmp_path: Path) -> None:
    fill(tmp_path, cat=5, dog=5)
    picture(1).save(tmp_path / "cover.png")
    dataset = read_folder(tmp_path)
    assert len(dataset.items) == 10
    assert noted(dataset, "1 picture beside the class folders", "cover.png")


def test_unreadable_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    fill(tmp_path, cat=8, dog=8)
    (tmp_path / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff no")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "dog" / "dangling.png")
    dataset = read_folder(tmp_path)
    assert len(dataset.items) == 16
    assert noted(dataset, "2 unreadable", "broken.jpg", "dangling.png", "openset check")


def test_loops_of_links_end_and_linked_folders_are_read(tmp_path: Path) -> None:
    fill(tmp_path / "data", cat=4)
    fill(tmp_path / "disk", dog=4)
    os.symlink(tmp_path / "disk" / "dog", tmp_path / "data" / "dog")
    os.symlink(tmp_path / "data", tmp_path / "data" / "cat" / "loop")
    os.symlink("..", tmp_path / "data" / "cat" / "up")
    dataset = read_folder(tmp_path / "data")
    assert dataset.labels == ("cat", "dog")
    # no dog is a cat because a link in cat/ leads up to where dog/ lies, and nobody is told to take the dogs out
    assert Counter((os.path.realpath(i.path), dataset.labels[i.label]) for i in dataset.items) == Counter(
        (str(home / f"{n:03}.png"), home.name)
        for home in (tmp_path / "data/cat", tmp_path / "disk/dog")
        for n in range(4)
    )
    assert noted(dataset, "2 folders reached by a link")
    assert check(tmp_path / "data").take_out == ()


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    fill(tmp_path, cat=4, dog=4)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    dataset = read_folder(tmp_path)
    assert len(dataset.items) == 8
    assert noted(dataset, "1 not ordinary files")


def test_names_with_spaces_accents_and_line_breaks(tmp_path: Path) -> None:
    """macOS writes accents decomposed: the label is the composed name, and train and val agree."""
    name = "café au lait"
    fill(tmp_path / "train", **{unicodedata.normalize("NFD", name): 3, "tea": 3})
    fill(tmp_path / "val", **{unicodedata.normalize("NFC", name): 3, "tea": 3})
    picture(5).save(tmp_path / "train" / "tea" / "a\nb c.png")
    dataset = read_folder(tmp_path)
    assert dataset.labels == (unicodedata.normalize("NFC", name), "tea")
    assert dataset.counts()["train"] == (3, 4)


def test_one_class_alone_may_be_read_and_a_folder_too_many_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "archive", cat=4, dog=4)
    assert read_folder(tmp_path / "archive" / "..").labels == ("archive",)
    assert noted(read_folder(tmp_path), "only class folder", "'cat', 'dog'", str(tmp_path / "archive"))
    assert read_folder(fill(tmp_path / "one", cat=4)).notes == ()


def test_classes_that_differ_in_case_only_are_told(tmp_path: Path) -> None:
    """They may be the letters a and A, so they are not refused."""
    dataset = read_folder(fill(tmp_path, Cat=3, cat=3))
    assert dataset.labels == ("Cat", "cat")
    assert noted(dataset, "'Cat' and 'cat'", "upper and lower case")


def refused(root: str | os.PathLike[str], *words: str) -> str:
    with pytest.raises(DataError) as caught:
        read_folder(root)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def test_pictures_without_class_folders_are_answered_with_the_layout(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for n in range(3):
        picture(n).save(root / f"{n}.png")
    message = refused(root, "3 pictures but no class folders", "Make a folder for each class")
    assert message.endswith(
        "    photos/\n    ├── cat/\n    │   ├── 1.jpg\n    │   └── 2.jpg\n    └── dog/\n        └── 3.jpg"
    )


def test_no_images_at_all(tmp_path: Path) -> None:
    refused(tmp_path, "no images found", "(it is empty)", "└── dog/")
    (tmp_path / "data.zip").write_bytes(b"PK")
    refused(tmp_path, "no images found", "1 .zip", "Unpack the archive")
    refused(tmp_path / "data.zip", "is a file, not a folder", "Unpack the archive")
    refused(tmp_path / "dta", "there is no folder", "Check the path", os.getcwd())


def test_an_empty_class_folder(tmp_path: Path) -> None:
    fill(tmp_path, cat=3)
    (tmp_path / "dog").mkdir()
    refused(tmp_path, "class folder 'dog'", "holds no picture (it is empty)", "remove the folder")
    (tmp_path / "dog" / "a.txt").write_text("later")
    refused(tmp_path, "class folder 'dog'", "1 not pictures by their names: 1 .txt")


def test_a_class_of_broken_pictures(tmp_path: Path) -> None:
    fill(tmp_path, cat=3)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.png").write_bytes(b"broken")
    refused(tmp_path, "no readable picture to train on in class 'dog'", "openset check")


def test_val_with_a_class_that_train_has_not(tmp_path: Path) -> None:
    fill(tmp_path / "train", Cat=3, dog=3)
    fill(tmp_path / "val", cat=3, dog=3)
    refused(tmp_path, "val/ of", "the class 'cat' that train/ has not", "'cat' is perhaps 'Cat'")


def test_val_without_a_class_of_train_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "train", cat=3, dog=3)
    fill(tmp_path / "val", dog=3)
    assert noted(read_folder(tmp_path), "val/ has no folder for the class 'cat'")


def test_a_split_without_class_folders(tmp_path: Path) -> None:
    for side in ("train", "test"):
        (tmp_path / side).mkdir()
        picture(1).save(tmp_path / side / "1.png")
    refused(tmp_path, "train' holds pictures but no class folders", "    train/\n    ├── cat/")
    shutil.rmtree(tmp_path / "train")
    refused(tmp_path, "test/ but no train/")


def test_a_split_with_strangers_beside_it_or_two_vals(tmp_path: Path) -> None:
    fill(tmp_path / "train", cat=1)
    fill(tmp_path / "val", cat=1)
    fill(tmp_path / "extra", cat=1)
    refused(tmp_path, "beside them extra/", "unclear")
    shutil.move(tmp_path / "extra", tmp_path / "valid")
    refused(tmp_path, "two for one part")


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.8, 0.1, 0.2), (0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"),) * 3])
def test_shares_that_are_none(tmp_path: Path, split: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="three shares"):
        read_folder(fill(tmp_path, cat=1), split=split)  # type: ignore[arg-type]


def test_pages_of_a_document_stay_together() -> None:
    paths = ["a.pdf#page=1", "x.png", "a.pdf#page=2", "b.pdf#page=1", "b.pdf#page=2", "c.pdf"]
    assert keep_documents(paths, np.array([0, 1, 2, 1, 4, 5])).tolist() == [0, 1, 0, 1, 1, 5]


def test_progress_is_told_while_copies_are_looked_for(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    read_folder(fill(tmp_path, cat=3, dog=3), progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]


@st.composite
def grouped(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Pictures with classes and groups; a group lies within one class."""
    label, group = [], []
    sizes = draw(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=4))
    for k, groups in enumerate(sizes):
        for size in groups:
            label += [k] * size
            group += [len(set(group))] * size
    return label, group


@given(
    grouped(), st.integers(0, 5), st.sampled_from([(0.7, 0.15, 0.15), (0.8, 0.2), (0.3, 0.3, 0.4), (0.98, 0.01, 0.01)])
)
@settings(max_examples=150, deadline=None)
def test_no_group_is_divided_and_no_part_empty_where_avoidable(
    drawn: tuple[list[int], list[int]], seed: int, shares: tuple[float, ...]
) -> None:
    label, group = drawn
    part = split_groups(label, group, [str(n) for n in range(len(label))], shares, seed)
    for g in set(group):
        assert len({p for p, h in zip(part, group, strict=True) if h == g}) == 1
    for k in set(label):
        groups = len({g for g, j in zip(group, label, strict=True) if j == k})
        filled = {int(p) for p, j in zip(part, label, strict=True) if j == k}
        assert filled == set(range(min(groups, len(shares))))


@given(st.integers(20, 200), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_single_pictures_are_shared_to_within_one(n: int, seed: int) -> None:
    shares = (0.7, 0.15, 0.15)
    part = split_groups([0] * n, list(range(n)), [str(k) for k in range(n)], shares, seed)
    for counted, share in zip(np.bincount(part, minlength=3), shares, strict=True):
        assert abs(counted - share * n) <= 1
