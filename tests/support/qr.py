"""Reads a QR code (ISO/IEC 18004, versions 1 to 6, byte mode) from a picture, without correcting errors.

It shares nothing with the library that draws the code: it only knows the standard's layout.
"""

from collections.abc import Callable, Iterator

from PIL.Image import Image

Matrix = list[list[bool]]
_BLOCKS = {"L": (1, 1, 1, 1, 1, 2), "M": (1, 1, 1, 2, 2, 4), "Q": (1, 1, 2, 2, 4, 4), "H": (1, 1, 2, 4, 4, 4)}
_CORRECTION = {
    "L": (7, 10, 15, 20, 26, 18),
    "M": (10, 16, 26, 18, 24, 16),
    "Q": (13, 22, 18, 26, 18, 24),
    "H": (17, 28, 22, 16, 22, 28),
}
_LEVELS = ("M", "L", "H", "Q")
_MASKS: tuple[Callable[[int, int], int], ...] = (
    lambda r, c: (r + c) % 2, lambda r, _: r % 2, lambda _, c: c % 3, lambda r, c: (r + c) % 3,
    lambda r, c: (r // 2 + c // 3) % 2, lambda r, c: r * c % 2 + r * c % 3, lambda r, c: (r * c % 2 + r * c % 3) % 2,
    lambda r, c: ((r + c) % 2 + r * c % 3) % 2,
)  # fmt: skip


def read_picture(picture: Image) -> str:
    """The text of the one code in a picture on a light ground."""
    return read(matrix_of(picture))


def matrix_of(picture: Image) -> Matrix:
    """The modules, sampled at their centres; the finder in the corner gives their size."""
    grey = picture.convert("L").point(lambda value: 255 if value < 128 else 0)
    box = grey.getbbox()
    assert box is not None
    left, top, right, _ = box
    run = next(x for x in range(left, right) if not grey.getpixel((x, top + 1))) - left
    side = round((right - left) / (run / 7))
    side = 17 + 4 * round((side - 17) / 4)
    size = (right - left) / side
    return [
        [bool(grey.getpixel((int(left + (c + 0.5) * size), int(top + (r + 0.5) * size)))) for c in range(side)]
        for r in range(side)
    ]


def read(matrix: Matrix) -> str:
    """The text in a matrix of dark modules."""
    version = (len(matrix) - 17) // 4
    level, mask = _format(matrix)
    codewords = _codewords(matrix, version, mask)
    data = _data(codewords, version, level)
    bits = "".join(f"{byte:08b}" for byte in data)
    assert bits[:4] == "0100", "not in byte mode"
    length = int(bits[4:12], 2)
    return bytes(int(bits[12 + 8 * n : 20 + 8 * n], 2) for n in range(length)).decode()


def _format(matrix: Matrix) -> tuple[str, int]:
    columns = (0, 1, 2, 3, 4, 5, 7, 8)
    bits = "".join("1" if matrix[8][c] else "0" for c in columns) + "".join(
        "1" if matrix[r][8] else "0" for r in (7, 5, 4, 3, 2, 1, 0)
    )
    told = int(bits, 2) ^ 0b101010000010010
    return _LEVELS[told >> 13], told >> 10 & 7


def _is_function(r: int, c: int, version: int) -> bool:
    side, align = 17 + 4 * version, 10 + 4 * version
    in_finder = (r < 9 and c < 9) or (r < 9 and c >= side - 8) or (r >= side - 8 and c < 9)
    in_alignment = version > 1 and abs(r - align) < 3 and abs(c - align) < 3
    return in_finder or r == 6 or c == 6 or in_alignment


def _path(side: int) -> Iterator[tuple[int, int]]:
    """Two columns at a time from the right, upwards and downwards in turn, leaving out the timing column."""
    is_up = True
    for right in (*range(side - 1, 6, -2), 5, 3, 1):
        rows = range(side - 1, -1, -1) if is_up else range(side)
        yield from ((r, c) for r in rows for c in (right, right - 1))
        is_up = not is_up


def _codewords(matrix: Matrix, version: int, mask: int) -> list[int]:
    flip = _MASKS[mask]
    bits = [matrix[r][c] ^ (flip(r, c) == 0) for r, c in _path(len(matrix)) if not _is_function(r, c, version)]
    return [sum(bit << (7 - n) for n, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits) - 7, 8)]


def _data(codewords: list[int], version: int, level: str) -> list[int]:
    """The data of all blocks in order; they are interleaved, and the later blocks may be one longer."""
    blocks, correction = _BLOCKS[level][version - 1], _CORRECTION[level][version - 1]
    total = len(codewords) - blocks * correction
    sizes = [total // blocks + (n >= blocks - total % blocks) for n in range(blocks)]
    found: list[list[int]] = [[] for _ in sizes]
    source = iter(codewords)
    for place in range(max(sizes)):
        for n, size in enumerate(sizes):
            if place < size:
                found[n].append(next(source))
    return [byte for block in found for byte in block]
