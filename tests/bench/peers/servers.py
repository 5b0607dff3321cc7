"""The servers that peers need, by the names that cells use."""

from __future__ import annotations

from pathlib import Path

from postgresql_server import PostgresqlServer
from redis_servers import RedisServers

POSTGRESQL = "postgresql"


class Servers:
    """Context manager: they run while it is open. `url[name]` is where."""

    def __init__(self, directory: Path, *, redis: bool = True) -> None:
        self._redis = RedisServers(directory, enabled=redis)
        self._postgresql = PostgresqlServer()
        self.url: dict[str, str] = {}

    def __enter__(self) -> Servers:
        self._redis.__enter__()
        self.url = {**self._redis.url, POSTGRESQL: self._postgresql.url}
        return self

    def clear(self, name: str) -> None:
        """Empty one of them."""
        if name == POSTGRESQL:
            self._postgresql.clear()
        else:
            self._redis.clear(name)

    def __exit__(self, *_: object) -> None:
        self._redis.__exit__()
        self._postgresql.close()
