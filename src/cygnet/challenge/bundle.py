"""A score that anyone can compute again: hashes of what went in, what came out, and who says so.

Signed with Ed25519 (RFC 8032): whoever has the bundle can check it with the public key in it, while only the site that
scored can make one. The key is the site's, made at its first use, and its fingerprint stands on every board.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cygnet.archive.extras import needs
from cygnet.challenge import split
from cygnet.challenge.judged import side
from cygnet.challenge.packed import Source
from cygnet.challenge.parts import part, truth_part
from cygnet.challenge.scoring import read_answer
from cygnet.challenge.store.files import Files
from cygnet.challenge.tasks import made
from cygnet.challenge.truth import read_truth
from cygnet.errors import InputError
from cygnet.schema.files import file_sha256
from cygnet.version import VERSION

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT: Final = "cygnet-score-1"
#: How close a recomputed number must come: processors sum in different orders.
_CLOSE: Final = 1e-9


def key_of(folder: Path) -> Ed25519PrivateKey:
    """The site's signing key, made when there is none; readable by its owner alone."""
    with needs("cryptography", extra="challenge"):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    file = folder / "challenge-key.pem"
    if not file.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(pem)
        except FileExistsError:
            pass  # another process was first
    found = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(found, Ed25519PrivateKey):
        raise InputError(f"{file}: not an Ed25519 key; restore it from a backup")
    return found


def signed(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The content with public key and signature."""
    key = key_of(folder)
    whole = {**content, "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode()}
    return {**whole, "signature": base64.b64encode(key.sign(_canonical(whole))).decode()}


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def fingerprint(public_key: str) -> str:
    """The public key's first 16 hexadecimal digits of SHA-256, to be compared by eye."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:16]


def content(
    *,
    challenge: str,
    task: Mapping[str, Any],
    which: str,
    commitment: str,
    truth: str,
    metadata: str | None,
    submission: str,
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """What a bundle says, before it is signed; hashes are SHA-256."""
    return {
        "format": FORMAT,
        "scorer": f"cygnet {VERSION}",
        "challenge": challenge,
        "task": dict(task),
        "side": which,
        "split_commitment": commitment,
        "truth_sha256": truth,
        "metadata_sha256": metadata,
        "submission_sha256": submission,
        "headline": task["headline"],
        **{k: result[k] for k in ("value", "low", "high", "images", "unit", "units", "replicates", "metrics")},
    }


def check_signature(bundle: Mapping[str, Any]) -> str:
    """The fingerprint of the key that signed a bundle.

    Raises
    ------
    InputError
        If it is no bundle, or was changed after it was signed.
    """
    with needs("cryptography", extra="challenge"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    if bundle.get("format") != FORMAT:
        raise InputError("not a score bundle of this version of Cygnet")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(bundle["public_key"]))
        signature = base64.b64decode(bundle["signature"])
        key.verify(signature, _canonical({k: v for k, v in bundle.items() if k != "signature"}))
    except (InvalidSignature, KeyError, ValueError, TypeError) as error:
        raise InputError("the signature does not fit: the bundle was changed after it was signed") from error
    return fingerprint(bundle["public_key"])


def verify(
    bundle: Mapping[str, Any],
    submission: Path | None = None,
    truth: Path | None = None,
    metadata: Path | None = None,
    published: Path | None = None,
) -> list[str]:
    """What was found to hold, in sentences: signature, hashes of what is given, and with all of it the score computed anew.

    ``published`` is the split, needed to recompute a side of a challenge.

    Raises
    ------
    InputError
        Saying what does not hold.
    """
    held = [f"signed by key {check_signature(bundle)}"]
    for what, path in (("submission", submission), ("truth", truth), ("metadata", metadata)):
        if path is not None:
            found = hash_of(path)
            if found != bundle[f"{what}_sha256"]:
                raise InputError(f"{path}: not the {what} that was scored (SHA-256 {found[:12]}…)")
            held.append(f"{what} is the one that was scored")
    if published is not None:
        found = split.commitment(published.read_bytes())
        if found != bundle["split_commitment"]:
            raise InputError(f"{published}: not the split whose hash was published ({found[:12]}…)")
        held.append("split is the one whose hash was published")
    if submission is None or truth is None or published is None:
        return held
    if bundle["metadata_sha256"] and metadata is None:
        raise InputError("the score rests on a metadata table as well; give it with --metadata")
    known = read_truth(
        made(bundle["challenge"], bundle["task"]), Source.of(truth), Source.of(metadata) if metadata else None
    )
    rows = split.sides(published.read_bytes(), known.ids)
    rows = rows if bundle["side"] == "public" else ~rows
    answer = read_answer(known, Source.of(submission))
    again = side(truth_part(known, rows), part(answer, known, rows), bundle["replicates"]).result
    for name in ("value", "low", "high"):
        if not _same(bundle[name], again[name]):
            raise InputError(f"{name} is {bundle[name]} in the bundle and {again[name]} computed anew")
    if _flat(bundle["metrics"]).keys() != _flat(again["metrics"]).keys() or not all(
        _same(v, _flat(again["metrics"])[k]) for k, v in _flat(bundle["metrics"]).items()
    ):
        raise InputError("the metrics in the bundle are not those computed anew")
    return [*held, f"{bundle['headline']} {again['value']:.6f} computed anew, with interval and all metrics"]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float | int) and isinstance(b, float | int):
        return bool(np.isclose(a, b, rtol=0, atol=_CLOSE))
    return bool(a == b)


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, inner in value.items():
        made |= _flat(inner, f"{before}{key}.") if isinstance(inner, Mapping) else {f"{before}{key}": inner}
    return made


def hash_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of the zip in which a challenge keeps it."""
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    if path.is_dir():
        with tempfile.TemporaryDirectory() as place:
            return Files(Path(place)).put_path(path)
    return file_sha256(path)
