"""A detector's finished run as a function of pictures; its training pictures are not needed.

detect = load_learned(Path("runs/detector-bccd-seed0"))
seeds = detect(picture)                                # uint8 [h, w, 3] -> Seeds
"""

from pathlib import Path

import jax
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wbc_jax.data.annotated import shrink_picture
from wbc_jax.data.bands import BandStatistics, make_to_input
from wbc_jax.evaluation.inference import make_logits
from wbc_jax.models import create_model
from wbc_jax.reporting.run_files import read_detector_run
from wbc_jax.seeds.heat_maps import mean_of_maps
from wbc_jax.seeds.seed_points import KINDS, Detector, Seeds, to_own_pixels
from wbc_jax.training.detection import BANDS, seed_reader
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.trained import restore_trained


def load_learned(workdir: Path) -> Detector:
    """Returns what a finished run has learned, from its files alone.

    A picture of any size is brought to the size of the training pictures: it should show a field
    of about the same extent, for cells are then as large as they were there.

    Args:
        workdir: the run's directory.

    Raises:
        UserError: there is no finished run of a detector, its files are damaged, or an earlier
            version wrote it.
    """
    files = read_detector_run(workdir)
    with RunDirectory(workdir).reading_config() as config:
        model = create_model(num_classes=len(KINDS), **config.model.to_dict())
        size, flips = config.data.picture_size, config.eval.test_time_flips
        reader = seed_reader(config)
        stored = files.results["band_statistics"].items()
        checkpoint = restore_trained(
            workdir,
            config,
            model,
            image_shape=(*size, 3),
            metrics=(config.train.loss,),
            num_train=files.results["num_train"],
        )
    statistics = BandStatistics(**{name: np.array(v, np.float32) for name, v in stored})
    to_input = make_to_input(BANDS, statistics)
    maps_of = jax.jit(make_logits(model, to_input, flips=flips, merge=mean_of_maps))
    variables = checkpoint.progress.state.variables

    def detect(picture: UInt8[np.ndarray, "h w 3"]) -> Seeds:
        small = shrink_picture(Image.fromarray(picture), size)
        seeds = reader(np.asarray(maps_of(variables, small[None]))[0])
        height, width = picture.shape[:2]
        return to_own_pixels(seeds, size, (height, width))

    return detect
