"""The figures the paper prints, as data, each with the place it stands at.

    claim = paper.claimed("alexnet", epochs=5)
    claim.accuracy      # 0.993
    claim.loss          # 0.0068, printed there as "0.68%"

The paper calls its numbers "accuracy" and "loss" and averages them over the epochs. With a binary
cross-entropy over softmax outputs, what Keras reports under those names is the *binary* accuracy
and the mean binary cross-entropy, so these two are what a run is set beside. They are claims, not
targets: nothing in this package is tuned towards them.
"""

from dataclasses import dataclass

# Example count of the paper's test set, for the sentences that explain its accuracy.
NUM_TEST = 500

_TITLES = {"cnn": "CNN", "alexnet": "AlexNet", "resnet50": "ResNet50", "vgg19": "VGG19"}


@dataclass(frozen=True)
class Claim:
    """One line of the paper's results.

    Attributes:
        model: name of the model as in a run's config.
        epochs: number of epochs the average is taken over.
        accuracy: average accuracy, a fraction in [0, 1].
        loss: average binary cross-entropy; the paper prints 100 times this number with a "%".
        source: where in the paper it stands.
    """

    model: str
    epochs: int
    accuracy: float
    loss: float
    source: str


TABLE_1 = (
    Claim("cnn", 5, 0.994, 0.0064, "Table I; section IV.B"),
    Claim("alexnet", 5, 0.993, 0.0068, "Table I; section IV.C"),
    Claim("resnet50", 5, 0.994, 0.0064, "Table I; section IV.D"),
    Claim("vgg19", 5, 0.994, 0.0064, "Table I; section IV.E"),
)
RESNET50_TEN_EPOCHS = Claim("resnet50", 10, 0.994, 0.0057, "Section IV.D, Figures 5a and 5b")

_CLAIMS = {(claim.model, claim.epochs): claim for claim in (*TABLE_1, RESNET50_TEN_EPOCHS)}


def claimed(model: str, *, epochs: int) -> Claim | None:
    """Returns what the paper states for `model` after `epochs` epochs, None where it is silent."""
    return _CLAIMS.get((model, epochs))


def model_title(model: str) -> str:
    """Returns the paper's spelling of a model's name; other names are returned unchanged."""
    return _TITLES.get(model, model)


def binary_chance(num_classes: int) -> float:
    """Returns the binary accuracy of a model that says 1 / K everywhere.

    For K > 2 all K outputs lie below 0.5, which is right for the K - 1 wrong classes; Keras
    counts an output of exactly 0.5 as below, too.
    """
    return (num_classes - 1) / num_classes
