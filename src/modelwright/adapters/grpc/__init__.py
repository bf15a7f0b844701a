"""The server's side of gRPC."""
