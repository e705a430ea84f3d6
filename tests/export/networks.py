"""The networks, small and with drawn weights in the place of trained ones, as classifiers.

make_classifier("cnn", GRAY, flips=False)
"""

from pathlib import Path
from typing import Any

import numpy as np

from tests.models.tiny_models import draw_variables, tiny_model
from wbc_jax.data.bands import BandStatistics
from wbc_jax.data.preprocessing import Settings
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.reporting.run_files import Run

GRAY = Settings(first_size=12, image_size=8, gray=True)
WINDOW = Settings(first_size=12, image_size=8, gray=False, view="white_cell", window_side=0.5)
CASES = [
    ("cnn", GRAY, False),
    ("alexnet", WINDOW, True),
    ("resnet50", GRAY, False),
    ("vgg19", WINDOW, False),
    ("small_resnet", GRAY, False),
]


def make_classifier(name: str, settings: Settings, *, flips: bool) -> Classifier:
    """A network of drawn weights in the place of a trained one."""
    results: dict[str, Any] = {"test": {"temperature": 1.7}, "classes": list("abcd")}
    model = tiny_model(name)
    return Classifier(
        run=Run(Path("nowhere"), {}, {}, {}, results),
        model=model,
        variables=draw_variables(model),
        settings=settings,
        bands="nonlinear" if settings.gray else "rgb",
        statistics=BandStatistics(np.full(3, 0.5, np.float32), np.full(3, 0.2, np.float32)),
        flips=flips,
        step=0,
    )
