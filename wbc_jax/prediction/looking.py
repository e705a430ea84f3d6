"""Every picture decoded and searched, in threads, in order, a bounded number ahead.

for group in in_groups(look_at_all(predictor, pictures, on_bad)):
    ...
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tqdm import tqdm

from wbc_jax.cores import num_cores
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.datasets.picture_names import is_archive, is_meant
from wbc_jax.errors import UserError
from wbc_jax.prediction.pictures import Pictures
from wbc_jax.prediction.predictor import Predictor, Sight
from wbc_jax.threads import ahead

_AHEAD = 3  # pictures for each thread that are looked at while others are classified
_GROUP = 64  # windows, or pictures, that are classified at once
_GROUP_PIXELS = 32_000_000  # of such pictures, unless one has more: they are kept meanwhile


class Seen(NamedTuple):
    """A picture's name and what was seen in it."""

    name: str
    sight: Sight


def look_at_all(
    predictor: Predictor, pictures: Pictures, on_bad: Callable[[str, str], None]
) -> Iterator[Seen]:
    """Yields what is seen in each picture; a file that cannot be used is told of and left out.

    Args:
        predictor: whose `look` is called in threads.
        pictures: to be read.
        on_bad: called with a file's name and why it cannot be used. Files whose name and content
            both say that they are no pictures are passed over, but for archives.
    """

    def look(name: str) -> Sight:
        if is_archive(name):  # which may be large, so it is not even read
            raise UserError("an archive within: unpack it")
        return predictor.look(pictures.read(name))

    total = len(pictures.names)
    with ahead(look, pictures.names, threads=num_cores(), per_thread=_AHEAD) as looks:
        for name, future in tqdm(
            looks, total=total, desc="predicting", unit=" pictures", disable=None
        ):
            try:
                sight = future.result()
            except UndecodableError as error:
                if error.is_image or is_meant(name):
                    on_bad(name, str(error))
            except UserError as error:  # it cannot be read, or is not to be
                on_bad(name, str(error))
            else:
                yield Seen(name, sight)


def in_groups(seen: Iterator[Seen]) -> Iterator[list[Seen]]:
    """Yields pictures together whose windows fill a batch, fewer where they are large."""
    group: list[Seen] = []
    windows = pixels = 0
    for one in seen:
        group.append(one)
        windows += len(one.sight.inputs)
        pixels += one.sight.picture.width * one.sight.picture.height
        if max(windows, len(group)) >= _GROUP or pixels >= _GROUP_PIXELS:
            yield group
            group, windows, pixels = [], 0, 0
    if group:
        yield group
