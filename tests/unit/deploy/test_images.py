"""What Dockerfiles say, what images are called, and what is read of what is in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.images import Commit, Part, Recipe
from modelwright.core.deploying.places import VARIABLES
from modelwright.deploy.images.dockerfile import ENTRY_LINES
from modelwright.deploy.images.locked import blocks, locked, wanted
from modelwright.deploy.images.naming import labels, tags
from modelwright.deploy.images.own import CUDA, UNTESTED, Flavour, own_recipe
from modelwright.deploy.images.parts import alpine_parts, debian_parts, node_parts, python_parts

LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:01 \\
    --hash=sha256:02
# a remark
numpy==2.4.0 ; python_full_version >= '3.11' \\
    --hash=sha256:03
onnxruntime==1.24.0 \\
    --hash=sha256:04
"""
COMMIT = Commit(id="1234567890abcdef", at=1_700_000_000, source="https://example.com/kb.git")


def own(flavour: Flavour) -> Recipe:
    return own_recipe(
        flavour, name="gateway", version="1.2.0", base="python:3.11-slim", wheel=("mw-1.whl", b"wheel"), lock=LOCK
    )


def program(version: str = "") -> Recipe:
    return Recipe(
        name="api", repository="kb/api", version=version, dockerfile="", ignore="", bases=("python:3.11-slim",)
    )


@pytest.mark.parametrize("flavour", [Flavour(), Flavour(extras=("llm", "serving")), Flavour(packages=("torch",))])
def test_our_image_holds_locked_libraries_apart_from_the_code_and_runs_as_nobody(flavour: Flavour) -> None:
    text = own(flavour).dockerfile
    order = [
        "FROM python:3.11-slim AS python",
        "--require-hashes --only-binary :all:",
        "COPY mw-1.whl",
        "FROM python\n",
        "COPY --from=libraries",
        "COPY --from=code",
        "HEALTHCHECK",
        "USER 10001:10001",
        'ENTRYPOINT ["/usr/local/bin/with-secrets"]',
        'CMD ["modelwright", "up"]',
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "ARG " not in text
    assert "# syntax" not in text


def test_what_no_lock_knows_is_said() -> None:
    recipe = own(Flavour(packages=("torch",)))
    assert recipe.notices == ("no lock knows torch",)
    assert "pip --python /opt/python/bin/python install torch" in recipe.dockerfile


def test_an_image_for_a_gpu_starts_from_cuda_and_says_that_nobody_has_tried_it() -> None:
    recipe = own(Flavour(extras=("serving",), cuda=True))
    assert recipe.bases == (CUDA,)
    assert recipe.dockerfile.splitlines()[1] == UNTESTED
    assert recipe.repository == "modelwright/serving-serving-cuda"


def test_a_lock_is_cut_to_what_is_needed_with_all_its_hashes() -> None:
    closures = {"": ["aiohttp"], "serving": ["onnxruntime", "numpy"], "llm": ["numpy"]}
    assert locked(LOCK, wanted(closures, ["llm"])) == LOCK[: LOCK.index("# a remark")] + blocks(LOCK)["numpy"]
    assert locked(LOCK, wanted(closures, [])).count("==") == 1
    assert "".join(blocks(LOCK).values()) == LOCK.replace("# a remark\n", "")


def test_an_image_is_tagged_by_version_and_by_commit() -> None:
    assert tags(program(version="1.2.0+local"), COMMIT, registry="r.example.com/team/", inputs="sha256:ab") == (
        "r.example.com/team/kb/api:1.2.0-local",
        "r.example.com/team/kb/api:git-1234567890ab",
    )
    assert tags(program(), None, registry="", inputs="sha256:0123456789abcdef") == ("kb/api:0123456789ab",)


@given(st.text(min_size=1), st.booleans())
def test_a_tag_is_one_that_a_registry_takes(version: str, dirty: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    commit = Commit(id="a" * 40, at=0, dirty=dirty)
    for name in tags(program(version=version), commit, registry="", inputs="sha256:ab"):
        tag = name.rpartition(":")[2]
        assert 0 < len(tag) <= 128
        assert set(tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
        assert tag[0] not in ".-"


def test_labels_say_the_commits_time_so_that_they_are_the_same_the_next_day() -> None:
    assert labels(program(version="1.2.0"), COMMIT, inputs="sha256:ab") == {
        "org.opencontainers.image.title": "kb/api",
        "org.opencontainers.image.version": "1.2.0",
        "org.opencontainers.image.base.name": "python:3.11-slim",
        "modelwright.inputs": "sha256:ab",
        "org.opencontainers.image.revision": "1234567890abcdef",
        "org.opencontainers.image.source": "https://example.com/kb.git",
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
    }


def test_lists_of_package_managers_are_read() -> None:
    status = "Package: bash\nStatus: install ok installed\nVersion: 5.2\nDescription: shell\n the shell: of GNU\n\n"
    gone = "Package: old\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert debian_parts(status + gone) == {Part(manager="deb", name="bash", version="5.2")}
    assert alpine_parts("P:musl\nV:1.2\nL:MIT\n\nC:x\n") == {
        Part(manager="apk", name="musl", version="1.2", licence="MIT")
    }
    assert python_parts('[["x", "1", "MIT"]]') == {Part(manager="pypi", name="x", version="1", licence="MIT")}
    packages = {
        "": {"name": "front", "version": "1"},
        "node_modules/@a/b": {"version": "2", "license": "ISC"},
        "node_modules/vite": {"version": "5", "dev": True},
    }
    assert node_parts(json.dumps({"packages": packages})) == {
        Part(manager="npm", name="@a/b", version="2", licence="ISC")
    }


def test_files_become_variables_whatever_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "KEY").write_text("a 'b' \"c\" $HOME\nd\n")
    (tmp_path / "URL").write_text("x")
    entry = tmp_path.parent / "entry"
    entry.write_text("\n".join(ENTRY_LINES).replace(VARIABLES, str(tmp_path)))
    shell = shutil.which("sh") or "sh"
    ran = subprocess.run(
        [shell, str(entry), "printenv", "KEY", "URL"], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout == "a 'b' \"c\" $HOME\nd\nx\n"
