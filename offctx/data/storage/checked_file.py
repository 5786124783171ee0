"""A file for HDF5 in which no write ever fails: what cannot be written is kept in memory, and the error for the caller.

HDF5 keeps changes in memory until the file is closed. Where the disk is full, closing fails, and the library ends the whole
process by a signal. With this file, HDF5 always closes in good order; then the caller asks for the error, and deletes the file.

Writes are gathered in memory (`write_buffer`), so an error may come to light some writes late, at the latest in `sync`.
"""

import os
from pathlib import Path

from h5py import h5f, h5fd, h5p

from offctx.data.storage.write_buffer import WriteBuffer


class CheckedFile:
    """A file with the methods that h5py's file-object driver calls, over a file on the disk.

    Attributes:
        error: the first exception that was raised while writing, such as OSError where the disk is full; else None.

    Example::

        raw = CheckedFile(path, create=True)
        file = raw.create_hdf5()
        ...
        file.close()
        raw.sync()  # raises OSError where the disk is full
        raw.close()
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        """Opens a file; `create` makes a new one.

        Raises:
            OSError: it cannot be opened; or `create` and there is one.
        """
        self.error: BaseException | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0), 0o666)
        self._closed = False
        self._position = 0
        self._size = os.fstat(self._file).st_size
        self._kept: list[tuple[int, bytes]] = []  # what could not be written: offset and content, in order
        self._buffer = WriteBuffer(self._read_at, self._write_at, self._size)

    def close(self) -> None:
        """Closes the file; to be called after the HDF5 file in it is closed. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._buffer.flush()
            os.close(self._file)

    def check(self) -> None:
        """Raises what writing to the disk has raised; what the buffer still holds is not written yet."""
        if self.error is not None:
            raise self.error

    def sync(self) -> None:
        """Makes sure that the content is on the disk.

        Raises:
            OSError: it could not be written.
        """
        self._buffer.flush()
        self.check()
        os.fsync(self._file)

    def create_hdf5(self) -> h5f.FileID:
        """Makes an empty HDF5 file of the format 1.10, without times, so that the same content gives the same bytes."""
        properties = h5p.create(h5p.FILE_CREATE)
        properties.set_obj_track_times(False)
        access = self._access()
        access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
        return h5f.create(repr(self).encode(), h5f.ACC_TRUNC, fcpl=properties, fapl=access)

    def open_hdf5(self) -> h5f.FileID:
        """Opens the HDF5 file to change it."""
        return h5f.open(repr(self).encode(), h5f.ACC_RDWR, fapl=self._access())

    def _access(self) -> h5p.PropFAID:
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fclose_degree(h5f.CLOSE_STRONG)
        access.set_fileobj_driver(h5fd.fileobj_driver, self)
        return access

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position, as files do."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._size
        self._position = offset
        return offset

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        """Reads from the position what was written, be it on the disk or in memory."""
        wanted = memoryview(buffer).cast("B")
        wanted = wanted[: max(0, self._size - self._position)]
        self._buffer.read(wanted, self._position)
        self._position += len(wanted)
        return len(wanted)

    def write(self, content: memoryview) -> int:
        """Writes at the position. HDF5 calls it some twenty times for each episode."""
        position, size = self._position, len(content)
        if self.error is None:
            try:
                self._buffer.write(content, position)
            except BaseException as error:  # an interrupt as well: HDF5 must see no failure
                self.error = self.error or error
        if self.error is not None:
            self._buffer.flush()
            self._write_at(content, position)
        end = self._position = position + size
        self._size = max(self._size, end)
        return size

    def truncate(self, size: int) -> int:
        """Sets the size of the file."""
        self._buffer.truncate(size)
        try:
            if self.error is None:
                os.ftruncate(self._file, size)
        except BaseException as error:
            self.error = error
        if self.error is not None and size < self._size:
            self._kept.append((size, bytes(self._size - size)))  # the disk still has what was cut off
        self._size = size
        return size

    def flush(self) -> None:
        """Writes out what is in memory; an error is kept for the caller."""
        self._buffer.flush()

    def _read_at(self, wanted: memoryview, position: int) -> None:
        """Reads from the disk, with what could not be written; zeros beyond the end."""
        count = 0
        while count < len(wanted) and (read := os.preadv(self._file, [wanted[count:]], position + count)):
            count += read
        wanted[count:] = bytes(len(wanted) - count)
        for offset, content in self._kept:
            low, high = max(position, offset), min(position + len(wanted), offset + len(content))
            if low < high:
                wanted[low - position : high - position] = content[low - offset : high - offset]

    def _write_at(self, content: memoryview, position: int) -> None:
        """Writes to the disk, or after the first failure into memory. It raises nothing."""
        if self.error is None:
            try:
                written = os.pwrite(self._file, content, position)
                while written < len(content):
                    written += os.pwrite(self._file, content[written:], position + written)
                return
            except BaseException as error:
                self.error = error
        self._kept.append((position, bytes(content)))
