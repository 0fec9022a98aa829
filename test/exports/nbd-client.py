"""A client of libnbd's Python binding: several connections with requests in flight, checked against a
model that it writes to a file in the end.

nbd-client.py URI OFFSET LENGTH SEED ROUNDS FILE
"""

import random
import sys

import nbd

SLOT = 64 * 1024
DEPTH = 12

uri, offset, length, seed, rounds, filename = (
    int(word) if word.isdigit() else word for word in sys.argv[1:]
)
rng = random.Random(seed)
model = bytearray(length)


def connect():
    handle = nbd.NBD()
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    handle.connect_uri(uri)
    return handle


def place(slot):
    """Somewhere in a slot, of 64 KiB: offset and length in bytes."""
    start = slot * SLOT + 512 * rng.randrange(SLOT // 1024)
    size = 512 * (1 + rng.randrange(SLOT // 1024))
    return start, size


def start(handle, slot):
    at, size = place(slot)
    kind = rng.choice(["write", "write", "fua", "zero", "trim", "read", "cache"])
    if kind in ("write", "fua"):
        data = bytearray(rng.randbytes(size))
        flags = nbd.CMD_FLAG_FUA if kind == "fua" else 0
        buffer = nbd.Buffer.from_bytearray(data)
        cookie = handle.aio_pwrite(buffer, offset + at, flags=flags)
        model[at : at + size] = data
        return handle, cookie, buffer, None
    if kind == "zero":
        flags = rng.choice([0, nbd.CMD_FLAG_NO_HOLE])
        cookie = handle.aio_zero(size, offset + at, flags=flags)
        model[at : at + size] = bytes(size)
        return handle, cookie, None, None
    if kind == "trim":
        # Whole blocks of a file that has holes: they read as zeroes.
        at, size = slot * SLOT, SLOT
        cookie = handle.aio_trim(size, offset + at)
        model[at : at + size] = bytes(size)
        return handle, cookie, None, None
    if kind == "cache":
        return handle, handle.aio_cache(size, offset + at), None, None
    buffer = nbd.Buffer(size)
    cookie = handle.aio_pread(buffer, offset + at)
    return handle, cookie, buffer, bytes(model[at : at + size])


def finish(pending):
    """Every request completes exactly once; one that failed raises here."""
    done = 0
    while pending:
        left = []
        for request in pending:
            handle, cookie, buffer, expected = request
            if not handle.aio_command_completed(cookie):
                left.append(request)
                continue
            done += 1
            if expected is not None and bytes(buffer.to_bytearray()) != expected:
                sys.exit("a read gave other bytes than were written")
        if left:
            left[0][0].poll(-1)
        pending = left
    return done


def check_status(handle):
    """The extents cover the range, as far as they go, in order."""
    at = offset
    while at < offset + length:
        seen = []
        handle.block_status(
            offset + length - at, at, lambda context, where, entries, error: seen.extend(entries)
        )
        extents = seen[0::2]
        if not extents or 0 in extents:
            sys.exit("block status without extents")
        at += sum(extents)


handles = [connect() for _ in range(3)]
slots = length // SLOT
completed = 0
for number in range(rounds):
    chosen = rng.sample(range(slots), min(DEPTH, slots))
    pending = [start(handles[index % len(handles)], slot) for index, slot in enumerate(chosen)]
    completed += finish(pending)
    if number % 8 == 0:
        handles[number % len(handles)].flush()
handles[0].flush()
check_status(handles[0])
for start_at in range(0, length, 1 << 20):
    size = min(1 << 20, length - start_at)
    if handles[1].pread(size, offset + start_at) != bytes(model[start_at : start_at + size]):
        sys.exit("the disk has other bytes than were written")
for handle in handles:
    handle.shutdown()
with open(filename, "wb") as out:
    out.write(model)
print(completed)
