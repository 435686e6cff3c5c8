"""The picture that is shown and handed out: the contributor's pixels without anything else that the file carried.

From a JPEG the view is made without decoding: its image data, colour profile and orientation are kept byte for byte, every other
segment and whatever follows the image's end is dropped, and licence and attribution are put in (XMP and IPTC). Other formats are
written as JPEG of high quality, with their colour profile.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from PIL import Image, ImageOps

from cygnet.archive.licences import LICENCES
from cygnet.imaging.decode import flatten

#: Quality at which other formats become a JPEG, without colour subsampling.
QUALITY: Final = 95
_SOI, _EOI, _SOS = b"\xff\xd8", 0xD9, 0xDA
#: JFIF, the ICC profile and Adobe's colour transform belong to the pixels; of these only the right ones pass.
_KEPT: Final = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_APPLICATION: Final = range(0xE0, 0xF0)
_COMMENT: Final = 0xFE
#: A marker within compressed data: neither a stuffed zero, nor a restart, nor padding.
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.S)
_ORIENTATION: Final = 0x0112
_LARGEST_SEGMENT: Final = 65_533


class NotPlain(ValueError):
    """A JPEG whose segments cannot be told apart."""


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG from after its start to its end: marker and whole bytes, compressed data with its SOS.

    Raises
    ------
    NotPlain
        If the file does not keep to ITU-T T.81, Annex B.
    """
    if not data.startswith(_SOI):
        raise NotPlain("no start of image")
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF:
            if data[at : at + 2] == b"\xff\xd9":
                yield _EOI, data[at : at + 2]
                return
            raise NotPlain(f"no marker at byte {at}")
        marker, end = data[at + 1], at + 2
        if marker == _EOI:
            yield marker, data[at:end]
            return
        end += struct.unpack_from(">H", data, end)[0]
        if marker == _SOS:
            found = _MARKER.search(data, end)
            if found is None:
                raise NotPlain("no end of image")
            end = found.start()
        yield marker, data[at:end]
        at = end


def view_of(data: bytes, image: Image.Image, licence: str, attribution: str) -> bytes:
    """The JPEG to show for ``data``, whose opened image is ``image``."""
    return _view(data, image, (_xmp(licence, attribution), _iptc(licence, attribution)))


def bare_view(data: bytes, image: Image.Image) -> bytes:
    """The same without licence and attribution: for pictures that are not to leave the place."""
    return _view(data, image, ())


def _view(data: bytes, image: Image.Image, added: tuple[bytes, ...]) -> bytes:
    if image.format == "JPEG":
        try:
            return _cleaned(data, image.getexif().get(_ORIENTATION, 1), added)
        except (NotPlain, struct.error):
            pass
    return _rewritten(image, added)


def _rewritten(image: Image.Image, added: tuple[bytes, ...]) -> bytes:
    """Any image as a new JPEG, turned upright."""
    profile = image.info.get("icc_profile")
    picture = upright(image)
    if picture.mode == "CMYK":  # its profile does not fit RGB
        picture, profile = picture.convert("RGB"), None
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0, icc_profile=profile)
    return _cleaned(buffer.getvalue(), 1, added)


def upright(image: Image.Image) -> Image.Image:
    """An opened image turned as its EXIF says, as RGB, CMYK or L with 8 bits."""
    return flatten(ImageOps.exif_transpose(image))


def trailing_bytes(data: bytes) -> bytes:
    """What follows the end of a JPEG's image; empty for whatever is no plain JPEG."""
    end = len(_SOI)
    try:
        for _, part in segments(data):
            end = data.index(part, end) + len(part)  # fill bytes between segments belong to none
    except (NotPlain, struct.error):
        return b""
    return data[end:]


def _cleaned(data: bytes, orientation: int, added: tuple[bytes, ...]) -> bytes:
    kept = [part for marker, part in segments(data) if _belongs(marker, part)]
    first = [kept.pop(0)] if kept and kept[0][1] == 0xE0 else []
    turn = [_exif(orientation)] if orientation in range(2, 9) else []
    return b"".join([_SOI, *first, *turn, *added, *kept])


def _belongs(marker: int, part: bytes) -> bool:
    if marker in _KEPT:
        return part[4:].startswith(_KEPT[marker])
    return marker not in _APPLICATION and marker != _COMMENT


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _exif(orientation: int) -> bytes:
    """Nothing but the orientation (Exif 2.32, big-endian, one entry)."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return _segment(0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0))


def _xmp(licence: str, attribution: str) -> bytes:
    stated = LICENCES[licence]
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        f"xmpRights:WebStatement={quoteattr(stated.url)} photoshop:Credit={quoteattr(_short(attribution))}>"
        f'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{escape(stated.name)}</rdf:li></rdf:Alt></dc:rights>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    content = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>' + packet + '<?xpacket end="r"?>'
    return _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content.encode())


def _short(attribution: str) -> str:
    """An attribution that fits its segment, without the control characters that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", " ", attribution)[:4000]


def _iptc(licence: str, attribution: str) -> bytes:
    """IPTC-IIM 4.2 in a Photoshop resource: UTF-8, credit (2:110, 32 bytes), copyright notice (2:116, 128 bytes)."""
    values = [(1, 90, b"\x1b%G"), (2, 110, _utf8(attribution, 32)), (2, 116, _utf8(LICENCES[licence].name, 128))]
    records = b"".join(struct.pack(">BBBH", 0x1C, record, dataset, len(v)) + v for record, dataset, v in values)
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records
    return _segment(0xED, b"Photoshop 3.0\0" + resource + b"\0" * (len(records) % 2))


def _utf8(text: str, most: int) -> bytes:
    return _short(text).encode()[:most].decode(errors="ignore").encode()
