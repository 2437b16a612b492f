"""Beside the ingest arrow: SampleBatch → telemetry store → trends and reports."""
