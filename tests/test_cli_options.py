"""Values of options that cannot be end with exit code 2 and name the option; what helps and messages promise is so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openset._cli.info import lines
from openset.cli import app
from test_judge import info


def said(*words: str) -> tuple[int, str]:
    """(exit code, all that is printed, on one line)."""
    done = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train d --lr -1", "'--lr': -1.0 is not a finite number above 0."),
        ("train d --lr nan", "'--lr': nan is not a finite number above 0."),
        ("train d --weight-decay -1", "'--weight-decay': -1.0 is not a finite number of at least 0."),
        ("train d --out-weight inf", "'--out-weight': inf is not a finite number of at least 0."),
        ("train d --eps 2", "'--eps': 2.0 is not a number from 0 to 1."),
        ("train d --device tpu", "'--device': 'tpu' is no device: give cpu, cuda or cuda:N."),
        ("train d --epochs 0", "'--epochs'"),
        ("audit m:n --rays -t 2", "'--confidence' / '-t': 2.0 is not a number above 0 and below 1."),
        ("outliers new --count 4", "'--count'"),
        ("outliers new --seed -1", "'--seed'"),
        ("export r --precision 1", "'--precision': 1.0 is not a number above 0 and below 1."),
        ("wrap m:n --labels a,b --size 8 --prevalence a", "one number above 0 and below 1, such as --prevalence 0.01"),
    ],
)
def test_a_value_that_cannot_be_is_a_wrong_command_line(words: str, message: str) -> None:
    code, text = said(*words.split())
    assert code == 2
    assert message in text
    assert "picture limit" not in text  # no head of a table before the message


def test_values_at_the_edge_go_on_to_the_folder_which_is_not_there() -> None:
    good = "--lr 1e-9 --weight-decay 0 --out-weight 0 --eps 1 --device cpu"
    code, text = said("train", "nowhere", *good.split())
    assert code == 1
    assert "nowhere" in text


def test_the_share_in_the_field_is_explained_alike_wherever_it_is_asked_for() -> None:
    wanted = "--prevalence P How common the class is in the field: a share, or LABEL=P for each"
    for command in ("calibrate", "export", "wrap"):
        assert wanted in said(command, "--help")[1]


def test_every_help_tells_the_exit_codes() -> None:
    for command in ("predict", "check", "outliers", "train", "export", "calibrate", "wrap", "audit", "info", "demo"):
        told = said(command, "--help")[1].partition("Exit code: ")[2]
        assert "2" in told.partition("Arguments:")[0], command


def test_a_file_in_the_place_of_a_new_folder_is_called_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    code, text = said("outliers", str(tmp_path / "x.jpg"))
    assert code == 1
    assert "x.jpg' is a file: give a new folder" in text


def test_info_writes_its_counts_in_one_style() -> None:
    known = info()
    many = dataclasses.replace(known.thresholds["red"], n=3575, accepted=1009, wrong=1000)
    text = "\n".join(lines(dataclasses.replace(known, thresholds={"red": many})))
    assert "on 3,575 pictures: 1,009 accepted, 1,000 of them wrongly" in text
