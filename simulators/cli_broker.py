"""``plantroom-sim broker``: the embedded MQTT broker as a process of its own, for the demo."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from contract.conventions import Exit
from simulators.broker import BrokerUnavailable, embedded_broker


def broker(port: Annotated[int, typer.Option(help="Port to listen on.")]) -> None:
    """Run the embedded MQTT broker on the loopback."""

    async def serve() -> None:
        async with embedded_broker(port):
            await asyncio.get_running_loop().create_future()

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve())
    except BrokerUnavailable as error:
        typer.echo(f"plantroom-sim: {error}", err=True)
        raise typer.Exit(Exit.MISCONFIGURED) from None
