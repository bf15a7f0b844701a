"""What is as before is found by asking the engine a few questions: nothing is built, named or looked for again."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.manifest.load import load_manifest
from modelwright.app.packaging.package import package
from modelwright.app.packaging.wheel import running_version

MANIFEST = """\
schema: 1
name: kb
providers: {dev: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}}
endpoints: {chat: {variants: {only: {provider: dev, model: x}}}}
"""
DOCKER = """\
#!/bin/sh
echo "$1 $2" >> "$ASKED"
case "$1 $2" in
"image inspect") echo '[{"Id": "sha256:1", "Size": 10, "RepoTags": ["modelwright/gateway:VERSION"]}]';;
"image ls") echo sha256:1;;
*) exit 1;;
esac
"""


async def test_a_second_look_asks_for_no_builder(tmp_path: Path) -> None:
    (tmp_path / "modelwright.yaml").write_text(MANIFEST)
    program, asked = tmp_path / "bin/docker", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(DOCKER.replace("VERSION", running_version()))
    program.chmod(0o755)
    loaded = load_manifest(tmp_path / "modelwright.yaml", env={})
    env = {"PATH": f"{program.parent}:/usr/bin:/bin", "ASKED": str(asked)}
    first = await package(loaded, env=env)  # lists what is in them, once
    asked.unlink()
    assert await package(loaded, env=env) == first
    assert [one.fresh for one in first.values()] == [False, False]
    words = asked.read_text().splitlines()
    assert sorted(words) == ["image inspect"] * 3 + ["image ls"] * 2
