"""What a file carries beside its pixels: place, names, numbers and texts in EXIF. Reported here, left out of every view."""

from __future__ import annotations

from typing import Final

from PIL import Image
from PIL.ExifTags import IFD

from cygnet.archive.findings import Finding, found

_NAMES: Final = {
    0x013B: "Artist",
    0x8298: "Copyright",
    0xA430: "CameraOwnerName",
    0xA431: "BodySerialNumber",
    0xA435: "LensSerialNumber",
    0x9C9D: "XPAuthor",
}
_TEXTS: Final = {
    0x010E: "ImageDescription",
    0x9286: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject",
}


def scan_exif(image: Image.Image) -> list[Finding]:
    """Findings on an opened image's EXIF. They name the tags and never repeat their values."""
    try:
        exif = image.getexif()
        tags = {**exif, **exif.get_ifd(IFD.Exif)}
        position = bool(exif.get_ifd(IFD.GPSInfo))
    except Exception:  # noqa: BLE001  damaged EXIF raises many kinds; what cannot be read is not shown either
        return [found("note", "exif-text", "the EXIF data are damaged; views are made without them")]
    findings = []
    if position:
        findings.append(
            found("note", "exif-position", "EXIF holds the place where it was taken; views are made without it")
        )
    for names, code in ((_NAMES, "exif-person"), (_TEXTS, "exif-text")):
        present = [name for tag, name in names.items() if str(tags.get(tag, "")).strip("\x00 ")]
        if present:
            findings.append(found("note", code, f"EXIF holds {', '.join(present)}; views are made without it"))
    return findings
