"""The official tables of the challenges: read without false alarms, and truth tables out of diagnoses and back."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from cygnet.schema import tables
from cygnet.schema.check import Checked, check
from cygnet.schema.labels import CHALLENGES, ONE_HOT, to_label, to_one_hot

DATA = Path(os.environ.get("CYGNET_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not (DATA / "tables").is_dir(), reason=f"no real tables in {DATA}; set CYGNET_DATA"),
]
#: Each table, and the problems that are truly in it by code (notes aside).
TRULY_THERE: dict[str, dict[str, int]] = {
    "tables/ISIC_2019_Training_Metadata.csv": {"lesion-contradiction": 2},
    "tables/isic2020_train.csv": {"ambiguous-value": 1},
    "ham10000/manifest.csv": {"ambiguous-value": 276},
    "tables/isic2020_duplicates.csv": {"missing-image": 1},
}
NAMES = sorted(str(f.relative_to(DATA)) for f in [*DATA.glob("tables/*.csv"), *DATA.glob("*/manifest.csv")])


def examined(name: str) -> Checked:
    return check(tables.read(DATA / name))


@pytest.mark.parametrize("name", NAMES)
def test_official_tables_have_no_false_alarm(name: str) -> None:
    report = examined(name).report
    graver = [p for p in report if p.severity != "note"]
    counted = {code: sum(p.code == code for p in graver) for code in {p.code for p in graver}}
    assert counted == TRULY_THERE.get(name, {})


@pytest.mark.parametrize(
    ("name", "year"),
    [("ISIC-2017_Training_Part3_GroundTruth.csv", "2017"), ("ISIC2018_Task3_Training_GroundTruth.csv", "2018"), ("ISIC_2019_Training_GroundTruth.csv", "2019")],
)  # fmt: skip
def test_truths_come_back_from_diagnoses(name: str, year: str) -> None:
    truth = pl.read_csv(DATA / "tables" / name)
    rows = examined(f"tables/{name}").rows
    classes = ONE_HOT[year]
    wide = {n for n, label in CHALLENGES[year].items() if label.diagnosis is None or not label.covers}
    wide |= {n for n, label in CHALLENGES[year].items() if label.diagnosis == "Benign"}
    lost = 0
    for path, row in zip(rows["diagnosis"], truth.select(classes).iter_rows(named=True), strict=True):
        label = to_label(path, year) if path else None
        if label is None:
            lost += 1
            assert {n for n, v in row.items() if v} & wide
        else:
            assert to_one_hot(label, year) == row
    assert lost == sum(int(truth[n].sum()) for n in wide & set(classes))


def test_ham10000_keeps_its_labels() -> None:
    manifest = pl.read_csv(DATA / "ham10000" / "manifest.csv")
    rows = examined("ham10000/manifest.csv").rows
    back = [path and to_label(path, "ham10000") for path in rows["diagnosis"]]
    pairs = [(a, b) for a, b in zip(manifest["dx"], back, strict=True) if a not in ("akiec", "vasc")]
    assert pairs and all(a == b for a, b in pairs)
    assert set(rows["diagnosis_confirm_type"].unique()) == {
        "histopathology",
        "serial imaging showing no change",
        "single image expert consensus",
        "confocal microscopy with consensus dermoscopy",
    }
    assert set(rows["copyright_license"]) == {"CC-BY-NC"}


def test_slice_3d_keeps_hierarchy_site_and_side() -> None:
    given = pl.read_csv(DATA / "tables" / "isic2024_sample.csv", infer_schema=False)
    rows = examined("tables/isic2024_sample.csv").rows
    assert rows["diagnosis"].to_list() == given["iddx_full"].str.replace_all("::", ":").to_list()
    assert rows["diagnosis_1"].to_list() == given["iddx_1"].to_list()
    side = given["tbp_lv_location"].str.extract(r"^(Left|Right)").str.to_lowercase()
    assert rows["laterality"].to_list() == side.to_list()
    assert rows["anatom_site"].null_count() == given["anatom_site_general"].null_count()
