"""The house stands: imports go one way, nothing heavy is loaded before it is needed, every public name is explained."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import openset

SOURCE = Path(openset.__file__).parent
HEAVY = ("numpy", "scipy", "PIL", "onnxruntime", "rich", "torch", "torchvision", "timm", "onnx", "sklearn")
ROOMS = {  # room: (its modules, the rooms it may import from)
    "parcels": ("types errors _words", ""),
    "images": ("images _apart _decode _formats _heif _pdf _pixels _several _worker", "parcels"),
    "decide": ("decide bounds metrics _field _intervals _scores", "parcels"),
    "file": ("judgefile onnxbytes", "parcels"),
    "judge": ("judge", "parcels images decide file"),
    "data": ("data", "parcels images"),
    "nets": ("nets _weights losses authors", "parcels"),
    "heads": ("heads", "parcels"),
    "attack": ("attack _ball _climb _combine _mended _patterns _search _vanish", "parcels nets"),
    "audit": ("audit", "parcels"),
    "reproduce": ("reproduce", "parcels images decide data nets attack audit export training"),
    "export": ("export", "parcels file judge"),
    "training": (
        "training _drawn _loop _material _runfacts _schedule _watch loader runfile",
        "parcels images decide judge data nets attack export",
    ),
    "wrapping": (
        "wrapping _wrapchecks _wrapfit _wrapped",
        "parcels decide judge data nets heads audit export training",
    ),
    "calibrate": ("calibrate", "parcels images decide file judge data"),
    "report": ("report", "parcels"),
    "sheetmusic": ("sheetmusic", "parcels images decide file judge data nets attack export training"),
    "demo": ("demo _demodata", "parcels images decide judge data nets attack training calibrate report"),
    "cli": (
        "cli _cli __main__",
        "parcels images decide file judge data audit training export calibrate demo reproduce wrapping",
    ),
}
ROOM_OF = {module: room for room, (modules, _) in ROOMS.items() for module in modules.split()}


def imports(path: Path) -> set[str]:
    """The modules and packages of ours right below `openset` that the file imports, at any depth of its code."""
    package = ["openset", *path.relative_to(SOURCE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found |= {".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("openset.")} - {"__version__"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_the_table_only(path: Path) -> None:
    module = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if module == "__init__":
        return  # the front door names what it opens
    room = ROOM_OF[module]  # a module without a room: give it one above, and in docs/flow.md
    allowed = {room, *ROOMS[room][1].split()}
    wrong = {name for name in imports(path) if ROOM_OF[name] not in allowed}
    assert not wrong, f"{room} may not import {', '.join(wrong)}"


def loaded_after(code: str) -> set[str]:
    """Which of HEAVY a fresh Python holds after the code."""
    tail = f"\nimport sys; print('|', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("|")[2].split())


def cli(*words: str) -> str:
    return (
        f"import sys; sys.argv = {['openset', *words]!r}\nfrom openset.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code"
    )


def test_import_and_help_load_nothing_heavy() -> None:
    assert loaded_after("import openset") == set()
    assert loaded_after(cli("--help")) == set()
    assert loaded_after(cli("train", "--help")) == set()


def test_judging_needs_neither_torch_nor_onnx(tmp_path: Path) -> None:
    from PIL import Image

    from openset.judgefile import with_info
    from test_judge import graph, info

    (tmp_path / "judge.onnx").write_bytes(with_info(graph().SerializeToString(), info()))
    Image.new("RGB", (20, 20), (255, 0, 0)).save(tmp_path / "x.png")
    words = ("predict", str(tmp_path / "judge.onnx"), str(tmp_path / "x.png"))
    assert loaded_after(cli(*words)) == {"numpy", "PIL", "onnxruntime", "rich"}
    assert loaded_after(cli(*words, "--json")) == {"numpy", "PIL", "onnxruntime"}


def test_every_public_name_is_there_and_explained() -> None:
    assert set(dir(openset)) == set(openset.__all__)
    for name in openset.__all__:
        thing = getattr(openset, name)
        if name != "__version__":
            assert len((thing.__doc__ or "").strip()) > 20, f"openset.{name} has no docstring"
            assert thing.__module__.startswith("openset.")


def test_every_module_opens_with_what_it_does() -> None:
    silent = [p for p in SOURCE.rglob("*.py") if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert silent == []


def test_training_without_torch_names_the_pip_command() -> None:
    code = "import sys; sys.modules['torch'] = None; import openset; openset.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "MissingExtraError" in done.stderr
    assert 'pip install "openset[train]"' in done.stderr
