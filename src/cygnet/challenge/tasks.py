"""Tasks as data: what is submitted, what is measured, who is to be cited."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from cygnet.errors import InputError
from cygnet.schema.suggest import did_you_mean, nearest

Kind = Literal["classification", "segmentation", "attributes", "superpixels", "ranking"]

_CURVE: Final = ("auc", "pauc", "average_precision")
#: Headline metrics that each kind of task can have, with what they are called.
HEADLINES: Final[dict[str, dict[str, str]]] = {
    "classification": {
        "balanced_accuracy": "Balanced accuracy",
        "auc": "AUC",
        "average_precision": "Average precision",
        "pauc": "pAUC above 80 % TPR",
        "dice": "Dice",
    },
    "segmentation": {
        "jaccard": "Mean Jaccard",
        "threshold_jaccard": "Threshold Jaccard",
        "dice": "Mean Dice",
    },
    "attributes": {"micro_jaccard": "Micro Jaccard", "micro_dice": "Micro Dice"},
    "superpixels": {"auc": "AUC", "average_precision": "Average precision"},
    "ranking": {
        "within_patient_auc": "Within-patient AUC",
        "hit_at_1": "hit@1",
        "hit_at_3": "hit@3",
        "auc": "AUC",
        "pauc": "pAUC above 80 % TPR",
        "average_precision": "Average precision",
    },
}
#: Columns that may name the image, the usual ones of the challenges first.
IDENTIFIERS: Final = ("image", "image_id", "image_name", "isic_id", "lesion_id")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_MELANOMA: Final = ("target", "mel", "melanoma", "malignant")
_KEYS: Final = {"title", "year", "kind", "classes", "headline", "identifier", "url", "citation"}


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of a submission.

    ``kind`` says what it holds: a table of ``classes`` per image (classification), or of a ``target`` that is judged within
    patients (ranking), a mask per image (segmentation) or per image and class (attributes), or a JSON file of superpixels
    per image. ``headline`` is the metric that ranks (see ``HEADLINES``); all are better when higher, in [0, 1].
    ``identifier`` is the usual name of the image column.
    """

    name: str
    title: str
    kind: Kind
    headline: str
    classes: tuple[str, ...] = ()
    year: int = 0
    identifier: str = "image"
    url: str = ""
    citation: str = ""

    @property
    def tabular(self) -> bool:
        """Whether a submission is a table."""
        return self.kind in ("classification", "ranking")

    @property
    def headline_title(self) -> str:
        """The headline metric as people call it."""
        return HEADLINES[self.kind][self.headline]

    @property
    def melanoma(self) -> int | None:
        """The column that tells melanoma (or malignant) from the rest, None where there is none."""
        lower = [name.lower() for name in self.classes] if self.tabular else []
        return next((lower.index(name) for name in _MELANOMA if name in lower), None)

    @property
    def layout(self) -> str:
        """What a submission looks like, in a sentence."""
        if self.tabular:
            columns = ", ".join((self.identifier, *self.classes))
            return f"CSV or Parquet with the columns {columns}; one row per image, values from 0 to 1"
        if self.kind == "segmentation":
            return "zip of one PNG per image, IMAGE_segmentation.png, of the image's size: 255 lesion, 0 skin"
        if self.kind == "attributes":
            return (
                f"zip of one PNG per image and attribute, IMAGE_attribute_NAME.png, of the image's size: 255 and 0. "
                f"Attributes: {', '.join(self.classes)}"
            )
        return (
            "zip of one JSON file per image, IMAGE_features.json: a list of values from 0 to 1, one per superpixel, for "
            f"each of {', '.join(self.classes)}"
        )

    def as_json(self) -> dict[str, Any]:
        """The task as its TOML table has it."""
        return {
            "name": self.name,
            "title": self.title,
            "year": self.year,
            "kind": self.kind,
            "classes": list(self.classes),
            "headline": self.headline,
            "identifier": self.identifier,
            "url": self.url,
            "citation": self.citation,
        }


@cache
def known() -> Mapping[str, Task]:
    """The tasks of ISIC's challenges by name, in order of years."""
    text = files("cygnet.challenge").joinpath("data/tasks.toml").read_text(encoding="utf-8")
    return {name: made(name, table) for name, table in tomllib.loads(text).items()}


def task(name: str | os.PathLike[str]) -> Task:
    """The task of that name, or the one that a TOML file defines.

    Raises
    ------
    InputError
        If there is none, with the nearest names; or the file is wrong, with what to change.
    """
    found = known().get(str(name).lower())
    if found is not None:
        return found
    path = Path(name)
    if path.suffix.lower() == ".toml":
        return made(path.stem, read_toml(path))
    hint = did_you_mean(nearest(str(name).lower(), known(), 1))
    raise InputError(
        f"no task {str(name)!r}; {hint}{' ' if hint else ''}cygnet challenge list shows all, a .toml file defines a new one"
    )


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    Raises
    ------
    InputError
        If it is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not TOML ({error}); write lines such as kind = "classification"') from error


def made(name: str, table: Mapping[str, Any]) -> Task:
    """A task from its TOML table; keys that belong to a hosted challenge are left alone.

    Raises
    ------
    InputError
        Saying which key is wrong and what it may be.
    """
    if isinstance(table.get("task"), str):
        base = task(table["task"])
        table = {**base.as_json(), **{k: v for k, v in table.items() if k in _KEYS}}
    name = str(table.get("name", name))
    if not _NAME.match(name):
        raise InputError(f"name = {name!r}: use small letters, digits and hyphens, at most 64")
    kind = table.get("kind")
    if kind not in HEADLINES:
        raise InputError(f"{name}: kind = {kind!r}; choose one of {', '.join(HEADLINES)}")
    headline = table.get("headline", next(iter(HEADLINES[kind])))
    if headline not in HEADLINES[kind]:
        raise InputError(f"{name}: headline = {headline!r}; for {kind} choose one of {', '.join(HEADLINES[kind])}")
    classes = tuple(table.get("classes", ("target",) if kind == "ranking" else ()))
    _check_classes(name, kind, classes)
    return Task(
        name=name,
        title=str(table.get("title", name)),
        kind=kind,
        headline=headline,
        classes=classes,
        year=int(table.get("year", 0)),
        identifier=str(table.get("identifier", "image")),
        url=str(table.get("url", "")),
        citation=str(table.get("citation", "")),
    )


def as_toml(task: Task) -> str:
    """The task as a TOML file, from which ``task`` makes it again."""
    # Strings, whole numbers and lists of strings are written alike in TOML and JSON.
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=True)}\n" for key, value in task.as_json().items() if value
    )


def _check_classes(name: str, kind: str, classes: tuple[Any, ...]) -> None:
    if not all(isinstance(c, str) and c.strip() == c and c for c in classes) or len(set(classes)) < len(classes):
        raise InputError(f'{name}: classes must be different names, such as classes = ["MEL", "NV"]')
    if kind == "segmentation" and classes:
        raise InputError(f'{name}: a segmentation has no classes; for several masks per image use kind = "attributes"')
    if kind == "ranking" and len(classes) != 1:
        raise InputError(f"{name}: a ranking has one class, the target")
    if kind in ("classification", "attributes", "superpixels") and not classes:
        raise InputError(f'{name}: name the classes, such as classes = ["MEL", "NV"]')
