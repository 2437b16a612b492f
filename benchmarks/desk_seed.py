"""A desk after years of work: sites, equipment and tickets with their timelines, clocks and words, written by the database itself.

A closed ticket has six lines and two clocks, an open one three lines and two clocks; one in seven closed and one in four open ones
was late. One open ticket in fifty has an active alarm. Of a hundred tickets 50 are general, 35 major, 14 urgent, 1 life safety.
"""

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.tables_search import NEVER
from cloud.tickets.search_words import words
from contract.conventions import EpochMs

HOUR = 3_600_000
DAY = 24 * HOUR
YEARS = 5
PIECES = 50
"""Of equipment, at each site."""
CLASSES: tuple[tuple[Any, ...], ...] = (
    ("lift", "lifts", "Lift", "号电梯", ("door does not close", "电梯门不关闭"), ("levelling off", "平层偏差"), ("overload lasting", "持续超载")),
    ("transformer", "power", "Transformer", "号变压器", ("winding hot", "绕组过热"), ("load high", "负荷过高"), ("fan stopped", "风机停止")),
    ("booster_pump", "water", "Booster pump", "号生活水泵", ("pressure low", "水压过低"), ("does not start", "水泵不启动"), ("leak found", "发现漏水")),
    ("fire_pump", "fire", "Fire pump", "号消防泵", ("not in automatic", "不在自动状态"), ("phase lost", "电源缺相"), ("weekly start missed", "周启动未做")),
)  # fmt: skip
SAID = (
    ("contactor K5 welded", "contactor replaced"), ("接触器触点熔焊", "更换接触器"), ("door track blocked by a stone", "track cleaned"), ("层门地坎有异物", "清理地坎"),
    ("sensor cable loose", "cable fixed and tested"), ("传感器接线松动", "紧固接线并测试"), ("gasket worn", "gasket replaced"), ("密封垫老化", "更换密封垫"),
    ("selector left in manual after works", "selector back to automatic"), ("检修后转换开关未复位", "恢复自动"),
)  # fmt: skip
"""Causes and actions as people write them."""


@dataclass(frozen=True, slots=True)
class Size:
    open: int
    closed: int
    sites: int

    @property
    def all(self) -> int:
        return self.open + self.closed


async def seed(connection: AsyncConnection, size: Size, now: EpochMs, policy: str) -> None:
    """Fill an empty, migrated database."""
    is_sqlite = connection.dialect.name == "sqlite"
    await _register(connection, size)
    await _cases(connection, size, is_sqlite=is_sqlite)
    dropped = await _without_indexes(connection, is_sqlite=is_sqlite)
    facts = {"now": now, "open": size.open, "closed": size.closed, "all": size.all, "never": NEVER, "policy": policy,
             "step": YEARS * 365 * DAY // size.closed, "hour": HOUR, "cases": size.sites * PIECES * 3, "said": len(SAID)}  # fmt: skip
    if not is_sqlite:  # what is made here refers to what was made before it
        await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    for statement in _STATEMENTS:
        await _do(connection, statement, facts, is_sqlite=is_sqlite)
    words_of = _WORDS_SQLITE if is_sqlite else _WORDS_POSTGRESQL
    await _do(connection, words_of, facts, is_sqlite=is_sqlite)
    for statement in dropped:
        await connection.execute(text(statement))
    if not is_sqlite:
        for table in ("ticket", "timeline", "deadline"):
            await connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")  # noqa: S608
            )


async def _do(connection: AsyncConnection, statement: str, facts: dict[str, object], *, is_sqlite: bool) -> None:
    """Numbers go into the text: the two databases take parameters of a SELECT list differently."""
    filled = statement
    for name, value in sorted(facts.items(), key=lambda pair: -len(pair[0])):
        filled = filled.replace(f"@{name}", str(value))
    if is_sqlite:
        filled = filled.replace("::text", "").replace("::json", "").replace("true", "1").replace("false", "0")
    await connection.exec_driver_sql(filled)


async def _register(connection: AsyncConnection, size: Size) -> None:
    sites = [{"id": f"site_{n}", "name": f"Tower {n}", "zone": "Asia/Shanghai"} for n in range(size.sites)]
    await connection.execute(t.site.insert(), sites)
    machines: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    for site, piece in product(range(size.sites), range(PIECES)):
        kind, system, en, zh, *faults = CLASSES[piece % len(CLASSES)]
        own = {"site_id": f"site_{site}", "equipment_id": f"{kind}_{piece}"}
        machines.append({"site_id": own["site_id"], "id": own["equipment_id"], "class_id": kind, "system": system, "name": {"en": f"{en} {piece}", "zh": f"{piece} {zh}"},
                         "roles": [], "place": f"Block {piece % 7}, level {piece % 30}", "ratings": {}, "main_points": ["a", "b"], "registered_at": 1})  # fmt: skip
        points += [{**own, "id": name, "position": at, "name": {"en": f"value {name}", "zh": f"数值{name}"}, "kind": "gauge", "unit": "kW", "states": {}, "limits": []}
                   for at, name in enumerate("abcd")]  # fmt: skip
        rules += [{**own, "id": f"rule_{n}", "name": {"en": fault[0], "zh": fault[1]}, "severity": "major", "clause": "m-2.3.3-48h", "expression": "a > 1", "points": ["a"]}
                  for n, fault in enumerate(faults)]  # fmt: skip
    await connection.execute(t.equipment.insert(), machines)
    await connection.execute(t.point.insert(), points)
    await connection.execute(t.rule.insert(), rules)


async def _cases(connection: AsyncConnection, size: Size, *, is_sqlite: bool) -> None:
    """What can break, and what people say of it: small tables from which tickets are made."""
    lists = "TEXT" if is_sqlite else "TEXT[]"
    await connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE broken (n INTEGER PRIMARY KEY, site TEXT, equipment TEXT, rule TEXT, system TEXT, title TEXT, words {lists})"
    )
    await connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE said (n INTEGER PRIMARY KEY, cause TEXT, action TEXT, words {lists})"
    )

    def told(texts: list[str]) -> str | list[str]:
        found = words(texts)
        return " ".join(found) if is_sqlite else found

    cases: list[dict[str, Any]] = []
    for site, piece, n in product(range(size.sites), range(PIECES), range(3)):
        kind, system, en, zh, *faults = CLASSES[piece % len(CLASSES)]
        title = {"en": f"{en} {piece}: {faults[n][0]}", "zh": f"{piece} {zh}：{faults[n][1]}"}
        texts = [
            *title.values(),
            f"{kind} {piece}".replace("_", " "),
            f"Block {piece % 7}, level {piece % 30}",
            f"Tower {site}",
            "m-2.3.3-48h",
            f"rule_{n}",
            system,
        ]
        cases.append({"n": len(cases), "site": f"site_{site}", "equipment": f"{kind}_{piece}", "rule": f"rule_{n}", "system": system,
                      "title": json.dumps(title, ensure_ascii=False), "words": told(texts)})  # fmt: skip
    await connection.execute(
        text("INSERT INTO broken VALUES (:n, :site, :equipment, :rule, :system, :title, :words)"), cases
    )
    people = [
        {"n": n, "cause": cause, "action": action, "words": told([cause, action, "electrician"])}
        for n, (cause, action) in enumerate(SAID)
    ]
    await connection.execute(text("INSERT INTO said VALUES (:n, :cause, :action, :words)"), people)


async def _without_indexes(connection: AsyncConnection, *, is_sqlite: bool) -> list[str]:
    """Drop the plain indexes that are made sooner afterwards; the statements that make them."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('ticket', 'timeline', 'deadline') AND sql IS NOT NULL"
        if is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('ticket', 'timeline', 'deadline', 'ticket_words')"
        " AND indexname NOT LIKE 'pk%%' AND indexname NOT LIKE 'uq%%' AND indexname NOT LIKE '%%pkey'"
    )
    found = [[str(cell) for cell in row] for row in await connection.exec_driver_sql(query)]
    for name, _ in found:
        await connection.exec_driver_sql(f'DROP INDEX "{name}"')
    return [statement.replace("%%", "%") for _, statement in found]


_N = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < @all)"
_INSERT_TICKETS = f"""
INSERT INTO ticket (id, kind, fault_key, site_id, equipment_id, rule, title, priority, severity, system, clause, state, began_at, raised_at,
  received_at, opened_at, holder, cause_text, action_text, resolved_at, closed_at, policy, version, planned_version, indexed_version,
  next_due_at, breached_at, hold_until)
{_N}, base AS (
  SELECT i, i > @closed AS is_open, (i * 7919) % 100 AS dice, (i * 104729) % @cases AS case_n, (i * 31) % @said AS said_n,
    CASE WHEN i <= @closed THEN @now - 4 * 24 * @hour - (@closed - i) * @step
         WHEN (i * 7919) % 10 < 3 THEN @now - (i * 17) % (2 * @hour) ELSE @now - (i * 17) % (48 * @hour) END AS opened
  FROM n),
made AS (
  SELECT base.*, CASE WHEN NOT is_open THEN 'closed' WHEN dice % 10 < 3 THEN 'new' WHEN dice % 10 < 4 THEN 'dispatched' WHEN dice % 10 < 6 THEN 'acknowledged'
    WHEN dice % 10 < 7 THEN 'on_site' WHEN dice % 10 < 9 THEN 'in_progress' ELSE 'on_hold' END AS state,
    CASE WHEN is_open THEN dice % 4 = 1 ELSE dice % 7 = 1 END AS is_late
  FROM base)
SELECT i, CASE WHEN dice = 99 THEN 'complaint' ELSE 'fault' END,
  CASE WHEN is_open THEN site || '/' || equipment || '/' || rule || '/' || i::text ELSE site || '/' || equipment || '/' || rule END,
  site, equipment, rule, title::json, CASE WHEN dice < 50 THEN 'general' WHEN dice < 85 THEN 'major' WHEN dice < 99 THEN 'urgent' ELSE 'life_safety' END,
  CASE WHEN dice < 50 THEN 'minor' WHEN dice < 85 THEN 'major' WHEN dice < 99 THEN 'critical' ELSE 'life_safety' END, system,
  CASE WHEN dice = 7 THEN 'h-5.3.1-pf' ELSE 'm-2.3.3-48h' END, state, opened - 60000, opened - 5000, opened, opened,
  CASE WHEN state = 'new' THEN '' ELSE 'person_' || (i % 40)::text END, CASE WHEN is_open THEN '' ELSE cause END, CASE WHEN is_open THEN '' ELSE action END,
  CASE WHEN is_open THEN NULL ELSE opened + 20 * @hour END, CASE WHEN is_open THEN NULL ELSE opened + 30 * @hour END, '@policy', 2, 2, 2,
  CASE WHEN NOT is_open OR state = 'on_hold' THEN @never WHEN state = 'new' THEN opened + 2 * @hour + 60000 ELSE opened + 48 * @hour + 60000 END,
  CASE WHEN is_late THEN opened + 2 * @hour ELSE NULL END, NULL
FROM made JOIN broken ON broken.n = case_n JOIN said ON said.n = said_n
"""  # noqa: S608  texts of this file
_STATEMENTS = (
    _INSERT_TICKETS,
    """
INSERT INTO deadline (ticket_id, clock, activation, target_s, start_at, due_at, calendar, clause, source, state, met_at, breached_at, used_s, next_at, policy)
SELECT id, 'response', 1, 7200, opened_at, opened_at + 2 * @hour, '', 'm-2.3.3-2h', '', CASE WHEN breached_at IS NOT NULL THEN 'breached' WHEN state = 'new' THEN 'running' ELSE 'met' END,
  CASE WHEN state = 'new' THEN NULL ELSE opened_at + @hour END, breached_at, 3600, CASE WHEN state = 'new' THEN opened_at + 2 * @hour + 60000 ELSE NULL END, '@policy' FROM ticket
""",
    """
INSERT INTO deadline (ticket_id, clock, activation, target_s, start_at, due_at, calendar, clause, source, state, met_at, breached_at, used_s, next_at, policy)
SELECT id, 'resolution', 1, 172800, opened_at, CASE WHEN state = 'on_hold' THEN NULL ELSE opened_at + 48 * @hour END, '', 'm-2.3.3-48h', '',
  CASE WHEN state = 'closed' THEN 'met' WHEN state = 'on_hold' THEN 'held' ELSE 'running' END, resolved_at, NULL, 36000,
  CASE WHEN state IN ('closed', 'on_hold') THEN NULL ELSE opened_at + 48 * @hour + 60000 END, '@policy' FROM ticket
""",
    *(
        f"""
INSERT INTO timeline (ticket_id, at, kind, actor_kind, actor, data)
SELECT id, {at}, '{kind}', '{who}', {actor}, ({data})::json FROM ticket WHERE {where}
"""  # noqa: S608  texts of this file
        for kind, who, actor, at, data, where in (
            ("opened", "machine", "''", "opened_at", "'{\"priority\": \"' || priority || '\", \"because\": []}'", "id > 0"),
            ("acknowledged", "person", "holder", "opened_at + @hour", "'{}'", "state <> 'new'"),
            ("arrived", "person", "holder", "opened_at + 2 * @hour", "'{}'", "state IN ('closed', 'on_site', 'in_progress', 'on_hold')"),
            ("noted", "person", "holder", "opened_at + 3 * @hour", "'{\"note\": \"looked at it with the caretaker\"}'", "id > 0"),
            ("held", "person", "holder", "opened_at + 4 * @hour", "'{\"reason\": \"waiting for part\"}'", "state = 'on_hold'"),
            ("resolved", "person", "holder", "opened_at + 20 * @hour", "'{\"cause\": \"' || cause_text || '\", \"action\": \"' || action_text || '\"}'", "state = 'closed'"),
            ("closed", "person", "holder", "opened_at + 30 * @hour", "'{}'", "state = 'closed'"),
        )
    ),
    """
INSERT INTO alarm (site_id, equipment_id, rule, fault_key, severity, clause, state, began_at, raised_at, received_at, because, ticket_id)
SELECT site_id, equipment_id, rule, fault_key, severity, clause, 'active', began_at, raised_at, received_at, '[]'::json, id FROM ticket WHERE id > @closed AND id % 50 = 0
""",
)  # fmt: skip
_WORDS_SQLITE = """
INSERT INTO ticket_words (rowid, words)
SELECT id, broken.words || ' ' || said.words || ' t ' || id || ' ' || printf('%06d', id) FROM ticket
JOIN broken ON broken.n = (id * 104729) % @cases JOIN said ON said.n = (id * 31) % @said
"""
_WORDS_POSTGRESQL = """
INSERT INTO ticket_words (ticket_id, words)
SELECT id, array_to_tsvector(broken.words || said.words || ARRAY['t', id::text, lpad(id::text, 6, '0')]) FROM ticket
JOIN broken ON broken.n = (id * 104729) % @cases JOIN said ON said.n = (id * 31) % @said
"""
