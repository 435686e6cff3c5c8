"""What an interrupted run keeps, and when it may go on."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cygnet.errors import InputError, OutputError
from cygnet.triage import collect, examine
from cygnet.triage.journal import NAME, Journal, fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from cygnet.models import LesionModel


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_comes_back_the_same(photos: Path, out: Path, model: LesionModel) -> None:
    (photos / "SIM-0003_02.jpg").write_bytes(b"words")
    records = collect([photos])
    examined = list(examine(records, model, thumbnail=32))
    with Journal(out, "mark", resume=False) as journal:
        for position, e in enumerate(examined):
            journal.add(position, e)
    with Journal(out, "mark", resume=True) as journal:
        assert journal.found == 9
        for position, e in enumerate(examined):
            back = journal.known(position, records[position])
            assert back is not None
            assert replace(back, look=None) == replace(e, look=None)
            if e.look is None:
                assert back.look is None
                continue
            assert back.look is not None
            for name in ("logits", "embedding", "measurements"):
                np.testing.assert_array_equal(getattr(back.look, name), getattr(e.look, name))
        assert journal.known(99, records[0]) is None
        journal.discard()
    assert not (out / NAME).exists()


def test_changed_or_missing_file_is_examined_again(photos: Path, out: Path, model: LesionModel) -> None:
    records = collect([photos])
    with Journal(out, "mark", resume=False) as journal:
        for position, e in enumerate(examine(records[:3], model)):
            journal.add(position, e)
        records[0].path.write_bytes(b"other")
        records[1].path.unlink()
        assert journal.known(0, records[0]) is None
        assert journal.known(1, records[1]) is None
        assert journal.known(2, records[2]) is not None


def test_missing_files_are_not_kept(photos: Path, out: Path, model: LesionModel) -> None:
    records = collect([photos])[:1]
    records[0].path.unlink()
    with Journal(out, "mark", resume=False) as journal:
        journal.add(0, next(examine(records, model)))
    with Journal(out, "mark", resume=True) as journal:
        assert journal.found == 0


def test_unfinished_run_needs_resume(out: Path) -> None:
    Journal(out, "mark", resume=False).close()
    with pytest.raises(InputError, match=rf"out: an interrupted run is kept here; add --resume .* or delete {NAME}"):
        Journal(out, "mark", resume=False)


def test_journal_of_another_run(out: Path) -> None:
    Journal(out, "mark", resume=False).close()
    with pytest.raises(
        InputError, match=rf"had other images, another model, other options or another version; delete {NAME} to start"
    ):
        Journal(out, "other", resume=True)


def test_unwritable_journal(out: Path) -> None:
    (out / NAME).mkdir()
    with pytest.raises(OutputError, match="cannot be used"):
        Journal(out, "mark", resume=True)


def test_closing_twice(out: Path) -> None:
    journal = Journal(out, "mark", resume=False)
    journal.close()
    journal.close()
    assert sqlite3.connect(out / NAME).close() is None


def test_fingerprint(photos: Path) -> None:
    records = collect([photos])
    mark = fingerprint(records, "m", "1", 384)
    assert mark == fingerprint(list(records), "m", "1", 384)
    others = [
        fingerprint(records[:-1], "m", "1", 384),
        fingerprint(records[::-1], "m", "1", 384),
        fingerprint(records, "n", "1", 384),
        fingerprint(records, "m", "2", 384),
        fingerprint(records, "m", "1", 0),
        fingerprint([replace(r, patient_id="z") for r in records], "m", "1", 384),
    ]
    assert len({mark, *others}) == 7
