"""Last arrow of the cloud: Ticket → TicketRow → the page a person looks at."""
