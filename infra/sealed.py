"""From here on: no sockets, no other programs or processes, no look into others' memory.

A filter of Linux's (seccomp(2)) that can't be taken off; elsewhere nothing happens. It is for a
process that reads what strangers wrote, and has all that it needs open or within files.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Sequence

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
NUMBER_AT, MACHINE_AT = 0, 4  # of struct seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
X32 = 0x40000000  # x86-64 has all calls a second time from here on

# socket, socketpair, clone, fork, vfork, execve, kill, ptrace, process_vm_readv, process_vm_writev,
# execveat, io_uring_setup, clone3, in the order of each machine's numbers (asm/unistd.h)
MACHINES = {
    "x86_64": (0xC000003E, (41, 53, 56, 57, 58, 59, 62, 101, 310, 311, 322, 425, 435)),
    "aarch64": (0xC00000B7, (117, 129, 198, 199, 220, 221, 270, 271, 281, 425, 435)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def seal() -> bool:
    """Whether it could be done: not by another system, or on a machine that isn't listed."""
    known = MACHINES.get(os.uname().machine)
    if known is None or sys.platform != "linux":
        return False
    steps = _filter(*known)
    program = _Program(len(steps), b"".join(steps))
    prctl = ctypes.CDLL(None).prctl
    return (
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0) == 0
    )


def _filter(machine: int, refused: Sequence[int]) -> list[bytes]:
    """The calls of another machine's numbering are refused, all of them."""
    last = len(refused) + 5  # the step that refuses; the one before it allows
    return [
        _step(LOAD, MACHINE_AT),
        _step(EQUAL, machine, unequal=last - 2),
        _step(LOAD, NUMBER_AT),
        _step(AT_LEAST, X32, equal=last - 4),
        *(_step(EQUAL, call, equal=last - 5 - at) for at, call in enumerate(refused)),
        _step(RETURN, ALLOW),
        _step(RETURN, REFUSE),
    ]


def _step(code: int, value: int, *, equal: int = 0, unequal: int = 0) -> bytes:
    """`equal`, `unequal`: how many steps to skip then."""
    return struct.pack("=HBBI", code, equal, unequal, value)
