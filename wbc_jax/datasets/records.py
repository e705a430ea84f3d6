"""Reads the records of a prepared set, as TFDS wrote them.

    for example in read_examples(path, "TEST"):          # the features of every set, quickly
        example.image, example.label, example.filename, example.source
    for features in read_features(path, "labelled"):     # all there are, such as LISC's `mask`
        features["mask"]

Both keep images as encoded bytes. `read_examples` takes the features it needs out of the stored
message itself: TFDS' own decoding, made for features of every kind, takes three times as long.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import absl.logging

_READ_AT_ONCE = 64
_CELLS = "cells/"  # what a set's feature `cells` is made of


class Example(NamedTuple):
    """One example.

    Attributes:
        image: the encoded image, as stored (JPEG or PNG bytes).
        label: index into `spec.classes`; -1 where the set gives none.
        filename: its name, unique within the set.
        source: the smear it shows; copies of one smear share it, within a set.
        scene: the place it shows, where several smears show one in part; else the smear.
        cells: what is annotated in it, as stored; empty where the set has no boxes.
    """

    image: bytes
    label: int
    filename: str
    source: str
    scene: str
    cells: bytes = b""


def read_examples(path: Path, stored_name: str) -> Iterator[Example]:
    """Yields the examples of one split, in the order they are stored.

    Args:
        path: folder of the prepared set.
        stored_name: the split, as TFDS calls it.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.proto import tf_example_pb2

    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    for record in _batched(_builder(path).as_data_source(stored_name, deserialize_method=raw)):
        feature = tf_example_pb2.Example.FromString(record).features.feature
        (image,) = feature["image"].bytes_list.value
        (label,) = feature["label"].int64_list.value
        (filename,) = feature["filename"].bytes_list.value
        (source,) = feature["source"].bytes_list.value
        (scene,) = feature["scene"].bytes_list.value if "scene" in feature else (source,)
        cells = b"".join(
            name.encode() + feature[name].SerializeToString(deterministic=True)
            for name in sorted(feature)
            if name.startswith(_CELLS)
        )
        yield Example(image, label, filename.decode(), source.decode(), scene.decode(), cells)


def read_features(path: Path, stored_name: str) -> Iterator[dict[str, Any]]:
    """Yields every feature of the examples of one split, in the order they are stored.

    Args:
        path: folder of the prepared set.
        stored_name: the split, as TFDS calls it.
    """
    import tensorflow_datasets as tfds

    builder = _builder(path)
    features = builder.info.features
    images = [name for name, kind in features.items() if isinstance(kind, tfds.features.Image)]
    texts = [name for name, kind in features.items() if isinstance(kind, tfds.features.Text)]
    keep_encoded = {name: tfds.decode.SkipDecoding() for name in images}
    for record in _batched(builder.as_data_source(stored_name, decoders=keep_encoded)):
        yield record | {name: record[name].decode() for name in texts}  # TFDS gives bytes


def stored_splits(path: Path) -> tuple[str, ...]:
    """Returns the names of the splits of a prepared set, as TFDS calls them."""
    return tuple(_builder(path).info.splits)


@contextlib.contextmanager
def quiet_absl() -> Iterator[None]:
    """Keeps TFDS' running commentary out of the log; its warnings stay."""
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(min(verbosity, absl.logging.WARNING))
    try:
        yield
    finally:
        absl.logging.set_verbosity(verbosity)


def _builder(path: Path) -> Any:
    import tensorflow_datasets as tfds

    with quiet_absl():
        return tfds.builder_from_directory(path)


def _batched(source: Any) -> Iterator[Any]:
    """Yields the records of a data source; it has a fixed cost for every time it is asked."""
    for start in range(0, len(source), _READ_AT_ONCE):
        yield from source.__getitems__(range(start, min(start + _READ_AT_ONCE, len(source))))
