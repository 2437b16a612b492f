"""The gateway's own page for people on site: active alarms with a sounder, devices, outbox. Works without the cloud."""
