"""Embeddings for images that have none of the current model: they came in without, or an older model made theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Select, and_, func, select

from cygnet.archive import log
from cygnet.archive.blobs import Blobs, checked
from cygnet.archive.chunks import chunks
from cygnet.archive.database import Database
from cygnet.archive.ingest.commit import pack_vector
from cygnet.archive.ingest.examine import BATCH, MIN_SIDE, THUMBNAIL, picture_of
from cygnet.archive.similar import EMBEDDED
from cygnet.archive.tables import embedding, image
from cygnet.errors import DecodeError, OutputError
from cygnet.imaging import decode
from cygnet.workers import worked

if TYPE_CHECKING:
    from cygnet.models import LesionModel

#: Images listed at a time, and written at a time.
_LISTED: Final = 1000
_WRITTEN: Final = 64


class Waiting(NamedTuple):
    """An image without an embedding of the current model."""

    id: int
    isic_id: str
    original_sha256: str
    frame: int


@dataclass(slots=True)
class Embedded:
    """What was done: how many ``images`` have an embedding now that had none, and which could not be read, with why."""

    images: int = 0
    unread: dict[str, str] = field(default_factory=dict)


def lacking(database: Database, model: str) -> int:
    """How many images have no embedding of the model with this hash."""
    with database.read() as connection:
        return int(connection.execute(_without(select(func.count()), model)).scalar_one())


def embed(
    database: Database,
    blobs: Blobs,
    model: LesionModel,
    actor: str,
    *,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Embedded:
    """Embed every image that lacks it, from its original, as an ingest would; ``advance(done)`` hears how many are written.

    What is written stays when it is interrupted, and the next call does the rest. An image whose file is missing or damaged is
    left as it was.
    """
    made = Embedded()
    sha256 = model.files.sha256
    seen = worked(chunks(_waiting(database, sha256), BATCH), partial(_see, blobs, model), workers)
    try:
        for batch in chunks((one for part in seen for one in part), _WRITTEN):
            vectors = {one.id: vector for one, vector in batch if isinstance(vector, bytes)}
            made.images += _write(database, vectors, sha256)
            made.unread |= {one.isic_id: why for one, why in batch if isinstance(why, str)}
            advance(made.images + len(made.unread))
    finally:
        if made.images:
            with database.write() as connection:
                detail = {"model": model.files.name, "model_sha256": sha256, "count": made.images}
                log.append(connection, actor, EMBEDDED, detail)
    return made


def _without(chosen: Select[Any], model: str) -> Select[Any]:
    ours = and_(embedding.c.image_id == image.c.id, embedding.c.model == model)
    return chosen.select_from(image).outerjoin(embedding, ours).where(embedding.c.image_id.is_(None))


def _waiting(database: Database, model: str) -> Iterator[Waiting]:
    """In the order of their numbers, a list at a time, so that no transaction stays open while images are read."""
    last = 0
    columns = (image.c.id, image.c.isic_id, image.c.original_sha256, image.c.frame)
    while True:
        with database.read() as connection:
            statement = _without(select(*columns), model).where(image.c.id > last).order_by(image.c.id).limit(_LISTED)
            rows = [Waiting(*row) for row in connection.execute(statement)]
        yield from rows
        if len(rows) < _LISTED:
            return
        last = rows[-1].id


def _see(blobs: Blobs, model: LesionModel, batch: Sequence[Waiting]) -> list[tuple[Waiting, bytes | str]]:
    """Each image with its vector, or with why there is none."""
    answers: dict[int, bytes | str] = {}
    pixels = {}
    for one in batch:
        try:
            picture = picture_of(checked(blobs, one.original_sha256), one.frame)
            # Asked for as at ingest, so that the picture is decoded at the same scale.
            pixels[one.id] = decode(picture.data, model.size, thumbnail=THUMBNAIL, min_side=MIN_SIDE).pixels
        except (DecodeError, OutputError) as error:
            answers[one.id] = str(error)
    if pixels:
        vectors = model.predict(np.stack(list(pixels.values()))).embedding
        answers |= {id_: pack_vector(vector) for id_, vector in zip(pixels, vectors, strict=True)}
    return [(one, answers[one.id]) for one in batch]


def _write(database: Database, vectors: dict[int, bytes], model: str) -> int:
    """Put vectors in the place of older ones; how many, since images may have been erased meanwhile."""
    with database.write() as connection:
        there = connection.execute(select(image.c.id).where(image.c.id.in_(vectors))).scalars().all()
        connection.execute(embedding.delete().where(embedding.c.image_id.in_(there)))
        if there:
            rows = [{"image_id": id_, "model": model, "vector": vectors[id_]} for id_ in there]
            connection.execute(embedding.insert(), rows)
    return len(there)
