"""A write buffer: small writes to a file are gathered in memory, block by block, and a block is written out as a whole.

HDF5 writes arrays of a few KB as they come, and what describes them long after: several places in the file move forward, each
on its own. So the buffer holds a few blocks; a new one takes the place of the oldest.
"""

from collections.abc import Callable

_BITS = 16
BLOCK = 1 << _BITS  # bytes
_BLOCKS = 4
_ZEROS = bytes(BLOCK)

ReadAt = Callable[[memoryview, int], object]
WriteAt = Callable[[memoryview, int], object]


class WriteBuffer:
    """The blocks of a file that hold what is not yet written.

    Where `write` raises, part of the content may be written; the blocks hold what was written before, and `flush` writes it.

    Args:
        read_at: fills a buffer from a position of the file; with zeros beyond the end.
        write_at: writes at a position of the file.
        size: of the file, in bytes.

    Example::

        buffer = WriteBuffer(read_at, write_at, size=0)
        buffer.write(content, position)
        buffer.read(wanted, position)
        buffer.flush()
    """

    def __init__(self, read_at: ReadAt, write_at: WriteAt, size: int) -> None:
        self._read_at, self._write_at = read_at, write_at
        self._size = size  # what lies beyond was never written out
        self._blocks: dict[int, _Block] = {}  # by number, the oldest first
        self._missed = -1  # the block, not in memory, to which the last write around the blocks went

    def write(self, content: memoryview, position: int) -> None:
        """Writes, into memory or to the file. Raises what reading or writing the file raises."""
        begin = position & (BLOCK - 1)
        end = begin + len(content)
        block = self._blocks.get(position >> _BITS)
        if block is None or end > BLOCK:
            self._write_elsewhere(content, position)
            return
        block.content[begin:end] = content
        block.low = min(block.low, begin)
        block.high = max(block.high, end)

    def read(self, wanted: memoryview, position: int) -> None:
        """Reads what the file will hold from a position on; raises what reading the file raises."""
        self._read_at(wanted, position)
        for number in self._inside(position, len(wanted)):
            block, start = self._blocks[number], number << _BITS
            low, high = max(position - start, block.low), min(position + len(wanted) - start, block.high)
            if low < high:
                wanted[start + low - position : start + high - position] = block.content[low:high]

    def flush(self) -> None:
        """Writes to the file what is not yet written; raises what writing raises."""
        for number in self._blocks:
            self._clean(number)

    def truncate(self, size: int) -> None:
        """Flushes, and takes note of a new size, which the caller gives to the file."""
        self.flush()
        self._blocks.clear()
        self._size = size

    def _write_elsewhere(self, content: memoryview, position: int) -> None:
        """Writes over an end of a block, or where there is no block yet."""
        before_end = BLOCK - (position & (BLOCK - 1))
        if len(content) > BLOCK:
            for number in self._inside(position, len(content)):
                self._clean(number)
                del self._blocks[number]
            self._write_out(content, position)
        elif len(content) > before_end:
            self.write(content[:before_end], position)
            self.write(content[before_end:], position + before_end)
        elif self._make_block(position >> _BITS):
            self.write(content, position)
        else:
            self._write_out(content, position)

    def _make_block(self, number: int) -> bool:
        """Puts a block into memory. One that the file has is read for the second write in a row: lone writes are cheaper."""
        exists = number << _BITS < self._size
        if exists and number != self._missed:
            self._missed = number
            return False
        if len(self._blocks) < _BLOCKS:
            block = _Block()
        else:
            oldest = next(iter(self._blocks))
            self._clean(oldest)
            block = self._blocks.pop(oldest)
        if exists:
            self._read_at(block.content, number << _BITS)
        else:
            block.content[:] = _ZEROS
        self._blocks[number] = block
        return True

    def _inside(self, position: int, size: int) -> list[int]:
        """The numbers of the blocks in memory that have some of so many bytes from a position on."""
        first, last = position >> _BITS, (position + size - 1) >> _BITS
        if first == last:
            return [first] if first in self._blocks else []
        return [number for number in self._blocks if first <= number <= last]

    def _clean(self, number: int) -> None:
        block = self._blocks[number]
        if block.low < block.high:
            self._write_out(block.content[block.low : block.high], (number << _BITS) + block.low)
            block.low, block.high = BLOCK, 0

    def _write_out(self, content: memoryview, position: int) -> None:
        self._write_at(content, position)
        self._size = max(self._size, position + len(content))


class _Block:
    """A block of a file, of which the bytes from `low` to `high` are not yet written."""

    __slots__ = ("content", "high", "low")

    def __init__(self) -> None:
        self.content = memoryview(bytearray(BLOCK))
        self.low, self.high = BLOCK, 0
