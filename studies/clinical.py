"""Would age, sex and site help a network? Regressions on top of the score of ours and of other teams' networks; docs/models.md.

python studies/clinical.py --data ../shared/data

What the three facts add, with paired intervals: by a regression that was fitted to that very network, out of fold by patient or lesion; by one that was
fitted to another network; and by the share of melanomas among training rows of an age, sex and site. Nothing is chosen here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import looks
import numpy as np
import polars as pl
from numpy.typing import NDArray
from truth import usable

from cygnet.context.stack import logistic
from cygnet.evaluation import metrics, table
from cygnet.evaluation.calibration import logit
from cygnet.models import LesionModel, find_lesion
from cygnet.models.registry import PREFERRED
from cygnet.report.figures import write_figures
from cygnet.schema.sites import find_site, general_site
from cygnet.training.sources import Sample, read_sources
from cygnet.triage import Yardstick

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/clinical.py"
OURS: Final = {"ham10000": "HAM10000", "isic2020": "ISIC 2020"}
SITES: Final = ("head/neck", "upper extremity", "lower extremity", "torso", "palms/soles", "oral/genital")
FOLDS: Final = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """n images: a network's log odds of melanoma, the truth, who is resampled, (n,) each, and ``about`` (n, f) as of ``facts``."""

    said: Floats
    melanoma: NDArray[np.bool_]
    unit: NDArray[np.object_]
    about: Floats

    def only(self, rows: NDArray[np.bool_]) -> Rows:
        """Some of the images, ``rows`` (n,) bool."""
        return Rows(self.said[rows], self.melanoma[rows], self.unit[rows], self.about[rows])


def main() -> None:
    """Judge and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "models.md")
    args = parser.parse_args()
    text = "\n".join(sections(args.data))
    print(text)
    write_figures(args.page, COMMAND, text)


def sections(data: Path) -> Iterator[str]:
    """The Markdown lines."""
    b2, winners = other_teams(data / "tables")
    model = LesionModel(find_lesion(PREFERRED))
    samples = read_sources(data)
    tests, held = (
        {
            f"`{model.files.name}`, {words} {split} split": [own(data, model, only(samples, name, split))]
            for name, words in OURS.items()
        }
        for split in ("test", "calibration")
    )
    theirs = {"EfficientNet-B2 of another team, ISIC 2020": [b2]}
    for given in ("without", "with"):
        some = [rows for name, rows in winners.items() if ("meta" in name) == (given == "with")]
        theirs[f"{len(some)} networks of the 2020 winners trained {given} them, mean"] = some
    yield "| age, sex and site weigh | added to | images | melanomas | AUC without | with | difference |"
    yield "|---|---|--:|--:|---|---|---|"
    itself = {name: rows for name, rows in theirs.items() if len(rows) == 1} | tests
    for name, rows in itself.items():
        yield line("as fitted to that network itself, out of fold", name, rows, [fitted_to_itself(one) for one in rows])
    foreign = {name: rows for name, rows in theirs.items() if len(rows) > 1} | tests
    weights_of = fits(b2)
    for name, rows in foreign.items():
        yield line("as fitted to the EfficientNet-B2", name, rows, [carried(weights_of, one) for one in rows])
    weights = of_training_rows(data, only(samples, "ham10000", "train"))
    for name, rows in (theirs | tests | held).items():
        moved = [one.about @ weights / own_scale(one) for one in rows]
        yield line("as in HAM10000's training rows, without images", name, rows, moved)


def line(weigh: str, name: str, networks: list[Rows], moved: list[Floats]) -> str:
    """A row of the table: the mean AUC of ``networks`` without and with what moves their log odds, on the same resamples."""
    everyone = np.concatenate([rows.unit for rows in networks])
    people, member = np.unique(everyone.astype(str), return_inverse=True)
    ends = np.cumsum([len(rows.unit) for rows in networks])
    drawn = metrics.bootstrap_weights(people)
    bare, gained = [], []
    for rows, move, end in zip(networks, moved, ends, strict=True):
        weights = drawn[:, member[end - len(rows.unit) : end]]
        bare.append(looks.auc_replicates(rows.said, rows.melanoma, weights))
        gained.append(looks.auc_replicates(rows.said + move, rows.melanoma, weights))
    without, with_ = np.mean(bare, axis=0), np.mean(gained, axis=0)
    images, melanomas = (
        round(float(np.mean(n))) for n in ([len(r.said) for r in networks], [r.melanoma.sum() for r in networks])
    )
    found = f"{looks.stated(without)} | {looks.stated(with_)} | {looks.moved(with_, without)}"
    return f"| {weigh} | {name} | {images:,} | {melanomas} | {found} |"


def fitted_to_itself(rows: Rows) -> Floats:
    """What the facts add in log odds of the network, (n,); each patient's or lesion's by a regression on the others."""
    return out_of_fold(rows, [weights / slope for slope, weights in fits(rows)])


def carried(fitted: Sequence[tuple[float, Floats]], rows: Rows) -> Floats:
    """The same by ``fits`` to another network, each patient's by the one without that patient: (n,).

    The term is in true log odds, and brought to those of the network by one number, fitted to ``rows``.
    """
    return out_of_fold(rows, [weights for _, weights in fitted]) / own_scale(rows)


def fits(rows: Rows) -> list[tuple[float, Floats]]:
    """The ``regression`` on all but each fold."""
    fold = folds(rows.unit)
    return [regression(rows.only(fold != k)) for k in range(FOLDS)]


def out_of_fold(rows: Rows, weights: Sequence[Floats]) -> Floats:
    """The facts of each row weighed by the weights of its fold: (n,)."""
    return np.asarray((rows.about * np.array(weights)[folds(rows.unit)]).sum(axis=1))


def own_scale(rows: Rows) -> float:
    """How many true log odds one of the network's is."""
    return float(logistic(np.stack([np.ones(len(rows.said)), rows.said], axis=1), rows.melanoma.astype(np.float64))[1])


def regression(rows: Rows) -> tuple[float, Floats]:
    """Weights of the network's log odds and of the facts (f,) in a ridge logistic regression on both."""
    design = np.concatenate([np.ones((len(rows.said), 1)), rows.said[:, None], rows.about], axis=1)
    found = logistic(design, rows.melanoma.astype(np.float64))
    return float(found[1]), found[2:]


def of_training_rows(data: Path, taught: list[Sample]) -> Floats:
    """Weights (f,) of the facts in a regression on training rows of one source, which knows no network."""
    design = facts(table_of(data, taught))
    found = logistic(
        np.column_stack([np.ones(len(taught)), design]), np.array([s.melanoma for s in taught], np.float64)
    )
    return found[1:]


def folds(units: NDArray[np.object_]) -> NDArray[np.int64]:
    """A fold for each row, (n,), by the name of its unit, so that tables with the same patients have the same folds."""
    return np.array([sum(name.encode()) % FOLDS for name in units.astype(str)])


def other_teams(tables: Path) -> tuple[Rows, Mapping[str, Rows]]:
    """The EfficientNet-B2 on its usable rows, and each of the winners' networks on those of them that it was sampled on."""
    scores = usable(table.read(tables / "isic2020_oof_efficientnet_b2.csv"))
    images = scores["image_name"].to_list()
    truth = table.take(table.read(tables / "isic2020_train.csv"), images)
    about = facts(truth.rename({"age_approx": "age", "anatom_site_general_challenge": "site"}))
    melanoma, unit = truth["target"].to_numpy() == 1, truth["patient_id"].to_numpy()
    rows = Rows(_level(logit(scores["score"].to_numpy()), scores["fold"].to_numpy()), melanoma, unit, about)
    found = table.take(table.read(tables / "isic2020_oof_first_place.csv"), images)
    names = [name for name in found.columns if name[0].isdigit()]
    winners = {}
    for name in names:
        score = found[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        winners[name] = Rows(logit(score), melanoma, unit, about).only(~np.isnan(score))
    return rows, winners


def _level(said: Floats, fold: NDArray[np.int64]) -> Floats:
    """Log odds with the median of each fold taken away: the folds are different networks, not calibrated to each other."""
    middle = np.array([np.median(said[fold == k]) for k in range(int(fold.max()) + 1)])
    return np.asarray(said - middle[fold])


def only(samples: list[Sample], source: str, split: str) -> list[Sample]:
    """The images of one split of one source."""
    return [s for s in samples if s.source == source and s.split == split]


def own(data: Path, model: LesionModel, samples: list[Sample]) -> Rows:
    """Our model on images of one source."""
    said = looks.answers(samples, looks.whole, model, Yardstick.from_model(model)).melanoma
    unit = np.array([s.group.partition(":")[2] or s.group for s in samples], dtype=object)
    return Rows(said, np.array([s.melanoma for s in samples]), unit, facts(table_of(data, samples)))


def table_of(data: Path, samples: list[Sample]) -> pl.DataFrame:
    """Age, sex and site of images of one source, in their order."""
    known = table.read(data / samples[0].source / "manifest.csv")
    names = {"localization": "site", "age_approx": "age", "anatom_site_general_challenge": "site"}
    found = table.take(known, [s.image_id for s in samples])
    return found.rename({old: new for old, new in names.items() if old in found.columns})


def facts(rows: pl.DataFrame) -> Floats:
    """Age in units of 20 years from 50 and its square, sex, and site as a column a word: (n, 10); zeros where unknown."""
    age = rows["age"].cast(pl.Float64, strict=False).to_numpy()
    years = np.where(np.isnan(age), 0.0, (np.nan_to_num(age, nan=50.0) - 50.0) / 20.0)
    sites = [_general(text) for text in rows["site"].to_list()]
    columns = [years, years**2, *(rows["sex"].to_numpy() == word for word in ("male", "female"))]
    columns += [np.array([site == word for site in sites]) for word in SITES]
    return np.stack(columns, axis=1).astype(np.float64)


def _general(text: str | None) -> str | None:
    """The challenges' general site of a word; torso for any part of it."""
    found = find_site(text) if text else None
    general = general_site(found.path, found.special) if found else None
    return "torso" if general and general.endswith("torso") else general


if __name__ == "__main__":
    main()
