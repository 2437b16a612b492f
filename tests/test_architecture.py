"""The import rules of the architecture that a list of packages cannot say: which files decide and touch nothing.

`lint-imports` holds who may know whom. Here stands the purity of files, also through what they import of ours.
"""

from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("contract", "device_profiles", "edge", "cloud", "simulators")

# Files that decide. Some appear with later parts of the product; a name without a file is passed over.
PURE = (
    "device_profiles.schema",
    "edge.acquire.read_plan", "edge.acquire.schedule", "edge.acquire.breaker", "edge.acquire.frames",
    "edge.outbox.record", "edge.outbox.retry",
    "edge.uplink.session",
    "cloud.ingest.accept", "cloud.telemetry.blocks",
    "cloud.tickets.ticket", "cloud.tickets.triage",
    "cloud.escalation.chain", "cloud.escalation.rota",
    "cloud.maintenance.occurrence", "cloud.maintenance.evidence",
    "cloud.dashboard.present", "cloud.dashboard.clocks", "cloud.dashboard.value", "cloud.dashboard.words", "cloud.dashboard.chart",
    "simulators.scenario",
)  # fmt: skip
PURE_PACKAGES = ("contract", "edge.decode", "edge.rules", "cloud.sla", "simulators.physics")
WORLD = (
    "asyncio", "socket", "ssl", "select", "threading", "subprocess", "sqlite3", "time", "random", "secrets",
    "pymodbus", "serial", "aiomqtt", "paho", "amqtt", "httpx", "sqlalchemy", "fastapi", "starlette", "uvicorn",
)  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        *PACKAGES, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def pure_modules(graph: grimp.ImportGraph) -> list[str]:
    inside = [module for package in PURE_PACKAGES for module in graph.find_descendants(package)]
    return sorted({*(module for module in PURE if module in graph.modules), *inside})


def test_pure_files_reach_no_clock_no_socket_and_no_database(graph: grimp.ImportGraph) -> None:
    world = [module for module in WORLD if module in graph.modules]
    chains = [
        " → ".join(chain)
        for module in pure_modules(graph)
        for forbidden in world
        if (chain := graph.find_shortest_chain(importer=module, imported=forbidden))
    ]
    assert not chains, "these files decide and must take time, chance and data as arguments:\n" + "\n".join(chains)


def test_the_pure_list_names_real_files(graph: grimp.ImportGraph) -> None:
    assert len([module for module in PURE if module in graph.modules]) >= len(PURE) // 2
    assert all(len(graph.find_descendants(package)) > 1 for package in PURE_PACKAGES)


def test_only_the_frame_writer_could_write_to_plant() -> None:
    """The gateway only reads: nothing in it imports a Modbus library that can write (decision 5)."""
    offenders = [
        str(path.relative_to(ROOT)) for path in (ROOT / "edge").rglob("*.py") if "import pymodbus" in path.read_text()
    ]
    assert not offenders
