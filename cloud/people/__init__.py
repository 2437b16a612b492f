"""Around every arrow of the cloud: users, roles, sessions, gateway credentials, audit trail."""
