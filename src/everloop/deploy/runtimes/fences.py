"""Fences that a process builds round itself on Linux, without privileges and for good.

``network`` : a seccomp filter that refuses new sockets, io_uring, and looking into other
processes. ``files`` : Landlock; only the interpreter, the system's libraries and the model can be
read, only a scratch folder written. A kernel that has one of them not leaves it out, and says so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES, _SECCOMP = 38, 22
# architecture: its audit number, and the numbers of socket, ptrace, process_vm_readv and _writev
_CALLS = {
    "x86_64": (0xC000003E, (41, 101, 310, 311)),
    "aarch64": (0xC00000B7, (198, 117, 270, 271)),
}
_IO_URING = 425
_READ, _ALL = 0b1101, (1 << 13) - 1


def build(model: str, scratch: str) -> list[str]:
    """Build what can be built; returns the names of the fences that stand."""
    if _LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return []
    stand = []
    if _files(model, scratch):
        stand.append("files")
    if _network():
        stand.append("network")
    return stand


def _network() -> bool:
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    audit, calls = known
    refused = (*calls, _IO_URING)
    load, jump, jump_from, leave = 0x20, 0x15, 0x35, 0x06
    code = [(load, 0, 0, 4), (jump, 1, 0, audit), (leave, 0, 0, 0x80000000), (load, 0, 0, 0)]
    # Numbers from 2**30 are those of x32, a second door to the same calls.
    code.append((jump_from, len(refused) + 1, 0, 0x40000000))
    for place, call in enumerate(refused):
        code.append((jump, len(refused) - place, 0, call))
    code += [(leave, 0, 0, 0x7FFF0000), (leave, 0, 0, 0x00050000 | 13)]  # allow; EACCES
    program = b"".join(struct.pack("HBBI", *line) for line in code)
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(code), ctypes.addressof(held))
    told = ctypes.create_string_buffer(head, len(head))
    return int(_LIBC.prctl(_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(told)), 0, 0)) == 0


def _files(model: str, scratch: str) -> bool:
    handled = struct.pack("Q", _ALL)
    rules = _LIBC.syscall(444, handled, ctypes.c_size_t(len(handled)), 0)
    if rules < 0:
        return False
    system = ("/usr", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/opt")
    seen = {*system, sys.prefix, sys.base_prefix, *sys.path, model}
    places = [(path, _READ) for path in sorted(seen) if path and Path(path).is_dir()]
    try:
        for path, access in [*places, (scratch, _ALL)]:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", access, place)
            refused = _LIBC.syscall(445, rules, 1, rule, 0)
            os.close(place)
            if refused:
                return False
        return int(_LIBC.syscall(446, rules, 0)) == 0
    finally:
        os.close(rules)
