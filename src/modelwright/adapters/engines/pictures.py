"""Decodes image files with Pillow: bounded before any pixel is unpacked, upright, without transparency."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from modelwright.core.errors.calls import Unprocessable
from modelwright.core.ports.engines import Array

MOST_PIXELS = 64 << 20
"""Of one image; a small file can hold many."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Pillow would take others, too, such as EPS, which is a program that it hands to Ghostscript."""


def opened(data: bytes) -> Any:
    """A Pillow image, unpacked; raises ValueError with the problem."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"the image has {image.width} × {image.height} pixels, more than {MOST_PIXELS}")
            image.load()
            return image
    except UnidentifiedImageError:
        raise ValueError(f"the image is none of {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from None


def pixels(data: bytes) -> Array:
    """[height, width, 3] of UINT8, turned as its EXIF data says; raises Unprocessable."""
    try:
        image = opened(data)
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (ValueError, OSError) as error:
        raise Unprocessable(str(error), hint="send a PNG or JPEG") from None
