"""The archive's pages: gallery, image, lesion, patient, collections, ingest, review."""

from __future__ import annotations

from fastapi import APIRouter

from cygnet.web.archive import collections, gallery, ingest, records, review

router = APIRouter()
for _part in (gallery, records, collections, ingest, review):
    router.include_router(_part.router)
