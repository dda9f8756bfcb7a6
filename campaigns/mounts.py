"""Small private disks: file systems that only this process sees, and that end with it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

_NEW_MOUNTS: Final = 0x00020000
_NEW_USER: Final = 0x10000000
_READ_ONLY: Final = 1
_REMOUNT: Final = 32
_DETACH: Final = 2
_RECURSIVE_PRIVATE: Final = 0x4000 | 0x40000


class CannotMountError(Exception):
    """This user may not mount here."""


def unshare_mounts() -> None:
    """Give this process private mounts; call it in a short-lived fork.

    Raises:
        CannotMountError: it is not allowed, or this is not Linux.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        user, group = os.geteuid(), os.getegid()
        _checked(libc.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)))
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _checked(libc.mount(b"none", b"/", None, _RECURSIVE_PRIVATE, None))
    except (OSError, AttributeError) as refused:
        raise CannotMountError(f"no mounts of its own: {refused}") from None


def mount(folder: Path, size: int, *, read_only: bool = False, again: bool = False) -> None:
    """Mount a disk of so many bytes over an empty folder; `again` changes what is mounted.

    Raises:
        CannotMountError: it is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    flags = (_READ_ONLY if read_only else 0) | (_REMOUNT if again else 0)
    options = f"size={size}".encode()
    try:
        _checked(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options))
    except OSError as refused:
        raise CannotMountError(f"it may not mount: {refused}") from None


def unmount(folder: Path) -> None:
    """Unmount a disk, even if a file of it is still open."""
    ctypes.CDLL(None).umount2(os.fsencode(folder), _DETACH)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
