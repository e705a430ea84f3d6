"""Image files of every odd or broken kind, and what must become of each.

kind.write(folder / f"{kind.name}.png")
kind.pixels       # the right RGB pixels; None where the file must be refused
kind.reason       # a pattern that the refusal must match
"""

import functools
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile  # comes with scikit-image
from PIL import Image

HEIGHT, WIDTH = 12, 16
_RNG = np.random.default_rng(11)
RGB = _RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GRAY = _RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
ALPHA = _RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
DEEP = _RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
IN_PLANES = {"photometric": "rgb", "planarconfig": "separate"}  # of tifffile
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: of the kind.
        write: makes the file, or what stands in its place, at a path.
        pixels: what it must be read as; None: it must be refused.
        reason: pattern of the refusal.
        within: largest difference of a channel's value, where storing it loses some.
        content: its bytes; None where it is not the bytes that are odd.
    """

    name: str
    write: Callable[[Path], Any]
    pixels: np.ndarray | None = None
    reason: str = ""
    within: int = 0
    content: bytes | None = None


def encoded(image: Image.Image | np.ndarray, file_format: str = "PNG", **options: Any) -> bytes:
    """Returns an image as a file of the format."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """Returns values as a TIFF of kinds that Pillow does not write."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png(width: int, height: int, *, extra: bytes = b"") -> bytes:
    """Returns a black PNG of one bit a pixel, of any size, without holding its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + (width + 7) // 8)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = chunk(b"IDAT", rows + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Returns a picture on white, by the definition of transparency."""
    share = alpha[..., None] / 255
    return np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)


def three(gray: np.ndarray) -> np.ndarray:
    """Returns gray values as RGB."""
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)


def turned(orientation: int, file_format: str) -> bytes:
    """Returns the picture with an orientation in its EXIF data."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return encoded(RGB, file_format, exif=exif.tobytes())


def frames(file_format: str) -> bytes:
    """Returns two pictures in one file."""
    second = Image.fromarray(255 - RGB)
    return encoded(RGB, file_format, save_all=True, append_images=[second], duration=100)


def palette(**options: Any) -> tuple[bytes, np.ndarray]:
    """Returns a palette image of four colours and its indices' colours."""
    colours = np.array([[250, 3, 7], [10, 200, 30], [0, 0, 90], [255, 255, 1]], np.uint8)
    indices = (GRAY % 4).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.ravel().tolist())
    image.putdata(indices.ravel().tolist())
    return encoded(image, **options), colours[indices]


def _of_bytes(name: str, content: bytes, **facts: Any) -> Kind:
    return Kind(name, lambda path: path.write_bytes(content), content=content, **facts)


def _readable() -> list[Kind]:
    in_palette, colours = palette()
    see_through, _ = palette(transparency=1)
    is_clear = (GRAY % 4 == 1)[..., None]
    cmyk = np.dstack([RGB, GRAY // 2])
    from_cmyk = np.rint((255 - RGB.astype(float)) * (255 - GRAY[..., None] // 2) / 255)
    flat = np.full((HEIGHT, WIDTH, 4), (200, 30, 90, 20), np.uint8)
    from_flat = np.rint((255 - flat[..., :3].astype(float)) * (255 - 20) / 255).astype(np.uint8)
    keyed = RGB.copy()
    keyed[:4] = (1, 2, 3)
    bits = GRAY > 127
    deep_rgb = _RNG.integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)
    flipped = np.fliplr(RGB)
    jpeg = encoded(RGB, "JPEG", quality=95)
    of_jpeg = np.asarray(Image.open(io.BytesIO(jpeg)))
    return [
        _of_bytes("PNG", encoded(RGB), pixels=RGB),
        _of_bytes("JPEG", jpeg, pixels=of_jpeg),
        _of_bytes("BMP", encoded(RGB, "BMP"), pixels=RGB),
        _of_bytes("lossless WebP", encoded(RGB, "WEBP", lossless=True), pixels=RGB),
        _of_bytes("bytes after the end", encoded(RGB) + b"more", pixels=RGB),
        _of_bytes("one pixel", encoded(RGB[:1, :1]), pixels=RGB[:1, :1]),
        _of_bytes(
            "one row", encoded(np.tile(RGB, (1, 400, 1))[:1]), pixels=np.tile(RGB, (1, 400, 1))[:1]
        ),
        _of_bytes("palette", in_palette, pixels=colours),
        _of_bytes(
            "palette with a clear colour", see_through, pixels=np.where(is_clear, 255, colours)
        ),
        _of_bytes("GIF of one frame", encoded(three(GRAY), "GIF"), pixels=three(GRAY)),
        _of_bytes("gray", encoded(GRAY), pixels=three(GRAY)),
        _of_bytes("one bit", encoded(Image.fromarray(bits)), pixels=three(bits * 255)),
        _of_bytes(
            "RGBA", encoded(np.dstack([RGB, ALPHA])), pixels=over_white(RGB, ALPHA), within=1
        ),
        _of_bytes(
            "gray with alpha",
            encoded(Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(ALPHA)])),
            pixels=over_white(three(GRAY), ALPHA),
            within=1,
        ),
        _of_bytes(
            "RGB with a clear colour",
            encoded(keyed, transparency=(1, 2, 3)),
            pixels=np.where((keyed == (1, 2, 3)).all(-1, keepdims=True), 255, keyed),
        ),
        _of_bytes("16-bit gray PNG", encoded(DEEP), pixels=three(DEEP // 256)),
        _of_bytes("16-bit gray TIFF", encoded(DEEP, "TIFF"), pixels=three(DEEP // 256)),
        _of_bytes(
            "16-bit gray TIFF, 0 is white",
            tiff(DEEP, photometric="miniswhite"),
            pixels=three(255 - DEEP // 256),
        ),
        _of_bytes(
            "8-bit gray TIFF, 0 is white",
            tiff(GRAY, photometric="miniswhite"),
            pixels=three(255 - GRAY),
        ),
        _of_bytes(
            "compressed 16-bit TIFF in planes",
            tiff(np.moveaxis(deep_rgb, -1, 0), compression="zlib", **IN_PLANES),
            pixels=(deep_rgb // 256).astype(np.uint8),
        ),
        _of_bytes("8-bit TIFF in planes", tiff(np.moveaxis(RGB, -1, 0), **IN_PLANES), pixels=RGB),
        _of_bytes(
            "16-bit gray PGM",
            b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + DEEP.astype(">u2").tobytes(),
            pixels=three(DEEP // 256),
        ),
        _of_bytes(
            "16-bit colour PNG",
            cv2.imencode(".png", deep_rgb[..., ::-1])[1].tobytes(),
            pixels=(deep_rgb // 256).astype(np.uint8),
        ),
        _of_bytes(
            "CMYK TIFF",
            encoded(Image.fromarray(cmyk, "CMYK"), "TIFF"),
            pixels=from_cmyk.astype(np.uint8),
            within=1,
        ),
        _of_bytes(
            "CMYK JPEG",
            encoded(Image.fromarray(flat, "CMYK"), "JPEG", quality=100),
            pixels=from_flat,
            within=3,
        ),
        _of_bytes("turned by EXIF, PNG", turned(6, "PNG"), pixels=np.rot90(RGB, -1)),
        _of_bytes("turned by EXIF, TIFF", turned(3, "TIFF"), pixels=np.rot90(RGB, 2)),
        _of_bytes("mirrored by EXIF, WebP", turned_webp(2), pixels=flipped),
        _of_bytes("a camera's MPO", frames("MPO"), pixels=jpeg_of(RGB), within=0),
        Kind("link to a file", _link_to_file, pixels=RGB),
    ]


def turned_webp(orientation: int) -> bytes:
    """Returns a lossless WebP with an orientation."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return encoded(RGB, "WEBP", lossless=True, exif=exif.tobytes())


def jpeg_of(pixels: np.ndarray) -> np.ndarray:
    """Returns the pixels after storing them as JPEG of Pillow's usual quality."""
    return np.asarray(Image.open(io.BytesIO(encoded(pixels, "JPEG"))))


def _link_to_file(path: Path) -> None:
    target = path.parent / ".target"  # hidden, so it counts as no file of its own
    target.write_bytes(encoded(RGB))
    path.symlink_to(target)


def _unreadable_file(path: Path) -> None:
    """Makes a file that even root cannot read: on Linux, an address where no memory is."""
    if os.geteuid() == 0:
        path.symlink_to("/proc/self/mem")
    else:
        path.write_bytes(encoded(RGB))
        path.chmod(0)


def _refused() -> list[Kind]:
    whole, jpeg = encoded(RGB), encoded(np.tile(RGB, (8, 8, 1)), "JPEG")
    damaged = bytearray(whole)
    damaged[len(damaged) // 2 :][:64] = b""
    zeroed = bytearray(encoded(np.tile(RGB, (8, 8, 1))))
    zeroed[200:712] = bytes(512)
    no_width = bytearray(encoded(RGB, "BMP"))
    no_width[18:22] = bytes(4)
    bomb_text = zlib.compress(bytes(80_000_000), 9)
    text = b"Comment\x00\x00" + bomb_text
    text_chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    text_chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    floats = Image.fromarray(GRAY.astype(np.float32))
    integers = Image.fromarray(GRAY.astype(np.int32) * 1_000_000)
    no_format = "no image format"
    return [
        _of_bytes("empty", b"", reason="the file is empty"),
        _of_bytes("text", b"not an image at all\n", reason=no_format),
        _of_bytes("a web page", b"<!DOCTYPE html><html></html>", reason=no_format),
        _of_bytes("zeros", bytes(4096), reason=no_format),
        _of_bytes(
            "a drawing in SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", reason=no_format
        ),
        _of_bytes(
            "a program in PostScript",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
            reason=no_format,
        ),
        _of_bytes("a header alone", whole[:16], reason="[Tt]runcated"),
        _of_bytes("truncated PNG", whole[: len(whole) // 2], reason="truncated|broken"),
        _of_bytes("truncated JPEG", jpeg[: len(jpeg) // 2], reason="truncated"),
        _of_bytes("truncated BMP", encoded(RGB, "BMP")[:-50], reason="truncated"),
        _of_bytes("a block of zeros", bytes(zeroed), reason="unrecognized data|broken"),
        _of_bytes("no width", bytes(no_width), reason="nothing in it|no image format"),
        _of_bytes("20000x20000", enormous(), reason="more than the 50,000,000 pixels"),
        _of_bytes("9000x7000", png(9000, 7000), reason="9000x7000 pixels are more"),
        _of_bytes("a bomb of text", png(16, 12, extra=text_chunk), reason="too large|exceeds"),
        _of_bytes("animated GIF", frames("GIF"), reason="2 frames or pages"),
        _of_bytes("animated PNG", frames("PNG"), reason="2 frames or pages"),
        _of_bytes("animated WebP", frames("WEBP"), reason="2 frames or pages"),
        _of_bytes("TIFF of two pages", frames("TIFF"), reason="2 frames or pages"),
        _of_bytes(
            "16-bit TIFF in planes",
            tiff(np.stack([DEEP, DEEP // 2, DEEP // 3]), **IN_PLANES),
            reason="one channel after another.*save it interleaved, or with 8 bits",
        ),
        _of_bytes("floating point", encoded(floats, "TIFF"), reason="floating-point values"),
        _of_bytes("32 bits", encoded(integers, "TIFF"), reason="32-bit values"),
        Kind("link to itself", lambda path: path.symlink_to(path.name), reason="symbolic links"),
        Kind("link to nothing", lambda path: path.symlink_to("gone"), reason="No such file"),
        Kind("unreadable", _unreadable_file, reason="error|denied"),
        Kind("a pipe", os.mkfifo, reason="no regular file"),
    ]


@functools.cache
def enormous() -> bytes:
    """Returns 400 million pixels in 50 kB."""
    return png(20_000, 20_000)


READABLE, REFUSED = tuple(_readable()), tuple(_refused())
KINDS = READABLE + REFUSED


def by_name(kind: Kind) -> str:
    """Names a test's case."""
    return kind.name.replace(" ", "_")


def assert_right(pixels: np.ndarray, kind: Kind) -> None:
    """Checks that a kind was read as it must be."""
    assert kind.pixels is not None
    assert pixels.shape == kind.pixels.shape
    assert np.abs(pixels.astype(int) - kind.pixels.astype(int)).max() <= kind.within
