"""The network that a config names, as a table; needs no images and no optimizer.

print(describe_model(config))
"""

from ml_collections import ConfigDict

from wbc_jax.data.annotated import picture_settings
from wbc_jax.data.load import class_names
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.models import create_model
from wbc_jax.models.describe import Layer, layer_table, list_layers
from wbc_jax.training.prepare_data import image_settings, task_name


def describe_model(config: ConfigDict) -> str:
    """Returns the table of layers of the network that the config names.

    Raises:
        UserError: the network or its number of classes is not known, or a field out of range.
    """
    _, (height, width, bands) = _classes_and_input(config)
    title = f"{config.model.name} for {height}x{width}x{bands}, one image"
    return layer_table(layers_of(config), title=title)


def layers_of(config: ConfigDict) -> list[Layer]:
    """Returns the layers of the network that the config names; computes no values.

    Raises:
        UserError: as `describe_model`.
    """
    classes, image_shape = _classes_and_input(config)
    model = create_model(num_classes=len(classes), **config.model.to_dict())
    return list_layers(model, image_shape=image_shape)


def _classes_and_input(config: ConfigDict) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    if task_name(config) == "detection":
        size = picture_settings(config.data.picture_size)
        return CELL_KINDS, (size.height, size.width, 3)
    side = image_settings(config).image_size
    return class_names(config.data.protocol, config.data.num_classes), (side, side, 3)
