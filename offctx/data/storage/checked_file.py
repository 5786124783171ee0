"""A file for HDF5 in which no write ever fails: what cannot be written is kept in memory, and the error for the caller.

HDF5 keeps changes in memory until the file is closed. Where the disk is full, closing fails, and the library ends the whole
process by a signal. With this file, HDF5 always closes in good order; then the caller asks for the error, and deletes the file.
"""

import os
from pathlib import Path

from h5py import h5f, h5fd, h5p


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

    def close(self) -> None:
        """Closes the file; to be called after the HDF5 file in it is closed. A second call does nothing."""
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def check(self) -> None:
        """Raises what writing raised."""
        if self.error is not None:
            raise self.error

    def sync(self) -> None:
        """Makes sure that the content is on the disk.

        Raises:
            OSError: it could not be written.
        """
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
        """Reads from the position, with what could not be written."""
        wanted, begin = memoryview(buffer).cast("B"), self._position
        count = 0
        while count < len(wanted) and (read := os.preadv(self._file, [wanted[count:]], begin + count)):
            count += read
        if self._kept:
            wanted[count:] = bytes(len(wanted) - count)
        for offset, content in self._kept:
            low, high = max(begin, offset), min(begin + len(wanted), offset + len(content))
            if low < high:
                wanted[low - begin : high - begin] = content[low - offset : high - offset]
                count = max(count, high - begin)
        self._position += count
        return count

    def write(self, content: memoryview) -> int:
        """Writes at the position; after the first failure, into memory. HDF5 calls it some twenty times for each episode."""
        size, position = len(content), self._position
        end = self._position = position + size
        self._size = max(self._size, end)
        if self.error is None:
            try:
                written = os.pwrite(self._file, content, position)
                while written < size:
                    written += os.pwrite(self._file, content[written:], position + written)
                return size
            except BaseException as error:  # an interrupt as well: HDF5 must see no failure
                self.error = error
        self._kept.append((position, bytes(content)))
        return size

    def truncate(self, size: int) -> int:
        """Sets the size of the file."""
        try:
            if self.error is None:
                os.ftruncate(self._file, size)
        except BaseException as error:
            self.error = error
        self._size = size
        return size

    def flush(self) -> None:
        """Nothing is held back."""
