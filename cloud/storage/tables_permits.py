"""Storage under tickets: planned outages with their permits to work, and the links outside contractors come by."""
