"""Deploys the whole product to a Docker host under load: does a request fail, and how long does each verb take."""

from bench.deploy.run import main

__all__ = ["main"]
