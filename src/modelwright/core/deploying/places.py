"""Where an instance finds what it was given: agreed on by descriptions, images and targets."""

SITE = "/srv/modelwright"
"""Folder of the gateway's manifest and of the files that it names; its user may write there: the state lies below."""
MANIFEST = f"{SITE}/modelwright.yaml"
WEIGHTS = "/srv/weights"
"""Below it one folder for each content of a model, by the first half of its digest."""
SECRETS = "/run/secrets"
"""One file for each secret, by its name."""
VARIABLES = f"{SECRETS}/env"
"""Those that are variables, by their names. Images of ours put each into the environment of the program that they
start; every image has the path of each in `NAME_FILE`, too.
"""
RENDERED = ("compose.yaml", "secrets/salt")
"""What tells a folder that was written for Docker Compose: there are secrets in it, and weights."""
FILE = "_FILE"
INSTANCES_VOLUME, INSTANCES_FOLDER, INSTANCES_FILE = "instances", "/instances", "instances.json"
"""The volume with the file that says which instances of releases there are, and where its writer and its readers find
it: JSON as Prometheus discovers targets by it.
"""
PROCESS = "process"
"""In place of an image: nothing but the program, as it is found where it runs."""
SOURCES = "/srv/app"
"""Folder of a program's sources, where there is no image that has them."""


def port_of(workload: str) -> str:
    """Stands for the port of a workload that the reader is bound to, where each instance has one of its own."""
    return f"${{port:{workload}}}"
