"""Telemetry store → Grafana: data source and dashboards for those who live there, made from the equipment classes."""
