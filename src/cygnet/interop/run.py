"""The pull as one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cygnet.errors import InputError
from cygnet.interop.asked import Asked, OnProgress
from cygnet.interop.catalogue import collection, collections_of, dataset
from cygnet.interop.into_folder import into_folder
from cygnet.interop.patience import Gate, Patience
from cygnet.interop.pulled import Pulled
from cygnet.interop.site import ISIC, Site
from cygnet.interop.transport import FetchError, Transport

JOBS: Final = 8
_MOST_JOBS: Final = 64


def pull(
    query: str = "",
    *,
    out: str | os.PathLike[str] | None = None,
    archive: str | os.PathLike[str] | None = None,
    source: str = ISIC,
    collections: Sequence[int] = (),
    data_set: str | None = None,
    limit: int | None = None,
    jobs: int = JOBS,
    publish: bool = False,
    actor: str | None = None,
    token: str | None = None,
    patience: Patience | None = None,
    on_progress: OnProgress = lambda _: None,
) -> Pulled:
    """Fetch what a query finds in an archive that speaks the ISIC API v2, by default the public ISIC Archive.

    Into the folder ``out`` with metadata, credits, licences and a manifest of hashes; into the Cygnet archive in the folder ``archive``, through
    all checks of an ingest (``publish`` publishes what passes; ``actor`` acts); or first into one and from there into the other. ``collections``
    are numbers of collections there, ``data_set`` a known name such as ``isic2020``; ``limit`` takes the first images only. ``jobs`` files,
    1 to 64, come at a time. ``token`` is shown to that archive, for images that not everyone may see. The same call goes on with what was interrupted. Look at ``complete`` and ``problems`` of the answer: what is
    missing or wrong is told there and never raised.

    Raises
    ------
    InputError
        If the archive does not answer, or refuses the query; if there is no such collection; if the folder holds something else.
    OutputError
        If something cannot be written.
    """
    if out is None and archive is None:
        raise InputError("where to? Give a folder (--out), an archive (--archive), or both")
    if not 1 <= jobs <= _MOST_JOBS or (limit is not None and limit < 1):
        raise InputError(f"jobs must be 1 to {_MOST_JOBS}, and a limit at least 1")
    site = Site.of(source)
    transport = Transport(site, jobs, patience or Patience(), Gate(), token)
    try:
        asked = _asked(transport, query, collections, data_set, limit)
        into = None if archive is None else Path(archive)
        pulled = None if out is None else into_folder(transport, asked, Path(out), jobs, on_progress)
        if into is None and pulled is not None:
            return pulled
        from cygnet.interop.into_archive import Destination, from_folder, into_archive

        assert into is not None
        destination = Destination(into, publish=publish, actor=actor, jobs=jobs)
        if pulled is None:
            return into_archive(transport, asked, destination, on_progress)
        return from_folder(pulled, asked, destination, on_progress)
    except FetchError as error:
        raise InputError(f"{error}. Check the address, the query and the network, and run the same again") from error
    finally:
        transport.gate.stop.set()
        transport.close()


def _asked(transport: Transport, query: str, numbers: Sequence[int], data_set: str | None, limit: int | None) -> Asked:
    named = dataset(data_set) if data_set is not None else None
    if named is not None and numbers:
        raise InputError("a data set is a choice of collections; give one or the other")
    found = [collection(transport, number) for number in numbers]
    if named is not None:
        found = collections_of(transport, named)
    return Asked(transport.site, query, tuple(found), limit, named.name if named else None)
