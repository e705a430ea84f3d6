"""The network that a config names, as a table; needs no images and no optimizer.

print(describe_model(config))
"""

from ml_collections import ConfigDict

from wbc_jax.data.annotated import picture_settings
from wbc_jax.data.load import class_names
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.models import create_model
from wbc_jax.models.describe import layer_table, list_layers
from wbc_jax.training.prepare_data import image_settings, task_name


def describe_model(config: ConfigDict) -> str:
    """Returns the table of layers of the network that the config names.

    Raises:
        UserError: the network or its number of classes is not known, or a field out of range.
    """
    if task_name(config) == "detection":
        size = picture_settings(config.data.picture_size)
        classes, height, width = CELL_KINDS, size.height, size.width
    else:
        classes = class_names(config.data.protocol, config.data.num_classes)
        height = width = image_settings(config).image_size
    model = create_model(num_classes=len(classes), **config.model.to_dict())
    layers = list_layers(model, image_shape=(height, width, 3))
    return layer_table(layers, title=f"{config.model.name} for {height}x{width}x3, one image")
