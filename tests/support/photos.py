"""Photos as telephones send them: sideways, with the place where they were taken, in the kinds that people choose."""

import io
import zlib
from functools import cache

from PIL import Image, ImageCms

_EXIF, _GPS = 0x8769, 0x8825
PLACE = (31.0, 14.0, 12.34)


@cache  # a colour profile knows the second in which it was made
def photo(kind: str = "JPEG", size: tuple[int, int] = (64, 48), *, colour: str = "red", turned: int = 1) -> bytes:
    """A picture whose upper left corner is white, with place, camera and time in it; ``turned`` is EXIF's orientation."""
    picture = Image.new("RGB", size, colour)
    picture.paste("white", (0, 0, size[0] // 4, size[1] // 4))
    exif = Image.Exif()
    exif[0x0112] = turned
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(_EXIF).update({0x9003: "2026:11:21 15:40:12", 0x9011: "+08:00"})
    exif.get_ifd(_GPS).update({1: "N", 2: PLACE, 3: "E", 4: PLACE})
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(out, kind, exif=exif, icc_profile=profile, comment=b"SecretComment", quality=95)
    return out.getvalue()


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG of a few hundred bytes that claims more pixels than any memory holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes((8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
