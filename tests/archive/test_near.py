"""Near duplicates: the quick search finds what comparing with everything finds."""

from __future__ import annotations

import io
from typing import Any

import pytest
from conftest_archive import item, jpeg, pixels, take
from PIL import Image
from sqlalchemy import delete, func, select

from cygnet.archive import Archive, near
from cygnet.archive.blobs import checked
from cygnet.archive.near import SURE, Mark, NearIndex, small_picture
from cygnet.archive.tables import hash_block, image, sketch
from cygnet.imaging import hash_search
from cygnet.imaging.fingerprint import best_correlation, perceptual_hashes


def turned(seed: int, turn: int, quality: int = 80) -> bytes:
    """A picture again, smaller and in another orientation."""
    picture = Image.fromarray(pixels(seed)).resize((110, 88)).transpose(Image.Transpose(turn))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def mark(data: bytes) -> Mark:
    small = small_picture(data)
    return Mark(perceptual_hashes(small), small)


def by_comparing_all(archive: Archive, wanted: Mark) -> int | None:
    """The definition: at most 6 bits apart in some orientation, thumbnails agreeing best and well enough, the earliest of equals."""
    found: list[tuple[float, int]] = []
    with archive.database.read() as connection:
        for id_, phash, thumbnail in connection.execute(select(image.c.id, image.c.phash, image.c.thumbnail_sha256)):
            apart = min(bin(int(h) ^ (phash & (2**64 - 1))).count("1") for h in wanted.hashes)
            agree = best_correlation(wanted.small, small_picture(checked(archive.blobs, thumbnail)))
            if apart <= 6 and agree >= SURE:
                found.append((-agree, id_))
    return min(found)[1] if found else None


@pytest.fixture
def dozen(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Twelve images, three of them of one picture, in blocks of four and lists from the fifth on."""
    monkeypatch.setattr(near, "_BLOCK", 4)
    monkeypatch.setattr(hash_search, "_UNLISTED", 4)
    items = [item(f"{k}.jpg", jpeg(k)) for k in range(10)] + [item(f"t{t}.jpg", turned(3, t)) for t in (0, 3)]
    take(archive, items)
    return archive


def found(archive: Archive, marks: list[Mark], **options: Any) -> list[int | None]:
    with archive.database.write() as connection:
        index = NearIndex(archive.blobs, **options)
        index.refresh(connection)
        return index.find(connection, marks)


def test_it_finds_what_comparing_all_finds(dozen: Archive) -> None:
    marks = [mark(turned(seed, seed % 7)) for seed in (3, 3, 8, 50)] + [mark(turned(3, 3))]
    expected = [by_comparing_all(dozen, m) for m in marks]
    assert expected[2] == 9
    assert expected[3] is None
    assert expected[4] == 12, "the very picture agrees better than its siblings"
    assert found(dozen, marks) == expected


def test_images_without_sketches_are_looked_at_and_get_one(dozen: Archive) -> None:
    """As in a catalogue of an earlier version."""
    with dozen.database.write() as connection:
        connection.execute(delete(sketch))
        connection.execute(delete(hash_block))
    wanted = mark(turned(8, 2))
    assert found(dozen, [wanted], keep=False) == [9]
    with dozen.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(sketch)).scalar() == 0
    assert found(dozen, [wanted]) == [9]
    with dozen.database.read() as connection:
        assert 9 in connection.execute(select(sketch.c.image_id)).scalars().all()
        assert connection.execute(select(hash_block.c.last_id)).scalars().all() == [4, 8, 12]
    assert dozen.verify().clean
    assert found(dozen, [wanted]) == [9]


def test_erased_images_are_found_no_more(dozen: Archive) -> None:
    """The third of the pictures and a later one go: blocks of hashes from theirs on are made anew by the next ingest."""
    names = [r["isic_id"] for r in dozen.search("").results]
    wanted = mark(turned(8, 2))
    with dozen.database.write() as connection:
        running = NearIndex(dozen.blobs)
        running.refresh(connection)
    dozen.erase([names[5], names[8]], "anna", "test")
    with dozen.database.write() as connection:
        assert not {6, 9} & set(connection.execute(select(sketch.c.image_id)).scalars())
        assert connection.execute(select(hash_block.c.last_id)).scalars().all() == [4]
        running.refresh(connection)
        assert running.find(connection, [wanted]) == [None]
    assert dozen.verify().clean, "an ingest that runs meanwhile writes no erased image into a block"
    assert found(dozen, [wanted]) == [None]
    take(dozen, [item("8.jpg", jpeg(8)), item("30.jpg", jpeg(30))])
    with dozen.database.read() as connection:
        assert connection.execute(select(hash_block.c.last_id)).scalars().all() == [4, 10]
    assert found(dozen, [wanted]) == [13]
    assert dozen.verify().clean


def test_an_index_keeps_up_with_what_comes(dozen: Archive) -> None:
    index = NearIndex(dozen.blobs)
    with dozen.database.write() as connection:
        index.refresh(connection)
        assert index.find(connection, [mark(turned(20, 1))]) == [None]
    take(dozen, [item("20.jpg", jpeg(20)), *(item(f"{k}.jpg", jpeg(k)) for k in range(30, 35))])
    with dozen.database.write() as connection:
        index.refresh(connection)
        assert index.find(connection, [mark(turned(20, 1))]) == [13]


def test_verify_finds_hashes_that_were_changed(dozen: Archive) -> None:
    assert found(dozen, []) == []
    with dozen.database.write() as connection:
        connection.execute(image.update().where(image.c.id == 6).values(phash=7))
    assert [p for p in dozen.verify().problems if "images 5 to 8" in p]
