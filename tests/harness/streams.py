"""Bodies that are too large for the memory: made while they are sent, hashed while they are read."""

import hashlib

from .media import MIB, random_bytes


def send(file, size):
    """Writes `size` bytes, no MiB like another, closes the file and gives their hash."""
    noise, digest = random_bytes(MIB), hashlib.blake2b()
    for start in range(0, size, MIB):
        block = start.to_bytes(8) + noise[8 : min(MIB, size - start)]
        digest.update(block)
        file.write(block)
    file.close()
    return digest.hexdigest()


def receive(file):
    """Reads to the end, and gives the size and the hash of what there was."""
    digest, size = hashlib.blake2b(), 0
    while block := file.read(MIB):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()
