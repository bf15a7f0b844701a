"""What tests' projects own on an engine, by the label that names them, and removing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import docker
from docker.errors import APIError

LABEL = "modelwright.project"
CLAIMS = "modelwright/"
"""Then come project and environment: names by which environments hold on to images."""
Filters = dict[str, str | list[str] | bool]


def sweep(client: docker.DockerClient, chosen: Callable[[str], bool]) -> None:
    """Remove the containers, networks, volumes, images and names of images of the chosen projects."""
    labelled: Filters = {"label": LABEL}
    for container in client.containers.list(all=True, filters=labelled, ignore_removed=True):
        if chosen(container.labels[LABEL]):
            with contextlib.suppress(APIError):  # somebody else was quicker
                container.remove(force=True, v=True)
    for network in client.networks.list(filters=labelled):
        if chosen(network.attrs["Labels"][LABEL]):
            with contextlib.suppress(APIError):
                network.remove()
    for volume in client.volumes.list(filters=labelled):
        if chosen(volume.attrs["Labels"][LABEL]):
            with contextlib.suppress(APIError):
                volume.remove(force=True)
    # docker-py's own list asks for each image, and one that somebody else has removed meanwhile would be an error.
    for image in client.api.images(filters=labelled):
        if chosen(image["Labels"][LABEL]):
            with contextlib.suppress(APIError):
                client.images.remove(image["Id"], force=True)
    for image in client.api.images(filters={"reference": f"{CLAIMS}*/*"}):
        for tag in image["RepoTags"] or ():
            if chosen(tag.removeprefix(CLAIMS).partition(".")[0]):
                with contextlib.suppress(APIError):
                    client.images.remove(tag)
