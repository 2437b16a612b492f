"""Storage under sla: policies and calendars as edited, version by version."""
