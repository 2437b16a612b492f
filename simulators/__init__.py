"""Before the first arrow: stands in for the plant and puts real bytes on real sockets."""
