"""The network that a config names, as a table; needs no images and no optimizer.

print(describe_model(config))
"""

from ml_collections import ConfigDict

from wbc_jax.models import create_model
from wbc_jax.models.describe import Layer, layer_table, list_layers
from wbc_jax.training.prepare_data import classes_and_input


def describe_model(config: ConfigDict) -> str:
    """Returns the table of layers of the network that the config names.

    Raises:
        UserError: the network or its number of classes is not known, or a field out of range.
    """
    _, (height, width, bands) = classes_and_input(config)
    title = f"{config.model.name} for {height}x{width}x{bands}, one image"
    return layer_table(layers_of(config), title=title)


def layers_of(config: ConfigDict) -> list[Layer]:
    """Returns the layers of the network that the config names; computes no values.

    Raises:
        UserError: as `describe_model`.
    """
    classes, image_shape = classes_and_input(config)
    model = create_model(num_classes=len(classes), **config.model.to_dict())
    return list_layers(model, image_shape=image_shape)
