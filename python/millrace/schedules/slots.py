"""The slots of a timing, without a store: what `is_due` of a schedule object asks the core."""

from __future__ import annotations

import datetime as dt
from typing import Any

from millrace import _core, options


def next_slot(after: dt.datetime, timing: dict[str, Any]) -> dt.datetime | None:
    """The first slot after a moment, in UTC; None if there is none. Fields as of `Engine.put_schedule`."""
    found = _core.next_slots(max(1, options.to_epoch_ms("after", after)), 1, **timing)
    return dt.datetime.fromtimestamp(found[0] / 1000, dt.timezone.utc) if found else None


def zone_name(zone: dt.tzinfo) -> str:
    """The IANA name of a time zone. Raises ValueError for one that has none."""
    for attribute in ("key", "zone"):  # zoneinfo's, pytz's
        name = getattr(zone, attribute, None)
        if isinstance(name, str):
            return name
    offset = zone.utcoffset(None)
    if offset is not None and not offset % dt.timedelta(hours=1):
        hours = offset // dt.timedelta(hours=1)
        return f"Etc/GMT{-hours:+d}" if hours else "UTC"  # the sign is POSIX's: west is positive
    raise ValueError(
        f"the time zone {zone!r} has no IANA name: use one of zoneinfo.ZoneInfo, such as ZoneInfo('Europe/Berlin')"
    )
