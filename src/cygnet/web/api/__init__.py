"""Version 2 of the ISIC Archive's API, field for field, with patients besides."""

from __future__ import annotations

from fastapi import APIRouter

from cygnet.web.api import collections, docs, downloads, images, people

router = APIRouter(prefix="/api/v2")
for _part in (images, collections, people, downloads, docs):
    router.include_router(_part.router)
