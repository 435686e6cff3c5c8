"""Files to features: one bad file never stops the rest."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import cygnet
from cygnet.models import LesionModel, Prediction
from cygnet.schema import ImageRecord
from cygnet.triage import collect, examine
from cygnet.workers import cores

if TYPE_CHECKING:
    from pathlib import Path


def bomb(path: Path, side: int = 30_000) -> None:
    """A small PNG that claims to be side x side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def spoil(folder: Path) -> dict[str, str]:
    """Add bad files; name to the code they are to get."""
    good = (folder / "SIM-0003_01.jpg").read_bytes()
    (folder / "bad-empty.jpg").touch()
    (folder / "bad-cut.jpg").write_bytes(good[: len(good) // 2])
    (folder / "bad-words.jpg").write_text("not an image")
    (folder / "bad-gif.gif").write_bytes(b"GIF89a")
    bomb(folder / "bad-bomb.png")
    Image.new("RGB", (40, 40)).save(folder / "bad-small.png")
    return {
        "bad-empty": "truncated",
        "bad-cut": "truncated",
        "bad-words": "unreadable",
        "bad-gif": "unreadable",
        "bad-bomb": "too_large",
        "bad-small": "too_small",
    }


def test_bad_files_are_listed_and_the_rest_ranked(photos: Path, model: LesionModel) -> None:
    before = {x.lesion_id: x.score for x in cygnet.rank(photos, model=model)[0].lesions}
    expected = spoil(photos)
    found = cygnet.rank(photos, model=model)[0]
    codes = {x.lesion_id: x.images[0].findings[0].code for x in found.lesions if not x.assessable}
    assert codes == expected
    assert {x.lesion_id: pytest.approx(x.score, abs=1e-5) for x in found.assessable} == before
    assert all(x.reason.startswith("cannot be assessed: ") for x in found.lesions if not x.assessable)
    assert all(f.retake for x in found.lesions for i in x.images for f in i.findings)


def test_file_that_goes_missing(photos: Path, model: LesionModel) -> None:
    records = collect([photos])
    (photos / "SIM-0003_04.jpg").unlink()
    found = {e.record.image: e for e in examine(records, model)}
    assert found["SIM-0003_04"].findings[0].code == "missing"
    assert str(photos / "SIM-0003_04.jpg") in found["SIM-0003_04"].findings[0].message
    assert sum(e.look is not None for e in found.values()) == 8


def test_folder_named_like_an_image(photos: Path, model: LesionModel) -> None:
    found = next(examine([ImageRecord("x", photos, "p")], model))
    assert (found.look, found.findings[0].code) == (None, "unreadable")


def test_not_dermoscopy(photos: Path, model: LesionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = LesionModel.predict

    def strange(self: LesionModel, pixels: np.ndarray, *others: np.ndarray | None) -> Prediction:
        found = honest(self, pixels, *others)
        return Prediction(found.logits, found.embedding, np.where(np.arange(len(pixels)) == 1, 2.5, 0.5))

    monkeypatch.setattr(LesionModel, "predict", strange)
    found = list(examine(collect([photos])[:4], model))
    assert [e.look is None for e in found] == [False, True, False, False]
    finding = found[1].findings[-1]
    assert (finding.code, finding.refuses) == ("not_dermoscopy", True)
    assert finding.message == "does not look like dermoscopy (2.5 times the limit)"


def test_order_hash_and_shapes(photos: Path, model: LesionModel) -> None:
    records = collect([photos])
    found = list(examine(records, model, workers=3, thumbnail=64))
    assert [e.record for e in found] == records
    for e in found:
        assert e.sha256 == hashlib.sha256(e.record.path.read_bytes()).hexdigest()
        assert (e.width, e.height) == (240, 180)
        assert e.look is not None
        assert (e.look.logits.shape, e.look.embedding.shape, e.look.measurements.shape) == ((7,), (128,), (9,))
        assert e.thumbnail is not None
        assert e.thumbnail.startswith(b"\xff\xd8")


def test_no_records(model: LesionModel) -> None:
    assert list(examine([], model)) == []


def test_stopping_early_ends_the_threads(photos: Path, model: LesionModel) -> None:
    import threading

    running = examine(collect([photos]), model, workers=2)
    next(running)
    running.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("cygnet")]


def test_workers() -> None:
    assert cores() >= 1
