"""The clinic over HTTP: what is withheld is in no answer; verdicts, conflicts, exports, privacy; scripts in texts stay texts."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import threading
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from conftest_clinic import Reader
from conftest_web import Serve, accounts_for, until

from cygnet.accounts import Accounts, Role
from cygnet.archive import Archive
from cygnet.archive.blobs import sha256_of
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.run import Options
from cygnet.clinic import Clinic
from cygnet.clinic.view import patient_view
from cygnet.context.reasons import describe, describe_look, describe_score
from cygnet.imaging import MEASUREMENTS, RETAKE
from cygnet.schema.bodymap import REGIONS
from cygnet.schema.sites import SITES
from cygnet.web import Settings
from cygnet.web.clinic.body_map import _APART, HEIGHT, WIDTH, body_map
from cygnet.web.clinic.words import Words
from cygnet.web.texts import texts

TELLING = re.compile(
    r"Rank \d|rank \d|famil(?:y|ies) [A-Z]\b|Family [A-Z]\b|robust SD|stands alone|oddness|p_melanoma|Nearest sibling:|%\s*interval|<path d=\"M0?\.\d"
)


@pytest.fixture
def reader(serve: Serve, clinic_dir: Path) -> Reader:
    return Reader(serve(Settings(clinic_dir, port=0, demo=True)))


def test_nothing_telling_is_sent_before_the_verdict(reader: Reader) -> None:
    numbers = [x["name"][2:] for x in reader.get("/patients/1.json").json()["lesions"]]
    pages = [reader.get(f"/patients/1?lesion={n}").text for n in numbers]
    pages += [
        reader.get(path).text
        for path in ("/patients/1.json", "/patients/1.csv", "/patients", "/patients.csv", "/audit")
    ]
    pages += [reader.get("/patients/1/parts?want=head,map,gallery,focus,tray,table&compare=1,2,3").text]
    pages += [reader.get(f"/lesions/{k}{end}").text for k in (1, 2, 3) for end in ("", ".json", ".csv")]
    for text in pages:
        assert not TELLING.search(text), TELLING.search(text)
        assert '"cygnet":' not in text
    for kind in ("report", "letter", "csv", "fhir", "dicom"):
        assert reader.get(f"/patients/1/export/{kind}").status_code == 409
    assert reader.get("/patients/1/report").status_code == 409


def test_a_verdict_tells_of_its_lesion_only(reader: Reader) -> None:
    before = reader.get("/patients/1.json").json()
    lesion = before["lesions"][0]
    stored = reader.commit(lesion["id"], "monitor", note="watch")
    assert stored.status_code == 201
    assert stored.json()["after_reveal"] is False
    after = {x["id"]: x for x in reader.get("/patients/1.json").json()["lesions"]}
    assert [i for i, x in after.items() if "cygnet" in x] == [lesion["id"]]
    assert after[lesion["id"]]["verdict"]["note"] == "watch"
    page = reader.get(f"/patients/1?lesion={lesion['name'][2:]}").text
    assert re.search(r"Rank \d+ of 12", page)
    other = next(x for x in before["lesions"] if x["id"] != lesion["id"] and x["assessable"])
    assert not TELLING.search(reader.get(f"/patients/1/parts?want=focus&lesion={other['name'][2:]}").text)


def test_everything_without_a_script(reader: Reader) -> None:
    """A form leads back to the page, then a form for the rest, and the gallery is by rank."""
    page = reader.get("/patients/1").text
    form = page.partition('class="verdict"')[2]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.partition("</form>")[0]))
    action = re.search(r'action="(/lesions/\d+/verdicts)"', page)
    assert action
    done = reader.http.post(action[1], data={**fields, "choice": "biopsy"})
    assert done.status_code == 303
    assert "Rank" in reader.get(done.headers["location"]).text
    reader.commit_all()
    ranked = reader.get("/patients/1").text
    assert "Lesions by rank, in families" in ranked
    shown = [int(n) for n in re.findall(r"<span>rank (\d+)</span>", ranked)]
    assert sorted(shown) == list(range(1, 13))
    assert "biopsy" in ranked


def test_two_readers_conflict_and_see_both(serve: Serve, clinic_dir: Path) -> None:
    from cygnet.accounts import Accounts

    accounts = Accounts(Settings(clinic_dir).site / "accounts.sqlite")
    tokens = []
    for name in ("anna", "boris"):
        accounts.add(name, "correct horse battery", [Role.CLINICIAN])
        tokens.append(accounts.new_token(name, "test"))
    accounts.close()
    url = serve(Settings(clinic_dir, port=0))
    anna, boris = (Reader(url, token) for token in tokens)
    assert anna.commit(1, "benign").status_code == 201
    refused = boris.commit(1, "biopsy", note="dark")
    assert refused.status_code == 409
    both = refused.json()
    assert (both["stored"]["choice"], both["stored"]["reader"], both["given"]["choice"]) == ("benign", "anna", "biopsy")
    assert "benign" in both["html"] and "biopsy" in both["html"]
    lesion = next(x for x in boris.get("/patients/1.json").json()["lesions"] if x["id"] == 1)
    assert "cygnet" not in lesion and lesion["judged_by_others"]
    page = boris.post("/lesions/1/verdicts", {"visit": 2, "version": 0, "key": "p", "choice": "unsure"})
    assert page.status_code == 409 and "Store mine" in page.text
    assert boris.commit(1, "biopsy", version=1).status_code == 201


def test_sent_twice_counts_once_and_undo(reader: Reader) -> None:
    assert reader.commit(1, "benign").json()["version"] == 1
    assert reader.commit(1, "benign").json()["version"] == 1
    undone = reader.post("/lesions/1/undo", {"visit": 2, "version": 1, "key": "u"}, Accept="application/json")
    assert (undone.json()["choice"], undone.json()["version"]) == (None, 2)
    page = reader.get("/lesions/1").text
    assert "taken back" in page
    day = re.search(r"<h2>(\d{4}-\d\d-\d\d)", page)
    assert day is not None
    assert f"<td>{day[1]}</td><td>1</td><td>benign</td>" in page, "a verdict names its visit"


def test_a_changed_policy_is_audited(reader: Reader) -> None:
    values = {"reveal": "open", "prevalence": "0,02", "guard": "0.05", "retention_days": "0"}
    assert reader.post("/settings", values).status_code == 303
    assert TELLING.search(reader.get("/patients/1").text)
    entries = reader.get("/audit.json").json()["entries"]
    assert any(e["action"] == "settings" and '"open"' in e["detail"] for e in entries)
    wrong = reader.post("/settings", {**values, "prevalence": "2"})
    assert wrong.status_code == 400 and "prevalence" in wrong.text


def test_views_verdicts_reveals_and_exports_are_in_the_log(reader: Reader) -> None:
    reader.get("/patients/1")
    reader.commit_all()
    reader.get("/patients/1/export/csv")
    found = [e["action"] for e in reader.get("/audit.json").json()["entries"]]
    for action in ("view", "verdict", "reveal", "export"):
        assert action in found
    assert reader.get("/audit.json").json()["problems"] == []
    assert "SIM-0003" not in reader.get("/audit.csv").text


@pytest.mark.parametrize("pseudonymise", [True, False])
def test_exports(reader: Reader, tmp_path: Path, pseudonymise: bool) -> None:
    from fhir.resources.R4B.bundle import Bundle
    from pydicom import dcmread

    reader.commit(1, "biopsy", note="Mr Miller")
    reader.commit_all()
    asked = f"visit=2&pseudonymise={str(pseudonymise).lower()}"
    preview = reader.get(f"/patients/1/export?{asked}").text
    assert ("SIM-0003" in preview.partition("What is in it")[2].partition("Download")[0]) is not pseudonymise
    got = {k: reader.get(f"/patients/1/export/{k}?{asked}") for k in ("report", "letter", "csv", "fhir", "dicom")}
    assert all(r.status_code == 200 for r in got.values())
    bundle = Bundle.model_validate_json(got["fhir"].content)
    kinds = [e.resource.get_resource_type() for e in bundle.entry]
    assert {"Patient", "Device", "DiagnosticReport", "Provenance", "AuditEvent"} <= set(kinds)
    assert (kinds.count("BodyStructure"), kinds.count("Observation"), kinds.count("Media")) == (13, 13, 13)
    refused = [e.resource for e in bundle.entry if getattr(e.resource, "dataAbsentReason", None)]
    assert len(refused) == 1 and "blurred" in refused[0].dataAbsentReason.text
    urls = {e.fullUrl for e in bundle.entry}
    assert set(re.findall(r'"reference": ?"([^"]+)"', got["fhir"].text)) <= urls
    files = zipfile.ZipFile(io.BytesIO(got["dicom"].content))
    assert "content-length" not in got["dicom"].headers  # sent as it is made
    listed = dict(line.split("  ")[::-1] for line in files.read("manifest.sha256").decode().splitlines())
    assert listed == {n: sha256_of(files.read(n)) for n in files.namelist() if n != "manifest.sha256"}
    sets = {name: dcmread(io.BytesIO(files.read(name))) for name in listed}
    images = [d for n, d in sets.items() if n.startswith("images/")]
    outlines = [d for n, d in sets.items() if n.startswith("segmentations/")]
    assert len(images) == 13 and len(outlines) >= 10
    uids = {str(d.TrackingUID) for d in images}
    assert len(uids) == 13
    assert {str(d.SegmentSequence[0].TrackingUID) for d in outlines} <= uids
    report = sets["report.dcm"]
    assert report.Modality == "SR"
    assert uids <= {str(e.value) for e in report.iterall() if e.keyword == "UID"}
    assert {str(d.PatientIdentityRemoved) for d in sets.values()} == {"YES" if pseudonymise else "NO"}
    texts_out = [got["csv"].text, got["fhir"].text, *(str(d) for d in sets.values())]
    texts_out += [r.headers["content-disposition"] for r in got.values()]
    held = any("SIM-0003" in text or "Miller" in text for text in texts_out)
    assert held is not pseudonymise
    for kind in ("report", "letter"):
        assert got[kind].content.startswith(b"%PDF-")
        assert len(got[kind].content) > 5000


def test_dicom_passes_a_validator(reader: Reader, tmp_path: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("no dciodvfy here (apt-get install dicom3tools)")
    reader.commit_all()
    files = zipfile.ZipFile(io.BytesIO(reader.get("/patients/1/export/dicom").content))
    chosen = [
        *[n for n in files.namelist() if n.startswith("images/")][:1],
        *[n for n in files.namelist() if "seg" in n][:1],
        "report.dcm",
    ]
    for name in chosen:
        place = tmp_path / name.replace("/", "-")
        place.write_bytes(files.read(name))
        said = subprocess.run([program, "-new", str(place)], capture_output=True, text=True, check=False).stderr
        errors = [line for line in said.splitlines() if line.startswith("Error")]
        assert errors == [], f"{name}: {errors[:5]}"


ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}'


def test_a_script_in_every_field_stays_text(reader: Reader, clinic_dir: Path, photos: Path) -> None:
    photo = sorted(photos.glob("*.jpg"))[0]
    rows = "image,patient_id,lesion_id,skin_type,site\n"
    cell = ATTACK.replace('"', '""')
    table = f'{rows}{photo.stem},"{cell}","{cell}","{cell}",back\n'
    files = [("files", (photo.name, photo.read_bytes())), ("files", ("manifest.csv", table.encode()))]
    run = upload(reader, files, {"label": ATTACK})
    patient = run["result"]["patients"][0]
    page = reader.get(f"/patients/{patient}.json").json()
    lesion, visit = page["lesions"][0], page["visit"]["id"]
    assert page["label"] == ATTACK
    for version, choice in enumerate(("biopsy", "benign")):
        assert reader.commit(lesion["id"], choice, visit, version, note=ATTACK).status_code == 201
    values = {"version": 0, "key": "o", "malignant": "true", "method": "other", "diagnosis": ATTACK, "day": ATTACK}
    assert reader.post(f"/lesions/{lesion['id']}/outcomes", values).status_code == 303
    paths = [
        "/patients",
        f"/patients?q={ATTACK}",
        f"/patients/{patient}",
        f"/lesions/{lesion['id']}",
        "/audit",
        "/study",
    ]
    paths += [
        f"/patients/{patient}/export?pseudonymise=false",
        f"/patients/{patient}/report",
        f"/patients/{patient}/erase",
    ]
    paths += [f"/patients/{patient}?compare={lesion['name'][2:]}", "/runs"]
    stale = reader.post(
        f"/lesions/{lesion['id']}/verdicts",
        {"visit": visit, "version": 0, "key": "x", "choice": "unsure", "note": ATTACK},
    )
    for text in [*(reader.get(path).text for path in paths), stale.text]:
        assert "<script>alert" not in text and "<img src=x" not in text
        assert "onerror=alert(2)>49" not in text
    for kind in ("report", "letter"):
        assert reader.get(f"/patients/{patient}/export/{kind}?pseudonymise=false").status_code == 200
    table_text = reader.get(f"/patients/{patient}.csv").text
    assert "<script>" in table_text  # data are data; no page runs them


def upload(reader: Reader, files: list, data: dict[str, str] | None = None) -> dict:
    token = reader.get("/help").text.partition('name="csrf" content="')[2].partition('"')[0]
    headers = {"X-CSRF-Token": token, "Accept": "application/json"}
    answer = reader.http.post("/patients/new", files=files, data=data or {}, headers=headers)
    assert answer.status_code == 202, answer.text

    def ended() -> dict | None:
        run = reader.get(answer.json()["address"] + ".json").json()["run"]
        return None if run["state"] == "running" else run

    run = until(ended)
    assert run["state"] == "done", run
    return run


def test_from_a_dropped_folder_to_the_report(reader: Reader, photos: Path) -> None:
    files = [("files", (f"anna/{p.name}", p.read_bytes())) for p in sorted(photos.glob("*.jpg"))]
    files.append(("files", ("anna/broken.jpg", b"no picture at all")))
    patient = upload(reader, files)["result"]["patients"][0]
    view = reader.get(f"/patients/{patient}.json").json()
    assert (view["label"], view["state"], view["assessable"], len(view["lesions"])) == ("anna", "done", 9, 10)
    refused = next(x for x in view["lesions"] if not x["assessable"])
    assert refused["findings"][0]["code"] == "unreadable"
    assert "Export the image again" in reader.get(f"/patients/{patient}").text
    visit = view["visit"]["id"]
    done = reader.post(f"/patients/{patient}/rest", {"visit": visit, "key": "k", "choice": "benign"})
    assert done.status_code == 303
    assert reader.get(f"/patients/{patient}/export/report").content.startswith(b"%PDF-")


@pytest.mark.parametrize(("name", "content"), [("../../evil.jpg", b"x"), ("a.exe", b"MZ"), ("x.html", b"<script>")])
def test_odd_uploads_are_refused_or_listed(reader: Reader, clinic_dir: Path, name: str, content: bytes) -> None:
    token = reader.get("/help").text.partition('name="csrf" content="')[2].partition('"')[0]
    answer = reader.http.post("/patients/new", files=[("files", (name, content))], headers={"X-CSRF-Token": token})
    assert answer.status_code in (303, 400)
    assert not (clinic_dir.parent / "evil.jpg").exists()
    assert not list((clinic_dir / "site").glob("*.exe"))


def test_pictures_are_for_clinicians_and_for_good(serve: Serve, clinic_dir: Path) -> None:
    tokens = accounts_for(clinic_dir, Role.CLINICIAN, Role.CURATOR)
    url = serve(Settings(clinic_dir, port=0))
    doctor, curator = (Reader(url, tokens[r]) for r in (Role.CLINICIAN, Role.CURATOR))
    sha = doctor.get("/patients/1.json").json()["lesions"][0]["pictures"][0]["sha256"]
    got = doctor.get(f"/pictures/{sha}.jpg")
    assert got.status_code == 200
    assert "immutable" in got.headers["cache-control"] and "private" in got.headers["cache-control"]
    assert curator.get(f"/pictures/{sha}.jpg").status_code == 403
    assert httpx.get(f"{url}/pictures/{sha}.jpg", headers={"Accept": "application/json"}).status_code == 401
    assert doctor.get(f"/pictures/{'0' * 64}.jpg").status_code == 404
    assert doctor.get("/pictures/..%2Fclinic.sqlite.jpg").status_code == 404


def test_erasing_needs_the_name_and_gives_proof(reader: Reader, clinic_dir: Path) -> None:
    wrong = reader.post("/patients/1/erase", {"label": "SIM-0004", "why": "asked"})
    assert wrong.status_code == 400
    sha = reader.get("/patients/1.json").json()["lesions"][0]["pictures"][0]["sha256"]
    proof = reader.post("/patients/1/erase", {"label": "SIM-0003", "why": "asked"})
    assert proof.status_code == 200 and "erased" in proof.text
    assert reader.get("/patients/1").status_code == 404
    assert reader.get(f"/pictures/{sha}.jpg").status_code == 404
    assert b"SIM-0003" not in (clinic_dir / "site" / "clinic.sqlite").read_bytes()


def test_erasing_takes_the_archives_copy_along(serve: Serve, clinic_dir: Path) -> None:
    with Clinic(clinic_dir / "site") as clinic, Archive.open(clinic_dir) as archive:
        with clinic.read() as connection:
            shas = [p.sha256 for lesion in patient_view(connection, "dr", 1).lesions for p in lesion.pictures][:3]
        items = [Item(sha, partial(clinic.pictures.get, sha), record={"patient_id": ATTACK}) for sha in shas]
        archive.ingest(items, "test", Options("CC-0", ATTACK, actor="tester", publish=True, workers=2))
        names = [r["isic_id"] for r in archive.search("").results]
    tokens = accounts_for(clinic_dir, Role.CLINICIAN)
    with closing(Accounts(clinic_dir / "site" / "accounts.sqlite")) as accounts:
        accounts.add("both", "a good long password", [Role.CLINICIAN, Role.CURATOR])
        both = accounts.new_token("both", "tests")
    url = serve(Settings(clinic_dir, port=0))
    doctor, keeper = Reader(url, tokens[Role.CLINICIAN]), Reader(url, both)
    form = {"label": "SIM-0003", "why": "asked", "archive": "yes"}
    for who, says in ((doctor, "needs the role curator"), (keeper, "Also erase 3 images of the archive")):
        page = who.get("/patients/1/erase").text
        assert len(names) == 3 and all(name in page for name in names)
        assert says in page and "<script>alert" not in page
    assert doctor.post("/patients/1/erase", form).status_code == 403
    assert doctor.get("/patients/1").status_code == 200
    proof = keeper.post("/patients/1/erase", form)
    assert proof.status_code == 200 and "images: 3, files: 9, " in proof.text
    assert "<script>alert" not in proof.text
    with Archive.open(clinic_dir) as archive:
        assert len(archive) == 0
        assert archive.verify().problems == []


def test_a_restart_in_the_middle_of_an_assessment(serve: Serve, clinic_dir: Path, photos: Path) -> None:
    from cygnet.clinic import assess
    from cygnet.clinic.admit import admit
    from cygnet.clinic.incoming import from_paths

    class Cut(BaseException):
        pass

    def cut(done: int, _of: int) -> None:
        if done == 4:
            raise Cut

    with Clinic(clinic_dir / "site") as clinic:
        made = admit(clinic, "dr", from_paths([photos]), "folder")
        with pytest.raises(Cut):
            assess.run(clinic, made.assessments[0], progress=cut)
    reader = Reader(serve(Settings(clinic_dir, port=0)))
    until(lambda: reader.get(f"/patients/{made.patients[0]}.json").json()["state"] == "done")
    assert reader.get(f"/patients/{made.patients[0]}.json").json()["assessable"] == 9


def test_many_readers_at_once_leave_one_chain(serve: Serve, clinic_dir: Path) -> None:
    url = serve(Settings(clinic_dir, port=0))
    answers: list[int] = []

    def work(k: int) -> None:
        mine = Reader(url)
        for lesion in range(1, 5):
            values = {"visit": 2, "version": 0, "key": f"{k}-{lesion}", "choice": "benign"}
            answers.append(mine.post(f"/lesions/{lesion}/verdicts", values, Accept="application/json").status_code)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [201] * 4 + [409] * 12
    assert Reader(url).get("/audit.json").json()["problems"] == []


def test_marks_of_the_map_cover_none(clinic_made: Path) -> None:
    with Clinic(clinic_made / "site") as clinic, clinic.read() as connection:
        view = patient_view(connection, "x", 1)
    many = view.lesions * 8
    drawn = body_map(many)
    assert sum(len(f.marks) for f in drawn.figures) + len(drawn.elsewhere) == len(many)
    for figure in drawn.figures:
        for k, a in enumerate(figure.marks):
            assert 12 <= a.x <= WIDTH - 12 and 12 <= a.y <= HEIGHT - 12
            for b in figure.marks[:k]:
                assert (a.x - b.x) ** 2 + (a.y - b.y) ** 2 >= (_APART - 0.2) ** 2


def test_every_word_has_its_text() -> None:
    english, german = texts("en", "clinic"), texts("de", "clinic")
    for names in (
        [f"region_{r.replace(' ', '_')}" for r in REGIONS],
        ["site_" + s.replace("/", "_").replace(" ", "_") for s in SITES],
        [f"{kind}_{code}" for code in RETAKE for kind in ("finding", "retake")],
        [f"{m}{way}_{name}" for name, _, _ in MEASUREMENTS for way in ("more", "less") for m in ("", "most_")],
        [f"measure_{name}" for name, _, _ in MEASUREMENTS],
    ):
        for name in names:
            assert name in english and name in german, name


@pytest.mark.parametrize("same_site", [True, False])
def test_english_reasons_are_those_of_the_context_layer(same_site: bool) -> None:
    w = Words("en")
    for name, high, low in MEASUREMENTS:
        for z, below, above in ((2.6, 13, 1), (-1.8, 2, 12), (3.0, 14, 0), (-2.0, 0, 14)):
            d = describe(name, high, low, z, below, above, 14, same_site=same_site)
            assert w.reason(d) == d.words
    for d in (describe_look(2.0, 9, same_site=same_site), describe_score(-1.7, 9, same_site=same_site)):
        assert w.reason(d) == d.words


def test_german_says_it_in_german(reader: Reader) -> None:
    reader.commit_all()
    page = reader.get("/patients/1?lang=de").text
    assert "Läsionen nach Rang, in Familien" in page
    assert not re.search(r"robust SD|siblings|Body map|benign", re.sub(r'value="\w+"', "", page))
    assert json.loads(reader.get("/patients/1.json?lang=de").text)["company"] == "good"
