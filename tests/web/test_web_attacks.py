"""What a server meets: made-up requests by the OpenAPI document, stalled connections, an end in the middle."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from conftest_web import PATIENCE, Serve, accounts_for, serving
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cygnet.accounts import Role
from cygnet.archive import Archive
from cygnet.archive import collections as kept
from cygnet.web import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def probed(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[schemathesis.BaseSchema, str]]:
    import shutil

    place = shutil.copytree(filled, tmp_path_factory.mktemp("probed") / "archive")
    with Archive.open(place) as archive, archive.database.write() as connection:
        kept.create(connection, "one", "tester", public=True)
    token = accounts_for(place, Role.CURATOR)[Role.CURATOR]
    with serving() as serve:
        url = serve(Settings(place, port=0))
        yield schemathesis.openapi.from_url(f"{url}/api/v2/openapi.json"), token


@settings(
    deadline=None, max_examples=8, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def _probe(operation: Any, token: str, data: st.DataObject) -> None:
    case = data.draw(operation.as_strategy())
    answer = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE)
    case.validate_response(answer, checks=CHECKS)


def test_made_up_requests(probed: tuple[Any, str]) -> None:
    schema, token = probed
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        _probe(operation, token)


def connect(url: str) -> socket.socket:
    at = urlsplit(url)
    found = socket.create_connection((at.hostname, at.port), timeout=PATIENCE)
    found.settimeout(PATIENCE)
    return found


def ended(connection: socket.socket) -> bytes:
    """What still comes until the server hangs up."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=",
    ],
    ids=["nothing", "half its headers", "half its body"],
)
def test_half_open_connections_are_let_go(serve: Serve, archive_dir: Path, sent: bytes) -> None:
    url = serve(Settings(archive_dir, port=0, patience=0.5))
    with connect(url) as connection:
        connection.sendall(sent)
        answer = ended(connection)  # it ends
        assert b" 500 " not in answer
    assert httpx.get(url).status_code == 200


def test_many_slow_clients_keep_nobody_waiting(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0, patience=10 * PATIENCE))
    slow = [connect(url) for _ in range(100)]
    try:
        for one in slow:
            one.sendall(b"GET /archive HTTP/1.1\r\nHost: 127.0")
        assert httpx.get(f"{url}/api/v2/images/?limit=1").status_code == 200
    finally:
        for one in slow:
            one.close()


def test_requests_that_are_none(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    for sent in (
        b"\x00\xff" * 500,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        with connect(url) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert b" 500 " not in ended(connection)
    assert httpx.get(url).status_code == 200


def test_bodies_beyond_the_limit(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0, max_upload_bytes=10_000))
    token = httpx.get(url).text.partition('name="csrf" content="')[2].partition('"')[0]
    headers = {"X-CSRF-Token": token}
    form = {"licence": "CC-0", "attribution": "T"}
    assert (
        httpx.post(f"{url}/ingest", data=form, files=[("files", ("a.jpg", b"x" * 20_000))], headers=headers).status_code
        == 413
    )
    chunked = httpx.post(
        f"{url}/ingest", content=iter([b"x"]), headers={**headers, "Content-Type": "multipart/form-data; boundary=b"}
    )
    assert chunked.status_code == 411
    big = {"isic_ids": ["ISIC_0000000" * 100] * 3000}
    assert httpx.post(f"{url}/api/v2/collections/1/populate-from-list/", json=big).status_code in (413, 422)


def test_sigterm_in_the_middle_of_a_download(program, archive_dir: Path) -> None:  # type: ignore[no-untyped-def]
    process, url = program
    big = os.urandom(12 << 20)
    with Archive.open(archive_dir) as archive:
        name = archive.blobs.put(big)
        isic_id = archive.search(limit=1).results[0]["isic_id"]
        blob = archive.blobs.path(archive.file(isic_id)[0])  # type: ignore[union-attr]
        blob.write_bytes(big)  # a large file in place of a small one
    path = httpx.get(f"{url}/api/v2/images/{isic_id}/").json()["files"]["full"]["url"]
    assert name
    with httpx.stream("GET", path, timeout=PATIENCE) as answer:
        pieces = answer.iter_raw(65536)
        first = next(pieces)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        rest = b"".join(pieces)
    assert first + rest == big  # what runs is finished
    assert process.wait(PATIENCE) == 0
    assert "Traceback" not in process.stderr.read()


def test_sigterm_in_the_middle_of_an_upload(program, archive_dir: Path) -> None:  # type: ignore[no-untyped-def]
    process, url = program
    token = httpx.get(url).text.partition('name="csrf" content="')[2].partition('"')[0]
    with connect(url) as connection:
        head = f"POST /ingest HTTP/1.1\r\nHost: 127.0.0.1\r\nX-CSRF-Token: {token}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(
            head.encode()
            + b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
            + b"x" * 5000
        )
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    assert process.wait(PATIENCE) == 0  # the client has left, too
    uploads = Settings(archive_dir).site / "uploads"
    assert not uploads.exists() or list(uploads.iterdir()) == []
    with Archive.open(archive_dir) as archive:
        assert len(archive) == 18
        assert archive.verify(quick=True)


def test_interrupt_ends_well(program) -> None:  # type: ignore[no-untyped-def]
    process, url = program
    with httpx.Client() as browser:
        assert browser.get(url).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert process.stderr.read() == ""


def test_a_second_interrupt_hangs_up_without_a_traceback(program) -> None:  # type: ignore[no-untyped-def]
    process, url = program
    token = httpx.get(url).text.partition('name="csrf" content="')[2].partition('"')[0]
    with connect(url) as connection:
        head = f"POST /ingest HTTP/1.1\r\nHost: 127.0.0.1\r\nX-CSRF-Token: {token}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert b" 100 " in connection.recv(100)  # it waits for the body, which never comes
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "Finishing what runs; Ctrl-C again leaves at once.\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert process.stderr.read() == ""
