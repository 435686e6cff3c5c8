"""Everything that goes wrong on the way, each with what the pull says of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_pull import (
    Far,
    Handler,
    cut,
    http_date,
    instead,
    jpeg,
    md5_of,
    stall,
    status,
)

from cygnet.errors import InputError
from cygnet.interop import Pulled, verify

Fetch = Callable[..., Pulled]


def only(done: Pulled) -> tuple[str, str, str]:
    """The one problem of a pull that has one."""
    assert not done.complete
    (problem,) = done.problems
    return problem.image, problem.code, problem.message


# Faults that pass


@pytest.mark.parametrize(
    "fault",
    [
        status(500, 2),
        status(503, 1, {"Retry-After": "0"}),
        status(429, 3, {"Retry-After": "0"}),
        status(429, 2),
        status(408, 1),
        cut(500, 2),
        cut(0, 1),
        stall(1.0, 1),
    ],
    ids=["500", "503", "429", "429 without a time", "408", "cut", "cut at once", "stall"],
)
def test_what_passes_is_tried_again(far: Far, fetch: Fetch, fault: Any) -> None:
    far.faults[far.ids[1]] = fault
    done = fetch()
    assert (done.complete, done.received) == (True, 6)


def test_a_cut_file_goes_on_where_it_was_cut(far: Far, fetch: Fetch) -> None:
    """With ranges, a file that is cut ever again comes in the end, and no byte twice."""
    name, data = far.ids[1], jpeg(1, 640, 480)
    far.files[name] = data
    step = len(data) // 7
    starts: list[str | None] = []

    def fault(handler: Handler, n: int) -> bool:
        starts.append(handler.headers.get("Range"))
        start = int((starts[-1] or "bytes=0-")[6:-1])
        if start + step >= len(data):
            return False
        tag = {"ETag": '"one"', "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        if start:
            assert handler.headers.get("If-Range") == '"one"'
        handler.send(data[start : start + step], tag, 206 if start else 200, stated=len(data) - start)
        return True

    far.faults[name] = fault
    far.etags = False
    # The last answer does not know ranges and sends the whole file: the part is dropped, not joined to it.
    assert fetch().complete
    assert len(starts) >= 7
    assert starts == [None, *(f"bytes={k * step}-" for k in range(1, len(starts)))]


def test_without_ranges_a_cut_file_begins_anew(far: Far, fetch: Fetch) -> None:
    far.etags = False
    far.faults[far.ids[1]] = cut(500, 2)
    assert fetch().complete


def test_a_file_that_changes_while_it_is_fetched_is_not_joined_of_two(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    name = far.ids[1]
    old, new = jpeg(1), jpeg(99)
    size = max(len(old), len(new))
    far.files[name] = old = old + bytes(size - len(old))

    def fault(handler: Handler, n: int) -> bool:
        if n == 1:
            cut(700)(handler, 1)
            far.files[name] = new + bytes(size - len(new))
            return True
        return False

    far.faults[name] = fault
    assert fetch().complete
    assert (tmp_path / "out" / "images" / f"{name}.jpg").read_bytes() == far.files[name]


def test_retry_after_is_kept_by_all(far: Far, fetch: Fetch) -> None:
    """A date is kept as a number is, and nobody asks meanwhile."""
    busy: list[float] = []
    asked: list[float] = []

    def before(handler: Handler) -> bool:
        if handler.path.startswith("/files/"):
            asked.append(time.monotonic())
            if not busy:
                busy.append(time.monotonic())
                handler.send(b"", {"Retry-After": http_date(2.5)}, 429)
                return True
        return False

    far.before = before
    assert fetch(jobs=1).complete
    # The header holds whole seconds.
    assert min(moment for moment in asked if moment > busy[0]) - busy[0] > 1.3


@pytest.mark.parametrize(("headers", "says"), [({"Retry-After": "3600"}, "asks to wait 3,600 seconds"), ({}, "429")])
def test_a_server_that_is_always_busy(far: Far, fetch: Fetch, headers: dict[str, str], says: str) -> None:
    far.faults = dict.fromkeys(far.ids, status(429, headers=headers))
    done = fetch()
    assert (done.complete, done.received) == (False, 0)
    assert any(says in problem.message for problem in done.problems)
    far.faults.clear()
    assert fetch().complete


def test_the_server_restarts_in_the_middle(far: Far, fetch: Fetch) -> None:
    seen = threading.Event()

    def before(handler: Handler) -> bool:
        if handler.path.startswith("/files/"):
            seen.set()
            time.sleep(0.1)
        return False

    far.before = before

    def restart() -> None:
        seen.wait()
        far.stop()
        time.sleep(0.3)
        far.start()

    thread = threading.Thread(target=restart)
    thread.start()
    done = fetch(jobs=1)
    thread.join()
    assert (done.complete, done.received) == (True, 6)


def test_the_server_does_not_come_back(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.faults[far.ids[2]] = lambda handler, n: far.stop() or status(500)(handler, n)  # type: ignore[func-returns-value]
    done = fetch(jobs=1)
    image, code, message = only(done)
    assert (image, code, done.received) == ("", "pending", 2)
    assert "4 images are still to come: no good answer for" in message or "the list is not whole" in message
    assert "run the same again" in message
    far.faults.clear()
    far.start()
    assert fetch().complete
    assert verify(tmp_path / "out").sound


def test_no_server(fetch: Fetch, far: Far, tmp_path: Path) -> None:
    far.stop()
    with pytest.raises(InputError, match=r"cannot be reached .*Check the address"):
        fetch()
    assert not (tmp_path / "out").exists()


# Faults that stay


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (status(404), "refused", "answers 404 (not found)"),
        (status(500), "refused", "answers 500 (internal server error), tried 3 times"),
        (stall(1.0), "network", "was silent for 0.4 seconds"),
        (instead(b"<html>Please log in"), "size", "19 bytes came, "),
        (instead(jpeg(1) + b"more"), "size", "more bytes came than the "),
        (cut(100), "network", "was cut"),
    ],
    ids=["404", "500", "stall", "a page", "too long", "cut"],
)
def test_what_stays_is_told(far: Far, fetch: Fetch, tmp_path: Path, fault: Any, code: str, says: str) -> None:
    name = far.ids[1]
    far.etags = False
    far.faults[name] = fault
    done = fetch()
    assert done.received == 5
    image, found, message = only(done)
    assert (image, found) == (name, code)
    assert says in message
    assert not (tmp_path / "out" / "images" / f"{name}.jpg").exists()
    assert name not in (tmp_path / "out" / "metadata.csv").read_text()


def unsized(result: dict[str, Any]) -> None:
    del result["files"]["full"]["size"]


@pytest.mark.parametrize(
    ("data", "headers", "code", "says"),
    [
        (b"<html>Please log in", {}, "damaged", "no whole image: not a JPEG"),
        (jpeg(1)[:-900], {}, "damaged", "no whole image: the file is cut short"),
        (jpeg(1)[:-2], {}, "damaged", "no whole image"),
        (b"", {}, "damaged", "empty (0 bytes)"),
        (jpeg(1), {"Content-MD5": md5_of(b"another")}, "hash", "MD5 is not the one that the server states"),
        (jpeg(1), {"Repr-Digest": "sha-256=:AAAA:"}, "hash", "SHA256 is not the one"),
        (jpeg(1), {"ETag": '"0123456789abcdef0123456789abcdef"', "Server": "AmazonS3"}, "", ""),
    ],
    ids=["a page", "cut short", "no end", "empty", "md5", "digest", "etag"],
)
def test_content_that_is_wrong(
    far: Far, fetch: Fetch, data: bytes, headers: dict[str, str], code: str, says: str
) -> None:
    """Where no size is announced, the content itself and the hashes that a server states must do."""
    far.result = unsized
    far.faults[far.ids[1]] = instead(data, headers)
    done = fetch()
    if not code:  # http.server states its own Server before ours, so that the tag proves nothing
        assert done.complete
        return
    image, found, message = only(done)
    assert (image, found) == (far.ids[1], code)
    assert says in message
    assert far.served[far.ids[1]] == 2, "what is wrong may come right the second time"


def test_right_hashes_pass(far: Far, fetch: Fetch) -> None:
    far.faults[far.ids[1]] = instead(jpeg(1), {"Content-MD5": md5_of(jpeg(1)), "Content-Digest": "unknown=:AAAA:"})
    assert fetch().complete


def test_a_slow_server_is_waited_for_and_a_trickle_is_not(far: Far, fetch: Fetch) -> None:
    def trickle(seconds: float, step: int) -> Callable[[Handler, int], bool]:
        def fault(handler: Handler, n: int) -> bool:
            data = far.files[far.ids[1]]
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            for start in range(0, len(data), step):
                handler.wfile.write(data[start : start + step])
                handler.wfile.flush()
                time.sleep(seconds)
            return True

        return fault

    far.faults[far.ids[1]] = trickle(0.1, 400)
    assert fetch().complete
    far.files[far.ids[1]] = jpeg(77)
    far.faults[far.ids[1]] = trickle(0.05, 1)
    assert "fewer than 256 bytes a second" in only(fetch())[2]


# Lists that lie


def test_a_count_that_the_pages_do_not_keep(far: Far, fetch: Fetch) -> None:
    far.change = lambda page: page.update(count=page["count"] and 8)
    done = fetch()
    assert only(done) == ("", "count", "the server counts 8 images and lists 6")
    far.change = lambda page: None
    assert fetch().complete, "the list is asked for again"


def test_a_list_without_a_count(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    """Nothing to compare with, so that what is listed is what there is; an earlier count does not speak for a later list."""
    far.change = lambda page: page.update(count=page["count"] and 8)
    assert not fetch().complete
    far.change = lambda page: page.update(count=None)
    done = fetch()
    assert (done.complete, done.said, done.listed, done.received) == (True, None, 6, 6)


def test_an_id_twice(far: Far, fetch: Fetch) -> None:
    far.ids[5] = far.ids[0]
    done = fetch()
    assert done.received == 5
    assert only(done)[:2] == (far.ids[0], "twice")
    assert "listed twice" in only(done)[2]


@pytest.mark.parametrize(
    "evil", ["../../../etc/cron.d/x", "a/b", "..", "", "CON", "x" * 65, "a\x00b", "a.jpg", 7, None]
)
def test_ids_with_path_tricks(far: Far, fetch: Fetch, tmp_path: Path, evil: Any) -> None:
    def change(page: dict[str, Any]) -> None:
        if page["count"]:
            page["results"][0]["isic_id"] = evil

    far.change = change
    done = fetch()
    assert done.received == 5
    image, code, message = only(done)
    assert (image, code) == ("", "id")
    assert "cannot name a file; left out" in message
    assert len(list(tmp_path.rglob("*.jpg"))) == 5


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "is listed without a file"),
        ([], "is listed without a file"),
        ({"full": {"url": 3}}, "is listed without a file"),
        ({"full": {"url": "file:///etc/passwd", "size": 1}}, "which is no web address"),
    ],
)
def test_a_record_without_a_file(far: Far, fetch: Fetch, files: Any, says: str) -> None:
    far.result = lambda result: result.update(files=files) if result["isic_id"] == far.ids[2] else None
    done = fetch()
    image, code, message = only(done)
    assert (image, code, done.received) == (far.ids[2], "no-file", 5)
    assert says in message


@pytest.mark.parametrize(
    ("metadata", "says", "cell"),
    [
        (["male"], "its metadata are list", ""),
        ("male", "its metadata are str", ""),
        ({"clinical": {"sex": {"value": "male"}}}, "the values of sex are nested", '{"value": "male"}'),
        (
            {"clinical": {"sex": "male"}, "other": {"sex": "female"}},
            "the values of sex are nested or given twice",
            "female",
        ),
    ],
)
def test_metadata_of_unknown_shape(far: Far, fetch: Fetch, tmp_path: Path, metadata: Any, says: str, cell: str) -> None:
    import csv

    far.metadata[far.ids[1]] = metadata
    done = fetch()
    image, code, message = only(done)
    assert (image, code, done.received) == (far.ids[1], "shape", 6)
    assert says in message
    with (tmp_path / "out" / "metadata.csv").open(newline="") as stream:
        assert [row["sex"] for row in csv.DictReader(stream)][1] == cell


def test_metadata_without_groups_are_understood(far: Far, fetch: Fetch) -> None:
    far.metadata[far.ids[1]] = {"sex": "male"}
    far.metadata[far.ids[2]] = None
    assert fetch().complete


def test_pages_in_a_circle_and_elsewhere(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.change = lambda page: page.update(next=f"{far.url}/api/v2/images/search/?cursor=4")
    done = fetch(out=tmp_path / "circle")
    assert done.received == 6
    assert "lead in a circle" in done.problems[-1].message
    far.change = lambda page: page.update(next="http://elsewhere.example/api/v2/images/search/?cursor=4")
    assert "its next page is elsewhere (http://elsewhere.example" in only(fetch(out=tmp_path / "else"))[2]


def test_a_list_without_an_end(far: Far, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    from cygnet.interop import listing

    monkeypatch.setattr(listing, "_SURPLUS", 20)
    pages = iter(range(10**6))
    far.change = lambda page: page.update(next=f"{far.url}/api/v2/images/search/?cursor=0&page={next(pages)}")
    done = fetch()
    assert done.received == 4
    assert "counts 6 images and has listed 28; the list seems to have no end" in done.problems[-1].message


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"detail": "no"}', b'{"results": 3}', b"\xff\xfe"])
def test_answers_of_something_else(far: Far, fetch: Fetch, answer: bytes) -> None:
    far.before = lambda handler: handler.send(answer) or True  # type: ignore[func-returns-value]
    with pytest.raises(InputError, match="no answer of an archive|does not answer as"):
        fetch()


def test_a_list_that_breaks_off_goes_on_where_it_did(far: Far, fetch: Fetch) -> None:
    broken = True
    far.before = lambda handler: broken and "cursor=4" in handler.path and (handler.send(b"", status=500) or True)  # type: ignore[func-returns-value]
    done = fetch()
    assert done.received == 4
    assert "the list broke off after 4 images" in only(done)[2]
    broken = False
    far.asked.clear()
    assert fetch().complete
    assert not any("search" in path and "cursor" not in path and "size" not in path for path in far.asked)


def test_a_place_in_the_list_that_is_no_longer_known(far: Far, fetch: Fetch) -> None:
    codes = {"now": 500}
    far.before = lambda handler: (
        "cursor=4" in handler.path
        and codes["now"]
        and (
            handler.send(b"", status=codes["now"]) or True  # type: ignore[func-returns-value]
        )
    )
    assert not fetch().complete

    def before(handler: Handler) -> bool:
        if "cursor=4" in handler.path and codes["now"] == 422:
            codes["now"] = 0
            handler.send(b"", status=422)
            return True
        return False

    codes["now"], far.before = 422, before
    served = far.served.total()
    done = fetch()
    assert (done.complete, done.received, done.listed) == (True, 6, 6)
    assert far.served.total() == served + 2, "what was here is not fetched again"


# Redirections


def test_redirections(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    """A file may lie on another server, as on a content network; the archive itself may not move unnoticed."""
    with_other = Far()
    with_other.start()
    try:
        far.faults[far.ids[1]] = status(302, headers={"Location": f"{with_other.url}/files/{far.ids[1]}.jpg"})
        assert fetch().complete
        assert with_other.served[far.ids[1]] == 1
        other = with_other.url.replace("127.0.0.1", "localhost")
        far.before = lambda handler: (
            "search/?" in handler.path
            and (
                handler.send(b"", {"Location": f"{other}{handler.path}"}, 307) or True  # type: ignore[func-returns-value]
            )
        )
        with pytest.raises(
            InputError, match=rf"sends to another server, localhost:{with_other.port}; not followed.*--from"
        ):
            fetch(out=tmp_path / "other")
    finally:
        with_other.stop()


def test_a_token_is_shown_to_the_archive_alone(far: Far, fetch: Fetch) -> None:
    seen: list[tuple[bool, str | None]] = []

    def before(handler: Handler) -> bool:
        seen.append((handler.far is far, handler.headers.get("Authorization")))
        return False

    other = Far()
    far.before = other.before = before
    other.start()
    try:
        far.faults[far.ids[1]] = status(302, headers={"Location": f"{other.url}/files/{far.ids[1]}.jpg"})
        assert fetch(token="secret").complete
    finally:
        other.stop()
    assert {shown for ours, shown in seen if ours} == {"Bearer secret"}
    assert [shown for ours, shown in seen if not ours] == [None]


def test_a_redirection_in_a_circle(far: Far, fetch: Fetch) -> None:
    far.faults[far.ids[1]] = status(302, headers={"Location": f"/files/{far.ids[1]}.jpg"})
    assert "sent on more than 5 times" in only(fetch())[2]


def test_licences_that_the_server_does_not_have(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.before = lambda handler: "license-file" in handler.path and (handler.send(b"", status=404) or True)  # type: ignore[func-returns-value]
    assert fetch().complete
    assert "creativecommons.org/licenses/by/4.0" in (tmp_path / "out" / "licenses" / "CC-BY.txt").read_text()
    far.result = lambda result: result.update(copyright_license="../x")
    assert only(fetch(out=tmp_path / "b"))[2] == "no text of the licence '../x', which 6 images state"


# Killed


def command(*args: object) -> list[str]:
    return [sys.executable, "-c", "from cygnet.cli import main; main()", "pull", *map(str, args)]


def slow(seconds: float) -> Callable[[Handler], bool]:
    def before(handler: Handler) -> bool:
        if handler.path.startswith("/files/"):
            time.sleep(seconds)
        return False

    return before


def whole(out: Path, far: Far) -> None:
    """Nothing half-written has a final name."""
    for path in (out / "images").glob("*"):
        assert path.read_bytes() == far.files[path.stem]


def test_killed_at_any_moment_and_resumed(tmp_path: Path) -> None:
    far = Far(n=40, page=10)
    far.start()
    try:
        far.before = slow(0.03)
        out = tmp_path / "out"
        partial = 0
        for _ in range(3):
            running = subprocess.Popen(command("--from", far.url, "--out", out, "--jobs", 2, "--quiet"))
            began = len(list((out / "images").glob("*")))
            for _ in range(2000):
                if running.poll() is not None or len(list((out / "images").glob("*"))) > began + 4:
                    break
                time.sleep(0.005)
            running.send_signal(signal.SIGKILL)
            running.wait(20)
            whole(out, far)
            partial += 0 < len(list((out / "images").glob("*"))) < 40
        assert partial >= 2, "the kills should fall into the middle"
        assert not (out / "manifest.json").exists()
        far.before = lambda handler: False
        done = subprocess.run(
            command("--from", far.url, "--out", out, "--json"), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["complete"], found["count"]["received"]) == (True, 40)
        assert found["fetched"] < 30
        assert far.served.total() <= 40 + 3 * 3, "only what was under way at a kill is fetched twice"
        whole(out, far)
        assert verify(out).sound
        assert {p.name for p in out.iterdir()} == {
            *("attribution.txt", "images", "licenses", "manifest.json", "metadata.csv")
        }
    finally:
        far.stop()


def test_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    far = Far(n=30, page=10)
    far.start()
    try:
        far.before = slow(0.1)
        out = tmp_path / "out"
        running = subprocess.Popen(command("--from", far.url, "--out", out), stderr=subprocess.PIPE, text=True)
        for _ in range(2000):
            if len(list((out / "images").glob("*"))) > 3:
                break
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
        assert running.returncode == 130
        assert "Run the same command again to go on" in err
        far.before = lambda handler: False
        assert subprocess.run(command("--from", far.url, "--out", out, "-q"), timeout=60, check=False).returncode == 0
        assert verify(out).sound
    finally:
        far.stop()
