"""Logging in, who may reach the server, forms from elsewhere, the pages of the front."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from conftest_web import PASSWORD, PATIENCE, Serve, accounts_for, axe

from cygnet.accounts import Accounts, Role
from cygnet.accounts.limit import Failures
from cygnet.errors import InputError
from cygnet.web import Settings, create_app
from cygnet.web.front.home import local_path
from cygnet.web.texts import texts, translate


def test_beyond_this_machine_only_with_accounts(archive_dir: Path) -> None:
    with pytest.raises(InputError, match="cygnet serve account add"):
        create_app(Settings(archive_dir, host="0.0.0.0"))
    accounts_for(archive_dir, Role.VIEWER)
    app = create_app(Settings(archive_dir, host="0.0.0.0"))
    assert app.state.site.guarded
    app.state.site.close()


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("clinic", False)]
)
def test_loopback(host: str, alone: bool) -> None:
    assert Settings(Path("x"), host=host).loopback is alone


def test_another_name_for_this_machine_is_refused_while_it_asks_for_no_account(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    assert httpx.get(url).status_code == 200
    assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 421


def test_headers_of_every_answer(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    for path in ("/", "/nothing", "/help.json"):
        headers = httpx.get(url + path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_log_in_and_out(serve: Serve, archive_dir: Path) -> None:
    accounts_for(archive_dir, Role.CURATOR)
    url = serve(Settings(archive_dir, port=0))
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        away = client.get("/account")
        assert (away.status_code, away.headers["location"]) == (303, "/login?next=/account")
        wrong = client.post("/login", data={"name": "curator", "password": "something else"})
        assert wrong.status_code == 403 and "wrong" in wrong.text
        done = client.post("/login", data={"name": "curator", "password": PASSWORD, "next": "/account"})
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert client.get("/account.json").json()["name"] == "curator"
        assert client.post("/logout").status_code == 403  # without the form's token
        token = client.get("/account").text.partition('name="csrf" content="')[2].partition('"')[0]
        assert client.post("/logout", data={"csrf": token}).status_code == 303
        assert client.get("/account").status_code == 303


def test_too_many_wrong_passwords(serve: Serve, archive_dir: Path) -> None:
    accounts_for(archive_dir, Role.CURATOR)
    url = serve(Settings(archive_dir, port=0))
    for _ in range(8):
        assert httpx.post(f"{url}/login", data={"name": "curator", "password": "wrong"}).status_code == 403
    late = httpx.post(f"{url}/login", data={"name": "curator", "password": PASSWORD})
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 600


def test_failures_are_forgotten() -> None:
    now = [0.0]
    failures = Failures(2, 10, lambda: now[0])
    failures.add("a")
    assert failures.wait("a", "b") == 0
    now[0] = 4
    failures.add("a")
    assert failures.wait("b") == 0
    assert failures.wait("b", "a") == 6
    now[0] = 10
    assert failures.wait("a") == 0


def test_forms_from_elsewhere_are_refused(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    token = httpx.get(url).text.partition('name="csrf" content="')[2].partition('"')[0]
    send = {"label": "x", "csrf": token}
    assert httpx.post(f"{url}/account/tokens", data=send).status_code == 303
    assert httpx.post(f"{url}/account/tokens", data={"label": "x"}).status_code == 403
    assert httpx.post(f"{url}/account/tokens", data={**send, "csrf": token[::-1]}).status_code == 403
    for elsewhere in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert httpx.post(f"{url}/account/tokens", data=send, headers=elsewhere).status_code == 403
    assert httpx.post(f"{url}/account/tokens", headers={"X-CSRF-Token": token}).status_code == 303


def test_api_tokens(serve: Serve, archive_dir: Path) -> None:
    tokens = accounts_for(archive_dir, Role.VIEWER)
    url = serve(Settings(archive_dir, port=0))
    good = {"Authorization": f"Bearer {tokens[Role.VIEWER]}", "Accept": "application/json"}
    assert httpx.get(f"{url}/account.json", headers=good).json()["roles"] == ["viewer"]
    bad = {**good, "Authorization": "Bearer cygnet_nobody"}
    assert httpx.get(f"{url}/account.json", headers=bad).status_code == 401


def test_nothing_secret_is_kept(archive_dir: Path) -> None:
    token = accounts_for(archive_dir, Role.VIEWER)[Role.VIEWER]
    path = Settings(archive_dir).site / "accounts.sqlite"
    accounts = Accounts(path)
    session = accounts.log_in("viewer", PASSWORD, 1)
    assert session is not None
    kept = b"".join(p.read_bytes() for p in path.parent.glob("accounts.sqlite*"))
    for secret in (PASSWORD, token, session.key):
        assert secret.encode() not in kept
    assert path.stat().st_mode & 0o077 == 0


def test_sessions_end(archive_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts_for(archive_dir, Role.VIEWER)
    accounts = Accounts(Settings(archive_dir).site / "accounts.sqlite")
    brief = accounts.log_in("viewer", PASSWORD, 0.5)
    lasting = accounts.log_in("viewer", PASSWORD, 1)
    assert brief is not None and lasting is not None
    assert accounts.by_session(brief.key) is not None
    later = time.time() + 1801
    monkeypatch.setattr("cygnet.accounts.store.time.time", lambda: later)
    assert accounts.by_session(brief.key) is None
    assert accounts.by_session(lasting.key) is not None
    accounts.set_password("viewer", "another password")
    assert accounts.by_session(lasting.key) is None
    assert accounts.log_in("viewer", PASSWORD, 1) is None
    with pytest.raises(InputError, match="12 to 1024"):
        accounts.set_password("viewer", "short")


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "", "/a\nb", "\\\\e"]
)
def test_after_login_one_stays_here(text: str) -> None:
    assert local_path(text) == "/"
    assert local_path("/archive?query=sex:male") == "/archive?query=sex:male"


def test_both_languages_have_the_same_texts() -> None:
    import re
    from importlib.resources import files

    for entry in files("cygnet.web.texts").joinpath("en").iterdir():
        area = entry.name.removesuffix(".toml")
        english, german = texts("en", area), texts("de", area)
        assert english.keys() == german.keys(), area
        for key in english:
            assert set(re.findall(r"\{\w+\}", english[key])) == set(re.findall(r"\{\w+\}", german[key])), key
    assert translate("de", "front.images", n=12345).startswith("12.345 Bilder")
    assert translate("en", "front.images", n=1).startswith("One image")
    with pytest.raises(KeyError):
        translate("en", "front.no such text")


def test_language(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    assert 'lang="de"' in httpx.get(url, headers={"Accept-Language": "fr, de;q=0.9, en;q=0.8"}).text[:40]
    assert 'lang="en"' in httpx.get(url, headers={"Accept-Language": "de;q=x;;,"}).text[:40]
    with httpx.Client(base_url=url, follow_redirects=True, timeout=PATIENCE) as client:
        assert 'lang="de"' in client.get("/language/de?next=/help").text[:40]


@pytest.mark.browser
def test_front_in_a_browser(serve: Serve, archive_dir: Path, new_page) -> None:  # type: ignore[no-untyped-def]
    accounts_for(archive_dir, Role.CURATOR)
    url = serve(Settings(archive_dir, port=0))
    for options in ({}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}):
        page = new_page(**options)
        for path in ("/", "/help", "/login"):
            page.goto(url + path)
            assert axe(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.fill("[name=name]", "curator")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url(url + "/")
        for path in ("/account", "/runs"):
            page.goto(url + path)
            assert axe(page) == []
