"""A run's working directory: what was asked for, and what every epoch brought.

run = RunDirectory(workdir)
run.require_usable(config)                       # refuses a directory of another config
with run.locked():                               # refuses a second process
    run.create(config, data)
    run.append_epoch({"epoch": 1, "train": {...}, "test": {...}})
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.atomic_files import is_temporary, to_json, write_json, write_text
from wbc_jax.errors import UserError
from wbc_jax.file_lock import Held, only_one
from wbc_jax.nested import flatten
from wbc_jax.training.disk import disk_errors_named
from wbc_jax.training.processes import from_first


class RunDirectory:
    """The files of one run that are written while it trains."""

    def __init__(self, path: Path) -> None:
        """Names the directory; `create` makes it."""
        self.path = path

    def require_usable(self, config: Mapping[str, Any]) -> None:
        """Checks that a run of this config may live here; changes nothing.

        Raises:
            UserError: the directory belongs to a run of another config, or holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"workdir={self.path} is a file; name a folder that is new or of this run"
            )
        if (self.path / run_names.CONFIG).is_file():
            self._require_same_config(config)
            return
        strangers = sorted(
            entry.name
            for entry in (self.path.iterdir() if self.path.exists() else ())
            if entry.name != run_names.LOCK and not is_temporary(entry.name)
        )
        if strangers:
            raise UserError(
                f"workdir={self.path} is not a run directory (no {run_names.CONFIG}) and not empty "
                f"({', '.join(strangers[:3])}...); name a new folder with --workdir"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs out of the directory, which is made where it is missing.

        Of several processes of one run the first holds the lock for all.

        Raises:
            UserError: another process is at work in it, or it cannot be written, now or within the
                block.
        """
        with ExitStack() as stack:
            from_first(lambda: self._lock(stack))
            stack.enter_context(disk_errors_named(self.path))
            yield

    def _lock(self, stack: ExitStack) -> None:
        try:
            stack.enter_context(only_one(self.path / run_names.LOCK))
        except Held as held:
            raise UserError(
                f"workdir={self.path} is in use by {held}: wait for its end, stop it, or name "
                "another --workdir"
            ) from held
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def create(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Makes the directory, or returns to it: writes which config and which data it is of.

        Args:
            config: of the run.
            data: which images it uses, with their digests.

        Raises:
            UserError: it cannot be written, or was started on other images.
        """
        try:
            # Of another process that was faster, perhaps.
            if (self.path / run_names.CONFIG).is_file():
                self._require_same_config(config)
            else:
                write_json(self.path / run_names.CONFIG, config)
            if not (self.path / run_names.DATASET).is_file():
                write_json(self.path / run_names.DATASET, data)
        except OSError as error:
            raise self._cannot_be_written(error) from error
        self.require_same_data(data)

    def require_same_data(self, data: Mapping[str, Any]) -> None:
        """Checks that the images are those that the run was started on.

        Raises:
            UserError: they are not, or the record of them is damaged.
        """
        saved, now = flatten(self._read_json(run_names.DATASET)), flatten(json.loads(to_json(data)))
        fields = [name for name in now if name.startswith("splits.") or name.startswith("num_")]
        differing = [name for name in fields if saved.get(name) != now[name]]
        if differing:
            name = differing[0]
            raise UserError(
                f"workdir={self.path} was started on other images: {name} was "
                f"{saved.get(name)!r} and is {now[name]!r}; bring back the images, or start anew "
                "in another --workdir"
            )

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        if not path.is_file():
            raise UserError(
                f"workdir={self.path} is not a run directory (no {name}); name one that training "
                "has written"
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("it holds no fields")
            return content
        except ValueError as error:
            raise UserError(
                f"{path} is damaged ({error}); restore it from a copy, or start anew in another "
                "--workdir"
            ) from error

    def load_config(self) -> ConfigDict:
        """Returns the config of the run as training takes it, tuples being tuples again.

        Raises:
            UserError: this is no run directory, or its config is damaged.
        """
        return ConfigDict(_lists_to_tuples(self._read_json(run_names.CONFIG)))

    @contextmanager
    def reading_config(self) -> Iterator[ConfigDict]:
        """Gives the config of the run to a block that reads its fields.

        Raises:
            UserError: as `load_config`; or the block reads a field that the config lacks.
        """
        config = self.load_config()
        try:
            yield config
        except AttributeError as error:
            if not isinstance(error.obj, ConfigDict):
                raise
            raise UserError(
                f"{self.path}/{run_names.CONFIG} lacks a field that this version reads "
                f"({error.name}); use the version that trained the run, or train it again"
            ) from error

    def append_epoch(self, epoch: Mapping[str, Any]) -> None:
        """Adds one line to the history."""
        line = to_json(epoch)
        with (self.path / run_names.METRICS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def write_epochs(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Replaces the history, where a start goes on from an earlier point or it was damaged."""
        text = "".join(f"{to_json(epoch)}\n" for epoch in epochs)
        path = self.path / run_names.METRICS
        if (path.read_bytes() if path.is_file() else b"") != text.encode("utf-8"):
            write_text(path, text)

    def _cannot_be_written(self, error: OSError) -> UserError:
        return UserError(
            f"workdir={self.path} cannot be written ({error.strerror}); name another with --workdir"
        )

    def _require_same_config(self, config: Mapping[str, Any]) -> None:
        saved = flatten(self._read_json(run_names.CONFIG))
        asked = flatten(json.loads(to_json(config)))
        differing = sorted(
            name for name in saved.keys() | asked.keys() if saved.get(name) != asked.get(name)
        )
        if differing:
            rows = "\n".join(
                f"  {name}: there {saved.get(name)!r}, asked for {asked.get(name)!r}"
                for name in differing
            )
            raise UserError(
                f"workdir={self.path} belongs to a run of another config; give its config again to "
                f"resume, or another --workdir for a new run. Differing fields:\n{rows}"
            )


def _lists_to_tuples(content: Any) -> Any:
    """Undoes what JSON does to tuples; a config holds no lists."""
    if isinstance(content, dict):
        return {name: _lists_to_tuples(value) for name, value in content.items()}
    if isinstance(content, list):
        return tuple(_lists_to_tuples(value) for value in content)
    return content
