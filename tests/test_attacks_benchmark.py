"""benchmarks/attacks.py: a cell is written once, the table says what the cells hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import attacks as bench


def test_cells_are_kept_and_the_table_holds_their_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--random", "--count", "3", "--slow", "1", "--only", "random__raw-uniform__", "--cells", str(tmp_path)]
    chosen = {k: v for k, v in (bench.FAMILIES | bench.SLOW).items() if k in ("noise", "photographs projected", "APGD")}
    kept = bench.ORDER
    bench.ORDER = tuple(chosen)
    try:
        bench.main(words)
        files = {f.name: (f.stat().st_mtime_ns, json.loads(f.read_text())) for f in tmp_path.iterdir()}
        first = capsys.readouterr().out
        bench.main(words)
        assert {f.name: f.stat().st_mtime_ns for f in tmp_path.iterdir()} == {k: v[0] for k, v in files.items()}
        again = capsys.readouterr().out
    finally:
        bench.ORDER = kept
    assert first.endswith(again)
    cell = files["random__raw-uniform__photographs-projected.json"][1]["confidence"]
    quiet = files["random__raw-uniform__noise.json"][1]["confidence"]
    assert len(cell) == 3
    assert len(files["random__raw-uniform__apgd.json"][1]["confidence"]) == 1
    assert np.all(np.array(cell) >= np.array(quiet) - 1e-6)
    assert f"| {np.mean(cell):.3f} (" in again
    assert "| 0% | 0% |" in again


def test_the_interval_of_a_mean_holds_it_and_counts_the_share() -> None:
    assert bench.mean_with_interval(np.full(50, 0.25)) == "0.250 (0.250-0.250); 0% (0%-7%)"
    assert bench.mean_with_interval(np.repeat([0.0, 1.0], 100)).startswith("0.500 (0.43")
