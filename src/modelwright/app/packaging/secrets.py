"""What package managers are told on this machine, handed to builds as secrets: into no layer and no label."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Mapping
from pathlib import Path

from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.dockerfile import CA, NPMRC, SETTINGS

PASSED = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_HTTP_TIMEOUT",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""Variables that a build needs as this machine does; paths of this machine are not among them."""
_OF_PIP = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "trusted-host": "PIP_TRUSTED_HOST",
    "timeout": "PIP_DEFAULT_TIMEOUT",
}
_CA_NAMES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_HERE = "/run/secrets"


def build_secrets(env: Mapping[str, str], *, ca_bundle: Path | None, home: Path, out: Path) -> dict[str, Path]:
    """Write the secrets' files into `out`, a folder that nobody else can read; paths by the secret's name.

    Raises BuildFailed for a bundle that cannot be read.
    """
    said = _pip_files(env, home)
    values = {**_of_pip(said), **{name: env[name] for name in PASSED if env.get(name)}}
    if "PIP_INDEX_URL" in values:
        values.setdefault("UV_DEFAULT_INDEX", values["PIP_INDEX_URL"])
    found: dict[str, Path] = {}
    named = env.get("PIP_CERT") or said.get("cert")
    bundle = ca_bundle or (Path(named) if named and Path(named).is_file() else None)
    if bundle is not None:
        values |= dict.fromkeys(_CA_NAMES, f"{_HERE}/{CA}")
        found[CA] = _readable(bundle)
    if (home / ".npmrc").is_file():
        values["NPM_CONFIG_USERCONFIG"] = f"{_HERE}/{NPMRC}"
        found[NPMRC] = home / ".npmrc"
    script = out / SETTINGS
    script.touch(mode=0o600)
    script.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()), "utf-8")
    return {**found, SETTINGS: script}


def _pip_files(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """What pip's own files say, later ones last, as pip reads them."""
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(
            [Path("/etc/pip.conf"), home / ".pip/pip.conf", config / "pip/pip.conf", env.get("PIP_CONFIG_FILE", "")]
        )
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return {
        name.replace("_", "-"): " ".join(value.split())
        for section in ("global", "install")
        if parser.has_section(section)
        for name, value in parser.items(section)
    }


def _of_pip(said: Mapping[str, str]) -> dict[str, str]:
    return {variable: said[name] for name, variable in _OF_PIP.items() if said.get(name)}


def _readable(bundle: Path) -> Path:
    try:
        text = bundle.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "name a PEM file that this user may read"
        raise BuildFailed(f"{bundle} cannot be read", hint=hint, place="build.ca_bundle") from error
    if "BEGIN CERTIFICATE" not in text:
        raise BuildFailed(f"{bundle} holds no certificate", hint="name a PEM file", place="build.ca_bundle")
    return bundle
