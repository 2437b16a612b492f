"""A gateway or a cloud that kills itself at a named step of delivery, once, when a test asks for it.

``python dying.py plantroom-edge FOLDER ARGUMENTS…`` is the real command with known functions wrapped. A step is asked for by
writing its name into ``FOLDER/die_gateway`` or ``FOLDER/die_cloud``; the process that reaches the step removes the file and
is gone as after SIGKILL. The product knows nothing of this.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ALARM = b'"AlarmRaised"'
"""Only a step that carries an alarm counts: the rest of the traffic passes."""
GATEWAY_STEPS = (
    "before the write", "events_written", "before_commit", "after_commit", "before sending", "receipt received",
    "before forgetting", "forgotten",
)  # fmt: skip
CLOUD_STEPS = (
    "envelope received", "applied, not committed", "committed, no receipt", "in the history, not marked", "marked",
)  # fmt: skip


class Death:
    """The one step at which this process is to end."""

    def __init__(self, order: Path) -> None:
        self._order = order

    def at(self, step: str) -> None:
        """End here when this is the step."""
        if self._order.exists() and self._order.read_text(encoding="utf-8") == step:
            self._order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def prepare_gateway(death: Death) -> None:
    """Wrap what writes, sends and forgets."""
    from contract.messages import AlarmRaised
    from edge.outbox.sqlite import Outbox
    from edge.uplink.http import Cloud

    save, acknowledge, ingest = Outbox.save, Outbox.acknowledge, Cloud.ingest
    sent_alarm = False

    def dying_save(self: Outbox, now_ms: int, **what: Any) -> None:
        is_alarm = any(isinstance(event, AlarmRaised) for event in what["events"])
        if is_alarm:
            death.at("before the write")
            self._fault = death.at
        save(self, now_ms, **what)
        self._fault = lambda _step: None

    async def dying_ingest(self: Cloud, body: bytes) -> Any:
        nonlocal sent_alarm
        if ALARM in body:
            death.at("before sending")
        answer = await ingest(self, body)
        if ALARM in body and answer.status == 200:
            sent_alarm = True
            death.at("receipt received")
        return answer

    def dying_acknowledge(self: Outbox, committed: Any) -> None:
        if sent_alarm:
            death.at("before forgetting")
        acknowledge(self, committed)
        if sent_alarm:
            death.at("forgotten")

    Outbox.save, Outbox.acknowledge, Cloud.ingest = dying_save, dying_acknowledge, dying_ingest  # type: ignore[method-assign]


def prepare_cloud(death: Death) -> None:
    """Wrap what commits, answers and moves samples."""
    from cloud.ingest import routes, service
    from cloud.telemetry.embedded import EmbeddedStore
    from cloud.telemetry.mover import Mover

    ingest, run, write, move = service.ingest, service._Ingest.run, EmbeddedStore.write, Mover.move

    def is_alarm(envelope: Any) -> bool:
        return any(ALARM in bytes(raw) for raw in envelope.records)

    async def dying_ingest(database: Any, desk: Any, authorization: str, envelope: Any, now: int) -> Any:
        if is_alarm(envelope):
            death.at("envelope received")
        outcome = await ingest(database, desk, authorization, envelope, now)
        if is_alarm(envelope):
            death.at("committed, no receipt")
        return outcome

    async def dying_run(self: Any) -> Any:
        outcome = await run(self)
        if is_alarm(self._envelope):
            death.at("applied, not committed")
        return outcome

    async def dying_write(self: EmbeddedStore, rows: Any) -> Any:
        refused = await write(self, rows)
        death.at("in the history, not marked")
        return refused

    async def dying_move(self: Mover) -> int:
        if moved := await move(self):
            death.at("marked")
        return moved

    routes.ingest = dying_ingest  # type: ignore[attr-defined]
    service._Ingest.run = dying_run  # type: ignore[method-assign]
    EmbeddedStore.write, Mover.move = dying_write, dying_move  # type: ignore[method-assign]


def main() -> None:
    name, folder, *arguments = sys.argv[1:]
    sys.argv = [name, *arguments]
    run: Callable[[], None]
    if name == "plantroom-edge":
        from edge.cli import main as run

        prepare_gateway(Death(Path(folder) / "die_gateway"))
    else:
        from cloud.cli import main as run

        prepare_cloud(Death(Path(folder) / "die_cloud"))
    run()


if __name__ == "__main__":
    main()
