"""Windows that slide over an image: how many there are, and what each of their places sees.

output_size((50, 50), (3, 3), (1, 1), ((1, 1), (1, 1)))     # (50, 50)
views = place_views(padded, (3, 3), (1, 1), (50, 50))       # nine of [b, 50, 50, c]
"""

from collections.abc import Iterator, Sequence

from jaxtyping import Array, Float

Pair = tuple[int, int]  # of rows, of columns
Pads = tuple[Pair, Pair]  # before and after, of rows and of columns


def output_size(
    size: Sequence[int], window: Sequence[int], strides: Sequence[int], pads: Pads
) -> Pair:
    """Returns rows and columns of a window operation's output: 0 where no window fits in.

    Args:
        size: rows and columns of the image.
        window: of a kernel or a pooling.
        strides: from one window to the next.
        pads: added to the image.
    """
    height, width = (
        max(0, (n + sum(pad) - extent) // stride + 1)
        for n, extent, stride, pad in zip(size, window, strides, pads, strict=True)
    )
    return height, width


def place_views(
    padded: Float[Array, "b h w c"], window: Sequence[int], strides: Pair, size: Pair
) -> Iterator[Float[Array, "b oh ow c"]]:
    """Yields a padded image's strided slice per place of a window, for an output's size."""
    for row in range(window[0]):
        for column in range(window[1]):
            yield padded[
                :,
                row : row + size[0] * strides[0] : strides[0],
                column : column + size[1] * strides[1] : strides[1],
            ]
