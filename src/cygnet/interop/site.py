"""Where an archive answers, and the addresses of its API v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

from cygnet.errors import InputError

#: The public ISIC Archive.
ISIC: Final = "https://api.isic-archive.com"
_API: Final = "/api/v2"


@dataclass(frozen=True, slots=True)
class Site:
    """An archive. ``origin`` is scheme, host and port; ``path`` what stands before /api/v2."""

    origin: str
    path: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """The archive at an address, which may end in /api/v2 or not.

        Raises
        ------
        InputError
            If the text is no web address, or carries a password.
        """
        try:
            parts = urlsplit(text)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise InputError(f"{text}: not the address of an archive; write https://HOST")
        if "@" in parts.netloc:
            raise InputError(
                f"{parts.hostname}: an address with a name or password in it ends up in files; leave them out"
            )
        return cls(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/").removesuffix(_API))

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    def url(self, *parts: str, **query: str | int) -> str:
        """An address of the API, everything in it encoded."""
        place = "/".join(quote(part, safe="") for part in parts)
        asked = f"?{urlencode(query)}" if query else ""
        return f"{self}{_API}/{place}/{asked}"

    def absolute(self, url: str) -> str:
        """An address that the archive gave, relative to it or not."""
        return urljoin(f"{self.origin}/", url)

    def owns(self, url: str) -> bool:
        """Whether an address leads to this archive's own server."""
        return url.startswith(f"{self.origin}/")
