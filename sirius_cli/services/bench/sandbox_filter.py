"""The system calls that a program may not make, as a filter that the kernel runs (seccomp, classic BPF).

Numbers: Linux's ``unistd_64.h`` for x86_64, ``asm-generic/unistd.h`` for aarch64. Unlike a list of what is allowed,
this one outlives new versions of Python and libc.
"""

import errno
import struct

STEP_BYTES = 8

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets into struct seccomp_data
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # x86_64's calls by other numbers

# name, number on x86_64, number on aarch64 ("-": not there)
_REFUSED = """
fork 57 -, vfork 58 -, execveat 322 281, setsid 112 157, setpgid 109 154,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, kcmp 312 272,
pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, tkill 200 130, rt_sigqueueinfo 129 138,
rt_tgsigqueueinfo 297 240,
socket 41 198, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427,
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268, open_tree 428 428,
move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442,
chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54,
truncate 76 45, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, mknod 133 -, mknodat 259 33,
setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16,
setxattrat 463 463, removexattrat 466 466, file_setattr 469 469,
shmget 29 194, msgget 68 186, semget 64 190, mq_open 240 180, mq_unlink 241 181,
memfd_create 319 279, memfd_secret 447 447,
bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217, request_key 249 218,
init_module 175 105, finit_module 313 273, delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294,
reboot 169 142, swapon 167 224, swapoff 168 225, settimeofday 164 170, clock_settime 227 112, adjtimex 159 171,
clock_adjtime 305 266, sethostname 170 161, setdomainname 171 162, iopl 172 -, ioperm 173 -, modify_ldt 154 -,
acct 163 89, quotactl 179 60, quotactl_fd 443 443, syslog 103 116, name_to_handle_at 303 264,
open_by_handle_at 304 265, fanotify_init 300 262, personality 135 92, vhangup 153 58, setrlimit 160 164
"""

_CLONE, _EXECVE, _KILL_ONE, _KILL_THREAD, _PRLIMIT = (56, 220), (59, 221), (62, 129), (234, 131), (302, 261)
_CLONE3 = 435
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def supported(machine: str) -> bool:
    """Whether the numbers of ``machine``, as uname names it, are known."""
    return machine in _ARCHITECTURES


def build(machine: str, pid: int, path_address: int) -> bytes:
    """The filter for process ``pid``.

    Args:
        path_address: where the path of the one program lies that may be executed. That program has nothing of its
            own there, and so cannot execute another one.
    """
    column = list(_ARCHITECTURES).index(machine)
    return b"".join(
        (
            _start(_ARCHITECTURES[machine]),
            *(_answer(number, _REFUSE) for number in refused(machine)),
            _answer(_CLONE3, _UNKNOWN),  # its flags lie in memory, where a filter cannot look; libc falls back to clone
            _when(_CLONE[column], _argument(0) + _jump(_ANY_BIT, _CLONE_THREAD, 0, 1)),
            _when(_KILL_ONE[column], _is_word(0, pid)),
            _when(_KILL_THREAD[column], _is_word(0, pid)),
            _when(_EXECVE[column], _is_pointer(0, path_address)),
            _when(_PRLIMIT[column], _is_pointer(2, 0)),  # no new limit: it only asks
            _step(_RETURN, _ALLOW),
        )
    )


def refused(machine: str) -> list[int]:
    """The calls that are refused whatever their arguments."""
    column = list(_ARCHITECTURES).index(machine)
    numbers = [entry.split()[1 + column] for entry in _REFUSED.split(",")]
    return [int(number) for number in numbers if number != "-"]


def _start(architecture: int) -> bytes:
    right_one = _step(_LOAD, _ARCHITECTURE) + _jump(_EQUAL, architecture, 1, 0) + _step(_RETURN, _KILL)
    by_other_numbers = _jump(_AT_LEAST, _X32, 0, 1) + _step(_RETURN, _REFUSE)
    return right_one + _step(_LOAD, _NUMBER) + by_other_numbers


def _answer(number: int, answer: int) -> bytes:
    return _jump(_EQUAL, number, 0, 1) + _step(_RETURN, answer)


def _when(number: int, test: bytes) -> bytes:
    """``test`` goes on to the next step if it holds, and else past it."""
    body = test + _step(_RETURN, _ALLOW) + _step(_RETURN, _REFUSE)
    return _jump(_EQUAL, number, 0, len(body) // STEP_BYTES) + body


def _is_word(argument: int, value: int) -> bytes:
    return _argument(argument) + _jump(_EQUAL, value, 0, 1)


def _is_pointer(argument: int, value: int) -> bytes:
    low = _argument(argument) + _jump(_EQUAL, value & 0xFFFFFFFF, 0, 3)
    return low + _argument(argument, high=True) + _jump(_EQUAL, value >> 32, 0, 1)


def _argument(index: int, *, high: bool = False) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * index + 4 * high)


def _step(code: int, value: int) -> bytes:
    return _jump(code, value, 0, 0)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
