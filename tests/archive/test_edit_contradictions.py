"""An edit against the patient's and lesion's other images: refused, or noted, in the words of ingest."""

from __future__ import annotations

from typing import Any

import pytest
from conftest_archive import item, jpeg, take

from cygnet.archive import Archive
from cygnet.archive.edit import edit
from cygnet.archive.review import findings_of
from cygnet.errors import InputError, TableError


@pytest.fixture
def family(archive: Archive) -> Archive:
    """Images 1 to 4: three of patient P, the first two of them of lesion L; the fourth of patient Q."""
    base: dict[str, Any] = {"sex": "male", "patient_id": "P"}
    lesion = {**base, "lesion_id": "L", "anatom_site": "Trunk", "diagnosis": "Benign", "melanocytic": True}
    take(
        archive,
        [
            item("1.jpg", jpeg(1), **lesion, age=50, acquisition_day=0),
            item("2.jpg", jpeg(2), **lesion, age=51, acquisition_day=400),
            item("3.jpg", jpeg(3), **base, age=50, acquisition_day=10, fitzpatrick_skin_type="II"),
            item("4.jpg", jpeg(4), sex="female", patient_id="Q", lesion_id="M"),
        ],
        publish=True,
    )
    return archive


def name(archive: Archive, id_: int) -> str:
    return str(archive.search().results[id_ - 1]["isic_id"])


def changed(archive: Archive, ids: list[int], **changes: str) -> int:
    with archive.database.write() as connection:
        return edit(connection, ids, changes, "bob")


@pytest.mark.parametrize(
    ("ids", "changes", "says"),
    [
        ([3], {"sex": "female"}, "patient P is female here and male elsewhere; is this patient_id used for two people? ({1})"),
        ([4], {"patient_id": "P"}, "patient P is female here and male elsewhere"),
        ([2], {"anatom_site": "Head and neck"}, "lesion L is at 'Head and neck' here and at 'Trunk' elsewhere; are these two lesions? ({1})"),
        ([2], {"melanocytic": "false"}, "lesion L is melanocytic in one row and not in another; which is right? ({1})"),
        ([1], {"diagnosis": "Malignant"}, "lesion L is 'Malignant' here and 'Benign' elsewhere; which is right? ({2})"),
        ([2], {"age": "80"}, "patient P is 80 here and 50 in {1}, 1.1 years earlier; correct age or acquisition_day"),
        ([1], {"age": "20"}, "patient P is 50 here and 20 in {1}"),
        ([2], {"patient_id": "Q"}, "lesion L belongs to patient Q here and to P elsewhere; a lesion has one patient"),
        ([4], {"lesion_id": "L"}, "lesion L belongs to patient Q here and to P elsewhere; a lesion has one patient"),
    ],
)  # fmt: skip
def test_what_contradicts_is_refused(family: Archive, ids: list[int], changes: dict[str, str], says: str) -> None:
    before = family.search().results
    wanted = says.replace("{1}", name(family, 1)).replace("{2}", name(family, 2))
    with pytest.raises(TableError) as raised:
        changed(family, ids, **changes)
    assert any(wanted in problem for problem in raised.value.problems), raised.value.problems
    assert all(problem.startswith(name(family, ids[0])) for problem in raised.value.problems)
    assert "nothing was changed" in str(raised.value)
    assert family.search().results == before
    assert family.verify().clean


def test_together_they_may_change(family: Archive) -> None:
    assert changed(family, [1, 2, 3], sex="female") == 3
    assert changed(family, [1, 2], anatom_site="Head and neck") == 2
    assert changed(family, [3], age="51") == 1, "as far as whole years go, this fits"
    assert family.count("sex:female patient_id:*") == 4
    with pytest.raises(TableError, match="is male here and female elsewhere"):
        changed(family, [1, 2], sex="male")


def test_changed_images_are_held_against_each_other(family: Archive) -> None:
    with pytest.raises(TableError) as raised:
        changed(family, [3, 4], patient_id="new")
    assert "patient new is female here and male elsewhere" in str(raised.value)
    assert name(family, 3) in str(raised.value)


def test_what_is_only_unlikely_is_noted_for_the_reader(family: Archive) -> None:
    assert changed(family, [1], fitzpatrick_skin_type="III") == 1
    with family.database.read() as connection:
        found = findings_of(connection, [1, 3])
    (finding,) = found[1]
    assert (finding["level"], finding["code"], finding["settled"]) == ("hold", "patient-contradiction", None)
    assert finding["message"] == f"patient P has skin type III here and II elsewhere ({name(family, 3)})"
    assert found[3] == []
    assert changed(family, [1], age="51") == 1, "what was there before is not said again"
    with family.database.read() as connection:
        assert len(findings_of(connection, [1])[1]) == 1
    assert family.verify().clean


def test_what_contradicted_before_does_not_hinder(family: Archive) -> None:
    """A contradiction that came in otherwise does not keep other fields from being mended, nor itself."""
    from sqlalchemy import text

    with family.database.write() as connection:
        statement = 'UPDATE image SET record = replace(record, \'"sex":"male"\', \'"sex":"female"\') WHERE id = 2'
        connection.execute(text(statement))
    assert changed(family, [2], laterality="left") == 1
    with pytest.raises(TableError):
        changed(family, [3], sex="female")
    assert changed(family, [2], sex="male") == 1


def test_a_lesion_whose_patient_no_image_names(archive: Archive) -> None:
    take(archive, [item("1.jpg", jpeg(1), patient_id="P", lesion_id="L"), item("2.jpg", jpeg(2), patient_id="Q")])
    changed(archive, [1], patient_id="")
    with pytest.raises(InputError, match="this lesion belongs to patient IP_"):
        changed(archive, [2], lesion_id="L")
