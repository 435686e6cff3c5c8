"""Whether everything is still as it was stored."""

from __future__ import annotations

from sqlalchemy import select

from cygnet.archive import log
from cygnet.archive.blobs import checked
from cygnet.clinic.store import Clinic
from cygnet.clinic.tables import image
from cygnet.errors import OutputError


def problems(clinic: Clinic) -> list[str]:
    """What is wrong with the log or a picture, in words; empty when all is well."""
    with clinic.read() as connection:
        found = log.broken_links(connection)
        names = {n for row in connection.execute(select(image.c.sha256, image.c.thumbnail)) for n in row if n}
    for name in sorted(names):
        try:
            checked(clinic.pictures, name)
        except OutputError as error:
            found.append(str(error))
    return found
