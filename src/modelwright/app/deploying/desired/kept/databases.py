"""PostgreSQL and Redis: the passwords that they are started with."""

from __future__ import annotations

from modelwright.app.deploying.desired.apps import file_mount, secret_mount
from modelwright.app.deploying.desired.kept.around import Around, Parts
from modelwright.app.deploying.desired.values import DATABASE, USER
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import KINDS
from modelwright.core.deploying.places import SECRETS


def postgres(section: ServiceSection, around: Around) -> Parts:
    """With pgvector, where it is wanted."""
    word = secret_mount(f"{SECRETS}/postgres_password", around.values.password("postgres"), around.brought)
    env = {
        "POSTGRES_USER": USER,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_PASSWORD_FILE": word.path,
        "PGDATA": f"{KINDS['postgres'].data}/pgdata",
    }
    mounts = (word,)
    if section.vector:
        first = b"CREATE EXTENSION IF NOT EXISTS vector;\n"
        mounts = (*mounts, file_mount("/docker-entrypoint-initdb.d/vector.sql", first, around.brought))
    return Parts(env, mounts)


def redis(_: ServiceSection, around: Around) -> Parts:
    """Its settings are read from a file that is opened by whoever the image starts as, and only then it changes to
    its own user.
    """
    settings = f"requirepass {around.values.password('redis')}\nappendonly yes\ndir {KINDS['redis'].data}\n"
    file = secret_mount(f"{SECRETS}/redis.conf", settings, around.brought)
    start = f"exec $(command -v docker-entrypoint.sh) redis-server - < {file.path}"
    return Parts({}, (file,), ("sh", "-c", start))
