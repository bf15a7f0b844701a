"""This machine as a target, without Docker: instances are plain processes, which a small keeper starts and watches."""
