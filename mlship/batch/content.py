"""What a chunk held when it was scored, to go on where an input was only touched since."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from mlship.batch.outputs.contract import Done
from mlship.batch.plan import BatchPlan, unreadable


def content_of(columns: Sequence[str], data: bytes) -> str:
    """Return checksums of the columns by which a chunk is read, as a header may change alone, and of its bytes.

    They tell a file that was edited from one that was only touched, of which a crc32 knows for certain up to four
    bytes in a row, else but for one in 2^32; a sha256 of all that is read would take a twentieth of a run.
    """
    names = "".join(f"{len(name)}:{name}" for name in columns).encode(errors="surrogatepass")
    return f"{zlib.crc32(names):08x}-{len(data):x}-{zlib.crc32(data):08x}"


class Contents:
    """Compares inputs with what they held.

    Args:
        plan: The inputs.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan
        self._columns: dict[int, tuple[str, ...]] = {}

    def same(self, done: Done) -> bool:
        """Tell whether an input holds what it held when a chunk of it was scored.

        Raises:
            InputRefused: It cannot be read as a table any more.
            OutputFailed: The system could not read it.
        """
        given = self._plan.job.inputs[done.input]
        if not done.content or given.path is None or given.kind.packing:
            return False
        try:
            with given.path.open("rb") as stream:
                stream.seek(done.start)
                data = stream.read(done.stop - done.start)
        except OSError as error:
            raise unreadable(given, error) from error
        return content_of(self._columns_of(done.input), data) == done.content

    def _columns_of(self, place: int) -> tuple[str, ...]:
        if place not in self._columns:
            source = self._plan.open(place)
            self._columns[place] = source.columns
            if place:  # the first one stays open for the run
                source.close()
        return self._columns[place]
