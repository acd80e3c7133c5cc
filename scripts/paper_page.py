"""Fills the tables of docs/paper.md: runs the commands named there and pastes what they print.

    python scripts/paper_page.py --nets DIR [--data runs/datasets] [--only table1-mnist]

What the commands measured before (runs/) is read again and takes seconds; what they did not takes hours. A block whose command
fails keeps its old text, and the script says so and ends with 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "paper.md"


def commands(nets: Path, data: Path) -> Mapping[str, list[str]]:
    """Block -> the command whose output it holds."""
    reproduce = ["-m", "openset", "reproduce"]
    found = {
        "checkpoints": [*reproduce, "checkpoints", str(nets)],
        "attacks": ["benchmarks/attacks.py", "--nets", str(nets), "--only", "low-passed-uniform"],
    }
    for name in ("mnist", "fashion-mnist"):
        found[f"table1-{name}"] = [*reproduce, "table1", "--dataset", name, "--data", str(data), "--attacked", "500"]
        found[f"table2-{name}"] = [
            *reproduce,
            "table2",
            "--dataset",
            name,
            "--data",
            str(data),
            "--rays",
            "200",
            "--clipped",
            "200",
        ]
        found[f"mended-{name}"] = ["benchmarks/acet_repaired.py", name, "--data", str(data)]
    return found


def filled(text: str, block: str, content: str) -> str:
    """`text` with what stands between the block's two marks replaced. Raises ValueError where a mark is missing."""
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    a, b = text.index(begin) + len(begin), text.index(end)
    return f"{text[:a]}\n{content.strip()}\n{text[b:]}"


def table_of(output: str) -> str:
    """A command's output from its first table's first line on; progress lines before it are not the page's."""
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    return "\n".join(lines[first:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=Path, required=True, metavar="DIR", help="the released nets")
    parser.add_argument("--data", type=Path, default=Path("runs/datasets"))
    parser.add_argument("--only", help="just this block")
    given = parser.parse_args()
    failed = []
    for block, words in commands(given.nets, given.data).items():
        if given.only not in (None, block):
            continue
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
        if done.returncode or "|" not in done.stdout:
            failed.append(block)
            print(f"{block}: kept as it was; {done.stderr.strip()[-300:]}", file=sys.stderr)
            continue
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), block, table_of(done.stdout)), encoding="utf-8")
        print(f"{block}: written")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
