"""Blobs in a folder and on an S3-compatible server; another archive as a source; similar images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_archive import free_port, item, jpeg, take
from sqlalchemy import text

from cygnet.archive import Archive
from cygnet.archive.blobs import checked, open_blobs, sha256_of
from cygnet.archive.similar import Vectors
from cygnet.errors import InputError, OutputError
from cygnet.interop.source import Remote


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a bucket on a server that speaks S3."""
    pytest.importorskip("moto.server", reason="moto's server is not installed (pip install 'moto[server]')")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-c",
        "from moto.server import main; import sys; main(sys.argv[1:])",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = dict(os.environ)
    os.environ.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(endpoint, timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/images", method="PUT"), timeout=10).close()
        yield "s3://images/archive"
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait(20)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_blobs_on_s3(s3: str, tmp_path: Path) -> None:
    with Archive.init(tmp_path / "archive", blobs=s3) as archive:
        data = [jpeg(k, 40, 32) for k in range(2)]
        take(archive, [item(f"{k}.jpg", d) for k, d in enumerate(data)], publish=True)
        assert set(archive.blobs.names()) >= {sha256_of(d) for d in data}
        assert checked(archive.blobs, sha256_of(data[0])) == data[0]
        assert archive.search("").results[0]["files"]["full"]["url"].startswith(f"{s3}/")
        verdict = archive.verify()
        assert (verdict.problems, verdict.blobs, verdict.unused) == ([], 6, [])
        assert archive.blobs.delete(sha256_of(data[0])) and not archive.blobs.delete(sha256_of(data[0]))
        assert [p.partition(":")[2][:29] for p in archive.verify(quick=True).problems] == [
            " its original is missing (blo"
        ]
        with pytest.raises(OutputError, match="missing"):
            archive.blobs.get(sha256_of(data[0]))
    with Archive.open(tmp_path / "archive") as again:
        assert again.blobs.url == s3


def test_blobs_in_a_folder(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    name = blobs.put(b"abc")
    assert name == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (blobs.put(b"abc"), blobs.get(name), blobs.has(name), list(blobs.names())) == (name, b"abc", True, [name])
    left = tmp_path / "tmp" / "999999999-dead"
    mine = tmp_path / "tmp" / f"{os.getpid()}-alive"
    left.touch()
    mine.touch()
    assert blobs.tidy() == 1
    assert (left.exists(), mine.exists()) == (False, True)
    for bad in ("../../etc/passwd", "", "ab", "A" * 64, f"{name}/", f"{name}\n"):
        with pytest.raises(InputError, match="not the name of a blob"):
            blobs.get(bad)
    with pytest.raises(InputError, match="cannot be kept there"):
        open_blobs("nowhere://x/y")


class Api(BaseHTTPRequestHandler):
    """A small API v2 in front of an archive."""

    archive: Archive
    broken: set[str] = set()
    base = ""

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        given = dict(urllib.parse.parse_qsl(parts.query))
        if parts.path == "/api/v2/images/search/":
            page = self.archive.search(
                given.get("query", ""),
                limit=2,
                cursor=given.get("cursor"),
                public_only=True,
                address=lambda _, isic_id, kind: f"{self.base}/files/{isic_id}/{kind}",
            )
            following = urllib.parse.urlencode({**given, "cursor": page.next})
            answer = page.to_dict() | {"next": f"{self.base}{parts.path}?{following}" if page.next else None}
            self.reply(json.dumps(answer).encode())
        else:
            _, _, isic_id, kind = parts.path.split("/")
            data = self.archive.picture(isic_id, kind)
            self.reply(data[:-7] if isic_id in self.broken else data)

    def reply(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api(local: Archive) -> Iterator[type[Api]]:
    """A server with five published images and a private one."""
    items = [
        item(f"{k}.jpg", jpeg(k), patient_id=f"P{k % 2}", lesion_id=f"L{k}", sex=("male", "female")[k % 2], age=50 + k)
        for k in range(5)
    ]
    take(local, items, publish=True, licence="CC-BY", attribution="Far clinic")
    take(local, [item("private.jpg", jpeg(9))])
    handler = type("Handler", (Api,), {"archive": local, "broken": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_archive_is_taken_over_with_its_ids(api: type[Api], local: Archive, tmp_path: Path) -> None:
    with Archive.init(tmp_path / "copy") as copy:
        source = Remote.at(f"{api.base}/api/v2")
        assert source.count() == 5
        missing = local.search("").results[3]["isic_id"]
        api.broken.add(missing)
        summary, outcomes = take(copy, list(source.items()), publish=True, licence="CC-0", attribution="nobody")
        assert (summary.added, summary.refused) == (4, 1)
        assert next(o for o in outcomes if o.result == "refused").findings[-1].code == "checksum"
        api.broken.clear()
        summary, _ = take(copy, list(Remote.at(api.base).items()), publish=True, licence="CC-0", attribution="nobody")
        assert (summary.added, summary.present) == (1, 4)
        here = {r["isic_id"]: r for r in copy.search("").results}
        there = {r["isic_id"]: r for r in local.search("", public_only=True).results}
        assert here.keys() == there.keys()
        for isic_id, r in here.items():
            assert (r["copyright_license"], r["attribution"]) == ("CC-BY", "Far clinic")
            assert r["metadata"]["clinical"] == there[isic_id]["metadata"]["clinical"]
        assert copy.verify().clean
        assert Remote.at(api.base, "sex:male").count() == 3


def test_answers_of_something_else(api: type[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("ftp://x/y", "https://", "nonsense"):
        with pytest.raises(InputError, match="not the address"):
            Remote.at(url)
    replies: dict[str, Any] = {"count": 1, "results": [], "next": "http://elsewhere.example/api/v2/images/search/"}
    monkeypatch.setattr(api, "do_GET", lambda self: self.reply(json.dumps(replies).encode()))
    with pytest.raises(InputError, match="not followed"):
        list(Remote.at(api.base).items())
    replies = {"detail": "no"}
    with pytest.raises(InputError, match="does not answer"):
        list(Remote.at(api.base).items())
    monkeypatch.setattr(api, "do_GET", lambda self: self.reply(b"<html>"))
    with pytest.raises(InputError, match="no answer of an archive"):
        Remote.at(api.base).count()


def unit(rng: np.random.Generator, n: int, d: int = 32) -> Any:
    made = rng.normal(size=(n, d)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_nearest_by_hand_and_by_numpy() -> None:
    vectors = Vectors("m")
    rng = np.random.default_rng(1)
    made = unit(rng, 5000)
    for start in range(0, 5000, 700):
        part = made[start : start + 700]
        vectors._take(list(range(start + 1, start + 1 + len(part))), part.astype(np.float16))
    assert len(vectors) == 5000
    found = vectors.nearest(made[41], 5)
    assert found[0] == (42, pytest.approx(0, abs=1e-3))
    cosine = made.astype(np.float16).astype(np.float32) @ made[41]
    assert [i - 1 for i, _ in found] == np.argsort(-cosine)[:5].tolist()
    assert [d for _, d in found] == pytest.approx((1 - np.sort(cosine)[::-1][:5]).clip(0).tolist(), abs=1e-6)
    assert len(vectors.nearest(made[0], 9999)) == 5000
    assert Vectors("m").nearest(made[0], 5) == []


def test_an_index_stands_in_for_many() -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (pip install 'cygnet[faiss]')")
    rng = np.random.default_rng(2)
    centres = unit(rng, 60)
    made = centres[rng.integers(0, 60, 6000)] + 0.15 * unit(rng, 6000)
    exact, index = Vectors("m"), Vectors("m", exact_up_to=100)
    for vectors in (exact, index):
        vectors._take(list(range(1, 6001)), made.astype(np.float16))
    hits = sum(len({i for i, _ in exact.nearest(q, 10)} & {i for i, _ in index.nearest(q, 10)}) for q in made[:50])
    assert hits >= 0.9 * 500


def test_similar_images_of_the_archive(archive: Archive) -> None:
    from cygnet.archive.ingest.commit import pack_vector
    from cygnet.models import find

    take(archive, [item(f"{k}.jpg", jpeg(k)) for k in range(4)], publish=True)
    take(archive, [item("private.jpg", jpeg(9))])
    model = find(verify=False).sha256
    angles = (0, 10, 40, 90, 5)
    with archive.database.write() as connection:
        for k, degrees in enumerate(angles, start=1):
            vector = pack_vector(np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]))
            connection.execute(text("INSERT INTO embedding VALUES (:i, :m, :v)"), {"i": k, "m": model, "v": vector})
    names = [r["isic_id"] for r in archive.search("").results]
    everyone = archive.similar(names[0], 3, public_only=True)
    assert [r["isic_id"] for r in everyone] == [names[1], names[2], names[3]]
    assert [r["distance"] for r in everyone] == pytest.approx(
        [1 - np.cos(np.radians(a)) for a in (10, 40, 90)], abs=2e-3
    )
    assert [r["isic_id"] for r in archive.similar(names[0], 2)] == [names[4], names[1]]
    assert archive.similar(np.array([0.0, 1.0], np.float32), 1)[0]["isic_id"] == names[3]
    with pytest.raises(InputError, match="no such image"):
        archive.similar("ISIC_9999999")
