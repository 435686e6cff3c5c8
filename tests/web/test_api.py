"""The API: the ISIC Archive's shapes, pages, errors; what is private is nowhere; files that downloads can resume; the zip."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from conftest_web import PATIENCE, accounts_for, serving

from cygnet.accounts import Role
from cygnet.archive import Archive
from cygnet.archive import collections as kept
from cygnet.archive.tables import embedding
from cygnet.models import find
from cygnet.web import Settings

IMAGE = {"isic_id", "public", "copyright_license", "attribution", "files", "metadata"}
COLLECTION = {"id", "name", "description", "public", "pinned", "locked", "doi", "doi_url"}
LESION = {
    "id",
    "images",
    "images_count",
    "longitudinally_monitored",
    "index_image_id",
    "outcome_diagnosis",
    "outcome_diagnosis_1",
}


class Api(NamedTuple):
    """A server with accounts, seen by nobody and by a viewer."""

    url: str
    nobody: httpx.Client
    viewer: httpx.Client
    curator: httpx.Client
    organiser: httpx.Client
    place: Path


@contextmanager
def _served(place: Path) -> Iterator[Api]:
    tokens = accounts_for(place, Role.VIEWER, Role.CURATOR, Role.ORGANISER)
    with serving() as serve, ExitStack() as stack:
        url = serve(Settings(place, port=0))
        clients = [
            stack.enter_context(
                httpx.Client(
                    base_url=f"{url}/api/v2/",
                    headers={"Authorization": f"Bearer {token}"} if token else {},
                    timeout=PATIENCE,
                )
            )
            for token in (None, tokens[Role.VIEWER], tokens[Role.CURATOR], tokens[Role.ORGANISER])
        ]
        yield Api(url, *clients, place)


@pytest.fixture(scope="module")
def api(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """For tests that change nothing."""
    with _served(shutil.copytree(filled, tmp_path_factory.mktemp("api") / "archive")) as served:
        yield served


@pytest.fixture
def changing(archive_dir: Path) -> Iterator[Api]:
    """For tests that change something."""
    with _served(archive_dir) as served:
        yield served


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_shapes(api: Api) -> None:
    page = ok(api.nobody.get("images/"))
    assert page.keys() == {"count", "next", "previous", "results"}
    image = page["results"][0]
    assert image.keys() == IMAGE
    assert image["files"].keys() == {"full", "thumbnail_256"}
    assert image["files"]["full"].keys() == {"url", "size"}
    assert re.search(r"/[^/]+\.jpg$", image["files"]["full"]["url"])
    assert image["metadata"].keys() == {"acquisition", "clinical"}
    assert image["metadata"]["acquisition"]["pixels_x"] == 240
    assert image["metadata"]["clinical"]["patient_id"].startswith("IP_")
    assert ok(api.nobody.get(f"images/{image['isic_id']}/")) == image
    lesion = ok(api.nobody.get("lesions/"))["results"][0]
    assert lesion.keys() == LESION
    assert ok(api.nobody.get(f"lesions/{lesion['id']}/")) == lesion
    patient = ok(api.nobody.get("patients/"))["results"][0]
    whole = ok(api.nobody.get(f"patients/{patient['id']}/"))
    assert {k: whole[k] for k in patient} == patient
    assert whole["images_count"] == len(whole["images"])
    facets = ok(api.nobody.get("images/facets/"))
    assert facets["public"] == {
        "buckets": [{"key": True, "doc_count": 12}],
        "meta": {"present_count": 12, "missing_count": 0},
    }


def test_pages_go_forth_and_back(api: Api) -> None:
    whole = [i["isic_id"] for i in ok(api.nobody.get("images/"))["results"]]
    for path in ("images/?limit=5", "images/search/?query=&collections=&limit=5"):
        pages, address = [], path
        while address:
            page = ok(api.nobody.get(address))
            pages.append(page)
            address = page["next"]
        assert [len(p["results"]) for p in pages] == [5, 5, 2]
        assert [p["count"] for p in pages] == [12, None, None]
        assert [i["isic_id"] for p in pages for i in p["results"]] == whole
        back = ok(api.nobody.get(pages[2]["previous"]))
        assert [i["isic_id"] for i in back["results"]] == whole[5:10]
        assert ok(api.nobody.get(back["previous"]))["previous"] is None


@pytest.mark.parametrize("what", ["lesions", "patients"])
def test_lesions_and_patients_are_paged(api: Api, what: str) -> None:
    found, address = [], f"{what}/?limit=1"
    while address:
        page = ok(api.viewer.get(address))
        found += [one["id"] for one in page["results"]]
        address = page["next"]
    assert (
        len(found) == len(set(found)) == ok(api.viewer.get(f"{what}/"))["count"] == {"lesions": 18, "patients": 2}[what]
    )


def test_errors(api: Api) -> None:
    wrong = api.nobody.get("images/search/", params={"query": "sex:male AND colour:red"})
    assert wrong.status_code == 400
    assert wrong.json()["message"] == "Could not parse search query."
    assert wrong.json()["position"] == len("sex:male AND ")
    assert api.nobody.get("images/?cursor=nonsense").status_code == 422
    for path in (
        "images/ISIC_9999999/",
        "lesions/IL_9999999/",
        "patients/IP_9999999/",
        "collections/99/",
        "collections/99/attribution/",
    ):
        assert api.nobody.get(path).status_code == 404, path
    assert api.nobody.get("images/search/?collections=1,x").status_code == 422
    for limit in (0, 101, 10**18):
        assert len(ok(api.nobody.get(f"images/?limit={limit}"))["results"]) == 12
    assert api.nobody.get("users/me/").status_code == 401
    stale = api.nobody.get("users/me/", headers={"Authorization": "Bearer cygnet_old"})
    assert stale.status_code == 404
    assert ok(api.viewer.get("users/me/"))["id"] == "viewer"


@pytest.mark.parametrize("query", ["x" * 10_000, "(" * 10_000, "sex:male " * 1100, '"' * 10_000, "-" * 10_000])
def test_long_queries(api: Api, query: str) -> None:
    for path in ("images/search/", "images/search/size/", "images/facets/"):
        assert api.nobody.get(path, params={"query": query}).status_code in (200, 400)


def test_what_is_private_is_nowhere(api: Api) -> None:
    public = {i["isic_id"] for i in ok(api.nobody.get("images/"))["results"]}
    everything = {i["isic_id"]: i for i in ok(api.viewer.get("images/"))["results"]}
    assert (len(public), len(everything)) == (12, 18)
    hidden = sorted(set(everything) - public)
    for isic_id in hidden:
        assert api.nobody.get(f"images/{isic_id}/").status_code == 404
        for file in everything[isic_id]["files"].values():
            assert api.nobody.get(file["url"]).status_code == 404
            assert api.viewer.get(file["url"]).status_code == 200
        lesion = everything[isic_id]["metadata"]["clinical"]["lesion_id"]
        assert api.nobody.get(f"lesions/{lesion}/").status_code == 404
    assert ok(api.nobody.get("images/search/", params={"query": f"isic_id:{hidden[0]}"}))["count"] == 0
    assert ok(api.nobody.get("images/search/", params={"query": "public:false"}))["count"] == 0
    assert ok(api.nobody.get("images/search/size/"))["size"] == sum(
        everything[i]["files"]["full"]["size"] for i in public
    )
    assert ok(api.nobody.get("lesions/"))["count"] == 12
    patients = ok(api.nobody.get("patients/"))["results"]
    assert sum(p["images_count"] for p in patients) == sum(p["lesions_count"] for p in patients) == 12
    assert zipped(api, api.nobody) == public
    assert zipped(api, api.viewer) == set(everything)


def zipped(api: Api, client: httpx.Client) -> set[str]:
    address = ok(client.post("zip-download/url/", json={"query": ""}))
    with zipfile.ZipFile(io.BytesIO(api.nobody.get(address).content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        for line in archive.read("manifest.sha256").decode().splitlines():
            digest, _, name = line.partition("  ")
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    assert {"metadata.csv", "attribution.txt", "licenses/CC-0.txt"} <= set(names)
    return {Path(name).stem for name in names if name.startswith("images/")}


def test_zip_addresses_cannot_be_made_up(api: Api) -> None:
    address = ok(api.nobody.post("zip-download/url/", json={"query": "sex:*", "collections": "1"}))
    token = address.split("/")[-2]
    for other in (
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        "x",
        "é.x",
        token.partition(".")[0],
        f"{'A' * 40}.{'0' * 64}",
    ):
        assert api.viewer.get(f"zip-download/file/{other}/images.zip").status_code == 404
    assert api.nobody.post("zip-download/url/", json={"query": "colour:red"}).status_code == 400


def test_membership_of_a_private_collection_cannot_be_told(changing: Api) -> None:
    with Archive.open(changing.place) as archive, archive.database.write() as connection:
        secret = kept.create(connection, "secret", "tester")
        shown = kept.create(connection, "shown", "tester", public=True)
        for number in (secret, shown):
            kept.add(connection, number, archive.matches("", public_only=True), "tester")
            kept.add(connection, number, archive.matches("public:false"), "tester")
    for query, collections, n_nobody, n_viewer in (
        (f"collections:{secret}", "", 0, 18),
        (f"collections:{shown}", "", 12, 18),
        (f"NOT collections:{secret}", "", 12, 0),
        ("", f"{secret}", 0, 18),
        ("", f"{secret},{shown}", 12, 18),
        ("collections:*", "", 12, 18),
    ):
        for client, n in ((changing.nobody, n_nobody), (changing.viewer, n_viewer)):
            params = {"query": query, "collections": collections}
            assert ok(client.get("images/search/", params=params))["count"] == n, (query, collections)
    assert [c["name"] for c in ok(changing.nobody.get("collections/"))["results"]] == ["shown"]
    assert ok(changing.nobody.get("collections/autocomplete/?query=SE")) == []
    assert [c["name"] for c in ok(changing.viewer.get("collections/autocomplete/?query=SE"))] == ["secret"]
    assert changing.nobody.get(f"collections/{secret}/").status_code == 404
    assert changing.nobody.get(f"collections/{secret}/attribution/").status_code == 404
    credits = [{"attribution": "Cygnet simulator", "count": 12}]
    assert ok(changing.nobody.get(f"collections/{shown}/attribution/")) == credits


def test_similar_images_that_are_private_are_not_listed(changing: Api) -> None:
    rng = np.random.default_rng(0)
    with Archive.open(changing.place) as archive, archive.database.write() as connection:
        ids = archive.ids("")
        vectors = rng.normal(size=(len(ids), 64))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2")
        model = find(verify=False).sha256
        rows = [{"image_id": i, "model": model, "vector": v.tobytes()} for i, v in zip(ids, vectors, strict=True)]
        connection.execute(embedding.insert(), rows)
    shown = [i["isic_id"] for i in ok(changing.nobody.get("images/"))["results"]]
    every = [i["isic_id"] for i in ok(changing.viewer.get("images/"))["results"]]
    assert changing.nobody.get(f"images/{shown[0]}/similar/").status_code == 401
    for client, visible in ((changing.organiser, shown), (changing.viewer, every)):
        near = ok(client.get(f"images/{shown[0]}/similar/?limit=50"))
        assert {i["isic_id"] for i in near} == set(visible) - {shown[0]}
        distances = 1 - vectors.astype(float) @ vectors[every.index(shown[0])].astype(float)
        assert [i["distance"] for i in near] == sorted(i["distance"] for i in near)
        assert near[0]["distance"] == pytest.approx(
            min(distances[every.index(x)] for x in visible if x != shown[0]), abs=2e-3
        )
        assert len(ok(client.get(f"images/{shown[0]}/similar/?limit=3"))) == 3
    hidden = next(i for i in every if i not in shown)
    assert changing.organiser.get(f"images/{hidden}/similar/").status_code == 404
    page = changing.organiser.get(f"{changing.url}/archive/images/{shown[0]}/similar")
    assert page.status_code == 200 and page.text.count('class="thumb"') == len(shown)
    assert not [i for i in every if i not in shown and i in page.text]


def test_collections(changing: Api) -> None:
    with Archive.open(changing.place) as archive, archive.database.write() as connection:
        names = ("b", "a", "c")
        b, a, c = (kept.create(connection, name, "tester", public=True, pinned=name == "c") for name in names)
    listed = ok(changing.nobody.get("collections/"))
    assert listed["results"][0].keys() == COLLECTION
    assert [x["name"] for x in listed["results"]] == ["c", "a", "b"]
    assert [x["name"] for x in ok(changing.nobody.get("collections/?sort=name"))["results"]] == ["a", "b", "c"]
    assert [x["id"] for x in ok(changing.nobody.get("collections/?sort=created"))["results"]] == [b, a, c]
    assert [x["id"] for x in ok(changing.nobody.get("collections/?pinned=true"))["results"]] == [c]
    first = ok(changing.nobody.get("collections/?limit=2"))
    second = ok(changing.nobody.get(first["next"]))
    assert [x["name"] for x in first["results"] + second["results"]] == ["c", "a", "b"]
    assert second["next"] is None and [x["name"] for x in ok(changing.nobody.get(second["previous"]))["results"]] == [
        "c",
        "a",
    ]
    public = [i["isic_id"] for i in ok(changing.nobody.get("images/"))["results"]]
    private = sorted({i["isic_id"] for i in ok(changing.viewer.get("images/"))["results"]} - set(public))
    body = {"isic_ids": [public[0], private[0], "ISIC_0"]}
    assert changing.viewer.post(f"collections/{a}/populate-from-list/", json=body).status_code == 403
    assert changing.nobody.post(f"collections/{a}/populate-from-list/", json=body).status_code == 401
    assert ok(changing.curator.post(f"collections/{a}/populate-from-list/", json=body)) == {
        "succeeded": [public[0]],
        "private_image_public_collection": [private[0]],
        "no_perms_or_does_not_exist": ["ISIC_0"],
    }
    assert ok(changing.nobody.get(f"images/search/?collections={a}"))["count"] == 1
    assert (
        ok(changing.curator.post(f"collections/{a}/remove-from-list/", json=body))["succeeded"] == body["isic_ids"][:2]
    )
    assert ok(changing.nobody.get(f"images/search/?collections={a}"))["count"] == 0
    assert (
        changing.curator.post(f"collections/{a}/remove-from-list/", json={"isic_ids": ["x"] * 501}).status_code == 422
    )


def test_files_resume_and_are_kept(api: Api) -> None:
    image = ok(api.nobody.get("images/"))["results"][0]
    file = image["files"]["full"]
    whole = api.nobody.get(file["url"])
    assert len(whole.content) == file["size"]
    assert hashlib.sha256(whole.content).hexdigest() in file["url"]
    assert "immutable" in whole.headers["cache-control"] and "public" in whole.headers["cache-control"]
    etag = whole.headers["etag"]
    rest = api.nobody.get(file["url"], headers={"Range": "bytes=100-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert rest.headers["content-range"] == f"bytes 100-{file['size'] - 1}/{file['size']}"
    assert api.nobody.get(file["url"], headers={"Range": "bytes=999999999-"}).status_code == 416
    assert api.nobody.get(file["url"], headers={"If-None-Match": etag}).status_code == 304
    assert api.nobody.head(file["url"]).headers["content-length"] == str(file["size"])
    hidden = next(i for i in ok(api.viewer.get("images/"))["results"] if not i["public"])
    assert api.viewer.get(hidden["files"]["full"]["url"]).headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    "name", ["..%2f..%2fcatalogue.sqlite", "../../archive.json", "%2e%2e/x", "ISIC_0%00", "a" * 5000, "é", "%ff"]
)
def test_path_tricks(api: Api, name: str) -> None:
    for path in (
        f"images/{name}/",
        f"lesions/{name}/",
        f"patients/{name}/",
        f"/files/{name}/{'0' * 64}.jpg",
        f"/files/x/{name}.jpg",
    ):
        address = path if path.startswith("/") else f"/api/v2/{path}"
        assert httpx.get(api.url + address).status_code in (404, 422), path
    assert api.nobody.get(f"zip-download/license-file/{name}/").status_code in (404, 422)


def test_documentation_is_here(api: Api) -> None:
    document = ok(api.nobody.get("openapi.json"))
    assert "/api/v2/images/search/" in document["paths"]
    assert all(path.startswith("/api/v2/") for path in document["paths"])
    page = api.nobody.get("docs")
    assert "images/search" in page.text
    assert not re.search(r"""(src|href)=["']https?:""", page.text)
