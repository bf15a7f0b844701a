"""What the things of one project's environment are called on a host that others use, too."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from modelwright.adapters.targets.doing.ground import host_name

PROJECT, ENVIRONMENT = "modelwright.project", "modelwright.environment"
WORKLOAD, RELEASE, INDEX = "modelwright.workload", "modelwright.release", "modelwright.index"
DIGEST, PEERS = "modelwright.digest", "modelwright.peers"
STATE = "state"
"""The volume of the environment's memory."""

_LABEL = 63
"""Characters of a name between dots."""


class Names(msgspec.Struct, frozen=True):
    """Those of one environment."""

    project: str
    environment: str
    spread: bool = False
    """Over several hosts, which have networks in common: another kind of network, so another one."""

    @property
    def prefix(self) -> str:
        """Of every name; the network of one host is called so, too."""
        return f"{self.project}.{self.environment}"

    @property
    def network(self) -> str:
        return _one_label(f"{self.project}_{self.environment}") if self.spread else self.prefix

    @property
    def inner(self) -> str:
        """The network that leads nowhere else."""
        return _one_label(f"{self.project}_{self.environment}_inner") if self.spread else f"{self.prefix}.inner"

    @property
    def otherwise(self) -> Names:
        """As they are when it is on one host and not on several, or the other way round."""
        return msgspec.structs.replace(self, spread=not self.spread)

    @property
    def keeper(self) -> str:
        return f"{self.prefix}.keeper"

    def volume(self, name: str) -> str:
        return f"{self.prefix}.{name}"

    def container(self, workload: str, release: str = "", index: int | str = 0) -> str:
        """Without a release: of a workload that lasts."""
        return f"{self.prefix}.{workload}.{release}.{index}" if release else f"{self.prefix}.{workload}"

    def tag(self, workload: str, image: str) -> str:
        """Ours of an image: as long as we need it, nobody's cleaning up on the host takes it away."""
        return f"modelwright/{self.prefix}/{workload}:{sha256(image.encode()).hexdigest()[:16]}"

    @property
    def keeper_image(self) -> str:
        """Ours of the image that the keeper runs from: it comes back from there when somebody has removed it."""
        return f"modelwright/{self.prefix}/keeper:last"

    @property
    def labels(self) -> dict[str, str]:
        return {PROJECT: self.project, ENVIRONMENT: self.environment}

    @property
    def filters(self) -> dict[str, list[str]]:
        """Ours, and nobody else's."""
        return {"label": [f"{name}={value}" for name, value in self.labels.items()]}


def _one_label(name: str) -> str:
    """As networks over several hosts have to be called: short, and without dots."""
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 17]}_{sha256(name.encode()).hexdigest()[:16]}"


def aliases(workload: str, release: str, index: int | str) -> list[str]:
    """Names on the networks: its own, its release's, and its workload's for what lasts."""
    own = host_name(workload, release, index)
    return [own, f"{workload}-{release}", workload] if release else [own]


def links(peers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Which instances it means by the name of another workload: those of one release; what they are called, and what
    it calls them.
    """
    return [(f"{name}-{release}", name) for name, release in sorted(peers.items())]
