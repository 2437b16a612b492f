"""What is a photo, what is kept of it, and what is not."""

import io

import pytest
from PIL import Image

from cloud.errors import Refused
from cloud.tickets.attachments_media import LONGEST_PX, SMALL_PX, read_media
from tests.support.photos import HEIC, PDF, bomb, photo


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_place_camera_and_comments_are_taken_out_and_the_picture_stays(kind: str, media_type: str) -> None:
    sent = photo(kind)
    kept = read_media(sent)
    assert kept.media_type == media_type
    for secret in (b"SecretMaker", b"SecretComment", b"GPS", b"Exif", b"ICC"):
        assert secret not in kept.data, secret
    with Image.open(io.BytesIO(kept.data)) as picture:
        assert not picture.getexif()
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(picture.info)
        red, green, blue = picture.convert("RGB").getpixel((50, 40))  # type: ignore[misc]
        assert red > 230
        assert max(green, blue) < 30
    assert kept.device_time == "2026-11-21T15:40:12+08:00"
    assert kept.original_hash != kept.stored_hash


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    kept = read_media(photo("PNG", (64, 48), turned=6))
    assert (kept.width, kept.height) == (48, 64)
    with Image.open(io.BytesIO(kept.data)) as picture:
        assert picture.size == (48, 64)
        assert picture.getpixel((46, 2)) == (255, 255, 255)  # the white corner came to the upper right


@pytest.mark.parametrize(
    ("turned", "corner"), [*enumerate([(2, 2), (61, 2), (61, 45), (2, 45), (2, 2), (45, 2), (45, 61), (2, 61)], 1)]
)
def test_however_the_camera_was_held_the_upper_left_is_where_it_was(turned: int, corner: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(read_media(photo("PNG", turned=turned)).data)) as picture:
        assert picture.getpixel(corner) == (255, 255, 255)


@pytest.mark.parametrize(("at", "value"), [(17, 9), (19, 12), (94, 1), (141, 0)])
def test_a_cameras_notes_that_make_no_sense_keep_no_photo_out(at: int, value: int) -> None:
    odd = bytearray(photo(turned=6))
    odd[odd.index(b"Exif") + at] = value
    assert read_media(bytes(odd)).media_type == "image/jpeg"


def test_a_large_photo_is_brought_to_a_size_that_can_be_kept_and_has_a_small_one() -> None:
    kept = read_media(photo("JPEG", (6000, 2000)))
    assert (kept.width, kept.height) == (LONGEST_PX, round(2000 * LONGEST_PX / 6000))
    with Image.open(io.BytesIO(kept.small)) as small:
        assert max(small.size) == SMALL_PX


def test_further_pictures_behind_a_photo_are_left_out() -> None:
    first, out = Image.new("RGB", (64, 48), "red"), io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])
    kept = read_media(out.getvalue())
    assert kept.media_type == "image/jpeg"
    assert len(kept.data) < len(out.getvalue())


def test_a_see_through_drawing_stays_see_through() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(read_media(out.getvalue()).data)) as picture:
        assert picture.getpixel((4, 4)) == (1, 2, 3, 0)


def test_a_paper_is_kept_as_it_came() -> None:
    kept = read_media(PDF)
    assert (kept.media_type, kept.data, kept.small) == ("application/pdf", PDF, b"")
    assert kept.original_hash == kept.stored_hash


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "invalid"), (b"<script>alert(1)</script>", 415, "media_type"), (HEIC, 415, "media_type"),
        (b"GIF89a" + bytes(40), 415, "media_type"), (photo()[:400], 422, "damaged"), (PDF[:20], 422, "damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(200), 415, "media_type"), (bomb(), 413, "too_large"), (bomb(9000, 9000), 413, "too_large"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "media_type"), (bytes(20 * 2**20 + 1), 413, "too_large"),
    ],
    ids=["empty", "page", "heic", "gif", "half a photo", "half a paper", "no photo", "bomb", "large", "no png", "too many bytes"],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_with_what_to_do(data: bytes, status: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_media(data)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.remedy


def test_every_cut_of_a_photo_is_kept_whole_or_refused() -> None:
    whole = photo("JPEG", (40, 30))
    for end in range(0, len(whole), 37):
        with pytest.raises(Refused):
            read_media(whole[:end])
