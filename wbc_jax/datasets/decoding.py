"""Encoded images to 8-bit RGB pixels: the one way, for every entrance.

image = decode(encoded)                 # a Pillow image of mode RGB, upright
pixels = np.asarray(image)              # rows, columns, 3; 0 to 255

| what the file has | what it becomes |
| --- | --- |
| 8-bit RGB | the same values, bit for bit |
| gray, 1 bit, palette, YCbCr, CMYK, HSV | RGB by Pillow's conversion; colour profiles are ignored |
| 16 bits a channel | the upper 8 of them |
| the same, all values below 16,384 | refused: 10 to 14 bits, not scaled; gray all 0 is black |
| the same in colour PPM and JPEG 2000 | too dark: Pillow does not tell the values there |
| the same, uncompressed TIFF in planes | refused: Pillow takes its bytes for 8-bit values |
| gray TIFF in which 0 is white | inverted: black is 0, as everywhere |
| transparency (RGBA, LA, a palette's or a colour's) | composited over white, the empty slide |
| an orientation in its EXIF data | turned upright |
| several frames or pages | refused: which one is meant is not known; a camera's MPO: the first |
| 32-bit or floating-point values | refused: their range is not known |
| more than `MOST_PIXELS` pixels | refused before any is decoded |

The file's ending does not matter. Formats that Pillow hands to other programs (EPS), or whose
start says too little to be told from noise (TGA), are no image formats here.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    TiffImageFile,
)

from wbc_jax.printable import printable

# Tried in this order: after the first five Pillow loads all its plugins. MPO counts as JPEG.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")
# Twice what the largest cameras on microscopes deliver; 150 MB once decoded.
MOST_PIXELS = 50_000_000

_ORIENTATION = 0x0112
_MOST_REASON = 200  # characters of a reason; decoders quote what they read
_SIXTEEN_BITS = 2**16 - 1
# What the brightest of 16-bit values must reach. Below, a camera's 10 to 14 bits lie in 16 as they
# came: the upper 8 are 0 to 63 at most, a quarter of the brightness or less, and of 10 or 12 bits
# different pictures become the same.
_LEAST_BRIGHTEST = 2**14
_DEEP = (";16B", ";16L", ";16N")  # in Pillow's names for 16 bits a channel in a file

# Pillow warns of large images and refuses only larger ones; here they are all refused. What it says
# of odd metadata is of no use to somebody who only hands over files.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


class UndecodableError(ValueError):
    """The bytes are no image that can be used; the message says why, in one line.

    Attributes:
        is_image: whether they are an image of a known format at all.
    """

    def __init__(self, reason: str, *, is_image: bool = True) -> None:
        super().__init__(reason)
        self.is_image = is_image


def decode(encoded: bytes) -> Image.Image:
    """Returns the pixels of an image file as 8-bit RGB, upright, whatever form they are stored in.

    Args:
        encoded: the file's bytes.

    Raises:
        UndecodableError: there is no such image in them; see the table above.
    """
    try:
        return _decode(encoded)
    except UndecodableError:
        raise
    except UnidentifiedImageError as error:
        reason = "the file is empty" if not encoded else "no image format that can be read"
        raise UndecodableError(reason, is_image=False) from error
    except Image.DecompressionBombError as error:
        raise UndecodableError(f"more than the {MOST_PIXELS:,} pixels allowed") from error
    except Exception as error:  # decoders meet damaged files with errors of every kind
        reason = printable(str(error) or type(error).__name__)
        raise UndecodableError(reason[:_MOST_REASON]) from error


def _decode(encoded: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(encoded), formats=FORMATS)
    width, height = image.size
    if width < 1 or height < 1:
        raise UndecodableError(f"{width}x{height} pixels: there is nothing in it")
    if width * height > MOST_PIXELS:
        raise UndecodableError(
            f"{width}x{height} pixels are more than the {MOST_PIXELS:,} pixels allowed"
        )
    # An MPO is a photograph with its preview or depth behind it.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise UndecodableError(
            f"{getattr(image, 'n_frames', 'several')} frames or pages, of which one must be saved "
            "as a file of its own"
        )
    if _is_taken_for_8_bits(image):
        raise UndecodableError(
            "16 bits a channel, one channel after another and uncompressed, are not read here: "
            "save it interleaved, or with 8 bits"
        )
    is_deep, is_negative = _is_deep_colour(image), _is_deep_negative(image)
    image.load()  # before the EXIF data is asked for, which may stand behind the pixels
    if is_deep and np.asarray(image)[..., :3].max() < _LEAST_BRIGHTEST >> 8:
        raise _unscaled()
    if _is_turned(image):
        image = ImageOps.exif_transpose(image)
    image = _to_rgb(image)
    return ImageOps.invert(image) if is_negative else image


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # the pixels are good all the same
        return False


def _is_taken_for_8_bits(image: Image.Image) -> bool:
    """Whether Pillow would take 16-bit values for 8-bit ones, without a word."""
    if not isinstance(image, TiffImageFile) or image.info.get("compression") != "raw":
        return False  # compressed ones go to libtiff, which reads them right
    in_planes = image.tag_v2.get(PLANAR_CONFIGURATION) == 2
    return in_planes and max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8


def _is_deep_negative(image: Image.Image) -> bool:
    """Whether 0 is white in a TIFF of 16 bits; of 8 bits Pillow inverts it by itself."""
    return (
        isinstance(image, TiffImageFile)
        and image.mode.startswith("I")
        and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    )


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether the file has 16 bits a channel, of which Pillow will load the upper 8.

    Where these are all 0, black cannot be told from values below 256: that is refused, too.
    """
    if not isinstance(image, ImageFile.ImageFile) or image.mode not in {"RGB", "RGBA"}:
        return False
    forms = [str(tile.args) for tile in image.tile]  # a name, or a tuple that begins with it
    return any(deep in form for form in forms for deep in _DEEP)


def _unscaled() -> UndecodableError:
    return UndecodableError(
        f"all its 16-bit values are below {_LEAST_BRIGHTEST:,}, as those of cameras of 10 to 14 "
        f"bits are, so that it would be too dark: scale them to 0 to {_SIXTEEN_BITS:,}; where the "
        "picture truly is so dark, save it with 8 bits"
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":
        image = _to_gray(image)
    if image.has_transparency_data:
        pixels = image.convert("RGBA")
        white = Image.new("RGBA", pixels.size, "white")
        return Image.alpha_composite(white, pixels).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # converting would copy it


def _to_gray(image: Image.Image) -> Image.Image:
    """Returns an image of 16 bits as one of 8; Pillow itself would cut values off at 255."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > _SIXTEEN_BITS:
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise UndecodableError(f"{kind} values, whose range is not known: save 8 or 16 bits")
    if 0 < values.max() < _LEAST_BRIGHTEST:  # all 0 is black, whatever the scale
        raise _unscaled()
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
