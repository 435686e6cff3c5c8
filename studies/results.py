"""Measure a shipped lesion model on the test split and write its page, docs/results.md or docs/results-accurate.md.

python studies/results.py --data ../shared/data [--card] [--model accurate]

``--card`` also puts the figures into the model card and, for the fast model, writes docs/model-card.md. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import looks
import numpy as np
import truth
from numpy.typing import NDArray

from cygnet.context import compare, rank
from cygnet.evaluation import metrics
from cygnet.models import LesionModel, find_lesion
from cygnet.models.lesion import EMBEDDING
from cygnet.report import card_markdown
from cygnet.schema import DIAGNOSES, ImageRecord
from cygnet.training.duplicates import without_leaks
from cygnet.training.package import counts, data_hash
from cygnet.training.sources import Sample, read_sources
from cygnet.triage import Examined, Options, Yardstick, examine
from cygnet.triage.calibration import melanoma_logit, probabilities

ROOT = Path(__file__).resolve().parent.parent
MEL, NV = DIAGNOSES.index("mel"), DIAGNOSES.index("nv")
Floats = NDArray[np.float64]


def main() -> None:
    """Run every measurement and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, help="default: docs/results.md, of another model than fast docs/results-MODEL.md"
    )
    parser.add_argument("--card", action="store_true")
    parser.add_argument("--model", default="fast")
    args = parser.parse_args()
    samples, dropped = without_leaks(read_sources(args.data))
    test = [s for s in samples if s.split == "test"]
    model = LesionModel(find_lesion(args.model))
    if data_hash(samples) != model.card["data"]["sha256"]:
        print("warning: these data or splits are not those that the model was trained with")
    ungated = list(examine([ImageRecord(s.image_id, s.path, s.group, origin="study") for s in test], _ungated(model)))
    yardstick, options = Yardstick.from_model(model), Options()
    rows = discrimination(test, ungated, yardstick)
    first = model.files.name == find_lesion().name
    out: Path = args.out or ROOT / "docs" / ("results.md" if first else f"results-{args.model}.md")
    seen = list(examine([ImageRecord(s.image_id, s.path, s.group, origin="study") for s in test], model))
    lines = [
        *head(model, samples, dropped, "" if first else f" --model {args.model}"),
        *figures(rows),
        *looks.sections(test, model, yardstick),
        *calibration(test, ungated, yardstick, "reliability" if first else f"reliability-{args.model}"),
        *guard(test, ungated, yardstick, options),
        *gate(test, seen),
        *other_pictures(model, args.data),
        *behaviour(test, ungated, yardstick, options),
        *(truth.sections(args.data) if first else ("", *truth.ours(args.data, model))),
    ]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(out.read_text(encoding="utf-8"))
    if not args.card:
        return
    card = write_metrics(model, rows)
    if first:
        (ROOT / "docs" / "model-card.md").write_text(card_markdown(card), encoding="utf-8")


def write_metrics(model: LesionModel, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the figures into the model's card; returns the card."""
    path = ROOT / "src/cygnet/models/data" / f"{model.files.name}.json"
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    card["metrics"] = rows
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _ungated(model: LesionModel) -> LesionModel:
    """The same model with an unreachable limit of strangeness: discrimination is measured on all images."""
    other = LesionModel(model.files)
    other._limit = 1e9
    return other


def head(model: LesionModel, samples: list[Sample], dropped: list[tuple[str, str]], option: str) -> Iterator[str]:
    """Title, data, splits; ``option`` is what the command needs to measure this model."""
    yield f"# Results of the lesion model {model.files.name}\n"
    yield f"Written by `python studies/results.py --data DATA{option}`; do not edit by hand. All figures are on the test split,"
    yield "which neither training, calibration nor the choice of the model used. The quality gate's limits, however, were settled"
    yield "with refusal rates on this split in view: those rates are optimistic. Intervals are 95 %, from 2,000 bootstrap"
    yield "replicates (500 for balanced accuracy) over lesions (HAM10000), images (ISIC 2017) or patients (ISIC 2020).\n"
    yield f"Model `{model.files.name}`, sha256 `{model.files.sha256[:16]}`. {len(dropped)} training or calibration images were"
    yield "left out because they repeat an image of a judged split.\n"
    yield "| source | split | images | melanomas |\n|---|---|--:|--:|"
    for row in counts(samples):
        yield f"| {row['source']} | {row['split']} | {row['images']} | {row['melanomas']} |"
    yield ""


def discrimination(test: list[Sample], seen: list[Examined], yardstick: Yardstick) -> list[dict[str, Any]]:
    """Melanoma AUC by source, and balanced accuracy on HAM10000."""
    rows: list[dict[str, Any]] = []
    for source in sorted({s.source for s in test}):
        mine = [i for i, s in enumerate(test) if s.source == source and seen[i].look is not None]
        logits = _logits(seen, mine)
        y = np.array([test[i].melanoma for i in mine])
        score = melanoma_logit(logits, yardstick.calibration, 0.02)
        weights = metrics.bootstrap_weights(np.array([test[i].group for i in mine]))
        low, high = metrics.interval(np.asarray(metrics.weighted_auc(score, y, weights), np.float64))
        rows.append(
            _row(source, "melanoma against the rest, AUC", metrics.auc(score, y), low, high, len(mine), int(y.sum()))
        )
        if source == "isic2017":
            found = looks.auc_replicates(*looks.keratosis([test[i] for i in mine], logits), weights)
            low, high = metrics.interval(found[1:])
            name = "seborrheic keratosis against the rest, AUC"
            rows.append(_row(source, name, found[0], low, high, len(mine), int(y.sum())))
        if source == "ham10000":
            truth = np.array([DIAGNOSES.index(next(iter(test[i].targets))) for i in mine])
            for name, guess in (
                ("seven diagnoses, balanced accuracy", logits.argmax(axis=1)),
                ("the same, all diagnoses taken to be equally common", looks.submitted(logits, yardstick)),
            ):
                found = looks.balanced_replicates(truth, guess, weights[:500])
                low, high = metrics.interval(found[1:])
                rows.append(_row(source, name, found[0], low, high, len(mine), int(y.sum())))
    return rows


def _row(source: str, name: str, value: float, low: float, high: float, n: int, melanomas: int) -> dict[str, Any]:
    figures = {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
    return {"name": name, **figures, "n": n, "melanomas": melanomas, "data": f"{source}, test split"}


def figures(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table of discrimination."""
    yield "## Discrimination\n"
    yield "| data | metric | value | 95 % interval | images | melanomas |\n|---|---|--:|---|--:|--:|"
    for r in rows:
        yield f"| {r['data']} | {r['name']} | {r['value']:.3f} | {r['low']:.3f} to {r['high']:.3f} | {r['n']} | {r['melanomas']} |"
    yield "\nThe ISIC 2020 images are a biased sample (nearly all melanomas, about one benign image each): an external check,"
    yield "not a rate for the clinic. All three sources were also trained on, by other lesions and patients.\n"


def calibration(test: list[Sample], seen: list[Examined], yardstick: Yardstick, plot: str) -> Iterator[str]:
    """Reliability, ECE and Brier on HAM10000, at its own prevalence and at the stated one; ``plot`` names the picture."""
    mine = [i for i, s in enumerate(test) if s.source == "ham10000" and seen[i].look is not None]
    y = np.array([test[i].melanoma for i in mine])
    logits = _logits(seen, mine)
    own = float(y.mean())
    yield "## Calibration (HAM10000)\n"
    yield "| prevalence | ECE (10 bins) | Brier | Brier of always saying the prevalence |\n|---|--:|--:|--:|"
    curves = []
    for name, prevalence in (("its own", own), ("stated", 0.02)):
        p = probabilities(logits, yardstick.calibration, prevalence)[:, MEL]
        w = np.where(y, prevalence / own, (1 - prevalence) / (1 - own))
        ece, score = metrics.expected_calibration_error(p, y, w), metrics.brier(p, y, w)
        base = metrics.brier(np.full(len(y), prevalence), y, w)
        yield f"| {name}, {prevalence:.1%} | {ece:.4f} | {score:.4f} | {base:.4f} |"
        curves.append((name, metrics.reliability(p, y, w)))
    picture = ROOT / "docs" / "img" / f"{plot}.svg"
    draw_reliability(curves, picture)
    yield f"\n![Reliability curves: said against seen risk, in tenths of the weight](img/{picture.name})\n"
    for name, curve in curves:
        yield (
            f"Reliability at the {name.removeprefix('its ')} prevalence (tenths of the weight, low to high): "
            + ", ".join(f"{b['mean_probability']:.1%} said / {b['observed']:.1%} seen" for b in curve)
        )
        yield ""


def draw_reliability(curves: list[tuple[str, list[dict[str, float]]]], out: Path) -> None:
    """The reliability curves as an SVG that is the same each time."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    for (name, curve), axes in zip(curves, figure.subplots(1, len(curves)), strict=True):
        said, seen = ([b[key] for b in curve] for key in ("mean_probability", "observed"))
        end = 1.1 * max(*said, *seen)
        axes.plot((0, end), (0, end), color="grey", linestyle=":", label="perfect")
        axes.plot(said, seen, marker="o", color="#0072b2", label="model")
        axes.set(title=f"at the {name.removeprefix('its ')} prevalence", xlabel="risk said", ylabel="share seen")
        axes.legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "cygnet"}):
        figure.savefig(out, metadata={"Date": None})


def guard(test: list[Sample], seen: list[Examined], yardstick: Yardstick, options: Options) -> Iterator[str]:
    """How many lesions the sensitivity guard covers."""
    yield "## The sensitivity guard\n"
    yield f"At {options.prevalence:.0%} prevalence the guard holds from a probability of {options.guard:.0%} on:"
    yield "context never lowers such a lesion.\n"
    yield "| data | melanomas covered | other lesions covered |\n|---|--:|--:|"
    for source in sorted({s.source for s in test}):
        mine = [i for i, s in enumerate(test) if s.source == source and seen[i].look is not None]
        p = probabilities(_logits(seen, mine), yardstick.calibration, options.prevalence)[:, MEL]
        y = np.array([test[i].melanoma for i in mine])
        above = p >= options.guard
        yield f"| {source} | {above[y].mean():.1%} | {above[~y].mean():.1%} |"
    yield ""


def gate(test: list[Sample], seen: list[Examined]) -> Iterator[str]:
    """False refusals of the quality gate on real dermoscopy, by source and reason."""
    yield "## Refusals of real dermoscopic images\n"
    yield "| data | images | refused | reasons | noted only |\n|---|--:|--:|---|---|"
    for source in sorted({s.source for s in test}):
        mine = [seen[i] for i, s in enumerate(test) if s.source == source]
        refused = [e for e in mine if e.look is None]
        reasons = _tally([str(f.code) for e in refused for f in e.findings if f.refuses])
        noted = _tally([str(f.code) for e in mine if e.look is not None for f in e.findings])
        yield f"| {source} | {len(mine)} | {len(refused) / len(mine):.1%} | {reasons} | {noted} |"
    yield ""


def _tally(codes: list[str]) -> str:
    return ", ".join(f"{codes.count(code)} {code}" for code in sorted(set(codes))) or "none"


def other_pictures(model: LesionModel, data: Path) -> Iterator[str]:
    """What the gate does with pictures that are no dermoscopy: scikit-image's samples, and body-photography tiles."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"))
    found = list(examine([ImageRecord(p.stem, p, "other", origin="study") for p in files], model))
    refused = [e for e in found if e.look is None]
    passed = [e.record.image for e in found if e.look is not None]
    yield "## Pictures that are not dermoscopy\n"
    yield f"Of {len(found)} sample pictures of scikit-image (photographs, text, drawings, histology), {len(refused)} are refused"
    yield f"(passed: {', '.join(passed) or 'none'})."
    tiles = sorted((data / "slice3d" / "images").glob("*.jpg"))[::24]
    if tiles:
        found = list(examine([ImageRecord(p.stem, p, "tiles", origin="study") for p in tiles], model))
        large = [e for e in found if not any(f.code == "too_small" for f in e.findings)]
        share = sum(e.look is None for e in large) / max(len(large), 1)
        yield f"Of {len(found)} total-body-photography tiles (SLICE-3D), {len(found) - len(large)} are refused as too small and"
        yield f"{share:.0%} of the rest for another reason: such tiles are skin, and the gate does not tell them from dermoscopy."
    yield ""


def behaviour(test: list[Sample], seen: list[Examined], yardstick: Yardstick, options: Options) -> Iterator[str]:
    """The promise on real embeddings: one melanoma among benign siblings, and among atypical ones (made-up patients)."""
    ham = [i for i, s in enumerate(test) if s.source == "ham10000" and seen[i].look is not None]
    first = {test[i].group: i for i in reversed(ham)}
    melanomas = [i for g, i in sorted(first.items()) if test[i].melanoma]
    nevi = [i for g, i in sorted(first.items()) if test[i].targets == {"nv"}]
    rng = np.random.default_rng(3)
    unit = _unit(seen)
    yield "## Behaviour with made-up patients\n"
    yield "HAM10000 has no patient ids. A *made-up patient* is 15 real lesions of the test split: one melanoma, and 14 others that"
    yield "are either nevi resembling each other (benign siblings) or the 14 melanomas most like it (atypical siblings). This"
    yield "shows behaviour; it is no evidence about real patients.\n"
    yield "| siblings | median oddness of the melanoma | median score | median rank | ranked first |\n|---|--:|--:|--:|--:|"
    results: dict[str, list[tuple[float, float, int]]] = {"benign": [], "atypical": []}
    for m in melanomas:
        seed = int(rng.choice(nevi))
        others = [k for k in melanomas if k != m]
        groups = {
            "benign": sorted(nevi, key=lambda k: -float(unit[k] @ unit[seed]))[:14],
            "atypical": sorted(others, key=lambda k: -float(unit[k] @ unit[m]))[:14],
        }
        for kind, siblings in groups.items():
            o, s, r = _place([m, *siblings], seen, yardstick, options)
            results[kind].append((o, s, r))
    for kind, got in results.items():
        odd_, score_, rank_ = np.array(got, float).T
        yield f"| {kind} | {np.median(odd_):.2f} | {np.median(score_):.3f} | {np.median(rank_):.0f} | {(rank_ == 1).mean():.0%} |"
    higher = np.mean([b[1] > a[1] for b, a in zip(results["benign"], results["atypical"], strict=True)])
    never = np.mean([b[1] >= a[1] for b, a in zip(results["benign"], results["atypical"], strict=True)])
    yield f"\nSame melanoma, siblings swapped ({len(melanomas)} melanomas): its score is higher among benign siblings in {higher:.0%}"
    yield f"of cases and not lower in {never:.0%}.\n"
    yield "| lesions of the made-up patient (one melanoma, the rest nevi) | oddness of the melanoma | score moved by context |\n|--:|--:|---|"
    for n in (1, 2, 3, 8, 100):
        o, s, _ = _place([melanomas[0], *nevi[: n - 1]], seen, yardstick, options)
        alone = _place([melanomas[0]], seen, yardstick, options)[1]
        yield f"| {n} | {'undefined' if np.isnan(o) else f'{o:.2f}'} | {'yes' if abs(s - alone) > 1e-9 else 'no'} |"


def _place(
    members: list[int], seen: list[Examined], yardstick: Yardstick, options: Options
) -> tuple[float, float, int]:
    """Oddness, score and rank of the first member among all."""
    looks = [look for i in members if (look := seen[i].look) is not None]
    logits = np.stack([look.logits for look in looks])
    found = compare(
        np.stack([look.embedding for look in looks]),
        melanoma_logit(logits, yardstick.calibration, options.prevalence),
        np.stack([look.measurements for look in looks]),
        [None] * len(looks),
        yardstick.reference,
    )
    p = probabilities(logits, yardstick.calibration, options.prevalence)[:, MEL]
    ranking = rank(p, found.oddness, options.guard, yardstick.reference.logit_noise)
    return float(found.oddness[0]), float(ranking.score[0]), int(ranking.rank[0])


def _unit(seen: list[Examined]) -> Floats:
    rows = np.stack([e.look.embedding if e.look else np.zeros(EMBEDDING, np.float32) for e in seen]).astype(np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _logits(seen: list[Examined], mine: list[int]) -> NDArray[np.float32]:
    return np.stack([look.logits for i in mine if (look := seen[i].look) is not None])


if __name__ == "__main__":
    main()
