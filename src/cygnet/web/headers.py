"""What every answer carries, and which names this machine answers to."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cygnet.web.auth.who import LOCAL_HOSTS

#: Nothing from elsewhere, nothing inline: what slips into a text cannot run.
POLICY: Final = "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the headers. Without accounts (``local_only``) it refuses requests under any name but this machine's own: another site could
    point its name here and read what the one person may read."""

    def __init__(self, app: ASGIApp, *, local_only: bool) -> None:
        self.app, self.local_only = app, local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if self.local_only and not _is_local(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("This server answers to 127.0.0.1 and localhost only.\n", 421)
            await refusal(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


def _is_local(host: str) -> bool:
    name, sign, port = host.rpartition(":")
    return (name if sign and port.isdigit() else host).lower() in LOCAL_HOSTS
