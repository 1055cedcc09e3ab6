"""Best fit: where a buffer of ggml has room for a tensor, and how large it grows (ggml-alloc.c: ggml_dyn_tallocr)."""

from __future__ import annotations

ENDLESS = 1 << 62


class Arena:
    """One buffer that grows. It has chunks, since a device may limit what is allocated at once."""

    def __init__(self, alignment: int, largest: int = ENDLESS) -> None:
        self.alignment = alignment
        self.largest = largest
        self.chunks: list[Chunk] = []

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.peak for chunk in self.chunks)

    def take(self, size: int) -> tuple[Chunk, int]:
        """A new block: the smallest gap that is large enough, else the end of a chunk, else a new chunk."""
        size = self.padded(size)
        for chunk in reversed(self.chunks):
            gap = chunk.best_gap(size)
            if gap is not None:
                return chunk, chunk.cut(gap, size)
        chunk = self._chunk_with_room(size)
        return chunk, chunk.cut(len(chunk.free) - 1, size)

    def _chunk_with_room(self, size: int) -> Chunk:
        """The one that grows least; of those that need not grow, the one that it fills best."""
        best, best_left = None, 0
        for chunk in self.chunks:
            if not chunk.free or chunk.free[-1][1] < size:
                continue
            left = chunk.peak - chunk.free[-1][0] - size
            if best is None or (best_left < 0 and left > best_left) or 0 <= left < best_left:
                best, best_left = chunk, left
        if best is None:
            best = Chunk(max(size, self.largest))
            self.chunks.append(best)
        return best

    def padded(self, size: int) -> int:
        """The size with what the alignment adds."""
        return -(-size // self.alignment) * self.alignment


class Chunk:
    """A part of a buffer: its free blocks [offset, size] by offset, the last one being what was never used."""

    def __init__(self, room: int) -> None:
        self.free = [[0, room]]
        self.peak = 0

    def best_gap(self, size: int) -> int | None:
        """Number of the smallest gap before the last free block that is large enough; the last of equals."""
        best, best_size = None, ENDLESS
        for number in range(len(self.free) - 1):
            if size <= self.free[number][1] <= best_size:
                best, best_size = number, self.free[number][1]
        return best

    def cut(self, number: int, size: int) -> int:
        """Take `size` bytes from the beginning of a free block; returns their offset."""
        block = self.free[number]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if not block[1]:
            del self.free[number]
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Free a block, merged with the free blocks beside it.

        The first that touches it counts, as in ggml, where an empty tensor may leave an empty block in between.
        """
        free = self.free
        for number, block in enumerate(free):
            if block[0] + block[1] == offset:
                block[1] += size
                self._merge(number)
                return
            if offset + size == block[0]:
                block[0] = offset
                block[1] += size
                if number:
                    self._merge(number - 1)
                return
        at = next((number for number, block in enumerate(free) if block[0] >= offset), len(free))
        free.insert(at, [offset, size])

    def _merge(self, number: int) -> None:
        """Join a block and the next one if they touch."""
        free = self.free
        if number + 1 < len(free) and free[number][0] + free[number][1] == free[number + 1][0]:
            free[number][1] += free.pop(number + 1)[1]
