"""Configurations in TOML: what is read, what is refused and how, and that options count more. No torch but in the last ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.training.lesion import LesionConfig
from cygnet.training.settings import CONFIGS, find_config, read_settings, to_toml
from cygnet.training.tables import Source

if TYPE_CHECKING:
    from conftest import Answer


def settings(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return read_settings(path, LesionConfig)


def test_every_setting_goes_there_and_back(tmp_path: Path) -> None:
    config = LesionConfig(
        epochs=3,
        sizes=(64, 80),
        learning_rate=2,
        start='a "file"\\',
        pretrained=False,
        teachers=("x", "y"),
        hold_out=("b",),
        sources=(Source("a", "a.csv", "2019", known=("mel", "nv")), Source("b", "b.csv", "isic", share=0.25)),
    )
    found = settings(tmp_path, to_toml(config))
    assert set(found) == {f.name for f in fields(LesionConfig)}
    assert LesionConfig(**found) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 3\nepocs = 3\n", r"run.toml line 2, epocs: no such setting; did you mean 'epochs'"),
        ('epochs = "3"', r"line 1, epochs: '3' does not fit; a whole number is needed"),
        ("epochs = 3.5", r"epochs: 3.5 does not fit; a whole number"),
        ("epochs = true", r"epochs: True does not fit; a whole number"),
        ("pretrained = 1", r"pretrained: 1 does not fit; true or false is needed"),
        ("sizes = 160", r"sizes: 160 does not fit; a list is needed, each a whole number, as in \[128, 160\]"),
        ("\n\nmix = 1.5", r"line 3, mix: 1.5 is out of range; it must be 0 to 1"),
        ("batch = 0", r"batch: 0 is out of range; it must be 1 or more"),
        ('backbone = "lite7"', r"backbone: 'lite7' is none of lite0, lite1, lite2; did you mean"),
        ("mix = \n", r"run.toml: not TOML: Invalid value \(at line 1"),
        ('[[source]]\nname="a"\n', r"source: \[\[source\]\] number 1 lacks csv, labels"),
        ('[source]\nname="a"\n', r"a list of tables is needed; begin each with \[\[source\]\]"),
        (
            '[[source]]\nname="a"\ncsv="a"\nlabels="2019"\n[[source]]\nname="b"\ncsv="a"\nlabel="x"\nlables="2019"\n',
            r"line 9, lables: no such setting; did you mean 'labels'",
        ),
        (
            '[[source]]\nname="a"\ncsv="a"\nlabels="2021"\n',
            r"line 4, labels: '2021' is none of 2016, .*; did you mean '2",
        ),
        (
            '[[source]]\nname="a"\ncsv="a"\nlabels="2019"\nknown=["mel", "wart"]\n',
            r"line 5, known: 'wart' is none of akiec",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings(tmp_path, text)


def test_limits_are_inclusive_and_of_any_dataclass(tmp_path: Path) -> None:
    @dataclass
    class Own:
        share: float = 0.5
        LIMITS: ClassVar = {"share": (0, 1)}

    path = tmp_path / "a.toml"
    path.write_text("share = 1\n")
    assert read_settings(path, Own) == {"share": 1.0}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_configurations_that_come_along(path: Path) -> None:
    assert find_config(path.stem) == path
    config = LesionConfig(**read_settings(path, LesionConfig))
    assert [s.name for s in config.sources] == ["isic2019", "isic2020"]
    assert config.sizes[-1] % 40 == 0
    assert config.batch % 64 == config.draws % config.batch == 0


def test_options_count_more_than_the_file(tmp_path: Path, command: Callable[..., Answer]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('epochs = 3\nseed = 9\nteachers = ["lesion-1"]\nsizes = [64, 80]\n')
    printed = tmp_path / "printed.toml"
    printed.write_text(command("train", "lesion", "--config", file, "--epochs", 4, "--mix", 0.1, "--print-config").out)
    found = read_settings(printed, LesionConfig)
    assert (found["epochs"], found["seed"], found["mix"], found["sizes"]) == (4, 9, 0.1, (64, 80))
    assert (found["teachers"], found["taught"]) == (("lesion-1",), 0.5)
    command_line = command("train", "lesion", "--config", file, "--epochs", 22, "--print-config").out
    assert "epochs = 22" in command_line, "an option that is typed counts, also with its default value"


def test_defaults_are_the_same_everywhere(command: Callable[..., Answer], tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(command("train", "lesion", "--print-config").out)
    assert LesionConfig(**read_settings(path, LesionConfig)) == LesionConfig()
    helped = re.sub(r"\s+", " ", command("train", "lesion", "--help").out)
    for name in ("epochs", "draws", "batch", "seed", "workers", "strength", "keep", "mix", "votes", "learning_rate"):
        assert f"[default: {getattr(LesionConfig(), name)}]" in helped, name


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--sizes", "64,100"), "--sizes 64,100: all must be multiples of 32"),
        (("--sizes", "0"), "--sizes 0: all must be multiples of 32"),
        (("--sizes", "big"), "--sizes big: give whole numbers with commas"),
    ],
)
def test_wrong_use_of_outline_sides(
    args: tuple[str, ...], words: str, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    answer = command("train", "segment", "--data", tmp_path, "--out", tmp_path / "r", *args)
    assert (answer.code, words in answer.err) == (2, True), answer.err


def test_wrong_use(tmp_path: Path, command: Callable[..., Answer]) -> None:
    for args, words in (
        ((), "name --data DATA"),
        (("--data", tmp_path), "name --out RUN"),
        (("--config", tmp_path / "no.toml"), "no such file; name a TOML file, or one of isic2019-2020"),
        (("--config", "isic2019-2020"), "did you mean 'isic2019-2020-fast'"),
        (("--backbone", "b7"), "--backbone: 'b7' is none of"),
        (("--sizes", "64,90"), "--sizes 64,90: the last must be a multiple of 40"),
        (("--precision", "float16", "--device", "cpu", "--data", tmp_path, "--out", tmp_path / "r"), "needs a GPU"),
    ):
        answer = command("train", "lesion", *args)
        assert (answer.code, words in answer.err) == (2, True), answer.err
