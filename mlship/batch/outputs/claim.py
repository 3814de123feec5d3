"""A lock for outputs in object stores: one object that says who writes there, and that expires.

Nobody's clock but the store's is trusted. Whether another's claim has expired is told by comparing when it was last
put with when an object put just now was put; whether one's own still stands, by replacing it on condition that it is
the one put last. So two clocks that differ, or a process that slept, never make two owners of one claim.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from mlship.errors import OutputFailed, OutputLocked
from mlship.objects import (
    Found,
    Location,
    ObjectChanged,
    ObjectThere,
    Stamp,
    get_if_there,
    head,
    put,
    put_new,
    put_over,
)

LEASE = 60.0
"""Seconds after which a claim that was not renewed expires."""

_LONGEST = 3600.0
_GRANULARITY = 1.0  # stores tell times in whole seconds
_TRIES = 5
_PATIENCE = 5.0  # seconds for a renewal under way to end


class Claim:
    """The claim on one output.

    Args:
        place: The claim object. It stays when it is given back, and says then that nobody holds it.
        clock: An object that may be put to learn the store's time.
        what: The output, for messages.
        lease: Seconds after which it expires when its owner no longer renews it.
    """

    def __init__(self, place: Location, clock: Location, what: str, lease: float = LEASE) -> None:
        self._place = place
        self._clock = clock
        self._what = what
        self._lease = lease
        self._owner = secrets.token_hex(8)
        self._turn = 0
        self._stamp = Stamp(None, None)
        self._renewed = 0.0
        self._lost = False
        self._guard = threading.Lock()
        self._over = threading.Event()

    @contextlib.contextmanager
    def held(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the claim for the length of a `with` block, renewing it meanwhile.

        Args:
            patience: Seconds to wait for another run to give it back, or for its claim to expire.

        Raises:
            OutputLocked: Another run holds it.
            OutputFailed: The store refused, or could not be reached.
        """
        end = _now() + patience
        while True:
            try:
                self._take()
                break
            except OutputLocked:
                if _now() > end:
                    raise
                time.sleep(self._lease / 12)
        self._over.clear()
        renewing = threading.Thread(target=self._keep, name="claim", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._over.set()
            renewing.join(_PATIENCE)
            self._give_back()

    def check(self) -> None:
        """Make sure that the claim is still held, asking the store only when that is not sure.

        Raises:
            OutputLocked: Another run has taken it over.
            OutputFailed: The store refused, or could not be reached.
        """
        if self._lost or _now() - self._renewed > self._lease / 2:
            self.renew()

    def check_free(self) -> None:
        """Make sure that nobody holds the claim, without taking it.

        Raises:
            OutputLocked: Another run holds it.
            OutputFailed: The store refused, or could not be reached.
        """
        there = get_if_there(self._place)
        if there is not None and not self._may_take(_read(there[0]), there[1]):
            raise self._others()

    def renew(self) -> None:
        """Put the claim anew, so that it lasts for a whole lease from now on.

        Raises:
            OutputLocked: Another run has taken it over.
            OutputFailed: The store refused, or could not be reached.
        """
        with self._guard:
            for _ in range(_TRIES):
                if self._lost:
                    break
                started = _now()
                try:
                    self._stamp = put_over(self._place, self._body(self._owner), self._stamp)
                except ObjectChanged:
                    # A request whose answer got lost has renewed it; or else it is another's.
                    self._adopt()
                    continue
                self._renewed = started
                return
            self._lost = True
            raise OutputLocked(
                f"Another run of mlship has taken over '{self._what}', because this one did not answer for "
                f"{self._lease:g} s.",
                hint="Wait for it to end, then run the command again.",
            )

    def _adopt(self) -> None:
        there = get_if_there(self._place)
        if there is None or _read(there[0]).get("owner") != self._owner:
            self._lost = True
        else:
            self._stamp = there[1].stamp

    def _take(self) -> None:
        self._lost = False
        for _ in range(_TRIES):
            started = _now()
            there = get_if_there(self._place)
            try:
                if there is None:
                    self._stamp = put_new(self._place, self._body(self._owner))
                elif self._may_take(_read(there[0]), there[1]):
                    self._stamp = put_over(self._place, self._body(self._owner), there[1].stamp)
                else:
                    break
            except (ObjectThere, ObjectChanged):
                continue
            self._renewed = started
            return
        raise self._others()

    def _others(self) -> OutputLocked:
        return OutputLocked(
            f"Another run of mlship is writing '{self._what}'.",
            hint=f"Wait for it to end, or write elsewhere with -o. After a kill it is free in about {self._lease:g} s.",
        )

    def _may_take(self, holder: dict[str, Any], found: Found) -> bool:
        # It is our own when a request whose answer got lost has put it.
        return holder["owner"] in (None, self._owner) or self._expired(holder, found)

    def _expired(self, holder: dict[str, Any], found: Found) -> bool:
        """Whether another's claim is older than it lasts, both times told by the store's clock."""
        put(self._clock, b"")  # another run that asks at the same time does no harm
        age = (head(self._clock).modified - found.modified).total_seconds()
        lease = holder.get("lease")
        lasts = min(float(lease), _LONGEST) if isinstance(lease, int | float) else LEASE
        return age > lasts + _GRANULARITY

    def _keep(self) -> None:
        while not self._over.wait(self._lease / 4):
            # Whoever writes next asks for itself, and then tells what is wrong.
            with contextlib.suppress(OutputFailed, OutputLocked):
                self.renew()

    def _give_back(self) -> None:
        if self._lost:
            return
        with contextlib.suppress(OutputFailed):  # it expires by itself
            put_over(self._place, self._body(None), self._stamp)

    def _body(self, owner: str | None) -> bytes:
        self._turn += 1  # no two claims are the same bytes, or conditions could not tell them apart
        return json.dumps({"owner": owner, "lease": self._lease, "turn": self._turn}).encode()


def _read(data: bytes) -> dict[str, Any]:
    """What a claim says; one that cannot be read is somebody's until it expires."""
    try:
        said = json.loads(data)
    except ValueError:
        return {"owner": "unknown"}
    return said if isinstance(said, dict) and "owner" in said else {"owner": "unknown"}


def _now() -> float:
    """Seconds that also pass while the machine sleeps, where the system counts such."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
