"""Runs a command on a kernel without locks of open file descriptions: forbid-ofd-locks.py COMMAND..."""
import ctypes
import os
import platform
import struct
import sys

FCNTL = {"x86_64": 72, "aarch64": 25}[platform.machine()]
F_OFD_GETLK, F_OFD_SETLKW, EINVAL = 36, 38, 22
NUMBER, SECOND_ARGUMENT = 0, 24  # where seccomp_data has them
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_ABOVE, JUMP_IF_NOT_BELOW, RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


instructions = [
    (LOAD_WORD, 0, 0, NUMBER),
    (JUMP_IF_EQUAL, 0, 4, FCNTL),
    (LOAD_WORD, 0, 0, SECOND_ARGUMENT),
    (JUMP_IF_NOT_BELOW, 0, 2, F_OFD_GETLK),
    (JUMP_IF_ABOVE, 1, 0, F_OFD_SETLKW),
    (RETURN, 0, 0, FAIL_WITH | EINVAL),
    (RETURN, 0, 0, ALLOW),
]
code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
program = Program(len(instructions), code)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
    sys.exit("prctl: no_new_privs")
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
    sys.exit("prctl: seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
