"""The write buffer against plain bytes: what is read and what is written out, also where reading or writing fails."""

import numpy as np
import pytest

from offctx.data.storage.write_buffer import BLOCK, WriteBuffer


class Disk:
    """A file in memory; writing fails where `fails` says so."""

    def __init__(self, content=b"", fails=lambda call: False):
        self.content = bytearray(content)
        self.fails, self.writes, self.reads = fails, 0, 0

    def read_at(self, wanted, position):
        self.reads += 1
        content = self.content[position : position + len(wanted)]
        wanted[:] = content + bytes(len(wanted) - len(content))

    def write_at(self, content, position):
        self.writes += 1
        if self.fails(self.writes):
            raise OSError("full")
        end = position + len(content)
        self.content.extend(bytes(max(0, end - len(self.content))))
        self.content[position:end] = content

    def buffer(self):
        return WriteBuffer(self.read_at, self.write_at, len(self.content))


def put(expected, content, position):
    """What writing does to plain bytes."""
    expected.extend(bytes(max(0, position + len(content) - len(expected))))
    expected[position : position + len(content)] = content


def read(buffer, size, position=0):
    """Some bytes of what the file will hold."""
    content = bytearray(size)
    buffer.read(memoryview(content), position)
    return content


def changes(rng, size):
    """Random writes: near four places that move forward, anywhere, and some longer than a block."""
    places = rng.integers(0, max(size, 1), 4)
    for _ in range(300):
        kind = rng.random()
        place = rng.integers(4)
        position = places[place] if kind < 0.9 else rng.integers(0, 12 * BLOCK)
        length = int(rng.integers(1, 6000) if kind < 0.98 else rng.integers(BLOCK - 2, 3 * BLOCK))
        places[place] = max(0, position + length + rng.integers(-3000, 9000))
        yield int(position), rng.bytes(length)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [0, 1, BLOCK, 5 * BLOCK + 77])
def test_random_writes_reads_flushes_and_truncations(seed, size):
    rng = np.random.default_rng([seed, size])
    disk = Disk(rng.bytes(size))
    buffer, expected = disk.buffer(), bytearray(disk.content)
    for step, (position, content) in enumerate(changes(rng, size)):
        buffer.write(memoryview(content), position)
        put(expected, content, position)
        begin, length = int(rng.integers(0, len(expected))), int(rng.integers(0, 2 * BLOCK))
        part = expected[begin : begin + length]
        assert read(buffer, len(part), begin) == part
        if step % 50 == 49:
            buffer.flush()
            assert disk.content == expected
        if step % 70 == 69:
            new = int(rng.integers(0, len(expected) + 1000))
            buffer.truncate(new)
            for plain in (disk.content, expected):
                plain.extend(bytes(max(0, new - len(plain))))
                del plain[new:]
    buffer.flush()
    assert disk.content == expected


@pytest.mark.parametrize("size", [0, 5 * BLOCK + 77])
def test_what_was_written_before_a_failure_is_not_lost(size):
    rng = np.random.default_rng(size)
    start, all_changes = rng.bytes(size), list(changes(rng, size))
    whole = Disk(start)
    buffer = whole.buffer()
    for position, content in all_changes:
        buffer.write(memoryview(content), position)
    for failing in range(1, whole.writes + 1, 5):
        disk = Disk(start, lambda call, failing=failing: call == failing)
        buffer, expected = disk.buffer(), bytearray(start)
        for position, content in all_changes:
            put(expected, content, position)
            try:
                buffer.write(memoryview(content), position)
            except OSError:
                buffer.flush()
                disk.write_at(content, position)
                break
        assert disk.writes > failing
        assert read(buffer, len(expected)) == expected
        assert disk.content == expected


def test_small_writes_that_move_forward_are_few_writes_to_the_disk():
    disk = Disk()
    buffer = disk.buffer()
    for k in range(2000):  # arrays as they come, and 40 KB behind them what describes them
        buffer.write(memoryview(bytes(900)), 1000 * k + 50_000)
        buffer.write(memoryview(bytes(100)), 1000 * k + 9_900)
    buffer.flush()
    assert disk.writes < 100
    assert disk.reads < 100


def test_lone_writes_read_no_block():
    disk = Disk(bytes(100 * BLOCK))
    buffer = disk.buffer()
    for k in range(100):
        buffer.write(memoryview(b"abc"), k * 37 % 100 * BLOCK)
    assert (disk.reads, disk.writes) == (0, 100)
