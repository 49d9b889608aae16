"""Keeps the first and the last part of a stream, however long it is."""

NOTE = "\n[… {dropped} bytes left out …]\n"


class Capture:
    """A stream of at most `limit` kept bytes."""

    def __init__(self, limit: int) -> None:
        """Keep `limit` bytes: half from the start, half from the end."""
        self.seen = 0
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Take in the next piece."""
        self.seen += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def content(self) -> bytes:
        """Return what was kept, with a note where something is missing."""
        tail = self._tail[-self._half :]
        dropped = self.seen - len(self._head) - len(tail)
        note = NOTE.format(dropped=dropped).encode() if dropped else b""
        return bytes(self._head + note + tail)
