"""A store's library is loaded when its kind is chosen, and named when it is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelwright.app.secret_stores.open import open_store
from modelwright.app.secret_stores.section import SecretStoreSection

WITHOUT = """
import sys
sys.modules["boto3"] = None
from pathlib import Path
from modelwright.app.secret_stores.open import open_store
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.core.errors.starting import MissingExtra
try:
    open_store(SecretStoreSection(kind="aws", region="eu"), Path())
except MissingExtra as error:
    print(error)
"""
AUTH = [
    ({"token": "t"}, "Token"),
    ({"approle": {"role_id": "r"}}, "AppRole"),
    ({"kubernetes": {"role": "r"}}, "Kubernetes"),
]


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    wanted = "a store of kind aws needs boto3, which is not installed (pip install 'modelwright[aws]')\n"
    assert found.stdout == wanted


@pytest.mark.parametrize(("auth", "way"), AUTH)
def test_each_way_into_vault(auth: dict[str, object], way: str, tmp_path: Path) -> None:
    section = SecretStoreSection.model_validate(
        {"kind": "vault", "address": "https://v", "ca": "./ca.pem", "auth": auth}
    )
    store = open_store(section, tmp_path)
    assert type(getattr(store, "_way")).__name__ == way  # noqa: B009 - the port does not show it
    store.close()


def test_a_key_of_aws_is_taken_where_it_is_given(tmp_path: Path) -> None:
    section = SecretStoreSection.model_validate({"kind": "aws", "region": "eu", "key": {"id": "a", "secret": "b"}})
    store = open_store(section, tmp_path)
    assert getattr(store, "_key").secret == "b"  # noqa: B009 - the port does not show it
    store.close()
