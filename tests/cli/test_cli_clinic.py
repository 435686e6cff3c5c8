"""``cygnet clinic``: in, out, and what it says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Answer


def test_add_back_up_restore_verify_erase(command: Callable[..., Answer], photos: Path, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    added = command("clinic", "add", photos, "--patient", "P-0042", "--archive", desk)
    assert (added.code, added.out.strip()) == (0, "9 images added, 0 were there already; 1 patients")
    backed = command("clinic", "backup", tmp_path / "c.zip", "--archive", desk)
    assert backed.code == 0 and backed.out.startswith("1 patients, 18 pictures")
    assert command("clinic", "restore", tmp_path / "c.zip", "--archive", tmp_path / "again").code == 0
    assert command("clinic", "verify", "--archive", tmp_path / "again").code == 0
    picture = next(p for p in (tmp_path / "again" / "site" / "clinic-pictures").glob("??/*"))
    picture.write_bytes(picture.read_bytes() + b"x")
    spoilt = command("clinic", "verify", "--archive", tmp_path / "again")
    assert spoilt.code == 1 and "is damaged" in spoilt.out
    study = command("clinic", "study", tmp_path / "r.csv", "--archive", desk)
    assert study.code == 0 and "no readings with an outcome yet" in study.out
    gone = command("clinic", "erase", "P-0042", "--why", "test", "--yes", "--archive", desk)
    assert json.loads(gone.out)["rows"]["image"] == 9
    twice = command("clinic", "erase", "P-0042", "--why", "test", "--yes", "--archive", desk)
    assert twice.code == 2 and "no such patient" in twice.err


def test_without_a_folder(command: Callable[..., Answer], tmp_path: Path) -> None:
    answer = command("clinic", "verify", "--archive", tmp_path / "nowhere")
    assert answer.code == 2 and "no such folder" in answer.err
