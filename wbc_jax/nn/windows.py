"""Windows that slide over an image: how many there are.

output_size((50, 50), (3, 3), (1, 1), ((1, 1), (1, 1)))     # (50, 50)
"""

from collections.abc import Sequence

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
