"""Which images are public: fixed by a hash that is published before the first submission, opened with the private score.

A unit (patient, lesion or image) is public where the HMAC of its name under a secret salt falls below the share. All its
images lie on one side. What is published is the SHA-256 of the whole split with its salt, so that the split cannot be
changed later and cannot be guessed now.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge.truth import Truth
from cygnet.errors import InputError


def new_salt() -> str:
    """A salt that nobody can guess."""
    return secrets.token_hex(16)


def by_hash(truth: Truth, share: float, salt: str) -> NDArray[np.bool_]:
    """Whether each image (n,) is public."""
    first: dict[int, str] = {}
    for number, name in zip(truth.member.tolist(), truth.ids, strict=True):
        first[number] = min(first.get(number, name), name)
    limit = share * 2.0**64
    side = {
        number: int.from_bytes(hmac.digest(salt.encode(), name.encode(), "sha256")[:8], "big") < limit
        for number, name in first.items()
    }
    return np.array([side[number] for number in truth.member.tolist()], bool)


def by_weights(truth: Truth) -> NDArray[np.bool_]:
    """The split that a truth brings: images with a validation weight are public.

    Raises
    ------
    InputError
        If it brings none.
    """
    if truth.validation_weight is None:
        raise InputError('split = "weights" needs a truth with a validation_weight column; or leave it out')
    return np.asarray(truth.validation_weight > 0)


def document(ids: Sequence[str], public: NDArray[np.bool_], salt: str) -> bytes:
    """The split as a CSV file: what is hashed now and published at the end."""
    lines = [f"# salt {salt}", "image,side"]
    sides = zip(ids, public.tolist(), strict=True)
    lines += sorted(f"{name},{'public' if side else 'private'}" for name, side in sides)
    return ("\n".join(lines) + "\n").encode()


def commitment(split: bytes) -> str:
    """The hash that is published beforehand."""
    return hashlib.sha256(split).hexdigest()


def sides(split: bytes, ids: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each of ``ids`` (n,) is public by a published split.

    Raises
    ------
    InputError
        If the split does not name one of them.
    """
    lines = split.decode("utf-8", "replace").splitlines()[2:]
    known = {name: side == "public" for name, _, side in (line.rpartition(",") for line in lines)}
    missing = [name for name in ids if name not in known]
    if missing:
        raise InputError(
            f"the split does not name {missing[0]} and {len(missing) - 1} others; is it that of this truth?"
        )
    return np.array([known[name] for name in ids], bool)
