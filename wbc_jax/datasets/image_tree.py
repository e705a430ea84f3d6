"""A read-only view of a folder or of a zip archive, which is never unpacked.

    tree = find(Path("archive.zip"), ("images", "*/images"), lambda t: "TRAIN" in t.folders())
    tree.files()                      # ("TRAIN/EOSINOPHIL/_0_12.jpeg", ...)
    tree.read("TRAIN/EOSINOPHIL/_0_12.jpeg")

Hidden files and what operating systems leave behind (`__MACOSX`, `Thumbs.db`) are not seen.
`archive_members.py` says which archives are refused.
"""

import contextlib
import errno
import fnmatch
import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from wbc_jax.datasets.archive_members import MOST_BYTES, is_junk, list_members, read_member
from wbc_jax.errors import UserError
from wbc_jax.printable import printable


class ImageTree(ABC):
    """Files below one folder, by their `/`-separated path relative to it.

    Attributes:
        where: the folder, in words for a message.
    """

    where: str

    @abstractmethod
    def folders(self) -> tuple[str, ...]:
        """Returns the names of the folders directly in this one, sorted."""

    @abstractmethod
    def own_files(self) -> tuple[str, ...]:
        """Returns the names of the files directly in this one, sorted."""

    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Returns the paths of all files below, at any depth, sorted."""

    @abstractmethod
    def below(self, folder: str) -> "ImageTree":
        """Returns the tree of one folder within."""

    @abstractmethod
    def stamps(self) -> dict[str, str]:
        """Returns for every file below what differs once it has been changed; reads none."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            UserError: it cannot be read.
        """


class FolderTree(ImageTree):
    """The files of a folder on disk."""

    def __init__(self, root: Path, above: Iterable[Path] = ()) -> None:
        """Opens a folder.

        Args:
            root: the folder.
            above: real folders through which it was reached.
        """
        self._root = root
        self._above = frozenset(above)
        self.where = str(root)

    def folders(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted(entry.name for entry in _entries(self._root) if _is_folder(entry)))

    def own_files(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted(entry.name for entry in _entries(self._root) if not _is_folder(entry)))

    def files(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted(self._walk(self._root, "", self._on_the_way())))

    def _on_the_way(self) -> set[Path]:
        """Returns this folder and those above; it may be a link, so in both places."""
        real = self._root.resolve()
        return {real, *real.parents, *self._above}

    def _walk(self, folder: Path, prefix: str, seen: set[Path]) -> Iterator[str]:
        for entry in _entries(folder):
            if not _is_folder(entry):
                yield prefix + entry.name
            # A link that leads back to a folder above is not followed.
            elif (real := Path(entry.path).resolve()) not in seen:
                yield from self._walk(Path(entry.path), f"{prefix}{entry.name}/", seen | {real})

    def below(self, folder: str) -> "FolderTree":
        """See base class."""
        return FolderTree(self._root / folder, self._on_the_way())

    def stamps(self) -> dict[str, str]:
        """See base class."""
        stamps = {}
        for path in self.files():
            try:
                found = (self._root / path).stat()
                stamps[path] = f"{found.st_size} bytes of {found.st_mtime_ns}"
            except OSError as error:  # such as a link to nothing; reading it names it
                stamps[path] = str(error.strerror)
        return stamps

    def read(self, path: str) -> bytes:
        """See base class."""
        try:
            # By text and without a buffer: for thousands of small files half of Path's time.
            with open(f"{self.where}/{path}", "rb", buffering=0, opener=_open_file) as file:
                return file.read()
        except OSError as error:
            raise _unreadable(f"{self.where}/{path}", error) from error


class ZipTree(ImageTree):
    """The files of a zip archive."""

    def __init__(self, archive: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(archive)
        except Exception as error:  # damage shows in many ways
            raise UserError(
                f"{archive} is not a readable zip ({error}): fetch it again, or unpack it and "
                "name the folder"
            ) from error
        self.where = str(archive)
        self._members = list_members(self._zip, self.where)

    def folders(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted({name.split("/")[0] for name in self._members if "/" in name}))

    def own_files(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted(name for name in self._members if "/" not in name))

    def files(self) -> tuple[str, ...]:
        """See base class."""
        return tuple(sorted(self._members))

    def below(self, folder: str) -> "ZipTree":
        """See base class."""
        tree = object.__new__(ZipTree)
        tree._zip = self._zip
        tree.where = f"{self.where}/{folder}"
        tree._members = {
            name.removeprefix(f"{folder}/"): member
            for name, member in self._members.items()
            if name.startswith(f"{folder}/")
        }
        return tree

    def stamps(self) -> dict[str, str]:
        """See base class."""
        return {
            name: f"{one.file_size} bytes, {one.CRC:08x}" for name, one in self._members.items()
        }

    def read(self, path: str) -> bytes:
        """See base class."""
        if path not in self._members:
            raise UserError(f"{self.where} holds no {printable(path)}: fetch the archive again")
        return read_member(self._zip, self._members[path], f"{self.where}/{path}")


def find(
    place: Path, layouts: Sequence[str], is_root: Callable[[ImageTree], bool]
) -> ImageTree | None:
    """Looks for a data set in a folder, in the zips lying in it, or in one zip.

    Args:
        place: a folder or a zip file. What lies there as folders comes before zips.
        layouts: where the set's root may stand within, tried in order: folder names with `*`,
            in any case; "" is the place itself.
        is_root: whether a folder is the root that is looked for.

    Returns:
        The tree of the root; None where there is none.

    Raises:
        UserError: `place` does not exist or is neither a folder nor a zip.
    """
    if not is_there(place):
        raise UserError(
            f"data_dir={place} does not exist: name the folder or the zip of the images"
        )
    if not place.is_dir():
        return _first_root(ZipTree(place), layouts, is_root)
    found = _first_root(FolderTree(place), layouts, is_root)
    if found:
        return found
    for archive in archives_in(place):
        with contextlib.suppress(UserError):  # a broken zip is named by `in_words.describe`
            if found := _first_root(ZipTree(archive), layouts, is_root):
                return found
    return None


def is_there(place: Path) -> bool:
    """Returns whether there is such a file or folder; a name that cannot be one is not there."""
    try:
        return place.exists()
    except (OSError, ValueError):  # too long, below a folder that is closed, a null byte
        return False


def archives_in(place: Path) -> list[Path]:
    """Returns the zips that lie directly in a folder, sorted."""
    return sorted(p for p in place.iterdir() if p.suffix.lower() == ".zip" and p.is_file())


def _first_root(
    tree: ImageTree, layouts: Sequence[str], is_root: Callable[[ImageTree], bool]
) -> ImageTree | None:
    candidates = (found for layout in layouts for found in _matching(tree, layout))
    return next((found for found in candidates if is_root(found)), None)


def _matching(tree: ImageTree, layout: str) -> Iterator[ImageTree]:
    head, _, rest = layout.partition("/")
    if not head:
        yield tree
        return
    for folder in tree.folders():
        if fnmatch.fnmatchcase(folder.lower(), head.lower()):
            yield from _matching(tree.below(folder), rest)


def _unreadable(what: str, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(
        f"{printable(what)} cannot be read ({reason}): check its permissions or fetch a fresh copy"
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if not is_junk(entry.name)]
    except OSError as error:
        raise _unreadable(str(folder), error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself; reading it names it
        return False


def _open_file(path: str, flags: int) -> int:
    """Opens a file to be read at once; a pipe would block, a device might never end."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    if found.st_size > MOST_BYTES:
        os.close(descriptor)
        raise OSError(errno.EFBIG, f"its size is {found.st_size:,} bytes, over {MOST_BYTES:,}")
    return descriptor
