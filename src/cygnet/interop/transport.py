"""Requests that do not give up too early and not go on for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from cygnet.errors import CygnetError
from cygnet.interop.patience import Gate, Patience, Stopped, retry_after
from cygnet.interop.site import Site
from cygnet.version import VERSION

T = TypeVar("T")
_REDIRECTS: Final = 5
_MOST_TEXT: Final = 32 * 1024 * 1024
#: A server that is busy may say so this many times as often as it may fail.
_BUSY: Final = 5
_AGENT: Final = f"cygnet/{VERSION}"


class FetchError(CygnetError):
    """Something could not be fetched; the message says why. ``status`` is the HTTP status, 0 where none came."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Gone(FetchError):
    """The server has not answered well for so long that nothing more is tried."""


class Passing(FetchError):
    """May go better the next time. ``unmade`` says that there was no connection, ``gained`` that it came further than before."""

    def __init__(self, message: str, status: int = 0, *, unmade: bool = False, gained: bool = False) -> None:
        super().__init__(message, status)
        self.unmade, self.gained = unmade, gained


class Busy(Passing):
    """The server asks to be left alone, for ``seconds`` if it said how long."""

    def __init__(self, message: str, status: int, seconds: float | None) -> None:
        super().__init__(message, status)
        self.seconds = seconds


class Transport:
    """Connections to a server and those that it sends to, shared by all threads. Only the server itself is shown the ``token``."""

    def __init__(self, site: Site, jobs: int, patience: Patience, gate: Gate, token: str | None = None) -> None:
        self.site, self.patience, self.gate = site, patience, gate
        self._token = token
        timeout = urllib3.Timeout(connect=patience.connect, read=patience.read)
        given: dict[str, Any] = {"maxsize": jobs + 2, "retries": False, "timeout": timeout}
        parts = urlsplit(site.origin)
        proxy = getproxies().get(parts.scheme)
        away = proxy is not None and not proxy_bypass(parts.hostname or "")
        self._pool = urllib3.ProxyManager(proxy, **given) if away and proxy else urllib3.PoolManager(**given)

    def close(self) -> None:
        """Drop all connections."""
        self._pool.clear()

    def json(self, url: str) -> Any:
        """What the archive answers at an address of its API.

        Raises
        ------
        FetchError
            If it does not, or not in JSON.
        """

        def work() -> Any:
            text = self._read(url)
            try:
                return json.loads(text)
            except (ValueError, RecursionError) as error:
                kind = Passing if text.startswith("{") else FetchError  # cut short, or something else altogether
                raise kind(f"{url}: no answer of an archive, it begins with {' '.join(text[:60].split())!r}") from error

        return self.patiently(work)

    def text(self, url: str) -> str:
        """The same as text."""

        return self.patiently(lambda: self._read(url))

    def _read(self, url: str) -> str:
        with self.open(url, home=True) as answer:
            data: bytes = answer.read(_MOST_TEXT + 1, decode_content=True)
        if len(data) > _MOST_TEXT:
            raise FetchError(f"{url}: answers with more than {_MOST_TEXT >> 20} MB")
        return data.decode("utf-8", "replace")

    def patiently(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, tried again after what may pass.

        Raises
        ------
        FetchError
            When it is hopeless, or has been tried often enough.
        Stopped
            If the pull ends meanwhile.
        """
        failures = busy = 0
        while True:
            self.gate.enter()
            try:
                return work()
            except Busy as error:
                busy += 1
                self._leave_alone(error, busy)
            except Passing as error:
                failures = 1 if error.gained else failures + 1
                self._give_up(error, failures)
                self.gate.wait(self.patience.pause(failures))

    def _leave_alone(self, error: Busy, times: int) -> None:
        if times > _BUSY * self.patience.tries:
            raise FetchError(f"{error}, {times} times", error.status) from error
        seconds = self.patience.pause(times) if error.seconds is None else error.seconds
        if seconds > self.patience.asked:
            raise Gone(f"{error} and asks to wait {seconds:,.0f} seconds", error.status) from error
        self.gate.hold(seconds)

    def _give_up(self, error: Passing, failures: int) -> None:
        """Raise if there is no point in going on. While a server that was there cannot be reached at all, its return is waited for."""
        tries = self.patience.tries if self.gate.known else min(3, self.patience.tries)
        if failures < tries:
            return
        if not self.gate.known:
            raise FetchError(str(error), error.status) from error
        if self.gate.silent() >= self.patience.silence:
            raise Gone(f"no good answer for {self.gate.silent():.0f} seconds ({error})", error.status) from error
        if not error.unmade:
            raise FetchError(f"{error}, tried {failures} times", error.status) from error

    @contextmanager
    def open(self, url: str, *, home: bool = False, headers: Mapping[str, str] | None = None) -> Iterator[Any]:
        """An answer with status 200 or 206, its body unread. ``home`` refuses to be sent to another server.

        Raises
        ------
        FetchError
            For any other status, and redirections that are not followed.
        Passing
            For what another try may mend.
        """
        answer = None
        try:
            answer = self._redirected(url, home, {"User-Agent": _AGENT, **(headers or {})})
            yield answer
            answer.drain_conn()
            answer.release_conn()
            answer = None
        except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
            raise Passing(f"{_host(url)} cannot be reached ({_plain(error)})", unmade=True) from error
        except ReadTimeoutError as error:
            raise Passing(f"{_host(url)} was silent for {self.patience.read:g} seconds") from error
        except SSLError as error:
            raise FetchError(f"{_host(url)} is not who it says, or speaks no TLS ({_plain(error)})") from error
        except HTTPError as error:
            raise Passing(f"the connection to {_host(url)} was cut ({_plain(error)})") from error
        finally:
            if answer is not None:
                answer.close()

    def _redirected(self, url: str, home: bool, headers: dict[str, str]) -> Any:
        for _ in range(_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https"):
                raise FetchError(f"{url} is no web address")
            own = {"Authorization": f"Bearer {self._token}"} if self._token and self.site.owns(url) else {}
            answer = self._pool.request("GET", url, headers={**headers, **own}, redirect=False, preload_content=False)
            place = answer.get_redirect_location()
            if not place:
                self._judge(url, answer)
                return answer
            answer.drain_conn()
            target = urljoin(url, place)
            if home and not self.site.owns(target):
                raise FetchError(
                    f"{url} sends to another server, {_host(target)}; not followed. If that is the archive, give it with --from"
                )
            if url.startswith("https:") and not target.startswith("https:"):
                raise FetchError(f"{url} sends to {_host(target)} without encryption; not followed")
            url = target
        raise FetchError(f"{url}: sent on more than {_REDIRECTS} times")

    def _judge(self, url: str, answer: Any) -> None:
        status = int(answer.status)
        if status in (200, 206):
            self.gate.heard()
            return
        words = f"{_host(url)} answers {status} ({_reason(status)})"
        if status == 429 or (status == 503 and answer.headers.get("Retry-After")):
            seconds = retry_after(answer.headers.get("Retry-After"))
            answer.drain_conn()
            raise Busy(words, status, seconds)
        if status in (408, 416, 425) or status >= 500:
            answer.drain_conn()
            raise Passing(words, status)
        self.gate.heard()
        said = _message(answer)
        answer.close()
        raise FetchError(f"{words}: {said}" if said else words, status)


def _message(answer: Any) -> str:
    """What an archive says of a request that it does not like: {"message": "..."}."""
    try:
        found = json.loads(answer.read(10_000))
    except (HTTPError, ValueError, RecursionError):
        return ""
    said = found.get("message") or found.get("detail") if isinstance(found, dict) else None
    return " ".join(said.split())[:300] if isinstance(said, str) else ""


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower()
    except ValueError:
        return "unknown"


def _plain(error: Exception) -> str:
    """The innermost cause, without urllib3's wrapping."""
    cause = error.__cause__ or error.__context__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


__all__ = ["FetchError", "Gone", "Passing", "Stopped", "Transport"]
