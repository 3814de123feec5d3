"""The objects below one output's URI, by the names that they have there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlship.batch.outputs.manifest import LISTING, MANIFEST, Manifest, Part, is_own, tag_in
from mlship.errors import InputRefused, OutputFailed, UsageError
from mlship.objects import (
    Found,
    Location,
    ObjectThere,
    Stamp,
    delete,
    get_if_there,
    head,
    list_objects,
    put,
    put_new,
    put_over,
)

_AT_ONCE = 8

Given = TypeVar("Given")
Made = TypeVar("Made")
Listed = Mapping[str, Found]
"""What the store tells of objects, by their names below the output's URI."""


class Prefix:
    """A folder of a store.

    Args:
        place: Where it is; its key ends in `/` or is empty.
    """

    def __init__(self, place: Location) -> None:
        self._place = place
        self.uri = place.uri

    def at(self, name: str) -> Location:
        """Return where an object is."""
        return self._place.at(self._place.key + name)

    def list(self, inside: str = "") -> dict[str, Found]:
        """Return all objects, however deep, ordered by name.

        Args:
            inside: A folder below the output's URI, to look in there only; it ends in `/`.

        Raises:
            OutputFailed: There is no such bucket, the store refused, or could not be reached.
        """
        try:
            found = {item.uri: item for item in list_objects(self.at(inside))}
        except InputRefused as error:
            raise OutputFailed(error.message, hint=error.hint) from error
        # A folder made by hand may have an object of its own name.
        return {uri.removeprefix(self.uri): found[uri] for uri in sorted(found) if uri.startswith(self.uri)}

    def manifest(self, name: str = MANIFEST) -> tuple[Manifest | None, Stamp | None]:
        """Return a manifest, None for one that is not ours, and its stamp, None when there is none at all."""
        there = self.get(name)
        if there is None:
            return None, None
        try:
            return Manifest.from_bytes(there[0]), there[1].stamp
        except ValueError:
            return None, there[1].stamp

    def get(self, name: str) -> tuple[bytes, Found] | None:
        """Return the bytes of a small object and what the store tells of it, or None when it is not there."""
        return get_if_there(self.at(name))

    def put(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Make or replace an object."""
        put(self.at(name), data)

    def put_if(self, name: str, data: bytes, stamp: Stamp | None) -> Stamp:
        """Replace one version of an object, or make it when that is None.

        Raises:
            ObjectThere: There is one that should not be.
            ObjectChanged: It is another one.
        """
        return put_new(self.at(name), data) if stamp is None else put_over(self.at(name), data, stamp)

    def put_part(self, part: Part, data: bytes) -> None:
        """Make a part; one that is there with the same bytes is fine, any other is replaced."""
        place = self.at(part.name)
        try:
            put_new(place, data)
        except ObjectThere:
            found = head(place)
            if not part.is_at(place, found):
                put_over(place, data, found.stamp)

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; those that are not there do not matter."""
        delete([self.at(name) for name in names])

    def each(self, function: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
        """Yield what a function gives for each item, in order, some of them at once."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="get") as pool:
            yield from pool.map(function, items)

    def check(
        self, listed: Listed, found: tuple[Manifest | None, Stamp | None], *, deep: bool, overwrite: bool
    ) -> Sequence[Part]:
        """Refuse to write beside what others put there, or over parts of ours that were changed since.

        Args:
            listed: What is there.
            found: What is published; see `manifest`.
            deep: Whether parts of the same size are looked at more closely.
            overwrite: Whether all that is allowed.

        Returns:
            The parts that are there and are what was written.

        Raises:
            UsageError: It is so.
        """
        manifest, stamp = found
        foreign = next((name for name in listed if not is_own(name)), None)
        if manifest is None and stamp is not None:
            foreign = MANIFEST
        if foreign is not None and not overwrite:
            raise _refused(f"'{self.uri}' holds '{foreign}', which mlship did not write.")
        if manifest is None:
            return []
        there = [part for part in manifest.all_parts if part.name in listed]
        changed = self.changed(there, listed, deep=deep)
        if changed and not overwrite:
            raise _refused(f"'{self.at(changed[0]).uri}' was changed since mlship wrote it.")
        return [part for part in there if part.name not in changed]

    def damaged(self, parts: Sequence[Part], listed: Listed, *, read: bool = False) -> Sequence[str]:
        """Return the names of parts that are absent or have other bytes.

        Args:
            parts: What ought to be there.
            listed: What is there.
            read: Whether to read them even when their etags tell.
        """
        fine = self.each(lambda part: part.is_at(self.at(part.name), listed.get(part.name), read=read), parts)
        return [part.name for part, is_fine in zip(parts, fine, strict=True) if not is_fine]

    def changed(self, parts: Sequence[Part], listed: Listed, *, deep: bool) -> Sequence[str]:
        """Return the names of parts that have other bytes, or, unless `deep`, only those of another size."""
        if deep:
            return self.damaged(parts, listed)
        return [part.name for part in parts if listed[part.name].size != part.size]

    def is_stray(self, name: str, manifest: Manifest | None) -> bool:
        """Tell whether an object is of some job, and not of what the manifest lists."""
        belongs = tag_in(name) is not None or name == LISTING
        return belongs and (manifest is None or name not in manifest.names)


def _refused(message: str) -> UsageError:
    hint = "Write elsewhere with -o, or replace it with --overwrite."
    return UsageError(message, hint=hint, code="output_exists")
