"""Storage under every arrow of the cloud: the columns that every table is made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, Text
from sqlalchemy import text as sql
from sqlalchemy.types import TypeEngine

_CONVENTION = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in ("ix", "uq", "fk")}
metadata = MetaData(naming_convention={**_CONVENTION, "pk": "pk_%(table_name)s"})

Id: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself
Json = JSON(none_as_null=True)


def number(name: str = "id") -> Column[int]:
    """A key that the database numbers."""
    return Column(name, Id, primary_key=True, autoincrement=True)


def at(name: str, *, null: bool = True) -> Column[int]:
    """An instant in epoch milliseconds."""
    return Column(name, BigInteger, nullable=null)


def ats(*names: str) -> tuple[Column[int], ...]:
    """Instants that may be missing."""
    return tuple(at(name) for name in names)


def text(name: str, default: str | None = "") -> Column[str]:
    """A text that is never NULL; without a default it must be given."""
    return Column(name, Text, nullable=False, server_default=sql(f"'{default}'") if default is not None else None)


def texts(*names: str) -> tuple[Column[str], ...]:
    """Texts that are empty until given."""
    return tuple(text(name) for name in names)


def jsons(*names: str) -> tuple[Column[Any], ...]:
    """Plain JSON values, never NULL."""
    return tuple(Column(name, Json, nullable=False) for name in names)
