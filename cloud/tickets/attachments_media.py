"""Tickets: bytes that somebody sent → a photo or a paper that may be kept and shown (pure; slow: call it in a thread).

What it is, its content says, never its name. A photo is decoded and written anew: turned upright, at most ``LONGEST_PX``
long, in sRGB, without place, camera, comments or anything behind the picture. A PDF is kept as it came.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud.errors import Refused

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 64_000_000
"""More than any telephone's ordinary picture; a few kilobytes can claim a thousand times as many."""
LONGEST_PX, SMALL_PX = 4096, 320
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
PDF = "application/pdf"
ACCEPTED = ", ".join((*_TYPES.values(), PDF))
"""HEIC is not among them: no decoder of ours is free of doubtful patents; asked for JPEG, a telephone sends JPEG."""
_EXIF_FOLDER, _TAKEN, _OFFSET, _MODIFIED, _ORIENTATION = 0x8769, 0x9003, 0x9011, 0x0132, 0x0112

_BROKEN = (OSError, ValueError, TypeError, AttributeError, struct.error, SyntaxError, EOFError)
"""What Pillow raises for a damaged file."""


@dataclass(frozen=True, slots=True)
class Media:
    """What is kept of an upload, and what is noted of the original."""

    media_type: str
    data: bytes
    small: bytes
    """A JPEG at most ``SMALL_PX`` long; empty for a paper."""
    width: int
    height: int
    original_hash: str
    stored_hash: str
    device_time: str
    """When the camera says it was taken, by the camera's own clock: ``2026-11-21T15:40:12`` with an offset if it has one."""


def read_media(data: bytes) -> Media:
    """Judge and clean an upload. Raises Refused: 413 too large, 415 not a kind that is kept, 422 empty or damaged."""
    if len(data) > MOST_BYTES:
        raise too_large()
    if not data:
        raise Refused(422, "invalid", "the file is empty", "choose a photo or a PDF")
    if data.startswith(b"%PDF-"):
        return _paper(data)
    return _photo(data)


def too_large() -> Refused:
    """413: more bytes than are taken."""
    return Refused(413, "too_large", f"the file is larger than {MOST_BYTES >> 20} MB", "send a smaller one")


def _paper(data: bytes) -> Media:
    if b"%%EOF" not in data[-2048:]:
        raise Refused(422, "damaged", "the PDF has no end: it was cut off", "send it again")
    digest = hashlib.sha256(data).hexdigest()
    return Media(PDF, data, b"", 0, 0, digest, digest, "")


def _photo(data: bytes) -> Media:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=tuple(_TYPES)) as opened:
            _check_size(opened)
            kind = opened.format if opened.format in _TYPES else "JPEG"  # MPO: a JPEG with further pictures behind it
            taken = _device_time(opened.getexif())
            picture = _upright(opened)
            kept, small = _written(picture, kind), _written(_shrunk(picture, SMALL_PX), "JPEG")
    except UnidentifiedImageError as error:
        raise _not_a_kind(data) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except (*_BROKEN, MemoryError) as error:
        raise Refused(422, "damaged", "the photo is damaged", "send it again, or take another") from error
    return Media(
        _TYPES[kind], kept, small, *picture.size, hashlib.sha256(data).hexdigest(), hashlib.sha256(kept).hexdigest(), taken
    )  # fmt: skip


def _not_a_kind(data: bytes) -> Refused:
    is_heic = data[4:8] == b"ftyp" and data[8:12] in {b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc"}
    remedy = "set the telephone's camera to the most compatible format, or choose JPEG" if is_heic else ""
    what = "HEIC photos are not kept" if is_heic else "this is neither a photo nor a PDF"
    return Refused(415, "media_type", what, remedy or f"send one of {ACCEPTED}")


def _too_many_pixels() -> Refused:
    millions = MOST_PIXELS // 1_000_000
    return Refused(413, "too_large", f"the photo has more than {millions} million pixels", "send a smaller one")


def _check_size(opened: Image) -> None:
    """Before anything is decoded: the header says how much memory the picture would take."""
    if opened.width * opened.height > MOST_PIXELS:
        raise _too_many_pixels()


def _upright(opened: Image) -> Image:
    """The picture alone, as a person held the camera: plain colours, no longer than ``LONGEST_PX``."""
    opened.draft("RGB", (LONGEST_PX, LONGEST_PX))  # a JPEG larger than that is never decoded in full
    turned = _turned(opened)
    has_alpha = "A" in turned.mode or "transparency" in turned.info
    plain = _srgb(turned).convert("RGBA" if has_alpha and opened.format != "JPEG" else "RGB")
    return _shrunk(plain, LONGEST_PX)


def _turned(opened: Image) -> Image:
    """As it was held. Pillow's own way writes the camera's notes anew, which those of some cameras do not survive."""
    from PIL.Image import Transpose

    turns = (
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    turn = dict(enumerate(turns, 2)).get(opened.getexif().get(_ORIENTATION, 1))
    return opened if turn is None else opened.transpose(turn)


def _srgb(picture: Image) -> Image:
    """Wide colours brought to those that every screen shows; a profile that cannot be read is left out."""
    from PIL import ImageCms

    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "RGBA"}:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB")) or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _shrunk(picture: Image, longest: int) -> Image:
    smaller = picture.copy() if max(picture.size) > longest else picture
    if smaller is not picture:
        smaller.thumbnail((longest, longest))
    return smaller


def _written(picture: Image, kind: str) -> bytes:
    """A new file of nothing but the picture: what Pillow is not given, it does not write."""
    from PIL import Image

    bare = Image.new(picture.mode, picture.size)
    bare.paste(picture)
    out = io.BytesIO()
    if kind == "PNG":
        bare.save(out, kind, optimize=False)
    else:
        (bare.convert("RGB") if kind == "JPEG" else bare).save(out, kind, quality=88)
    return out.getvalue()


def _device_time(exif: Exif) -> str:
    details = exif.get_ifd(_EXIF_FOLDER)
    taken = str(details.get(_TAKEN) or exif.get(_MODIFIED) or "")
    day, _, time = taken.strip("\0 ").partition(" ")
    text = f"{day.replace(':', '-')}T{time}{str(details.get(_OFFSET) or '').strip(chr(0) + ' ')}"
    is_time = len(text) in {19, 25} and text.isascii() and text.replace("+", "-").translate(_NO_DIGITS) in _SHAPES
    return text if is_time else ""


_NO_DIGITS = str.maketrans("0123456789", "0" * 10)
_SHAPES = ("0000-00-00T00:00:00", "0000-00-00T00:00:00-00:00")
