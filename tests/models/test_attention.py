"""Where the network looked: from the file to the report, with and without it."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from cygnet.errors import ModelError
from cygnet.imaging import decode
from cygnet.imaging.png import tint_png
from cygnet.models import LesionModel, find
from cygnet.report.html import write_html
from cygnet.triage import Options, collect, stream
from cygnet.triage.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def explaining(tmp_path_factory: pytest.TempPathFactory) -> LesionModel:
    """The shipped model; one that does not say where it looked is given the output."""
    files = find()
    if LesionModel(files).explains:
        return LesionModel(files)
    pytest.importorskip("onnx", reason="needs the [train] extra")
    pytest.importorskip("torch", reason="needs the [train] extra")
    from cygnet.schema import DIAGNOSES
    from cygnet.training.export import add_attention

    made = add_attention(files.network, tmp_path_factory.mktemp("m") / "explaining.onnx", DIAGNOSES.index("mel"))
    return LesionModel(replace(files, network=made))


@pytest.fixture(scope="module")
def mute() -> LesionModel:
    """A model that does not say where it looked."""
    made = LesionModel()
    made._outputs = ["logits", "embedding"]
    return made


def test_a_map_per_image(simulated: Path, explaining: LesionModel, mute: LesionModel) -> None:
    files = sorted((simulated / "images").iterdir())[:3]
    pixels = np.stack([decode(f.read_bytes(), explaining.size).pixels for f in files])
    found = explaining.predict(pixels)
    side = explaining.size // 32
    assert found.attention is not None
    assert found.attention.shape == (3, side, side)
    assert explaining.explains
    np.testing.assert_allclose(explaining.attention(pixels), found.attention)
    without = mute.predict(pixels)
    assert without.attention is None
    np.testing.assert_allclose(without.logits, found.logits, atol=1e-4)
    with pytest.raises(ModelError, match="does not say where it looked"):
        mute.attention(pixels)


def page(simulated: Path, model: LesionModel) -> str:
    records = collect([simulated])
    ranked = next(iter(stream(records, model, Options(), thumbnail=32)))
    out = io.StringIO()
    write_html(out, [ranked.assessment], picture=lambda _, image: ranked.pictures.get(image), card=model.card)
    return out.getvalue()


def test_the_report_lays_it_over_the_pictures(simulated: Path, explaining: LesionModel, mute: LesionModel) -> None:
    text = page(simulated, explaining)
    heats = re.findall(
        r'<image class="heat" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"[^>]*'
        r'href="data:image/png;base64,([^"]+)"/>',
        text,
    )
    assert 1 <= len(heats) <= len(re.findall(r"<g id=", text))
    for x, y, width, height, data in heats:
        assert (float(x), float(y), float(width), float(height)) == (0, 12.5, 100, 75)
        assert len(data) < 500
        with Image.open(io.BytesIO(base64.b64decode(data))) as tint:
            assert tint.mode == "RGBA"
            assert np.asarray(tint)[..., 3].max() == 190
    assert 'id="heats"' in text
    assert 'class="heat"' not in page(simulated, mute)


def test_an_interrupted_ranking_keeps_it(photos: Path, tmp_path: Path, explaining: LesionModel) -> None:
    from cygnet.triage import examine

    records = collect([photos])[:2]
    with Journal(tmp_path, "mark", resume=False) as journal:
        for position, e in enumerate(examine(records, explaining)):
            journal.add(position, e)
            back = journal.known(position, records[position])
            assert back is not None
            assert (back.look is None) == (e.look is None)
            if e.look is not None:
                assert back.look is not None
                np.testing.assert_array_equal(back.look.attention, e.look.attention)


def test_a_tint_is_what_pillow_reads() -> None:
    opacity = np.array([[0, 10, 255], [3, 0, 77]], np.uint8)
    with Image.open(io.BytesIO(tint_png(opacity, (9, 8, 7)))) as tint:
        assert tint.mode == "RGBA"
        pixels = np.asarray(tint)
    np.testing.assert_array_equal(pixels[..., 3], opacity)
    assert (pixels[..., :3] == (9, 8, 7)).all()
