"""Finds the white cell of a smear by its stained nucleus, and cuts a window around it.

    window = crop_white_cell(Image.open("smear.jpeg").convert("RGB"), 0.6)  # square, the cell in it
    nucleus = find_nucleus(np.asarray(image))                               # mask, or None

Only the nucleus takes up the stain's dye that absorbs red and green and lets blue pass. Red cells
absorb blue most, the slide absorbs nothing and black fill all three alike, so one difference of
optical densities, taken against the empty slide of the same image, tells them apart.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import disk

# Lengths are shares of the image's height, areas of its height squared: the magnification is part
# of a data set, the number of pixels is not. docs/white_cell.md: on what they were chosen.
_GRID = 120  # rows of the image in which the nucleus is looked for; more find no other cells
_LOBE_GAP = 0.06  # lobes that are nearer than this belong to one nucleus
_LEAST_AREA = 0.004  # of a nucleus; what is smaller is a platelet
_LEAST_STAIN = 0.2  # floor of Otsu's threshold, which splits any image; densities
_BLACK = 40  # what has no brighter channel is fill; JPEG blurs its edge
_SLIDE = 90  # percentile of the brightness, per channel, that is taken for the empty slide


def find_nucleus(image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"] | None:
    """Returns where the nucleus of the white cell is, all its lobes; None where there is none.

    Of several white cells it is the one with the most stain. The mask is as coarse as the search:
    its pixels come in blocks where the image is higher than 239 pixels.

    Args:
        image: RGB, 0 to 255.
    """
    height, width = image.shape[:2]
    step = _step(height)
    nucleus = _find(Image.fromarray(image), step)
    if nucleus is None:
        return None
    return nucleus.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]


def white_cell_window(image: Image.Image, share: float) -> tuple[int, int, int]:
    """Returns the square window around the white cell: its first row, first column and side.

    The side is the same whatever the cell: fitted to each cell, the window would hide that a
    lymphocyte is small and a monocyte large. The window may reach beyond the image. Where no
    nucleus is found it lies in the middle.

    Args:
        image: RGB.
        share: side of the window as a share of the image's height, above 0.
    """
    width, height = image.size
    side = max(1, round(share * height))
    step = _step(height)
    nucleus = _find(image, step)
    row, column = height / 2, width / 2
    if nucleus is not None:
        # The centroid, not the middle of the extent: a platelet taken for a lobe hardly moves it.
        row, column = (step * (float(np.mean(where)) + 0.5) for where in np.nonzero(nucleus))
    return round(row - side / 2), round(column - side / 2), side


def crop_white_cell(image: Image.Image, share: float) -> Image.Image:
    """Returns the window around the white cell at the image's own resolution.

    What lies beyond the image is black, as in the published copies where they were turned or
    shifted: moving the window inwards instead would put the cell into its corner.

    Args:
        image: RGB.
        share: side of the window as a share of the image's height, above 0.
    """
    top, left, side = white_cell_window(image, share)
    return image.crop((left, top, left + side, top + side))


def _step(height: int) -> int:
    return max(1, height // _GRID)


def _find(image: Image.Image, step: int) -> Bool[np.ndarray, "r c"] | None:
    """Returns the nucleus in the image made smaller by `step`."""
    small = np.asarray(image.reduce(step) if step > 1 else image)
    density = optical_density(small)
    if density is None:
        return None
    stain = nuclear_stain(density)
    threshold = max(_LEAST_STAIN, float(threshold_otsu(np.maximum(stain, 0.0))))
    stained = ndimage.binary_opening(stain > threshold)  # without seams along fill
    rows = len(small)
    groups = label(ndimage.binary_dilation(stained, disk(round(_LOBE_GAP / 2 * rows))))
    groups = np.where(stained, groups, 0)
    areas = np.bincount(groups.ravel())
    amounts = np.bincount(groups.ravel(), weights=stain.ravel())
    amounts[areas < _LEAST_AREA * rows**2] = 0.0
    amounts[0] = 0.0  # what is not stained
    chosen = int(amounts.argmax())
    return groups == chosen if amounts[chosen] > 0 else None


def optical_density(image: UInt8[np.ndarray, "r c 3"]) -> Float[np.ndarray, "r c 3"] | None:
    """Returns the density against the empty slide of the same image; None for one of fill alone.

    Args:
        image: RGB, 0 to 255.

    Returns:
        Natural logarithms; 0 is the slide and black fill.
    """
    seen = np.any(image > _BLACK, axis=-1)
    if not seen.any():
        return None
    slide = np.percentile(image[seen], _SLIDE, axis=0).astype(np.float32)
    density = np.log(slide + 1.0) - np.log(image.astype(np.float32) + 1.0)
    # The logarithm would make a colour of what little light JPEG leaves in the fill.
    return np.where(np.expand_dims(seen, -1), density, 0.0).astype(np.float32)


def nuclear_stain(density: Float[np.ndarray, "r c 3"]) -> Float[np.ndarray, "r c"]:
    """Returns the mean density in red and green less that in blue: what nuclei have."""
    return (density[..., 0] + density[..., 1]) / 2.0 - density[..., 2]
