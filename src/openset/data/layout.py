"""How a folder of pictures is laid out: which class folders it has, given splits, and what is wrong with it.

`survey` finds out, `faults` says what makes it unusable, `remarks` what was passed over: full sentences for people.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._words import counted
from ..errors import DataError
from .walk import Found, entries, links_out, sort_entries, together, told, walk

SIDES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".bz2", ".xz"})

TREE = """    {root}/
    ├── cat/
    │   ├── 1.jpg
    │   └── 2.jpg
    └── dog/
        └── 3.jpg"""


@dataclass(frozen=True, slots=True)
class Survey:
    """sides: "" (undivided) or train, val, test -> class name -> its pictures.

    beside: what lies beside the class folders, and links at the top that lead out.
    inner: for one class alone with no picture directly in it, the folders it holds (perhaps the true classes).
    """

    root: str
    sides: Mapping[str, Mapping[str, Found]]
    beside: Found
    inner: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names of the part that is trained on, sorted by code point, in Unicode's composed form (NFC)."""
        return tuple(sorted(self.sides.get("") or self.sides["train"]))


def survey(root: str) -> Survey:
    """Look at the layout of DATA. Raises DataError when no class folders can be made out."""
    if not os.path.lexists(root):
        raise DataError(f"there is no folder {root!r} (looked in {os.getcwd()!r}). Check the path.{_expected('DATA')}")
    if not os.path.isdir(root):
        raise DataError(f"{root!r} is a file, not a folder{_unpack([root])}.{_expected('DATA')}")
    listing = entries(root)
    top, files = sort_entries(listing)
    beside = together([files, Found(leaving=links_out(listing, root))])
    found = {e.name: walk(e.path, root=root) for e in top}
    direct = {e.name: any(os.path.dirname(p) == e.path for p in found[e.name].pictures) for e in top}
    full = [name for name in found if found[name].pictures]
    if not full:
        raise DataError(_nothing(root, beside, found))
    named = {name: SIDES[name.lower()] for name in full if name.lower() in SIDES}
    if "train" not in named.values() or any(direct[n] and s == "train" for n, s in named.items()):
        if len(named) == len(full):
            raise DataError(_no_classes_in_sides(root, named, direct))
        return _survey_classes(root, found, beside, direct)
    if len(named) < len(full):
        strangers = ", ".join(f"{n}/" for n in full if n not in named)
        raise DataError(
            f"{root!r} holds {', '.join(f'{n}/' for n in named)} and beside them {strangers}: it is unclear whether "
            "the first are parts of a split or classes. Move the other folders away if they are parts of a split; "
            "rename them if they are classes."
        )
    if len(set(named.values())) < len(named):
        raise DataError(f"{root!r} holds {', '.join(f'{n}/' for n in named)}: two for one part. Keep one of each part.")
    if any(direct[n] for n in named):
        raise DataError(_no_classes_in_sides(root, named, direct))
    others = [beside, *(found[name] for name in sorted(set(found) - set(named)))]
    sides: dict[str, dict[str, Found]] = {}
    for name in sorted(named, key=lambda n: list(SIDES).index(n.lower())):
        listing = entries(os.path.join(root, name))
        inner, loose = sort_entries(listing)
        others += [loose, Found(leaving=links_out(listing, root))]
        sides[named[name]] = _merge({e.name: walk(e.path, root=root) for e in inner})
    return Survey(root, sides, together(others))


def _survey_classes(root: str, found: dict[str, Found], beside: Found, direct: Mapping[str, bool]) -> Survey:
    classes = _merge(found)
    inner: tuple[str, ...] = ()
    if len(found) == 1:
        (only,) = found
        if not direct[only]:
            inner = tuple(e.name for e in sort_entries(entries(os.path.join(root, only)))[0])
    return Survey(root, {"": classes}, beside, inner)


def _merge(found: Mapping[str, Found]) -> dict[str, Found]:
    """Folders by class name; macOS writes accents decomposed, so names are compared composed (NFC)."""
    classes: dict[str, Found] = {}
    for name in sorted(found):
        label = unicodedata.normalize("NFC", name)
        classes[label] = together([classes[label], found[name]]) if label in classes else found[name]
    return classes


def faults(found: Survey) -> list[str]:
    """What makes a surveyed folder unusable for training, one message each; empty when nothing does."""
    wrong = []
    labels = set(found.labels)
    for side, classes in found.sides.items():
        where = f"{side}/ of {found.root!r}" if side else repr(found.root)
        for name, pictures in classes.items():
            if not _is_text(name):
                wrong.append(
                    f"the class folder {name!r} in {where} has a name that is not valid UTF-8 and cannot be a label. "
                    "Rename the folder."
                )
            if not pictures.pictures:
                wrong.append(
                    f"the class folder {name!r} in {where} holds no picture{_instead(pictures)}. "
                    "Put pictures into it, or remove the folder."
                )
        extra = sorted(set(classes) - labels)
        if extra:
            wrong.append(
                f"{where} has {_classes(extra)} that train/ has not, so nothing can be learnt about "
                f"{'it' if len(extra) == 1 else 'them'}{_meant(extra, labels)}. "
                "Rename the folder as in train/, or add pictures to train/."
            )
    return wrong


def remarks(found: Survey) -> list[str]:
    """What was passed over or looks odd in a surveyed folder, one sentence each."""
    notes = told(together([found.beside, *(p for classes in found.sides.values() for p in classes.values())]))
    if found.beside.pictures:
        n = len(found.beside.pictures)
        notes.append(
            f"{counted(n, 'picture')} beside the class folders (for example {found.beside.pictures[0]!r}), of no class "
            "and not used. Move each into its class folder."
        )
    notes += [
        f"the classes {' and '.join(map(repr, names))} differ in upper and lower case only. If they are one class, "
        "put them into one folder (Windows and macOS would merge them)."
        for names in same_but_for_case(found.labels)
    ]
    for side, classes in found.sides.items():
        missing = sorted(set(found.labels) - set(classes))
        if missing:
            notes.append(f"{side}/ has no folder for {_classes(missing)}: nothing can be measured on it there.")
    if len(found.inner) > 1:
        (only,) = found.labels
        notes.append(
            f"{only!r} is the only class folder, and all its pictures lie in folders: {_list(found.inner)}. "
            f"If these are the classes, give {os.path.join(found.root, only)!r} instead."
        )
    return notes


def same_but_for_case(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that only upper and lower case tell apart."""
    folded: dict[str, list[str]] = defaultdict(list)
    for name in labels:
        folded[name.casefold()].append(name)
    return [tuple(names) for names in folded.values() if len(names) > 1]


def _nothing(root: str, beside: Found, found: Mapping[str, Found]) -> str:
    if beside.pictures:
        n = len(beside.pictures)
        return (
            f"{root!r} holds {counted(n, 'picture')} but no class folders, so nothing says which picture is what. "
            f"Make a folder for each class and move the pictures into it.{_expected(root)}"
        )
    everything = together([beside, *found.values()])
    return f"no images found in {root!r}{_instead(everything)}{_unpack(everything.suffixes)}.{_expected(root)}"


def _no_classes_in_sides(root: str, named: Mapping[str, str], direct: Mapping[str, bool]) -> str:
    if "train" not in named.values():
        return f"{root!r} holds {', '.join(f'{n}/' for n in named)} but no train/ to learn from.{_expected(root)}"
    flat = min((n for n in named if direct[n]), key=lambda n: list(SIDES).index(n.lower()))
    return (
        f"{os.path.join(root, flat)!r} holds pictures but no class folders, so nothing says which picture is what. "
        f"Put a folder for each class into it.{_expected(os.path.join(root, flat))}"
    )


def _expected(root: str) -> str:
    name = os.path.basename(os.path.abspath(root)) or root
    return f"\nExpected is one folder for each class, named as the class:\n{TREE.format(root=name)}"


def _instead(found: Found) -> str:
    if not found.ignored:
        return " (it is empty)"
    kinds = ", ".join(f"{n} {s}" for s, n in found.suffixes.most_common(4))
    return f" ({'; '.join(f'{n} {why}' for why, n in sorted(found.ignored.items()))}{f': {kinds}' if kinds else ''})"


def _unpack(names: Iterable[str]) -> str:
    packed = any((os.path.splitext(n)[1] or n).lower() in ARCHIVES for n in names)
    return ". Unpack the archive first and give the folder it makes" if packed else ""


def _meant(extra: list[str], labels: set[str]) -> str:
    """A hint at the label of train/ that was probably meant."""
    from difflib import get_close_matches

    folded: Counter[str] = Counter()
    by_fold = {name.casefold(): name for name in sorted(labels)}
    for name in extra:
        for match in get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.8):
            folded[f"{name!r} is perhaps {by_fold[match]!r}"] += 1
    return f" ({'; '.join(folded)})" if folded else ""


def _classes(names: list[str]) -> str:
    return f"the class{'es' * (len(names) != 1)} {_list(names)}"


def _list(names: Iterable[str], n: int = 5) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:n]) + (f" and {len(listed) - n} more" if len(listed) > n else "")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
