"""Agreement with isic-metadata 6.1.0 itself: its answers on some hundred rows stand in data/isic-metadata-6.1.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_vocabulary import study

from cygnet.schema.check import check

TABLE = json.loads((Path(__file__).parent / "data" / "isic-metadata-6.1.json").read_text(encoding="utf-8"))
#: Where Cygnet means to differ, by what was asked, and why.
MORE_UNDERSTOOD = {
    "a word for missing": [("age", "unknown"), ("sex", "unknown"), ("diagnosis", "unknown"), ("image_manipulation", "none"), ("clin_size_long_diam_mm", "nan")],
    "a plain word or abbreviation": [("sex", "m"), ("sex", "f"), ("sex", "man"), ("diagnosis_confirm_type", "histo")],
    "capitals": [("anatom_site", "scalp"), ("anatom_site_special", "Acral NOS"), ("diagnosis", "nevus"), ("image_manipulation", "Altered"), ("image_type", "Dermoscopic"), ("fitzpatrick_skin_type", "iii")],
    "a skin type in Arabic numerals": [("fitzpatrick_skin_type", "3")],
    "labels and sites of past challenges": [("diagnosis", "melanoma"), ("diagnosis", "BCC"), ("anatom_site", "Back"), ("anatom_site", "torso"), ("anatom_site", "palms/soles")],
    "left and right are kept apart": [("anatom_site", "left forearm")],
    "paths as ISIC 2024 writes them": [("anatom_site", "Trunk::Posterior trunk")],
    "a third decimal is rounded": [("clin_size_long_diam_mm", "3.456"), ("mel_thick_mm", "1.234")],
    "the unit of mitoses is known": [("mel_mitotic_index", "<1")],
}  # fmt: skip
MORE_REFUSED = {
    "nobody is 300": [("age", "300")],
    "Python's digit separator is no number": [("clin_size_long_diam_mm", "1_0")],
    "melanoma is melanocytic": [("melanocytic", "false")],
    "a toenail is not on the scalp": [("anatom_site", "Scalp")],
    "two diagnoses of one row": [("diagnosis", "Nevus")],
}
OTHER_VALUE = {"a millimetre with its unit keeps both decimals": [("clin_size_long_diam_mm", "3.14mm")]}
#: Codes of the contradictions that isic-metadata does not look for, by number of the batch in the table.
BATCHES_REFUSED = {
    6: "patient-contradiction",
    7: "lesion-contradiction",
    8: "patient-contradiction",
    9: "lesion-contradiction",
    10: "age-over-time",
}


def ours() -> list[tuple[dict[str, str], dict[str, Any], bool, dict[str, Any]]]:
    """For each row of the table: what was asked, isic-metadata's answer, whether Cygnet takes it, Cygnet's values."""
    asked = [row["asked"] for row in TABLE["rows"]]
    names = sorted({name for row in asked for name in row})
    frame = pl.DataFrame(
        [{"isic_id": f"i{k}", **{n: row.get(n) for n in names}} for k, row in enumerate(asked)],
        schema=dict.fromkeys(["isic_id", *names], pl.String),
    )
    done = check(frame)
    wrong = done.report.wrong_rows()
    return [
        (row["asked"], row, number not in wrong, values)
        for number, (row, values) in enumerate(zip(TABLE["rows"], done.rows.to_dicts(), strict=True), start=2)
    ]


def same(answer: dict[str, Any], values: dict[str, Any], asked: dict[str, str]) -> bool:
    """Whether every value that isic-metadata gives is ours, and none of the fields asked about is more."""
    given = {k: float(v) if k.endswith("_mm") and not k.endswith("hx_mm") else v for k, v in answer["values"].items()}
    fields = [f for f in asked if f not in ("diagnosis", "anatom_site")]
    return all(values[k] == v for k, v in given.items()) and all(values[f] == given.get(f) for f in fields)


def listed(differences: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    return sorted(pair for pairs in differences.values() for pair in pairs)


def pair(asked: dict[str, str]) -> tuple[str, str]:
    return next(iter(asked.items()))


def test_the_table_is_large() -> None:
    assert len(TABLE["rows"]) > 250 and len(TABLE["batches"]) > 10
    assert sum("values" in row for row in TABLE["rows"]) > 100
    assert sum("errors" in row for row in TABLE["rows"]) > 60


def test_rows_that_only_cygnet_takes() -> None:
    found = [pair(asked) for asked, answer, taken, _ in ours() if taken and "errors" in answer]
    assert sorted(found) == listed(MORE_UNDERSTOOD)


def test_rows_that_only_cygnet_refuses() -> None:
    found = [pair(asked) for asked, answer, taken, _ in ours() if not taken and "values" in answer]
    assert sorted(found) == listed(MORE_REFUSED)


def test_values_are_the_same() -> None:
    found = [
        pair(asked)
        for asked, answer, taken, values in ours()
        if taken and "values" in answer and not same(answer, values, asked)
    ]
    assert sorted(found) == listed(OTHER_VALUE)


@pytest.mark.parametrize("number", range(len(TABLE["batches"])))
def test_batches(number: int) -> None:
    batch = TABLE["batches"][number]
    rows = [{"isic_id": f"i{k}", **row} for k, row in enumerate(batch["asked"])]
    names = dict.fromkeys(name for row in rows for name in row)
    frame = pl.DataFrame([{n: r.get(n) for n in names} for r in rows], schema=dict.fromkeys(names, pl.String))
    errors = [p.code for p in check(frame).report.errors]
    theirs = {
        "one_lesion_multiple_patients": "lesion-two-patients",
        "one_rcm_case_multiple_lesions": "rcm-case-two-lesions",
        "rcm_multiple_macroscopics": "rcm-two-macroscopic",
    }
    wanted = [theirs[kind] for _, kind in batch.get("errors", [])] or [
        code for code in [BATCHES_REFUSED.get(number)] if code
    ]
    assert errors == wanted


def test_the_table_is_what_the_package_answers() -> None:
    parity = study("isic_parity")
    python = parity.interpreter()
    if python is None:
        pytest.skip("no Python 3.12 or later with isic-metadata here; CYGNET_ISIC_PYTHON may name one")
    asked = {kind: [entry["asked"] for entry in TABLE[kind]] for kind in ("rows", "batches")}
    assert asked == parity.cases()
    answers = parity.ask(python, asked)
    for kind, entries in asked.items():
        assert [{"asked": q, **a} for q, a in zip(entries, answers[kind], strict=True)] == TABLE[kind]
