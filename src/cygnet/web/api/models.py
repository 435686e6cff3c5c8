"""The shapes of the API's answers, for its documentation and for the checks of the tests."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Paged(BaseModel, Generic[Item]):
    """One page. ``count`` is null after the first; ``next`` and ``previous`` are addresses, null at the ends."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Item]


class FileOut(BaseModel):
    """A file: its address and size in bytes."""

    url: str
    size: int


class FilesOut(BaseModel):
    """The files of an image."""

    full: FileOut
    thumbnail_256: FileOut


class MetadataOut(BaseModel):
    """Metadata by the fields of ISIC 6.1; a field without a value is absent."""

    acquisition: dict[str, Any]
    clinical: dict[str, Any]


class ImageOut(BaseModel):
    """An image."""

    isic_id: str = Field(examples=["ISIC_0000001"])
    public: bool
    copyright_license: str = Field(examples=["CC-0"])
    attribution: str
    files: FilesOut
    metadata: MetadataOut


class SimilarOut(ImageOut):
    """An image with its distance from another: 1 - cosine of their embeddings, 0 to 2."""

    distance: float


class CollectionOut(BaseModel):
    """A collection."""

    id: int
    name: str
    description: str
    public: bool
    pinned: bool
    locked: bool
    doi: str | None
    doi_url: str | None


class CreditOut(BaseModel):
    """Whom to credit for how many images."""

    attribution: str
    count: int


class LesionOut(BaseModel):
    """A lesion; it is there only for those who may see all its images."""

    id: str = Field(examples=["IL_0000001"])
    images: list[ImageOut]
    images_count: int
    longitudinally_monitored: bool
    index_image_id: str
    outcome_diagnosis: str | None
    outcome_diagnosis_1: str | None


class PatientOut(BaseModel):
    """A patient: how many images and lesions may be seen. The ISIC Archive has no such answer."""

    id: str = Field(examples=["IP_0000001"])
    images_count: int
    lesions_count: int


class PatientImagesOut(PatientOut):
    """A patient with the ids of lesions, and the images."""

    lesions: list[str]
    images: list[ImageOut]


class UserOut(BaseModel):
    """Who asks."""

    id: str
    email: str
    roles: list[str]


class SizeOut(BaseModel):
    """Bytes."""

    size: int


class Bucket(BaseModel):
    """A value and how many images have it."""

    key: str | int | float | bool
    doc_count: int


class FacetOut(BaseModel):
    """The values of one field, and how many images have one or none."""

    buckets: list[Bucket]
    meta: dict[str, int]


class Problem(BaseModel):
    """What is wrong. ``position`` is the character of a query, from 0."""

    message: str
    position: int | None = None
    detail: Any = None


class IdsIn(BaseModel):
    """Images by id."""

    isic_ids: list[str] = Field(max_length=500)


class PopulatedOut(BaseModel):
    """What became of each id of a list."""

    succeeded: list[str]
    no_perms_or_does_not_exist: list[str]
    private_image_public_collection: list[str]


class RemovedOut(BaseModel):
    """What became of each id of a list."""

    succeeded: list[str]
    no_perms_or_does_not_exist: list[str]


class SearchIn(BaseModel):
    """Which images: a query, and collections as [1, 2] or "1,2"."""

    query: str | None = ""
    collections: list[int] | str | None = None
