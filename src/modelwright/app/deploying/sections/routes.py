"""The manifest's section `routes`: ways in, through the edge of a target."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelwright.app.deploying.sections.instances import Prefix
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.limits import Rates
from modelwright.app.manifest.sections.section import Duration, HeaderName, Name, Section, Size

Host = Annotated[
    str,
    StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
]
"""Lower case; `*.example.com` is every name one level below."""
CookieName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class TlsSection(Section):
    """By what the host proves who it is: one of `acme` and `certificate`."""

    acme: str = Field(
        default="",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="Ask for certificates by ACME; the mail address that the authority may write to.",
    )
    directory: str = Field(default="", description="ACME: address of the authority; by default that of Let's Encrypt.")
    certificate: str = Field(default="", description="Instead: path of the certificate and its chain, in PEM.")
    key: Secret | None = Field(default=None, description="Its key, in PEM, as ${secret:NAME}. Never shown.")


class AffinitySection(Section):
    """Who comes to the same instance again: one of both."""

    cookie: CookieName | Literal[""] = Field(default="", description="By a cookie of this name, which the edge sets.")
    header: HeaderName = Field(default="", description="By the value of a request's header.")


class RouteSection(Section):
    """A host with its paths."""

    host: Host | Literal[""] = Field(default="", description="Name that clients ask for; by default any.")
    tls: TlsSection | None = Field(
        default=None, description="HTTPS, to which plain HTTP is sent; left out, plain HTTP."
    )
    paths: dict[Prefix, Name] = Field(
        min_length=1, description="By prefix: a name under apps, `gateway` or `grafana`; the longest one counts."
    )
    affinity: AffinitySection | None = Field(
        default=None, description="Who comes to the same instance again; left out, nobody does."
    )
    max_body: Size | Literal[""] = Field(
        default="", description="Largest request body; by default the program decides."
    )
    timeout: Duration = Field(default="300s", description="Time in which no byte may come from an instance.")
    rate_limit: Rates | Literal[""] = Field(
        default="", description="Requests of one client address, such as 600/min; by default any number."
    )
    headers: dict[HeaderName, str] = Field(
        default_factory=dict,
        description="Put into answers that have none of the name, beside those that browsers are told by default.",
    )
