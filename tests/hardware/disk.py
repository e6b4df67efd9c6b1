"""The guest's disk, as an NBD server that keeps what was flushed and may lose what was not.

Usage: disk.py IMAGE SOCKET SEED

A killed QEMU alone loses nothing that the guest has handed to its disk: the host still has it. This
disk has a cache like a real one: written blocks stay in it until the guest flushes. When the guest
goes without a goodbye (QEMU was killed: the power cut), each block in the cache is kept or lost by
the toss of a coin, as a card may have written them in any order. The image itself is never changed;
what the guest wrote is in memory and lasts as long as this process, over many boots.
"""

import mmap
import os
import random
import socket
import struct
import sys

BLOCK = 4096

# The numbers of the NBD protocol (nbd/doc/proto.md).
OPTION = 0x49484156454F5054
OPTION_REPLY = 0x3E889045565A9
REQUEST, REPLY = 0x25609513, 0x67446698
ABORT, GO = 2, 7
ACK, INFO, UNSUPPORTED = 1, 3, 0x80000001
HAS_FLAGS, HAS_FLUSH, HAS_FUA = 1, 4, 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1


class Disk:
    def __init__(self, image, seed):
        with open(image, "rb") as file:
            self.image = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.kept = {}
        self.cache = {}
        self.dice = random.Random(seed)

    def block(self, number):
        for where in (self.cache, self.kept):
            if number in where:
                return where[number]
        return self.image[number * BLOCK:(number + 1) * BLOCK]

    def read(self, offset, length):
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        data = b"".join(self.block(number) for number in range(first, last + 1))
        return data[offset - first * BLOCK:][:length]

    def write(self, offset, data):
        done = 0
        while done < len(data):
            number, start = divmod(offset + done, BLOCK)
            piece = data[done:done + BLOCK - start]
            done += len(piece)
            if len(piece) < BLOCK:
                old = self.block(number)
                piece = old[:start] + piece + old[start + len(piece):]
            self.cache[number] = piece

    def flush(self):
        self.kept.update(self.cache)
        self.cache.clear()

    def power_cut(self):
        lost = [number for number in self.cache if self.dice.random() < 0.5]
        print(f"cut: {len(lost)} of {len(self.cache)} unflushed blocks lost", flush=True)
        for number in lost:
            del self.cache[number]
        self.flush()


class Gone(Exception):
    """The guest went without a goodbye."""


def receive(guest, length):
    data = bytearray()
    while len(data) < length:
        piece = guest.recv(length - len(data))
        if not piece:
            raise Gone
        data += piece
    return bytes(data)


def greet(guest, size):
    guest.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION, 1))
    receive(guest, 4)
    while True:
        _, option, length = struct.unpack(">QII", receive(guest, 16))
        receive(guest, length)

        def answer(kind, data=b""):
            guest.sendall(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data)) + data)

        if option == GO:
            answer(INFO, struct.pack(">HQH", 0, size, HAS_FLAGS | HAS_FLUSH | HAS_FUA))
            return answer(ACK)
        answer(ACK if option == ABORT else UNSUPPORTED)


def serve(guest, disk):
    greet(guest, len(disk.image))
    while True:
        _, flags, what, handle, offset, length = struct.unpack(">IHHQQI", receive(guest, 28))
        data = b""
        if what == READ:
            data = disk.read(offset, length)
        elif what == WRITE:
            disk.write(offset, receive(guest, length))
            if flags & FUA:
                disk.flush()
        elif what == FLUSH:
            disk.flush()
        elif what == DISCONNECT:
            return disk.flush()
        guest.sendall(struct.pack(">IIQ", REPLY, 0, handle) + data)


def main():
    image, path, seed = sys.argv[1:]
    disk = Disk(image, seed)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    while True:
        guest, _ = listener.accept()
        with guest:
            try:
                serve(guest, disk)
            except (Gone, ConnectionError):
                disk.power_cut()


main()
