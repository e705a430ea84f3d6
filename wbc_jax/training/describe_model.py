"""The network that a config names, as a table; needs no images and no optimizer.

print(describe_model(config))
"""

from ml_collections import ConfigDict

from wbc_jax.data.load import class_names
from wbc_jax.models import create_model
from wbc_jax.models.describe import layer_table, list_layers
from wbc_jax.training.prepare_data import image_settings


def describe_model(config: ConfigDict) -> str:
    """Returns the table of layers of the network that the config names.

    Raises:
        UserError: the network or its number of classes is not known.
    """
    classes = class_names(config.data.protocol, config.data.num_classes)
    model = create_model(num_classes=len(classes), **config.model.to_dict())
    side = image_settings(config).image_size
    layers = list_layers(model, image_shape=(side, side, 3))
    return layer_table(layers, title=f"{config.model.name} for {side}x{side}x3, one image")
