"""An environment on a Docker host, kept in one file from afar, and put back where nothing was ever deployed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.app.backups import deployed
from modelwright.app.backups.archive import pyrage
from modelwright.app.backups.keeping import Restored, wanted
from modelwright.app.backups.shelves import fetched
from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.app.deploying.docker_host import docker_host
from modelwright.app.deploying.journeys import Journeys
from modelwright.app.deploying.reach import site_of
from modelwright.app.deploying.supplies import Describe, Described, Supplies
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.system import SystemClock
from modelwright.core.deploying.steps import Keep
from modelwright.core.deploying.trials import Rise
from modelwright.core.errors.backups import BackupError, RestoreError
from modelwright.deploy.carrying import Author
from tests.e2e.running import modelwright
from tests.making.docker_host.engine import Engine
from tests.making.s3_server import S3Server

pytestmark = pytest.mark.e2e

MANIFEST = """\
schema: 1
name: {project}
store: {{artifacts: {{endpoint: "{s3}"}}}}
apps: {{api: {{image: "is-not-run"}}}}
services: {{postgres: {{}}}}
targets: {{here: {{kind: docker, host: "{host}"}}}}
backup: {{to: "s3://models/kept", keep: 2, recipients: ["{recipient}"]}}
environments: {{test: {{target: here}}, production: {{target: here}}}}
"""
ADA = Author(who="ada", where="desk")
SHUT = "ALTER ROLE app PASSWORD 'another'; ALTER DATABASE app ALLOW_CONNECTIONS false"


class Project:
    """One of a manifest, with a database and nothing else, in two environments."""

    def __init__(self, engine: Engine, name: str, manifest: Path, keeper: str) -> None:
        self.manifest = manifest
        self._engine, self._name, self._keeper = engine, name, keeper

    def describe(self, environment: str) -> Describe:
        async def describe(salt: str) -> Described:
            prepared = prepare(self.manifest, environment=environment)
            wanted, brought = desired(prepared, images={}, salt=salt)
            database = next(one for one in wanted.workloads if one.name == "postgres")
            quick = {**database.env, "POSTGRES_INITDB_ARGS": "--no-sync"}
            database = msgspec.structs.replace(database, env=quick, command=("postgres", "-c", "fsync=off"))
            wanted = msgspec.structs.replace(wanted, workloads=(database,))
            return Described(desired=wanted, contents=brought, keeper=self._keeper)

        return describe

    @asynccontextmanager
    async def journeys(self, environment: str) -> AsyncIterator[Journeys]:
        site, supplies = site_of(self.manifest, environment=environment), Supplies(self.describe(environment))
        async with docker_host(site, supplies) as reached:
            yield Journeys(reached, supplies, ADA, rise=Rise(), clock=SystemClock(), tell=lambda _: None)

    async def restore(self, archive: str, environment: str, *, overwrite: bool = False) -> Restored:
        section = ArtifactsSection(endpoint=os.environ["S3"])
        with fetched(archive, section=section) as file:
            return await deployed.put_back(
                file,
                self.manifest,
                environment=environment,
                key=self.manifest.parent / "backup.key",
                overwrite=overwrite,
                describe=self.describe(environment),
                author=ADA,
                tell=lambda _: None,
            )

    def opens(self, environment: str) -> bool:
        """Whether the environment's own password is its owner's, asked over the network."""
        container = self._engine.client.containers.get(f"{self._name}.{environment}.postgres")
        login = 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql -h "$(hostname -i)" -U app -tAc "SELECT 1" postgres'
        done: Any = container.exec_run(["sh", "-c", login])
        return done.exit_code == 0

    def ask(self, environment: str, sql: str, database: str = "app") -> str:
        """As its owner, inside."""
        container = self._engine.client.containers.get(f"{self._name}.{environment}.postgres")
        words = ["psql", "-h", "/var/run/postgresql", "-U", "app", "-v", "ON_ERROR_STOP=1", "-tAc", sql, database]
        done: Any = container.exec_run(words)
        assert done.exit_code == 0, done.output
        return done.output.decode().strip()


def _backup(manifest: Path, environment: str) -> subprocess.CompletedProcess[str]:
    return modelwright("backup", "-f", str(manifest), "--env", environment, "--json")


async def test_an_environment_s_database_goes_into_a_bucket_and_from_there_into_another_environment(
    docker_engine: Engine, docker_project: str, keeper_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "backup.key").write_text(str(identity))
    with S3Server() as s3:
        for name, value in {**s3.env, "S3": s3.url}.items():
            monkeypatch.setenv(name, value)
        manifest = tmp_path / "modelwright.yaml"
        text = MANIFEST.format(
            project=docker_project, s3=s3.url, host=docker_engine.url, recipient=identity.to_public()
        )
        manifest.write_text(text)
        project = Project(docker_engine, docker_project, manifest, keeper_image)
        with pytest.raises(BackupError, match="nothing was deployed to test"):
            await deployed.make(manifest, environment="test", how=wanted(manifest, environment="test"))
        async with project.journeys("test") as journeys:
            await journeys.deploy(await journeys.plan(exact=True))
            salt = (await journeys.standing()).observed.salt
        project.ask("test", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')")
        other = f"kept/{docker_project}-test-2-20200101T000000Z.backup.age"
        for key in (other, f"kept/{docker_project}-test-20200101T000000Z.backup.age"):
            s3.hold(key, b"")
        s3.hold(f"kept/{docker_project}-test-20210101T000000Z.backup.age", b"")
        done = _backup(manifest, "test")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["removed"] == [f"s3://models/kept/{docker_project}-test-20200101T000000Z.backup.age"]
        assert other in s3.held
        assert salt.encode() not in s3.held[told["file"].removeprefix("s3://models/")].content

        found = await project.restore(told["file"], "production")
        assert found.database
        assert "modelwright deploy --env production" in found.notes[0]
        assert project.ask("production", "SELECT text FROM notes") == "kept"
        async with project.journeys("production") as journeys:
            plan = await journeys.plan(exact=True)
            assert not [step for step in plan.steps if isinstance(step, Keep)]
            await journeys.deploy(plan)
            assert (await journeys.standing()).observed.salt == salt
        project.ask("production", "UPDATE notes SET text = 'changed'; CREATE TABLE later (text text)")
        with pytest.raises(RestoreError, match="holds 2 tables already"):
            await project.restore(told["file"], "production")
        assert project.ask("production", "SELECT text FROM notes") == "changed"
        project.ask("production", SHUT, database="postgres")
        assert not project.opens("production")
        await project.restore(told["file"], "production", overwrite=True)
        assert project.opens("production")
        assert project.ask("production", "SELECT text FROM notes") == "kept"
        assert project.ask("production", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "1"
