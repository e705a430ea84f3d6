"""The task of the paper: one class per image.

task = plan_classification(config)(data)
"""

from ml_collections import ConfigDict

from wbc_jax.data.bands import band_statistics, make_to_input
from wbc_jax.data.input_pipeline import BALANCES, image_and_label, sampling_shares
from wbc_jax.data.load import Data
from wbc_jax.errors import UserError, require_at_least, require_choice
from wbc_jax.evaluation.inference import mean_of_classes
from wbc_jax.evaluation.metrics import METRICS, example_metrics
from wbc_jax.evaluation.results import mean_metrics
from wbc_jax.models.registry import MODELS, create_model
from wbc_jax.training.losses import LOSSES
from wbc_jax.training.step_parts import build_feed
from wbc_jax.training.task import Plan, Task


def plan_classification(config: ConfigDict) -> Plan:
    """Returns what builds the task once the images are there.

    Raises:
        UserError: a field has a value that cannot work.
    """
    require_choice("model.name", config.model.name, MODELS)
    require_at_least("train.mixup", config.train.mixup, 0)
    require_choice("data.balance", config.data.balance, BALANCES)
    if config.augment.stain and config.data.bands != "rgb":
        raise UserError(
            f"augment.stain={config.augment.stain} needs data.bands=rgb: a gray image "
            f"(data.bands={config.data.bands}) has no stains; set it to 0, or see augment.light"
        )
    require_choice("train.loss", config.train.loss, LOSSES)
    build_feed(config, lambda image: image)  # what is out of range is refused before the images
    model = create_model(num_classes=config.data.num_classes, **config.model.to_dict())

    def build(data: Data) -> Task:
        statistics = band_statistics(data.partition.train.image, config.data.bands)
        to_input = make_to_input(config.data.bands, statistics)
        return Task(
            name="classification",
            model=model,
            image_shape=(config.data.image_size, config.data.image_size, 3),
            statistics=statistics,
            to_input=to_input,
            shares=sampling_shares(data.partition.train, config.data.balance),
            on_devices=image_and_label,
            feed=build_feed(config, to_input),
            metrics=METRICS,
            example_metrics=example_metrics,
            mean_metrics=lambda logits, examples: mean_metrics(logits, examples.label),
            in_words={
                "categorical_accuracy": "categorical accuracy",
                "binary_accuracy": "binary accuracy",
            },
            merge_views=mean_of_classes,
        )

    return build
