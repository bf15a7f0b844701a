"""Who may call."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.limits import CountingSection, LimitsSection
from modelwright.app.manifest.sections.section import Duration, Name, Section

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Asymmetric ones only: nobody else could tell a token of the issuer from one of our own making."""


class ClaimsSection(Section):
    """Which claims of a token say who calls; `realm_access.roles` leads into an object."""

    user: str = Field(default="sub", min_length=1, description="The claim that names the user.")
    tenant: str = Field(default="", description="The claim that names the tenant; by default all have `tenant`.")
    scope: str = Field(default="scope", min_length=1, description="The claim that lists scopes: a text or a list.")


class OidcSection(Section):
    """An issuer whose tokens are accepted beside API keys."""

    issuer: str = Field(min_length=1, description="Its URL, as it stands in its tokens' iss; keys by discovery.")
    audience: str = Field(min_length=1, description="What must stand in its tokens' aud.")
    algorithms: tuple[Algorithm, ...] = Field(
        default=(), strict=False, description="Those that it signs with; empty: every asymmetric one."
    )
    leeway: Duration = Field(default="30s", description="How far clocks may differ.")
    tenant: Name = Field(default="default", description="Whose calls these are, when no claim says so.")
    claims: ClaimsSection = Field(default_factory=ClaimsSection, description="Which claims say who calls.")
    scopes: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        default_factory=dict,
        description="Endpoints that a scope lets its bearer call, * is all; by default every token may call all.",
    )
    admin: str = Field(default="", description="The scope that opens the admin door; by default none does.")


class KeySection(Section):
    """An API key that is there from the start."""

    key: Secret | None = Field(
        default=None,
        description="The key itself, as ${secret:NAME} that holds mw-, 8 letters or digits, - and at least 24 more; "
        "left out, a deploy makes one for the apps that refer to it as ${key:NAME}. Never shown.",
    )
    tenant: Name = Field(default="default", description="Whose calls these are.")
    role: Literal["client", "admin"] = Field(default="client", description="admin opens the admin door.")
    endpoints: tuple[Name, ...] = Field(
        default=(), strict=False, description="Endpoints that it may call; by default all."
    )


class AccessSection(Section):
    """Who may call."""

    auth: Literal["required", "optional", "none"] = Field(
        default="required", description="Whether a call needs an API key; none is for loopback only."
    )
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="How much each tenant, key, user, address and endpoint may use; a call must pass all limits.",
    )
    counting: CountingSection = Field(default_factory=CountingSection, description="How limits are counted.")
    keys: dict[Name, KeySection] = Field(
        default_factory=dict,
        description="API keys that are there from the start, by name, beside those that are made later; "
        "one that is removed here lives on until it is revoked.",
    )
    oidc: dict[Name, OidcSection] = Field(default_factory=dict, description="Issuers of tokens, by name.")
