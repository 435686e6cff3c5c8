"""The archive's pages: the gallery's address is its query, records, collections, ingest and review, with and without JavaScript."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from conftest_web import PATIENCE, accounts_for, axe, serving, until
from hypothesis import given
from hypothesis import strategies as st

from cygnet.accounts import Role
from cygnet.archive import Archive
from cygnet.archive import collections as kept
from cygnet.archive.query import parse, to_text
from cygnet.errors import InputError, OutputError
from cygnet.web import Settings
from cygnet.web.archive import uploads
from cygnet.web.archive.narrow import facets_of


class Site(NamedTuple):
    url: str
    client: httpx.Client
    place: Path
    images: list[dict[str, Any]]


def token_of(client: httpx.Client) -> str:
    return client.get("/help").text.partition('name="csrf" content="')[2].partition('"')[0]


@pytest.fixture
def site(archive_dir: Path) -> Iterator[Site]:
    with Archive.open(archive_dir) as archive:
        images = archive.search().results
    with serving() as serve:
        url = serve(Settings(archive_dir, port=0))
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            client.headers["X-CSRF-Token"] = token_of(client)
            yield Site(url, client, archive_dir, images)


def done(client: httpx.Client, address: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        run = client.get(f"{address}.json").json()["run"]
        return None if run["state"] == "running" else dict(run)

    return dict(until(ended))


def test_the_address_of_the_gallery_is_its_query(site: Site) -> None:
    query = "diagnosis_1:Malignant"
    with Archive.open(site.place) as archive:
        expected = [i["isic_id"] for i in archive.search(query).results]
    data = site.client.get("/archive.json", params={"query": query}).json()
    assert [i["isic_id"] for i in data["results"]] == expected and data["count"] == len(expected) > 0
    rows = list(csv.DictReader(io.StringIO(site.client.get("/archive.csv", params={"query": query}).text)))
    assert [r["isic_id"] for r in rows] == expected
    page = site.client.get("/archive", params={"query": query}).text
    assert all(isic_id in page for isic_id in expected)
    assert page.count('class="thumb"') == len(expected)


def test_an_error_of_the_query_points_at_its_character(site: Site) -> None:
    answer = site.client.get("/archive", params={"query": "sex:male colour:red"})
    assert answer.status_code == 400
    assert "sex:male <mark>c</mark>olour:red" in answer.text
    assert site.client.get("/archive.json", params={"query": "sex:male colour:red"}).json()["position"] == 9
    end = site.client.get("/archive", params={"query": "sex:"})
    assert end.status_code == 400 and "sex:<mark>" in end.text


@given(
    st.sampled_from(
        ["", "sex:male", "sex:male OR sex:female", "-sex:male age_approx:[30 TO *]", 'diagnosis_1:"Benign"']
    ),
    st.sampled_from(
        [("sex", "female"), ("diagnosis_1", "Benign"), ("age_approx", 30), ("public", True), ("melanocytic", False)]
    ),
)
def test_a_facet_narrows_and_widens(query: str, value: tuple[str, Any]) -> None:
    from urllib.parse import parse_qs, urlsplit

    name, key = value
    counts = {
        name: {
            "buckets": [{"key": key, "doc_count": 2}, {"key": 99, "doc_count": 1}]
            if name == "age_approx"
            else [{"key": key, "doc_count": 2}, {"key": "x" if isinstance(key, str) else (not key), "doc_count": 1}],
            "meta": {"missing_count": 0},
        }
    }
    choice = facets_of(query, counts, "/archive")[0].choices[0]
    changed = parse_qs(urlsplit(choice.address).query).get("query", [""])[0]
    assert to_text(parse(changed)) == changed
    again = facets_of(changed, counts, "/archive")[0].choices[0]
    assert again.chosen is not choice.chosen
    if not choice.chosen:
        assert facets_of(changed, counts, "/archive")[0].chosen


def test_records(site: Site) -> None:
    image = site.images[0]
    clinical = image["metadata"]["clinical"]
    paths = {
        f"/archive/images/{image['isic_id']}": "image",
        f"/archive/lesions/{clinical['lesion_id']}": "lesion",
        f"/archive/patients/{clinical['patient_id']}": "patient",
        "/archive/patients": "results",
    }
    for path, key in paths.items():
        assert site.client.get(path).status_code == 200
        assert key in site.client.get(f"{path}.json").json()
    rows = list(csv.DictReader(io.StringIO(site.client.get(f"/archive/patients/{clinical['patient_id']}.csv").text)))
    assert len(rows) == 9 and {r["patient_id"] for r in rows} == {clinical["patient_id"]}
    for path in ("images/ISIC_9", "lesions/IL_9", "patients/IP_9", "collections/9"):
        assert site.client.get(f"/archive/{path}").status_code == 404


def test_what_is_private_is_on_no_page(archive_dir: Path) -> None:
    accounts_for(archive_dir, Role.VIEWER)
    with Archive.open(archive_dir) as archive:
        hidden = archive.search("public:false").results
        with archive.database.write() as connection:
            number = kept.create(connection, "shown", "tester", public=True)
            kept.add(connection, number, archive.matches(""), "tester")
    with serving() as serve, httpx.Client(base_url=serve(Settings(archive_dir, port=0)), timeout=PATIENCE) as nobody:
        pages = [
            "/",
            "/archive",
            "/archive.csv",
            "/archive.json",
            "/archive/patients",
            f"/archive/collections/{number}",
            "/archive/collections.json",
        ]
        pages += [f"/archive/patients/{i['metadata']['clinical']['patient_id']}" for i in hidden]
        for path in pages:
            answer = nobody.get(path)
            assert answer.status_code == 200
            assert not [i["isic_id"] for i in hidden if i["isic_id"] in answer.text], path
        assert nobody.get("/archive/collections.json").json()["collections"][0]["images"] == 12
        for image in hidden:
            assert nobody.get(f"/archive/images/{image['isic_id']}").status_code == 404
            assert nobody.get(f"/archive/lesions/{image['metadata']['clinical']['lesion_id']}").status_code == 404
        assert nobody.get("/archive/review").status_code == 303
        assert nobody.get("/ingest").status_code == 303


def test_collections(site: Site) -> None:
    made = site.client.post("/archive/collections", data={"name": "Odd", "public": "1"})
    assert made.status_code == 303
    path = made.headers["location"]
    assert site.client.post(f"{path}/add", data={"query": "isic_id:*"}).status_code == 303
    assert site.client.get(f"{path}.json").json()["images"] == 12  # public images only
    one = site.client.get(f"{path}.json").json()["sample"][0]["isic_id"]
    assert site.client.post(f"{path}/remove", data={"isic_id": one}).status_code == 303
    assert site.client.get(f"{path}.json").json()["images"] == 11
    assert site.client.post(path, data={"name": "Odd ones", "locked": "1"}).status_code == 303
    assert site.client.get(f"{path}.json").json()["collection"]["locked"] is True
    assert site.client.post(f"{path}/remove", data={"isic_id": one}).status_code == 400
    assert site.client.post("/archive/collections", data={"name": "Odd ones"}).status_code == 400
    assert "Odd ones" in site.client.get("/archive/collections.csv").text


@pytest.fixture(scope="module")
def some_files(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Three images that the archive has not, one that it has, and one that is none."""
    from cygnet.simulate import write_patients

    place = write_patients(tmp_path_factory.mktemp("more") / "set", n_patients=1, seed=99, n_lesions=3, size=(240, 180))
    files = [(p.name, p.read_bytes()) for p in sorted((place / "images").rglob("*.jpg"))]
    there = sorted((drawn / "images").rglob("*.jpg"))[0]
    return [*files, ("there.jpg", there.read_bytes()), ("broken.jpg", b"not an image")]


FORM = {"licence": "CC-0", "attribution": "Tests"}


def test_ingest_is_tried_then_done(site: Site, some_files: list[tuple[str, bytes]]) -> None:
    files = [("files", (name, data)) for name, data in some_files]
    tried = site.client.post("/ingest", data={**FORM, "dry": "1"}, files=files)
    assert tried.status_code == 303
    run = done(site.client, tried.headers["location"])
    result = run["result"]
    assert (run["state"], result["added"], result["present"], result["refused"]) == ("done", 3, 0, 2)
    codes = {row["file"]: {f["code"] for f in row["findings"] if f["level"] == "refuse"} for row in result["rows"]}
    assert (codes["there.jpg"], codes["broken.jpg"]) == ({"exact-duplicate"}, {"unreadable"})
    assert site.client.get("/archive.json").json()["count"] == 18
    page = site.client.get(tried.headers["location"]).text
    assert "broken.jpg" in page and "/commit" in page
    rows = list(csv.DictReader(io.StringIO(site.client.get(f"{tried.headers['location']}.csv").text)))
    assert [r["result"] for r in rows if r["file"] == "broken.jpg"] == ["refused"]
    taken = site.client.post(f"/ingest/{run['id']}/commit")
    assert taken.status_code == 303, taken.text
    assert done(site.client, taken.headers["location"])["result"]["added"] == 3
    assert site.client.get("/archive.json").json()["count"] == 21
    assert list((Settings(site.place).site / "uploads").iterdir()) == []
    again = site.client.post(f"/ingest/{run['id']}/commit")
    assert again.status_code == 400 and "send the files again" in again.text


def test_ingest_with_a_table_and_a_zip(site: Site, some_files: list[tuple[str, bytes]]) -> None:
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in some_files[:3]:
            archive.writestr(f"folder/{name}", data)
    table = "image,sex,patient_id\n" + "".join(f"{Path(name).stem},male,P1\n" for name, _ in some_files[:2])
    files = [("files", ("images.zip", packed.getvalue())), ("table", ("rows.csv", table.encode()))]
    run = done(site.client, site.client.post("/ingest", data=FORM, files=files).headers["location"])
    assert run["result"]["added"] == 2, run
    assert site.client.get("/archive.json", params={"query": "attribution:Tests sex:male"}).json()["count"] == 2


def test_ingest_refuses(site: Site, some_files: list[tuple[str, bytes]]) -> None:
    files = [("files", some_files[0])]
    assert site.client.post("/ingest", data={"licence": "CC-0"}, files=files).status_code == 400
    assert site.client.post("/ingest", data=FORM).status_code == 400
    run = done(
        site.client, site.client.post("/ingest", data={**FORM, "licence": "GPL"}, files=files).headers["location"]
    )
    assert run["state"] == "failed" and "GPL" in run["message"]


def test_a_contributor_does_not_publish(archive_dir: Path, some_files: list[tuple[str, bytes]]) -> None:
    token = accounts_for(archive_dir, Role.CONTRIBUTOR)[Role.CONTRIBUTOR]
    headers = {"Authorization": f"Bearer {token}"}
    with (
        serving() as serve,
        httpx.Client(base_url=serve(Settings(archive_dir, port=0)), headers=headers, timeout=PATIENCE) as client,
    ):
        files = [("files", some_files[0])]
        assert client.post("/ingest", data={**FORM, "publish": "1"}, files=files).status_code == 403
        assert client.post("/ingest", data=FORM, files=files).status_code == 303


def test_uploads_have_plain_names_and_vanish(tmp_path: Path) -> None:
    from starlette.datastructures import FormData, UploadFile

    names = [
        "../../etc/passwd",
        "..\\..\\x.jpg",
        "a.jpg",
        "b/a.jpg",
        ".hidden",
        "",
        "\x00",
        "n" * 300 + ".jpg",
        "CON:.jpg",
    ]
    form = FormData([("files", UploadFile(io.BytesIO(b"x"), filename=name)) for name in names])
    name = uploads.keep(tmp_path, form)
    files, table = uploads.kept(tmp_path, name)
    assert table is None
    assert {p.parent for p in files.iterdir()} == {files}
    assert len(list(files.iterdir())) == len(names) - 1  # one has no name and is no file
    for bad in ("..", f".{name}", f"{name}/files", "x"):
        with pytest.raises(InputError):
            uploads.kept(tmp_path, bad)
    uploads.drop(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_nothing_of_an_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.datastructures import FormData, UploadFile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cygnet.web.archive.uploads.shutil.copyfileobj", full)
    with pytest.raises(OutputError, match="No space left"):
        uploads.keep(tmp_path, FormData([("files", UploadFile(io.BytesIO(b"x"), filename="a.jpg"))]))
    assert list(tmp_path.iterdir()) == []


def test_review(site: Site) -> None:
    drafts = [i["isic_id"] for i in site.images if not i["public"]]
    shown = site.client.get("/archive/review.json").json()
    assert (shown["count"], [i["isic_id"] for i in shown["results"]]) == (6, drafts)
    json_ = {"Accept": "application/json"}
    accepted = site.client.post(f"/archive/review/{drafts[0]}", data={"verdict": "accept"}, headers=json_)
    assert accepted.json() == {"isic_id": drafts[0], "state": "accepted"}
    back = site.client.post(
        f"/archive/review/{drafts[1]}", data={"verdict": "technique", "back": "/archive/review?state=draft"}
    )
    assert (back.status_code, back.headers["location"]) == (303, "/archive/review?state=draft")
    assert site.client.post(f"/archive/review/{drafts[2]}", data={"verdict": "because"}).status_code == 400
    assert site.client.post("/archive/review/ISIC_9", data={"verdict": "accept"}).status_code == 404
    standing = site.client.get(f"/archive/images/{drafts[1]}.json").json()["standing"]
    assert standing["state"] == "rejected" and standing["verdicts"][0]["reason"] == "technique"
    assert site.client.post("/archive/review-publish", data={"query": ""}, headers=json_).json()["published"] == 1
    assert site.client.get("/archive.json", params={"query": "public:true"}).json()["count"] == 13
    assert site.client.post(f"/archive/review/{drafts[0]}/state", data={"state": "draft"}).status_code == 303
    assert site.client.get("/archive/review?state=nonsense").status_code == 422


def test_script_in_every_text_is_text(site: Site) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 123457*3 }}"
    made = site.client.post("/archive/collections", data={"name": evil, "description": evil, "public": "1"})
    draft = next(i["isic_id"] for i in site.images if not i["public"])
    site.client.post(f"/archive/review/{draft}", data={"verdict": "privacy", "note": evil})
    paths = [
        made.headers["location"],
        "/archive/collections",
        f"/archive/images/{draft}",
        "/archive/review?state=rejected",
    ]
    for path in (
        *paths,
        f"/archive?query={evil}",
        f"/archive/images/{evil}",
        f"/{evil}",
        f"/login?next={evil}",
        f"/runs/{evil}",
    ):
        text = site.client.get(path).text
        assert "<script>alert" not in text and "<img src=x" not in text and "370371" not in text, path
    assert "&lt;script&gt;" in site.client.get(paths[0]).text


PAGES = (
    "/archive",
    "/archive?query=colour:red",
    "/archive?query=sex:male",
    "/archive/patients",
    "/archive/collections",
    "/ingest",
    "/archive/review",
    "/api/v2/docs",
)


@pytest.mark.browser
@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}, "locale": "de"}],
    ids=["light", "dark, narrow, German"],
)
def test_pages_are_accessible(site: Site, chromium: Any, options: dict[str, Any]) -> None:
    image = site.images[-1]
    clinical = image["metadata"]["clinical"]
    number = site.client.post("/archive/collections", data={"name": "Odd"}).headers["location"]
    site.client.post(f"{number}/add", data={"query": "diagnosis_1:Malignant"})
    records = (
        f"/archive/images/{image['isic_id']}",
        f"/archive/lesions/{clinical['lesion_id']}",
        f"/archive/patients/{clinical['patient_id']}",
        number,
    )
    context = chromium.new_context(**options)
    page = context.new_page()
    # The colours are variables of one sheet, so that the light ones are looked at on fewer pages.
    for path in (*PAGES, *records) if options else ("/archive", "/archive/review", records[0]):
        page.goto(site.url + path)
        assert axe(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()


@pytest.mark.browser
def test_review_by_keyboard(site: Site, browser_page: Any) -> None:
    from playwright.sync_api import expect

    page = browser_page
    page.goto(f"{site.url}/archive/review")
    cards = page.locator(".card")
    assert cards.count() == 6
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.id")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.id") == first
    page.keyboard.press("a")
    expect(cards).to_have_count(5)
    expect(page.locator("#live")).to_contain_text(first)
    second = page.evaluate("document.activeElement.id")
    page.keyboard.press("2")
    expect(cards).to_have_count(4)
    standing = [site.client.get(f"/archive/images/{i}.json").json()["standing"] for i in (first, second)]
    assert [s["state"] for s in standing] == ["accepted", "rejected"]
    assert standing[1]["verdicts"][0]["reason"] == "technique"


@pytest.mark.browser
def test_dropped_files_are_tried(site: Site, browser_page: Any, some_files: list[tuple[str, bytes]]) -> None:
    page = browser_page
    page.goto(f"{site.url}/ingest")
    page.evaluate(
        """files => {
          const data = new DataTransfer();
          for (const [name, text] of files) data.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
          document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        [
            [name, __import__("base64").b64encode(data).decode()]
            for name, data in [*some_files[:2], ("rows.csv", b"image,sex\n")]
        ],
    )
    assert "2" in page.inner_text("[data-drop-list]")
    assert page.evaluate("document.querySelector('#table').files[0].name") == "rows.csv"
    page.evaluate("document.querySelector('#table').value = ''")
    page.select_option("[name=licence]", "CC-0")
    page.fill("[name=attribution]", "Tests")
    page.uncheck("[name=embed]")
    page.click("button[value='1'][name=dry]")
    page.wait_for_url("**/runs/*")
    page.wait_for_selector("form[action$='/commit']")
    assert axe(page) == []
    page.click("form[action$='/commit'] button")
    page.wait_for_selector("a[href='/archive/review'].button")
    assert site.client.get("/archive.json").json()["count"] == 20


@pytest.mark.browser
def test_without_javascript(site: Site, new_page: Callable[..., Any], some_files: list[tuple[str, bytes]]) -> None:
    from playwright.sync_api import expect

    page = new_page(java_script_enabled=False)
    page.goto(f"{site.url}/archive")
    page.fill("#query", "diagnosis_1:Malignant")
    page.click("form.search button")
    expect(page.locator(".thumb")).to_have_count(2)
    page.click(".thumb")
    page.wait_for_url("**/archive/images/*")
    assert "ISIC_" in page.inner_text("h1")
    page.goto(f"{site.url}/archive/review")
    page.locator("button[value=privacy]").first.click()
    expect(page.locator(".card")).to_have_count(5)
    page.goto(f"{site.url}/ingest")
    page.set_input_files("#files", [{"name": n, "mimeType": "image/jpeg", "buffer": d} for n, d in some_files[:2]])
    page.select_option("[name=licence]", "CC-0")
    page.fill("[name=attribution]", "Tests")
    page.uncheck("[name=embed]")
    page.click("button[name=dry][value='']")
    page.wait_for_url("**/runs/*")
    address = page.url
    assert done(site.client, address)["result"]["added"] == 2
