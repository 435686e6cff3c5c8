"""Commit before reveal, versions that only grow, conflicts that show both, and a log that cannot be changed unseen."""

from __future__ import annotations

import dataclasses
import json
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cygnet.archive import log
from cygnet.clinic import tables, verdicts
from cygnet.clinic.errors import ConflictError, TamperedError, UnknownError, WithheldError
from cygnet.clinic.settings import change_settings, read_settings
from cygnet.clinic.store import Clinic
from cygnet.clinic.verdicts import Given
from cygnet.clinic.view import PatientView, patient_view, require_reveal
from cygnet.errors import InputError


def seen(clinic: Clinic, who: str = "dr-a") -> PatientView:
    with clinic.read() as connection:
        return patient_view(connection, who, 1)


def commit(clinic: Clinic, view: PatientView, k: int, choice: str | None, version: int = 0, who: str = "dr-a") -> dict:
    given = Given(choice, version, f"{who}-{k}-{choice}-{version}")
    return verdicts.give(clinic, who, view.lesions[k].id, view.visit_id, given)


def test_nothing_is_told_before_the_verdict(clinic: Clinic) -> None:
    view = seen(clinic)
    assert view.state == "done"
    assert len(view.lesions) == 12
    assert all(x.told is None for x in view.lesions)
    assert [row.kind for row in view.rows()] == ["site"] * len(view.rows())
    text = json.dumps(dataclasses.asdict(view), default=str)
    for word in ('"rank"', '"family"', '"nearest"', '"reasons"', '"oddness"', '"p_melanoma"', '"outline"'):
        assert word not in text
    with pytest.raises(WithheldError, match="12 of 12"):
        require_reveal(view)


def test_a_verdict_reveals_its_own_lesion_to_its_own_reader(clinic: Clinic) -> None:
    view = seen(clinic)
    row = commit(clinic, view, 2, "monitor")
    assert (row["version"], row["after_reveal"]) == (1, False)
    after = seen(clinic)
    assert [x.told is not None for x in after.lesions] == [k == 2 for k in range(12)]
    told = after.lesions[2].told
    assert told is not None
    assert 1 <= told.rank <= told.of == 12
    other = seen(clinic, "dr-b")
    assert other.lesions[2].told is None
    assert other.lesions[2].others
    assert other.lesions[2].current is None


def test_all_verdicts_open_the_order_by_rank(clinic: Clinic) -> None:
    view = seen(clinic)
    commit(clinic, view, 0, "biopsy")
    verdicts.give_rest(clinic, "dr-a", view.visit_id, [x.id for x in view.assessable], "benign", "rest")
    after = require_reveal(seen(clinic))
    assert after.revealed
    assert after.lesions[0].mine is not None
    assert after.lesions[0].mine.choice == "biopsy"
    assert sum(x.mine is not None and x.mine.choice == "benign" for x in after.lesions) == 11
    assert {row.kind for row in after.rows()} <= {"alone", "family"}
    for row in after.rows():
        ranks = [x.told.rank for x in row.lesions if x.told]
        assert ranks == sorted(ranks)


def test_reveal_by_patient_waits_for_the_last(clinic: Clinic) -> None:
    change_settings(clinic, "dr-a", {"reveal": "patient"})
    view = seen(clinic)
    for k in range(11):
        commit(clinic, view, k, "benign")
    assert all(x.told is None for x in seen(clinic).lesions)
    commit(clinic, view, 11, "unsure")
    assert seen(clinic).revealed


def test_open_policy_is_in_the_log(clinic: Clinic) -> None:
    change_settings(clinic, "dr-a", {"reveal": "open"})
    assert seen(clinic).revealed
    with clinic.read() as connection:
        last = list(log.entries(connection))[-1]
    assert (last.action, last.detail) == ("settings", {"reveal": ["lesion", "open"]})


def test_a_stale_version_gets_both_values(clinic: Clinic) -> None:
    view = seen(clinic)
    commit(clinic, view, 0, "benign", who="dr-a")
    with pytest.raises(ConflictError) as conflict:
        commit(clinic, view, 0, "biopsy", who="dr-b")
    assert conflict.value.stored is not None
    assert conflict.value.stored["choice"] == "benign"
    assert conflict.value.given["choice"] == "biopsy"
    assert seen(clinic, "dr-b").lesions[0].told is None  # a verdict that is not stored reveals nothing
    assert commit(clinic, view, 0, "biopsy", 1, "dr-b")["version"] == 2


def test_sending_twice_counts_once(clinic: Clinic) -> None:
    view = seen(clinic)
    first = commit(clinic, view, 0, "monitor")
    again = commit(clinic, view, 0, "monitor")
    assert again["version"] == first["version"] == 1


def test_undo_is_a_version_of_its_own(clinic: Clinic) -> None:
    view = seen(clinic)
    commit(clinic, view, 0, "benign")
    commit(clinic, view, 0, "biopsy", 1)
    back = verdicts.undo(clinic, "dr-a", view.lesions[0].id, view.visit_id, 2, "u1")
    assert (back["choice"], back["version"], back["after_reveal"]) == ("benign", 3, True)
    lesion = seen(clinic).lesions[0]
    assert lesion.told is not None
    with clinic.read() as connection:
        kept = [r["choice"] for r in verdicts.history(connection, lesion.id, view.visit_id)]
    assert kept == ["benign", "biopsy", "benign"]


def test_undo_of_nothing_and_of_anothers(clinic: Clinic) -> None:
    view = seen(clinic)
    with pytest.raises(InputError, match="no verdict of yours"):
        verdicts.undo(clinic, "dr-a", view.lesions[0].id, view.visit_id, 0, "u")
    commit(clinic, view, 0, "benign")
    commit(clinic, view, 0, "biopsy", 1, "dr-b")
    with pytest.raises(ConflictError):
        verdicts.undo(clinic, "dr-a", view.lesions[0].id, view.visit_id, 2, "u")


@pytest.mark.parametrize(
    ("choice", "note", "key", "words"),
    [("melanoma", "", "k", "not one of"), ("benign", "x" * 2001, "k", "2001 characters"), ("benign", "", "", "no key")],
)
def test_what_is_no_verdict(clinic: Clinic, choice: str, note: str, key: str, words: str) -> None:
    view = seen(clinic)
    with pytest.raises(InputError, match=words):
        verdicts.give(clinic, "dr-a", view.lesions[0].id, view.visit_id, Given(choice, 0, key, note))
    with pytest.raises(UnknownError):
        verdicts.give(clinic, "dr-a", 999, view.visit_id, Given("benign", 0, "k"))


def test_outcomes_are_versioned_and_shown_after_the_verdict_only(clinic: Clinic) -> None:
    view = seen(clinic)
    lesion = view.lesions[0].id
    said = {"malignant": True, "method": "histopathology", "diagnosis": "melanoma in situ", "day": "2026-12-01"}
    verdicts.record_outcome(clinic, "dr-a", lesion, version=0, key="o1", **said)
    with pytest.raises(ConflictError):
        verdicts.record_outcome(clinic, "dr-b", lesion, version=0, key="o2", malignant=False, method="consensus")
    assert seen(clinic).lesions[0].outcome is None
    commit(clinic, view, 0, "biopsy")
    shown = seen(clinic).lesions[0].outcome
    assert shown is not None
    assert shown["diagnosis"] == "melanoma in situ"


@pytest.mark.parametrize("table", ["verdict", "reveal", "outcome", "log"])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_growing_tables_refuse_change(clinic: Clinic, table: str, verb: str) -> None:
    view = seen(clinic)
    commit(clinic, view, 0, "benign")
    verdicts.record_outcome(clinic, "a", view.lesions[0].id, version=0, key="o", malignant=False, method="other")
    statement = f"DELETE FROM {table}" if verb == "DELETE" else f"UPDATE {table} SET at = 'now'"
    with pytest.raises(IntegrityError, match="only"), clinic.write() as connection:
        connection.exec_driver_sql(statement)


def test_a_changed_log_keeps_the_clinic_shut(clinic: Clinic) -> None:
    commit(clinic, seen(clinic), 0, "benign")
    clinic.close()
    with sqlite3.connect(clinic.path) as raw:
        raw.execute("DROP TRIGGER log_no_update")
        raw.execute("UPDATE log SET actor = 'someone else' WHERE action = 'verdict'")
    raw.close()
    with pytest.raises(TamperedError, match="changed after it was written"):
        Clinic(clinic.folder)


def test_seconds_run_from_being_shown(clinic: Clinic) -> None:
    view = seen(clinic)
    assert commit(clinic, view, 0, "benign")["seconds"] is None
    verdicts.opens(clinic, "dr-a", view.lesions[1].id, view.visit_id)
    taken = commit(clinic, view, 1, "benign")["seconds"]
    assert taken is not None
    assert 0 <= taken < 60


def test_settings_name_what_is_wrong_and_change_nothing(clinic: Clinic) -> None:
    for name, value in (("reveal", "never"), ("prevalence", "2"), ("guard", "x"), ("retention_days", "-1")):
        with pytest.raises(InputError, match=name):
            change_settings(clinic, "dr-a", {name: value})
    with clinic.read() as connection:
        assert read_settings(connection).reveal == "lesion"


STEPS = st.lists(
    st.tuples(st.sampled_from(["dr-a", "dr-b"]), st.integers(0, 3), st.sampled_from(tables.CHOICES), st.integers(0, 2)),
    max_size=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whoever_writes_what_nothing_is_told_unjudged(clinic: Clinic, steps: list[tuple[str, int, str, int]]) -> None:
    """Readers see what Cygnet says of exactly the lesions on which a verdict of theirs is stored; versions count up."""
    view = seen(clinic)
    for n, (who, k, choice, version) in enumerate(steps):
        key = f"{id(steps)}-{n}"
        try:
            verdicts.give(clinic, who, view.lesions[k].id, view.visit_id, Given(choice, version, key))
        except ConflictError:
            pass
    with clinic.read() as connection:
        rows = connection.execute(select(tables.verdict).order_by(tables.verdict.c.id)).mappings().all()
    for who in ("dr-a", "dr-b"):
        judged = {r["lesion_id"] for r in rows if r["reader"] == who}
        assert {x.id for x in seen(clinic, who).lesions if x.told} == judged
    for k in range(4):
        versions = [r["version"] for r in rows if r["lesion_id"] == view.lesions[k].id]
        assert versions == list(range(1, len(versions) + 1))
