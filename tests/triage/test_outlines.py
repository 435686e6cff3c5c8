"""Outlines in a ranking: where they lie, what they say, and what becomes of a lesion that is not found."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cygnet.cli.rank import PICTURE
from cygnet.evaluation.masks import jaccard
from cygnet.imaging import MEASUREMENTS, Reason
from cygnet.imaging.masks import clean
from cygnet.report import write_html
from cygnet.schema import ImageRecord
from cygnet.simulate import simulate_patient
from cygnet.triage import Options, Yardstick, collect, examine, stream
from cygnet.triage.assess import assess
from cygnet.triage.outlines import Outline, doubts
from cygnet.triage.rows import record
from cygnet.triage.run import provenance_of

if TYPE_CHECKING:
    from pathlib import Path

    from cygnet.models import LesionModel

PATIENT = simulate_patient(0, n_lesions=8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRecord]:
    folder = tmp_path_factory.mktemp("SIM-0000")
    for lesion in PATIENT.lesions:
        Image.fromarray(lesion.image).save(folder / f"{lesion.image_id}.png")
    Image.new("RGB", (300, 200), (214, 170, 150)).save(folder / "skin.png")
    return collect([folder])


@given(arrays.arrays(np.bool_, st.integers(1, 20).map(lambda g: (g, g))))
def test_a_packed_mask_is_the_mask(mask: np.ndarray) -> None:
    assert (Outline.of(mask, 0.5).mask() == mask).all()


def test_outlines_lie_on_the_lesions_whatever_the_aspect(images: list[ImageRecord], model: LesionModel) -> None:
    found = {e.record.image: e for e in examine(images, model)}
    overlaps = []
    for lesion in PATIENT.lesions:
        look = found[lesion.image_id].look
        assert look is not None and look.outline is not None
        height, width = lesion.mask.shape
        drawn = np.asarray(Image.fromarray(look.outline.mask()).resize((width, height)), np.bool_)
        overlaps.append(jaccard(drawn, lesion.mask))
        x, y = np.array(look.outline.points()).T
        rows, columns = np.nonzero(lesion.mask)
        assert x.mean() * width == pytest.approx(columns.mean(), abs=0.04 * width)
        assert y.mean() * height == pytest.approx(rows.mean(), abs=0.04 * height)
        share = look.measurements[0]
        # The measured size is that of the outline.
        assert np.pi / 4 * share**2 == pytest.approx(look.outline.share * height / width, rel=0.02)
    # Real dermatologists draw small lesions wider than the simulator's exact edge, and so does the network.
    assert min(overlaps) > 0.55 and np.mean(overlaps) > 0.75


def test_doubts_are_notes_and_refuse_nothing() -> None:
    probability = np.zeros((3, 80, 80), np.float32)
    probability[1, 20:30, 20:30] = probability[1, 50:60, 50:60] = 0.9
    probability[2, 30:50, 30:50] = 0.9
    drawn = clean(probability)
    codes = [[(f.code, f.refuses) for f in doubts(drawn, i)] for i in range(3)]
    assert codes == [[(Reason.NO_LESION, False)], [(Reason.SEVERAL, False)], []]


def test_a_lesion_that_is_not_found_has_no_measurements_and_departs_in_none(
    images: list[ImageRecord], model: LesionModel
) -> None:
    options = Options()
    examined = [e for e in examine(images, model) if e.look is not None and e.record.image != "skin"]
    lost = examined[3]
    assert lost.look is not None
    bare = replace(lost.look, outline=None, measurements=np.full(len(MEASUREMENTS), np.nan, np.float32))
    provenance = provenance_of(model, options)
    found = assess(
        [replace(e, look=bare) if e is lost else e for e in examined], Yardstick.from_model(model), options, provenance
    )
    mine = next(x for x in found.lesions if x.images[0].image == lost.record.image)
    assert mine.assessable
    assert {d.feature for d in mine.deviations} == {"look", "score"}
    assert mine.images[0].measurements == {} and mine.images[0].outline is None
    others = [d for x in found.lesions if x is not mine for d in x.deviations]
    assert {name for name, _, _ in MEASUREMENTS} < {d.feature for d in others}
    assert np.isfinite([x.oddness for x in found.assessable]).all()
    text = json.dumps(record(found), allow_nan=False)
    assert '"outline": null' in text


def test_the_report_draws_each_outline_once_and_can_hide_them(images: list[ImageRecord], model: LesionModel) -> None:
    ranked = next(stream(images, model, Options(), thumbnail=PICTURE))
    out = io.StringIO()
    write_html(out, iter([ranked.assessment]), picture=lambda _, name: ranked.pictures.get(name), card=model.card)
    page = out.getvalue()
    drawn = [i for x in ranked.assessment.lesions for i in x.images if i.outline]
    assert len(drawn) >= len(PATIENT.lesions)
    assert page.count('<path class="outline" d="M') == len(drawn)
    assert page.count('<input type="checkbox" id="outlines" checked>') == 1
    assert ":root:has(#outlines:not(:checked)) .outline { display: none; }" in page


def test_a_resumed_run_keeps_outlines(images: list[ImageRecord], model: LesionModel, tmp_path: Path) -> None:
    from cygnet.triage.journal import Journal

    examined = list(examine(images, model))
    with Journal(tmp_path, "mark", resume=False) as journal:
        for position, e in enumerate(examined):
            journal.add(position, e)
        again = [journal.known(position, e.record) for position, e in enumerate(examined)]
    assert [e.look.outline if e and e.look else None for e in again] == [
        e.look.outline if e.look else None for e in examined
    ]
