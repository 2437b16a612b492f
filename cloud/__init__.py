"""The service desk: envelopes become tickets whose clocks cannot be lost."""
