"""Pillow's images as the bytes of a file.

jpeg = encode(image, "JPEG", quality=85)
"""

import io
from typing import Any

from PIL import Image


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Returns an image as a file of a format; formats and their options are Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
