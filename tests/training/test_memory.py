"""What is said where memory runs out."""

import jax
import pytest

from wbc_jax.training.memory import out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.\nlong"
        ),
        MemoryError("Unable to allocate 4.00 TiB for an array"),
        MemoryError(),
    ],
)
def test_it_names_what_to_lower(error: Exception) -> None:
    message = out_of_memory(error)
    assert message is not None
    assert "lower train.batch_size, eval.batch_size, data.image_size" in message
    assert "\n" not in message


def test_other_errors_are_none_of_its_business() -> None:
    assert out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: a fault")) is None
    assert out_of_memory(RuntimeError("cannot schedule new futures")) is None
