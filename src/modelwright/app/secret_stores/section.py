"""Where secrets are kept, besides the environment and files: one section per store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Duration, Section

RECIPIENT_PATTERN = r"^age1[02-9ac-hj-np-z]{58}$"
Recipient = Annotated[str, StringConstraints(pattern=RECIPIENT_PATTERN)]
"""An X25519 public key, as age-keygen prints it."""


class AppRoleSection(Section):
    """Vault's AppRole."""

    role_id: str = Field(min_length=1, description="The role's id.")
    secret_id: Secret | None = Field(
        default=None, description="Its secret id, as ${env:NAME} or ${file:path}; left out, the role asks for none."
    )
    mount: str = Field(default="approle", description="Where the method is enabled.")


class KubernetesSection(Section):
    """Vault's login by a service account."""

    role: str = Field(min_length=1, description="The role in Vault.")
    token_file: str = Field(
        default="/var/run/secrets/kubernetes.io/serviceaccount/token",
        description="The service account's token; read anew at each login.",
    )
    mount: str = Field(default="kubernetes", description="Where the method is enabled.")


class VaultAuthSection(Section):
    """How Vault lets us in: one of the three."""

    token: Secret | None = Field(default=None, description="A token, as ${env:NAME} or ${file:path}.")
    approle: AppRoleSection | None = Field(default=None, description="By role id and secret id.")
    kubernetes: KubernetesSection | None = Field(default=None, description="By the pod's service account.")


class AwsKeySection(Section):
    """An access key of AWS."""

    id: str = Field(min_length=1, description="Access key id.")
    secret: Secret = Field(description="Secret access key, as ${env:NAME} or ${file:path}.")
    session: Secret | None = Field(default=None, description="Session token of a temporary key, likewise.")


class SecretStoreSection(Section):
    """A store of secrets; what one kind does not know may not be set for it."""

    kind: Literal["age", "vault", "aws"] = Field(
        description="age: an encrypted file; vault: HashiCorp Vault, KV version 2; aws: AWS Secrets Manager."
    )
    optional: bool = Field(
        default=False,
        description="A start goes on without it while it cannot be read or one of its variables is missing.",
    )
    refresh: Duration = Field(default="1m", description="How often it is read again; a file is seen at once.")
    timeout: Duration = Field(default="5s", description="How long one answer may take.")
    source: str = Field(default="", description="age: the encrypted file.")
    identity: Secret | None = Field(
        default=None, description="age: what opens it, as ${file:path} or ${env:NAME}: AGE-SECRET-KEY-1…"
    )
    recipients: tuple[Recipient, ...] = Field(
        default=(), strict=False, description="age: who may open what is written; none: the identity alone."
    )
    address: str = Field(default="", description="vault: its address, such as https://vault.example.com:8200.")
    namespace: str = Field(default="", description="vault: the namespace, where there are any.")
    mount: str = Field(default="secret", description="vault: where the KV engine is mounted.")
    path: str = Field(default="modelwright", description="vault: the secret whose fields are NAMEs.")
    auth: VaultAuthSection | None = Field(default=None, description="vault: how it lets us in.")
    region: str = Field(default="", description="aws: the region.")
    prefix: str = Field(default="", description="aws: what every name begins with, such as modelwright/.")
    endpoint: str = Field(default="", description="aws: another address than the region's own.")
    key: AwsKeySection | None = Field(
        default=None, description="aws: an access key; left out, credentials are found as AWS's own tools do."
    )
    ca: str = Field(default="", description="vault, aws: PEM file of authorities, instead of the public ones.")
