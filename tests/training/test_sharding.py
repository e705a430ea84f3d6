"""The mesh and what it refuses."""

from unittest.mock import Mock

import jax
import pytest
from jax.sharding import Mesh, PartitionSpec

from wbc_jax.errors import UserError
from wbc_jax.training.sharding import (
    create_mesh,
    replicated,
    require_divisible,
    split_by_example,
)

MESH_OF_EIGHT = Mock(spec=Mesh, size=8)  # there may be one device only


@pytest.mark.parametrize("num_devices", [0, 1])
def test_the_mesh_has_one_axis_of_data(num_devices: int) -> None:
    mesh = create_mesh(num_devices)
    assert mesh.axis_names == ("data",)
    assert list(mesh.devices.flat) == jax.devices()[: num_devices or None]


def test_shardings() -> None:
    mesh = create_mesh(1)
    assert replicated(mesh).spec == PartitionSpec()
    assert split_by_example(mesh).spec == PartitionSpec("data")


@pytest.mark.parametrize("num_devices", [-1, 1000])
def test_a_number_of_devices_out_of_range_is_refused(num_devices: int) -> None:
    with pytest.raises(UserError, match=rf"mesh.num_devices={num_devices} must lie between 0"):
        create_mesh(num_devices)


@pytest.mark.parametrize("batch_size", [8, 32])
def test_batches_that_divide_are_accepted(batch_size: int) -> None:
    require_divisible("train.batch_size", batch_size, MESH_OF_EIGHT)


@pytest.mark.parametrize(("batch_size", "suggestion"), [(30, 32), (3, 8), (99, 96)])
def test_batches_that_do_not_divide_are_refused(batch_size: int, suggestion: int) -> None:
    with pytest.raises(
        UserError,
        match=rf"train.batch_size={batch_size} must be divisible by 8 devices; try {suggestion}$",
    ):
        require_divisible("train.batch_size", batch_size, MESH_OF_EIGHT)


@pytest.mark.parametrize("batch_size", [0, -8])
def test_empty_batches_are_refused(batch_size: int) -> None:
    with pytest.raises(UserError, match=rf"train.batch_size={batch_size} must be at least 1"):
        require_divisible("train.batch_size", batch_size, MESH_OF_EIGHT)
