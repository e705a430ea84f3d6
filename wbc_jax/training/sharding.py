"""One mesh axis, `data`: the state is replicated, a batch is split over the devices.

mesh = create_mesh(num_devices=0)            # 0: all there are
state = jax.device_put(state, replicated(mesh))
"""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from wbc_jax.errors import UserError


def create_mesh(num_devices: int) -> Mesh:
    """Returns a mesh of one axis `data` over the first `num_devices` devices, 0 for all.

    Raises:
        UserError: there are fewer devices, or the number is negative.
    """
    available = jax.devices()
    if not 0 <= num_devices <= len(available):
        raise UserError(
            f"mesh.num_devices={num_devices} must lie between 0 (all) and the {len(available)} "
            f"devices of platform {available[0].platform}"
        )
    if jax.process_count() > 1 and num_devices not in (0, len(available)):
        raise UserError(
            f"mesh.num_devices={num_devices} would leave out devices of {jax.process_count()} "
            f"processes; set it to 0 (all {len(available)}), or start fewer processes"
        )
    devices = available[: num_devices or len(available)]
    # Auto axes: Linen's dropout does not run under the Explicit axes that make_mesh defaults to.
    return jax.make_mesh((len(devices),), ("data",), (AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def split_by_example(mesh: Mesh) -> NamedSharding:
    """The sharding of an array whose first axis is the batch."""
    return NamedSharding(mesh, PartitionSpec("data"))


def require_divisible(field: str, batch_size: int, mesh: Mesh) -> None:
    """Checks that a batch can be split evenly.

    Raises:
        UserError: it cannot, or it is not positive; names a size that can.
    """
    if batch_size < 1:
        raise UserError(f"{field}={batch_size} must be at least 1; try 32")
    if batch_size % mesh.size:
        nearest = max(mesh.size, round(batch_size / mesh.size) * mesh.size)
        raise UserError(
            f"{field}={batch_size} must be divisible by {mesh.size} devices; try {nearest}"
        )
