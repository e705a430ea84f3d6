"""The images that a config names; needs neither JAX nor a network.

data = prepare_data(config, Places(None, cache))
"""

from ml_collections import ConfigDict

from wbc_jax.data.annotated import picture_settings
from wbc_jax.data.band_names import BANDS, is_gray
from wbc_jax.data.load import Data, class_names, load_data, load_pictures
from wbc_jax.data.preprocessing import Settings
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError, require_choice


def prepare_data(config: ConfigDict, places: Places) -> Data:
    """Returns the images that `config.data` names, pre-processed and divided.

    Raises:
        UserError: a field's value is out of range, or the images are not there or not readable.
    """
    draw, protocol = draw_of(config), config.data.protocol
    if task_name(config) == "detection":
        size = picture_settings(config.data.picture_size)
        return load_pictures(protocol, size, places, draw=draw)
    settings, classes = image_settings(config), config.data.num_classes
    return load_data(protocol, settings, places, num_classes=classes, draw=draw)


def draw_of(config: ConfigDict) -> Draw:
    """Returns which of its protocol's divisions a config names."""
    return Draw(
        seed=config.seed, validation_share=config.data.validation_share, fold=config.data.fold
    )


def classes_and_input(config: ConfigDict) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """Returns which classes the network tells apart, and rows, columns and bands of its input.

    Raises:
        UserError: a size, the bands or the number of classes is out of range.
    """
    if task_name(config) == "detection":
        size = picture_settings(config.data.picture_size)
        return CELL_KINDS, (size.height, size.width, 3)
    side = image_settings(config).image_size
    return class_names(config.data.protocol, config.data.num_classes), (side, side, 3)


def task_name(config: ConfigDict) -> str:
    """Returns the task of a config; the classifiers' have no field that says so.

    Raises:
        UserError: its other fields are of another task.
    """
    task = config.get("task", "classification")
    expected = "detection" if "picture_size" in config.data else "classification"
    if task != expected:
        raise UserError(
            f"task={task!r} does not go with the config's other fields, which are those of "
            f"{expected!r}; leave the field as the file sets it"
        )
    return expected


def image_settings(config: ConfigDict) -> Settings:
    """Returns how an image becomes an array.

    Raises:
        UserError: a size is out of range or the bands are not known.
    """
    bands = require_choice("data.bands", config.data.bands, BANDS)
    return Settings(
        first_size=config.data.first_size,
        image_size=config.data.image_size,
        gray=is_gray(bands),
        view=config.data.view,
        window_side=config.data.window_side,
    )
