"""Which members of a zip are files to be read, and which archives are refused.

members = list_members(archive, "set.zip")       # {"TRAIN/EOSINOPHIL/_0_12.jpeg": ZipInfo, ...}
content = read_member(archive, members["..."], "set.zip/TRAIN/...")

Archives are read in place and never unpacked. An archive with a name that would lead out of the
folder it were unpacked to is refused all the same: whoever made it meant harm, or was careless.
"""

import contextlib
import re
import stat
import zipfile
from pathlib import PurePosixPath

from wbc_jax.errors import UserError
from wbc_jax.printable import printable

MOST_BYTES = 1 << 29  # of one file; 50 million pixels of 16 bits in three channels fit in
# Deflate reaches 1032; drawings of few colours 100 and more, but they are small.
MOST_RATIO = 100
RATIO_FREE_BYTES = 1 << 24  # up to which a member may be compressed however well

_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED, _IS_UTF8 = 0x1, 0x800  # of a member's flags; the latter is of its name


def is_junk(name: str) -> bool:
    """Returns whether a file or folder is hidden or left behind by an operating system."""
    return name.startswith(".") or name.lower() in _JUNK


def list_members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Returns the files in an archive by their `/`-separated names, without junk.

    Args:
        archive: just opened.
        where: its path, for a message.

    Raises:
        UserError: a member would leave the archive, is a link, has a password or occurs twice.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = _name_of(member).replace("\\", "/")  # some Windows programs write it so
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/") or _DRIVE.match(name):
            raise _refused(where, member, "its name leads out of the archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused(where, member, "it is a link")
        # A folder ends with a slash; `is_dir` fails where the name is empty.
        if name.endswith("/") or not parts or any(map(is_junk, parts)):
            continue
        if member.flag_bits & _ENCRYPTED:
            raise _refused(where, member, "it is encrypted: unpack it with its password")
        if (path := "/".join(parts)) in members:
            raise _refused(where, member, "it is in it twice")
        members[path] = member
    return members


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """Returns a member's bytes.

    Args:
        archive: it belongs to.
        member: which.
        where: its path, for a message.

    Raises:
        UserError: it is damaged, larger than `MOST_BYTES` or a bomb, or compressed in a way that
            is not known.
    """
    size, packed = member.file_size, max(1, member.compress_size)
    if size > MOST_BYTES:
        raise _too_large(where, f"{size:,} bytes are more than the {MOST_BYTES:,} allowed")
    if size > RATIO_FREE_BYTES and size > MOST_RATIO * packed:
        raise _too_large(
            where, f"{packed:,} bytes unpack to {size:,}, over {MOST_RATIO} times as many"
        )
    try:
        return archive.read(member)  # at most the size above, whatever the data would unpack to
    except NotImplementedError as error:  # an unusual compression
        raise UserError(
            f"{printable(where)} cannot be read ({printable(str(error))}): unpack the archive and "
            "name the folder"
        ) from error
    except Exception as error:  # damage shows in many ways
        reason = printable(str(getattr(error, "strerror", None) or error or type(error).__name__))
        raise UserError(
            f"{printable(where)} cannot be read ({reason}): check its permissions or fetch a fresh "
            "copy"
        ) from error


def _name_of(member: zipfile.ZipInfo) -> str:
    """Returns a member's name, also where it is UTF-8 and does not say so, as of some macOS."""
    if not member.flag_bits & _IS_UTF8:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _refused(where: str, member: zipfile.ZipInfo, reason: str) -> UserError:
    return UserError(
        f"{printable(where)} is refused for its member {printable(_name_of(member))!r}: {reason}. "
        "Nothing was read or written; get the archive from whom you trust, or unpack it yourself "
        "and name the folder"
    )


def _too_large(where: str, reason: str) -> UserError:
    return UserError(f"{printable(where)} is refused: {reason}. Leave it out of the archive")
