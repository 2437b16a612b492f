"""Beneath every arrow of the cloud: its tables, sessions and migrations."""
