"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cygnet.errors import InputError


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve an archive. Places and limits; bytes and hours.

    ``accounts`` asks for accounts even on loopback; they are asked for anyway once there is one. ``demo`` says on every page that the
    patients are simulated. ``max_upload_bytes`` bounds one request's body. ``session_hours`` is how long a login lasts;
    ``patience`` how many seconds a client may stall.
    """

    archive: Path
    host: str = "127.0.0.1"
    port: int = 8000
    demo: bool = False
    accounts: bool = False
    session_hours: float = 12.0
    max_upload_bytes: int = 4 << 30
    patience: float = 30.0

    @property
    def site(self) -> Path:
        """The folder of the server's own files, beside the archive's."""
        return self.archive / "site"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check(self, *, accounts: bool) -> None:
        """Refuse to serve beyond this machine without accounts; ``accounts`` says whether there are any.

        Raises
        ------
        InputError
            Saying what to do.
        """
        if not self.loopback and not accounts:
            raise InputError(
                f"--host {self.host}: others could reach this, and there is no account yet. Make one first: "
                f"cygnet serve account add NAME --role curator --archive {self.archive}"
            )
