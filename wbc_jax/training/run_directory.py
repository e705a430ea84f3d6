"""A run's working directory: what was asked for, and what every epoch brought.

run = RunDirectory.open(workdir, config)         # refuses a directory of another config
run.append_epoch({"epoch": 1, "train": {...}, "test": {...}})
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax.atomic_files import to_json, write_json, write_text
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten

CONFIG = "config.json"
METRICS = "metrics.jsonl"


class RunDirectory:
    """The files of one run that are written while it trains."""

    def __init__(self, path: Path) -> None:
        """Names the directory; `open` makes it."""
        self.path = path

    @classmethod
    def open(cls, path: Path, config: Mapping[str, Any]) -> "RunDirectory":
        """Makes the directory for this config, or returns to it.

        Raises:
            UserError: it belongs to a run of another config, or holds something else.
        """
        run = cls(path)
        if path.exists() and not path.is_dir():
            raise UserError(f"workdir={path} is a file; name a folder that is new or of this run")
        if (path / CONFIG).is_file():
            run._require_same_config(config)
            return run
        strangers = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
        if strangers:
            raise UserError(
                f"workdir={path} is not a run directory (no {CONFIG}) and not empty "
                f"({', '.join(strangers[:3])}...); name a new folder with --workdir"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_json(path / CONFIG, config)
        except OSError as error:
            raise UserError(
                f"workdir={path} cannot be written ({error.strerror}); name another with --workdir"
            ) from error
        return run

    def read_config(self) -> dict[str, Any]:
        """Returns the config of the run.

        Raises:
            UserError: this is no run directory, or its config is damaged.
        """
        path = self.path / CONFIG
        if not path.is_file():
            raise UserError(
                f"workdir={self.path} is not a run directory (no {CONFIG}); name one that training "
                "has written"
            )
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(
                f"{path} is damaged ({error}); restore it from a copy, or start anew in another "
                "--workdir"
            ) from error

    def load_config(self) -> ConfigDict:
        """Returns the config of the run as training takes it, tuples being tuples again.

        Raises:
            UserError: as `read_config`.
        """
        return ConfigDict(_lists_to_tuples(self.read_config()))

    def append_epoch(self, epoch: Mapping[str, Any]) -> None:
        """Adds one line to the history."""
        line = to_json(epoch)
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def keep_epochs(self, num_epochs: int) -> list[dict[str, Any]]:
        """Returns the first epochs of the history and drops what an interruption left after them.

        Raises:
            UserError: fewer are there, or a line is damaged.
        """
        path = self.path / METRICS
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        try:
            epochs = [json.loads(line) for line in lines[:num_epochs]]
        except ValueError as error:
            raise UserError(
                f"{path} is damaged ({error}); start anew in another --workdir"
            ) from error
        if [epoch["epoch"] for epoch in epochs] != list(range(1, num_epochs + 1)):
            raise UserError(
                f"{path} holds no unbroken history of the {num_epochs} epochs of the checkpoint; "
                "start anew in another --workdir"
            )
        if len(lines) > num_epochs:
            write_text(path, "".join(f"{line}\n" for line in lines[:num_epochs]))
        return epochs

    def _require_same_config(self, config: Mapping[str, Any]) -> None:
        saved = flatten(self.read_config())
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
