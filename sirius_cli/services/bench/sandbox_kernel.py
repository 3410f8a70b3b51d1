"""How a process gives up its own rights on Linux, for good; the kernel may lack or forbid any of it.

Interfaces: ``landlock(7)``, ``seccomp(2)``, ``user_namespaces(7)``, ``capset(2)``. A function that the kernel refuses
raises OSError, and nothing has changed.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable, Sequence

from sirius_cli.services.bench import sandbox_filter

_LIBC = ctypes.CDLL(None, use_errno=True)
_PARENT_DEATH_SIGNAL, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 22, 38  # of prctl
_BY_FILTER = 2
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_CAPABILITIES_BY_64_BITS = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_TELL_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE
_ANY_TCP, _SIGNALS_AND_ABSTRACT_SOCKETS = 0b11, 0b11


Path = ctypes.Array[ctypes.c_char]


class _Filter(ctypes.Structure):
    _fields_ = (("steps", ctypes.c_ushort), ("code", ctypes.c_char_p))


def isolate() -> None:
    """Enter namespaces that have no network and none of the others' shared memory."""
    _call("unshare", _NEW_USER | _NEW_NETWORK | _NEW_IPC)


def renounce() -> None:
    """Drop all capabilities; what is executed later gets none back, either as root or by set-user-ID."""
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("capset", struct.pack("<Ii", _CAPABILITIES_BY_64_BITS, 0), bytes(24))


def die_with_parent(signal: int) -> None:
    """Have ``signal`` sent when the thread ends that started this process. Changes of rights would undo it."""
    _call("prctl", _PARENT_DEATH_SIGNAL, signal, 0, 0, 0)


def fence(folder: str, readable: Iterable[str], executable: Iterable[str]) -> None:
    """Write only below ``folder``, read only what is named; needs ``renounce``.

    What cannot be opened now is passed over.
    """
    version = _call("syscall", _CREATE_RULESET, None, 0, _TELL_VERSION)
    rights = _rights(version)
    attributes = struct.pack("<QQQ", rights, _ANY_TCP, _SIGNALS_AND_ABSTRACT_SOCKETS)
    ruleset = _call("syscall", _CREATE_RULESET, attributes, _attribute_bytes(version), 0)
    _allow(ruleset, folder, rights & ~_EXECUTE)
    _allow(ruleset, os.devnull, rights & (_READ | _WRITE | _TRUNCATE))
    for path in readable:
        _allow(ruleset, path, _READ | _LIST)
    for path in executable:
        _allow(ruleset, path, _READ | _EXECUTE)
    _call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def pinned(path: str) -> Path:
    """``path`` at an address that stays, for :func:`forbid_calls` and :func:`become`."""
    return ctypes.create_string_buffer(os.fsencode(path))


def forbid_calls(path: Path) -> None:
    """Refuse what :mod:`.sandbox_filter` lists. Needs ``renounce``; only ``path`` can still be executed."""
    machine = os.uname().machine
    if not sandbox_filter.supported(machine):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), machine)
    code = sandbox_filter.build(machine, os.getpid(), ctypes.addressof(path))
    steps = _Filter(len(code) // sandbox_filter.STEP_BYTES, code)
    _call("prctl", _SECCOMP, _BY_FILTER, ctypes.byref(steps), 0, 0)


def become(path: Path, arguments: Sequence[str]) -> None:
    """Execute ``path`` in this process. Not ``os.execv``, which copies the path to another address."""
    vector = (ctypes.c_char_p * (len(arguments) + 1))(*map(os.fsencode, arguments))
    _call("execv", path, vector)


def _rights(version: int) -> int:
    """All rights over files that Landlock's ``version`` can take away."""
    count = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    return (1 << count) - 1


def _attribute_bytes(version: int) -> int:
    return 8 if version < 4 else 16 if version < 6 else 24


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        rule = struct.pack("<Qi", rights if folder else rights & _OF_FILES, place)
        _call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def _call(name: str, *arguments: object) -> int:
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = getattr(_LIBC, name)(*wide)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return result
