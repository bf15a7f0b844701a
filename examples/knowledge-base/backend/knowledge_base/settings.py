"""Reads what the environment says; a secret may be in NAME, or in the file that NAME_FILE names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CORPUS = Path(__file__).resolve().parents[1] / "corpus"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of them."""

    database: str
    gateway: str
    """Address of Modelwright's gateway, with or without /v1."""
    key: str
    """An API key of it; empty where it asks for none."""
    embeddings: str
    """The endpoint that makes vectors. Another model gets another name: its vectors cannot be compared with these."""
    chat: str
    """The endpoint of the language model; as long as the gateway has none of this name, answers quote."""
    corpus: Path
    near: float
    """How near a passage must be to belong to an answer, from 0 to 1."""
    release: str
    """Said in every response, so that you see who has answered: in a container its name."""


def read(env: Mapping[str, str] = os.environ) -> Settings:
    """Raises ValueError with what is missing."""
    return Settings(
        database=_said(env, "DATABASE_URL"),
        gateway=_said(env, "GATEWAY_URL", "http://127.0.0.1:8000").rstrip("/").removesuffix("/v1"),
        key=_said(env, "GATEWAY_KEY", ""),
        embeddings=_said(env, "EMBEDDINGS_MODEL", "sentences"),
        chat=_said(env, "CHAT_MODEL", "assistant"),
        corpus=Path(_said(env, "CORPUS", str(_CORPUS))),
        near=float(_said(env, "NEAR", "0.3")),
        release=_said(env, "RELEASE", env.get("HOSTNAME", "development")),
    )


def database(env: Mapping[str, str] = os.environ) -> str:
    """What migrations need, which are run without a gateway."""
    return _said(env, "DATABASE_URL")


def _said(env: Mapping[str, str], name: str, default: str | None = None) -> str:
    if path := env.get(f"{name}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"{name}_FILE: {path}: {error.strerror}") from None
    value = env.get(name) or default
    if value is None:
        raise ValueError(f"{name} is not set: set it, or {name}_FILE to a file that holds it")
    return value
