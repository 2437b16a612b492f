"""dashboard: equipment without telemetry enters the register, by form or by CSV."""

from __future__ import annotations

from fastapi import APIRouter

from cloud.dashboard.routes_shell import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)
