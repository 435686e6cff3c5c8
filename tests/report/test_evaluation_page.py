"""The evaluation page: whole, escaped, silent about nothing, and readable where it is read."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cygnet.evaluation import Plan, Resamples, Study, anchor, by_group, evaluate
from cygnet.evaluation import controls as controlled
from cygnet.evaluation.evaluate import plain as as_json
from cygnet.evaluation.table import prepare
from cygnet.report.evaluation_page import evaluation_page
from cygnet.report.evaluation_values import p_value, plain, shown

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x00 " + "x" * 80


def estimate(value: float, half: float, n: int = 26499, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n, **more}


def difference(value: float, half: float, **more: Any) -> dict[str, Any]:
    return {"difference": value, "low": value - half, "high": value + half, "n": 26499, **more}


def curves(strength: float, seed: int) -> dict[str, Any]:
    """Made-up curves of a binormal classifier."""
    rng = np.random.default_rng(seed)
    scores = np.sort(np.concatenate([rng.normal(0, 1, 26029), rng.normal(strength, 1, 470)]))[::-1]
    benign, ill = np.sort(rng.normal(0, 1, 26029)), np.sort(rng.normal(strength, 1, 470))
    cuts = np.quantile(scores, np.linspace(1, 0, 1000))
    fpr = 1 - np.searchsorted(benign, cuts, side="left") / len(benign)
    tpr = 1 - np.searchsorted(ill, cuts, side="left") / len(ill)
    grid = np.linspace(0, 1, 101)
    sensitivity = np.interp(grid, fpr, tpr)
    spread = 2 * np.sqrt(sensitivity * (1 - sensitivity) / 470)
    precision = tpr * 470 / np.maximum(tpr * 470 + fpr * 26029, 1)
    recall = np.linspace(0.02, 1, 50)
    precise = np.interp(recall, tpr, precision)
    thresholds = np.linspace(0.005, 0.15, 30)
    benefit = 0.0177 * np.exp(-thresholds * 12 / strength)
    every = 0.0177 - (1 - 0.0177) * thresholds / (1 - thresholds)
    probability = np.array([0.001, 0.003, 0.006, 0.012, 0.02, 0.035, 0.06, 0.11, 0.19, 0.31])
    counts = np.array([9000, 6000, 4200, 3000, 2000, 1200, 700, 250, 110, 39])
    seen = np.clip(probability * rng.normal(1, 0.15, 10), 0, 1)
    bar = 2 * np.sqrt(probability * (1 - probability) / counts)
    ranks = [140, 61, 40, 28, 22, 19, 15, 12, 10, 9, 8, 7, 6, 5, 5, 4, 3]
    return {
        "roc": {
            "fpr": grid.tolist(),
            "tpr": sensitivity.tolist(),
            "low": np.clip(sensitivity - spread, 0, 1).tolist(),
            "high": np.clip(sensitivity + spread, 0, 1).tolist(),
        },
        "precision_recall": {
            "recall": recall.tolist(),
            "precision": precise.tolist(),
            "low": (precise * 0.8).tolist(),
            "high": np.minimum(precise * 1.25, 1).tolist(),
        },
        "reliability": [
            {"mean_probability": p, "observed": s, "low": max(s - b, 0), "high": s + b, "n": int(n)}
            for p, s, b, n in zip(probability.tolist(), seen.tolist(), bar.tolist(), counts.tolist(), strict=True)
        ],
        "decision": {
            "threshold": thresholds.tolist(),
            "net_benefit": benefit.tolist(),
            "low": (benefit * 0.85).tolist(),
            "high": (benefit * 1.15).tolist(),
            "treat_all": every.tolist(),
            "avoided_per_100": ((benefit - every) * (1 - thresholds) / thresholds * 100).tolist(),
        },
        "within_patient": {
            "rank": list(range(1, len(ranks) + 1)),
            "patients": ranks,
            "chance": [28.4, 27, 25.5, 24.6, 24, 23, 22.5, 22, 21.4, 21, 20.4, 20, 19.5, 19, 18.6, 18, 17.5],
        },
    }


def model(name: str, strength: float, seed: int) -> dict[str, Any]:
    auc = 0.5 * (1 + math.erf(strength / 2))
    return {
        "name": name,
        "metrics": {
            "auc": estimate(auc, 0.022),
            "pauc": estimate(0.112, 0.012),
            "average_precision": estimate(0.163, 0.03),
            "within_patient_auc": estimate(0.812, 0.026, 394),
            "hit_at_1": estimate(0.355, 0.05, 394),
            "hit_at_3": estimate(0.612, 0.05, 394),
            "sensitivity_at_specificity_90": estimate(0.584, 0.05),
            "specificity_at_sensitivity_95": estimate(0.41, 0.06),
            "review_per_melanoma_at_80": estimate(17.4, 3.1, 470),
            "brier": estimate(0.0158, 0.0014),
            "ece": estimate(0.0041, 0.0012),
            "calibration_slope": {
                "value": None,
                "low": None,
                "high": None,
                "n": 0,
                "note": "scores are not probabilities",
            },
        },
        "chance": {"hit_at_1": 0.072, "hit_at_3": 0.204, "auc": 0.5},
        "curves": curves(strength, seed),
    }


def controls() -> dict[str, Any]:
    names = ("true siblings", "shuffled siblings", "no siblings", "lesion count alone", "metadata alone")
    values = (0.858, 0.856, 0.855, 0.718, 0.671)
    rows = [
        {"name": n, "metrics": {"auc": estimate(v, 0.02), "within_patient_auc": estimate(v - 0.04, 0.03, 394)}}
        for n, v in zip(names, values, strict=True)
    ]
    gain = {"auc": difference(0.002, 0.006), "within_patient_auc": difference(0.014, 0.011)}
    return {"rows": 26499, "models": rows, "true_minus_shuffled": gain}


def group(name: str, n: int, positives: int, value: float, half: float, **more: Any) -> dict[str, Any]:
    gap = {"gap": value - 0.85, "gap_low": value - 0.85 - half, "gap_high": value - 0.85 + half}
    return {"group": name, "positives": positives, "metric": "auc", **estimate(value, half, n), **gap, **more}


def few(name: str, n: int, positives: int) -> dict[str, Any]:
    return {"group": name, "n": n, "positives": positives, "metric": "auc", "value": None, "note": "too few melanomas"}


def subgroups() -> list[dict[str, Any]]:
    sites = [
        group("torso", 13200, 220, 0.861, 0.03),
        group("lower extremity", 6600, 105, 0.84, 0.05),
        group("upper extremity", 3900, 98, 0.835, 0.055),
        group("head/neck", 1500, 41, 0.80, 0.09),
        few("palms/soles", 299, 4),
    ]
    ages = [group(f"{a} to {a + 19}", 6000, 110, v, 0.04) for a, v in ((20, 0.89), (40, 0.86), (60, 0.83))]
    sexes = [group("female", 12600, 176, 0.852, 0.034), group("male", 13899, 294, 0.846, 0.027)]
    return [{"variable": v, "groups": g} for v, g in (("sex", sexes), ("age", ages), ("anatom_site", sites))]


def reader(name: str, steps: np.ndarray) -> dict[str, Any]:
    """A table of votes as ``cygnet.evaluation.anchor`` states it."""
    return {
        "name": name,
        "n": 100,
        "positives": 40,
        "average": {"sensitivity": estimate(0.76, 0.05, 100), "specificity": estimate(0.8, 0.04, 100)},
        "pooled": {"roc": {"fpr": steps.tolist(), "tpr": (steps**0.3).tolist()}, "auc": estimate(0.77, 0.03, 100)},
        "model_sensitivity": estimate(0.74, 0.06, 100),
        "model_auc": estimate(0.85, 0.03, 100),
        "model_minus_average_sensitivity": difference(-0.02, 0.08),
        "model_minus_pooled_auc": difference(0.08, 0.05),
    }


def sample(names: tuple[str, ...] = ("scores.csv",)) -> dict[str, Any]:
    auc = {"title": "AUC", "direction": "higher", "range": [0, 1], "source": "Hanley & McNeil 1982"}
    auc["definition"] = "The chance that a random melanoma scores above a random other lesion; ties count one half."
    brier = {"title": "Brier score", "direction": "lower", "range": [0, 1], "source": "Brier 1950"}
    brier["definition"] = "The mean squared distance between the probability and what turned out to be true."
    steps = np.linspace(0, 1, 11)
    counts = [[71, 20, 4, 8], [12, 660, 3, 10], [3, 4, 88, 6], [6, 21, 9, 75]]
    one = {
        "auc": difference(0.021, 0.013, p=0.002, p_adjusted=0.004),
        "brier": difference(-0.0008, 0.001, p=0.09, p_adjusted=0.09),
    }
    return {
        "program": "cygnet 0.2.0",
        "truth": "truth.csv",
        "n": 26499,
        "positives": 470,
        "patients": 1644,
        "prevalence": 0.0177,
        "unit": "patient",
        "replicates": 2000,
        "level": 0.95,
        "seed": 1,
        "definitions": {"auc": auc, "brier": brier},
        "models": [model(name, 1.47 - 0.13 * i, i) for i, name in enumerate(names)],
        "comparisons": [{"a": names[0], "b": b, "metrics": one} for b in names[1:]],
        "controls": controls(),
        "subgroups": subgroups(),
        "readers": [reader("residents", steps), reader("experts", steps)],
        "multiclass": {
            "models": [
                {
                    "name": names[0],
                    "balanced_accuracy": estimate(0.761, 0.03, 1000),
                    "diagnoses": [
                        {"diagnosis": d, "n": n, "auc": estimate(a, 0.02, 1000), "sensitivity": estimate(s, 0.03, n)}
                        for d, n, a, s in (
                            ("mel", 103, 0.903, 0.689),
                            ("nv", 685, 0.951, 0.964),
                            ("bcc", 101, 0.972, 0.871),
                            ("bkl", 111, 0.93, 0.676),
                        )
                    ],
                    "confusion": {"labels": ["mel", "nv", "bcc", "bkl"], "counts": counts},
                }
            ]
        },
        "problems": [{"what": "duplicate ids", "count": 3, "examples": ["row 5: ISIC_1", "row 9: ISIC_1"]}],
        "notes": ["The model has seen none of these patients."],
        "limits": ["One archive, mostly light skin.", "Benign lesions were rarely confirmed by histology."],
    }


class Page(HTMLParser):
    """What a browser would see, roughly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [v for k, v in attrs if k in ("href", "src") and v]

    def handle_data(self, data: str) -> None:
        self.words += data


def drawings(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def body(text: str) -> str:
    return text[text.index("<body>") :]


def test_the_summary_says_the_headline_number_and_on_what_it_stands() -> None:
    words = " ".join(Page(evaluation_page(sample())).words.split())
    assert (
        "scores.csv has AUC 0.851 (95 % interval 0.829 to 0.873) on 26,499 scored rows, 470 of them melanoma" in words
    )
    assert "from 1,644 patients" in words
    assert "95 % bootstrap intervals: patients were drawn again 2,000 times (seed 1)" in words
    assert "Not a medical device" in words


def test_everything_in_the_data_is_on_the_page() -> None:
    words = " ".join(Page(evaluation_page(sample(("scores.csv", "other.csv")))).words.split())
    for expected in (
        "17.4 (14.3 to 20.5)", "0.0158 (0.0144 to 0.0172)", "undefined scores are not probabilities", "chance 0.072", "n 394",
        "Hanley & McNeil 1982", "Range 0 to 1", "scores.csv minus other.csv", "+0.0210 (+0.0080 to +0.0340)", "0.002", "0.004",
        "true siblings", "lesion count alone", "too few melanomas", "−0.020 (−0.100 to +0.060)", "0.761 (0.731 to 0.791)", "residents",
        "duplicate ids: 3", "row 5: ISIC_1; row 9: ISIC_1", "One archive, mostly light skin.", "cygnet 0.2.0",
        "The model has seen none of these patients.", "chance: prevalence 1.8 %", "biopsy of none", "Biopsies avoided",
    ):  # fmt: skip
        assert expected in words, expected


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    text = evaluation_page(sample(tuple(f"m{i}.csv" for i in range(10))))
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert set(inner) <= set(page.ids)
    assert [link for link in page.links if not link.startswith("#")] == ["data:,"]
    assert "http" not in re.sub(r'http-equiv|xmlns="http://www.w3.org/2000/svg"', "", text)
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" in text
    assert " style=" not in body(text)
    assert "Only the first eight of 10 models are drawn" in text
    assert "m9.csv" in text
    assert not re.search(r"\b(?:nan|inf|None|Undefined)\b", body(text))


def test_every_drawing_is_xml_with_a_title_and_a_description() -> None:
    found = drawings(evaluation_page(sample(("a.csv", "b.csv"))))
    assert len(found) >= 12
    space = "{http://www.w3.org/2000/svg}"
    for svg in found:
        parts = {child.tag: child for child in svg}
        assert parts[f"{space}title"].text
        assert parts[f"{space}desc"].text
        assert svg.get("aria-labelledby") == parts[f"{space}title"].get("id")


def test_each_model_is_drawn_in_its_own_way() -> None:
    text = evaluation_page(sample(("a.csv", "b.csv")))
    for key in ("roc", "pr", "dca", "saved"):
        svg = text[text.index(f'<title id="{key}-t">') :].split("</svg>")[0]
        assert 'class="line s1"' in svg, key
        assert re.search('class="line s2"[^>]*stroke-dasharray="7 3"', svg), key


def test_the_pauc_area_worked_out_by_hand() -> None:
    data = {"models": [{"name": "a", "curves": {"roc": {"fpr": [0, 0.5, 1], "tpr": [0, 0.9, 1]}}}]}
    svg = evaluation_page({"n": 4, "positives": 2, **data})
    # the curve crosses 0.8 at 4/9: 52 + 300 * 4/9 = 185.3; a sensitivity of 0.8 lies at 328 - 300 * 0.8 = 88
    assert 'd="M185.3 88L202 58L352 28L352 88L185.3 88z"' in svg


def hostile(value: Any) -> Any:
    """The data with every text replaced by a hostile one, but for the words that mean something."""
    if isinstance(value, dict):
        return {k: v if k in ("direction", "metric", "unit") else hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_names_stay_text() -> None:
    text = evaluation_page(hostile(sample(("a.csv", "b.csv"))))
    assert "script" not in Page(text).tags
    assert "alert(1)" in Page(text).words
    assert "\x00" not in text
    assert "\u202e" not in text
    assert len(drawings(text)) >= 12


def test_the_least_data_gives_a_page() -> None:
    least = {"n": 10, "positives": 0, "unit": "image", "replicates": 0, "level": 0.9, "models": []}
    assert "No model was evaluated" in evaluation_page(least)
    assert evaluation_page(least).startswith("<!DOCTYPE html>")
    bare = evaluation_page(
        least | {"models": [{"name": "a.csv", "metrics": {"auc": {"value": None, "note": "no melanoma"}}}]}
    )
    assert "no melanoma" in bare
    assert "undefined" in bare


def test_any_key_may_be_missing_null_or_empty() -> None:
    whole = sample(("a.csv", "b.csv"))
    for key in whole:
        for empty in (None, {}, []):
            evaluation_page(whole | {key: empty})
        evaluation_page({k: v for k, v in whole.items() if k != key})
    for path in inside(whole):
        changed = copy.deepcopy(whole)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = None
        text = body(evaluation_page(changed))
        assert not re.search(r"\bnan\b|\bNone\b", text), path


def inside(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of every mapping entry, one model and one list item at a time."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in [(*path, k), *inside(v, (*path, k))]]
    return [p for i, v in enumerate(value[:1]) for p in inside(v, (*path, i))] if isinstance(value, list) else []


def test_the_same_data_gives_the_same_page_and_is_left_as_it_was() -> None:
    data = sample()
    before = json.dumps(data)
    assert evaluation_page(data) == evaluation_page(data)
    assert json.dumps(data) == before


def test_numbers_in_words() -> None:
    assert shown({"value": 0.8461, "low": 0.8234, "high": 0.8671}) == "0.846 (0.823 to 0.867)"
    assert shown({"difference": -0.5, "low": -0.75, "high": 0.25}, "difference", "+") == "−0.500 (−0.750 to +0.250)"
    assert shown({"value": 17.44, "low": None}) == "17.4"
    assert shown({"value": None}) == "undefined"
    assert shown(None) == "undefined"
    assert [plain(v) for v in (26499, 0.072, 1.0, None, True)] == ["26,499", "0.072", "1", "–", "–"]
    assert [p_value(v) for v in (0.0, 0.0004, 0.004, 0.25, None)] == ["< 0.001", "< 0.001", "0.004", "0.25", "–"]


def chromium_command(place: Path) -> list[str]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run this test")
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=4000"
    return [chromium, *quiet.split(), *more.split(), f"--user-data-dir={place / 'profile'}"]


@pytest.mark.browser
def test_a_browser_draws_it_in_light_and_dark(tmp_path: Path) -> None:
    report = tmp_path / "evaluation.html"
    report.write_text(evaluation_page(sample(("scores.csv", "other.csv"))), encoding="utf-8")
    ground = []
    for scheme in (1, 0):
        shot = tmp_path / f"shot{scheme}.png"
        setting = f"--blink-settings=preferredColorScheme={scheme}"
        command = [
            *chromium_command(tmp_path),
            setting,
            "--window-size=1280,1600",
            f"--screenshot={shot}",
            report.as_uri(),
        ]
        subprocess.run(command, capture_output=True, timeout=90, check=True)
        with Image.open(shot) as picture:
            pixels = picture.convert("RGB")
            assert pixels.size == (1280, 1600)
            ground.append(pixels.getpixel((5, 5)))
            assert len(pixels.getcolors(1 << 20) or ()) > 50
    assert ground == [(0xED,) * 3, (0x16,) * 3]


@pytest.mark.browser
def test_a_browser_finds_no_overflow_on_a_phone(tmp_path: Path) -> None:
    report, frame = tmp_path / "evaluation.html", tmp_path / "frame.html"
    text = evaluation_page(hostile(sample(("a.csv", "b.csv", "c.csv"))))
    tell = "const r = document.documentElement, n = document.querySelectorAll('svg.chart').length;"
    tell += "parent.postMessage(`overflow ${r.scrollWidth - r.clientWidth}, charts ${n}, wide ${r.clientWidth}`, '*')"
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace(
        "</body>", f"<script>onload = () => {{{tell}}}</script></body>"
    )
    report.write_text(text, encoding="utf-8")
    frame.write_text(
        "<script>onmessage = e => document.body.append(e.data)</script>"
        '<iframe src="evaluation.html" width="390" height="844" style="border:0"></iframe>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [*chromium_command(tmp_path), "--dump-dom", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    found = re.search(r"overflow (\d+), charts (\d+), wide 3[79]", done.stdout)
    assert found, done.stdout[-300:]
    assert int(found[1]) == 0
    assert int(found[2]) >= 12


def test_a_real_evaluation_fits_the_page() -> None:
    """Keys are those of ``evaluate``, not only of the sample above."""
    rng = np.random.default_rng(8)
    n = 400
    truth = rng.random(n) < 0.2
    attributes = {"sex": np.where(rng.random(n) < 0.5, "male", "female").astype(object)}
    patient = rng.integers(0, 40, n)
    scores = {name: np.clip(truth * 0.2 + rng.random(n) * 0.8, 0, 1) for name in ("ours", "theirs")}
    classes = np.where(truth, 0, rng.integers(1, 3, n))
    study = Study(
        tuple(f"I{i}" for i in range(n)), truth, scores, "patient", patient, patient, None, attributes,
        ("mel", "nv", "bcc"), classes, {"ours": rng.dirichlet((1, 1, 1), n)},
    )  # fmt: skip
    resamples = Resamples(study.units, 100)
    votes = prepare(pl.DataFrame({"image": study.images, "MEL": truth * 2 + 1, "NV": 2 - truth}), "votes")
    data = evaluate(study, Plan(100))
    data |= {
        "controls": controlled(study, scores["ours"], resamples),
        "subgroups": by_group(study, scores["ours"], resamples, least=5),
        "readers": [anchor(study, scores["ours"], votes, "residents", resamples)],
    }
    words = " ".join(Page(evaluation_page(as_json(data))).words.split())
    for part in (
        "ROC curve",
        "Reliability",
        "Decision curve",
        "Rank of the melanoma",
        "Controls",
        "By sex",
        "residents",
        "bcc",
    ):
        assert part in words, part
    assert f"ours has AUC {data['models'][0]['metrics']['auc']['value']:.3f}" in words
    assert data["definitions"]["net_benefit"]["definition"] in words
