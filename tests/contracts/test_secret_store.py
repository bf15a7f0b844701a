"""One suite for every store of secrets: what it holds, what it does not, and how it says that it cannot tell."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.secrets import age
from modelwright.adapters.secrets import aws as aws_library
from modelwright.adapters.secrets import vault as vault_library
from modelwright.adapters.secrets.aws import Key, SecretsManager
from modelwright.adapters.secrets.vault import AppRole, Kubernetes, Token, Vault
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.stores import SecretStore
from tests.making.aws_server import REGION, AwsServer
from tests.making.vault_server import VaultServer

HELD = {"PLAIN": "sk-canary-1 ü", "LINES": "a\nb\n", "JSON": '{"key":"sk-canary-2","number":7}'}


class Place:
    """A store that can be filled, and what breaks it."""

    def __init__(self, store: SecretStore, fill: Callable[[Mapping[str, str]], None]) -> None:
        self.store = store
        self.fill = fill


@contextmanager
def age_file(folder: Path) -> Iterator[Place]:
    identity, recipient = age.new_identity()
    path = folder / "secrets.age"
    store = age.AgeFile(path, identity=f"# a comment\n{identity}\n")
    yield Place(store, lambda values: _write(path, age.encrypted(values, [recipient])))
    store.close()


@contextmanager
def vault(folder: Path) -> Iterator[Place]:
    assert folder
    with VaultServer() as server:
        store = Vault(place_of(server), AppRole(server.role_id, server.secret_id, "approle"), monotonic=time.monotonic)

        def fill(values: Mapping[str, str]) -> None:
            server.held = {"team/shop": dict(values)}
            server.held |= {f"team/shop/{name}": json.loads(text) for name, text in values.items() if text[0] == "{"}

        yield Place(store, fill)
        store.close()
        assert not server.tokens, "its token is given back"


@contextmanager
def aws(folder: Path) -> Iterator[Place]:
    assert folder
    with AwsServer() as server:
        store = manager(server)
        yield Place(
            store, lambda values: setattr(server, "held", {f"shop/{name}": text for name, text in values.items()})
        )
        store.close()


def manager(server: AwsServer, *, key: Key | None = None, **changes: Any) -> SecretsManager:
    place = aws_library.Place(region=REGION, prefix="shop/", endpoint=server.url)
    return SecretsManager(
        msgspec.structs.replace(place, **changes), key or Key(id=server.key_id, secret=server.secret_key)
    )


def place_of(server: VaultServer, **changes: Any) -> vault_library.Place:
    place = vault_library.Place(address=server.url, mount="secret", path="team/shop")
    return msgspec.structs.replace(place, **changes)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


PLACES = {"age": age_file, "vault": vault, "aws": aws}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as found:
        found.fill(HELD)
        yield found


def test_it_tells_what_it_holds_and_leaves_out_what_it_does_not(place: Place) -> None:
    assert place.store.read([*HELD, "NONE"]) == HELD
    assert place.store.read([]) == {}


def test_a_field_of_a_map_is_asked_for_by_name(place: Place) -> None:
    assert place.store.read(["JSON#key", "JSON#none", "NONE#key"]) == {"JSON#key": "sk-canary-2"}


def test_what_is_no_text_is_named_without_a_value(place: Place) -> None:
    with pytest.raises(StartError, match="JSON#number is no text") as refused:
        place.store.read(["JSON#number"])
    assert "canary" not in str(refused.value)
    assert refused.value.hint


def test_a_changed_value_is_seen(place: Place) -> None:
    place.store.read(["PLAIN"])
    place.fill({"PLAIN": "sk-other"})
    assert place.store.read(["PLAIN", "JSON"]) == {"PLAIN": "sk-other"}


def test_a_text_that_is_no_map_has_no_field(tmp_path: Path) -> None:
    with age_file(tmp_path) as place:
        place.fill(HELD)
        with pytest.raises(StartError, match="PLAIN is no JSON map") as refused:
            place.store.read(["PLAIN#key"])
    assert "canary" not in str(refused.value)


BROKEN_AGE = [
    (lambda path: path.unlink(), "is not there"),
    (lambda path: path.write_bytes(path.read_bytes()[:-70]), "is damaged"),
    (lambda path: path.write_bytes(b""), "is damaged"),
    (lambda path: path.write_bytes(b"-" * (2 << 20)), "larger than 1 MiB"),
    (lambda path: path.write_bytes(age.encrypted(HELD, [age.new_identity()[1]])), "not encrypted for this identity"),
    (lambda path: path.chmod(0) or path.unlink() or path.mkdir(), "cannot be read"),
]


@pytest.mark.parametrize(("spoil", "problem"), BROKEN_AGE, ids=[problem for _, problem in BROKEN_AGE])
def test_what_it_cannot_read_is_named_without_a_value(
    tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    with age_file(tmp_path) as place:
        place.fill(HELD)
        spoil(tmp_path / "secrets.age")
        with pytest.raises(StartError, match=problem) as refused:
            place.store.read(["PLAIN"])
    assert "canary" not in str(refused.value)
    assert "secrets.age" in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("plain", [b"NAME=sk-canary", b'["sk-canary"]', b'{"A":7}', b"\xff"])
def test_an_encrypted_file_of_another_kind_is_refused(tmp_path: Path, plain: bytes) -> None:
    identity, recipient = age.new_identity()
    path = tmp_path / "secrets.age"
    path.write_bytes(age.pyrage.encrypt(plain, [age.pyrage.x25519.Recipient.from_str(recipient)]))
    with pytest.raises(StartError, match="does not hold a JSON map") as refused:
        age.AgeFile(path, identity=identity).read(["A"])
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "# nothing", "sk-canary", "AGE-SECRET-KEY-1CANARY"])
def test_a_bad_identity_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(StartError, match="identity") as refused:
        age.AgeFile(tmp_path / "secrets.age", identity=text)
    assert "canary" not in str(refused.value).lower()


def test_a_file_can_be_opened_by_each_of_its_recipients() -> None:
    people = [age.new_identity() for _ in range(3)]
    content = age.encrypted(HELD, [recipient for _, recipient in people[:2]])
    for identity, _ in people[:2]:
        assert b"sk-canary-1" in age.pyrage.decrypt(content, age.identities(identity))
    with pytest.raises(age.pyrage.DecryptError):
        age.pyrage.decrypt(content, age.identities(people[2][0]))


@pytest.fixture
def server() -> Iterator[VaultServer]:
    with VaultServer() as found:
        found.held = {"team/shop": {"KEY": "sk-canary"}}
        yield found


def logged_in(server: VaultServer, **changes: Any) -> Vault:
    way = AppRole(server.role_id, server.secret_id, "approle")
    return Vault(place_of(server, **changes), way, monotonic=time.monotonic)


BROKEN_VAULT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"sealed": True}, {}, "sealed or in maintenance"),
    ({"limited": True}, {}, "asked too often"),
    ({"secret_id": "another"}, {}, "does not take the role id and secret id"),
    ({"forbidden": {"team/shop"}}, {}, "does not let us read secret/data/team/shop"),
    ({"delay": 0.5}, {"timeout": 0.1}, "did not answer within 0.1 s"),
    ({"garbage": True}, {}, "answer"),
    ({"mount": "other"}, {}, "nothing mounted at secret"),
    ({"namespace": "team"}, {"namespace": "other"}, "no such way in"),
    ({}, {"address": "http://127.0.0.1:1"}, "cannot be reached"),
    ({}, {"ca": "/nonexistent/ca.pem", "address": "https://127.0.0.1:1"}, "ca.pem cannot be used"),
]


@pytest.mark.parametrize(("server_is", "place_is", "problem"), BROKEN_VAULT, ids=[row[2] for row in BROKEN_VAULT])
def test_what_vault_refuses_is_named_with_a_remedy_and_no_value(
    server: VaultServer, server_is: dict[str, Any], place_is: dict[str, Any], problem: str
) -> None:
    store = logged_in(server, **place_is)
    credential = server.secret_id
    for name, value in server_is.items():
        setattr(server, name, value)
    with pytest.raises(StartError, match=problem) as refused:
        store.read(["KEY"])
    assert refused.value.hint
    assert credential not in str(refused.value)
    assert "canary" not in str(refused.value)
    store.close()


def test_a_namespace_is_sent(server: VaultServer) -> None:
    server.namespace = "team"
    store = logged_in(server, namespace="team")
    assert store.read(["KEY"]) == {"KEY": "sk-canary"}
    store.close()


def test_a_token_is_renewed_before_it_ends_and_made_anew_when_it_cannot_be(server: VaultServer) -> None:
    server.lease, server.renewals = 0.6, 1
    store = logged_in(server)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert store.read(["KEY"]) == {"KEY": "sk-canary"}
        time.sleep(0.05)
    assert server.count("renew-self") > 1
    assert server.count("approle/login") > 1
    store.close()


def test_a_token_that_was_revoked_is_made_anew(server: VaultServer) -> None:
    store = logged_in(server)
    store.read(["KEY"])
    server.tokens.clear()
    assert store.read(["KEY"]) == {"KEY": "sk-canary"}
    assert server.count("approle/login") == 2
    store.close()


def test_a_given_token_works_until_it_ends(server: VaultServer) -> None:
    token = server.make_token()
    store = Vault(place_of(server), Token(token), monotonic=time.monotonic)
    assert store.read(["KEY", "NONE"]) == {"KEY": "sk-canary"}
    server.tokens.clear()
    with pytest.raises(StartError, match="does not let us read"):
        store.read(["KEY"])
    store.close()
    refused = Vault(place_of(server), Token(token), monotonic=time.monotonic)
    with pytest.raises(StartError, match="does not take the token") as problem:
        refused.read(["KEY"])
    assert token not in str(problem.value)
    refused.close()


def test_a_service_account_logs_in_with_the_token_of_the_moment(server: VaultServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    store = Vault(place_of(server), Kubernetes("shop", str(file), "kubernetes"), monotonic=time.monotonic)
    with pytest.raises(StartError, match="token cannot be read"):
        store.read(["KEY"])
    file.write_text("stale")
    with pytest.raises(StartError, match="does not let the service account in as shop"):
        store.read(["KEY"])
    file.write_text(f"{server.jwt}\n")
    assert store.read(["KEY"]) == {"KEY": "sk-canary"}
    store.close()


def test_a_deleted_version_holds_nothing(server: VaultServer) -> None:
    server.held = {"team/shop": None}
    store = logged_in(server)
    assert store.read(["KEY"]) == {}
    store.close()


def test_a_certificate_has_to_be_of_the_named_authority(tmp_path: Path) -> None:
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=vault",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "ca.pem",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with VaultServer(tls=context) as server:
        server.held = {"team/shop": {"KEY": "sk-canary"}}
        store = logged_in(server, ca=str(tmp_path / "ca.pem"))
        assert store.read(["KEY"]) == {"KEY": "sk-canary"}
        store.close()
        store = logged_in(server)
        with pytest.raises(StartError, match="is not trusted"):
            store.read(["KEY"])
        store.close()


BROKEN_AWS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"failing": "AccessDeniedException"}, {}, "AWS does not let us read shop/KEY"),
    ({"failing": "ThrottlingException"}, {}, "asked too often"),
    ({"failing": "DecryptionFailure"}, {}, "cannot decrypt shop/KEY"),
    ({"failing": "InternalServiceError"}, {}, "did not give shop/KEY: InternalServiceError"),
    ({"failing": "ExpiredTokenException"}, {}, "does not take the credentials"),
    ({"secret_key": "another"}, {}, "does not take the credentials"),
    ({"held": {"shop/KEY": b"canary"}}, {}, "shop/KEY is no text"),
    ({"delay": 0.5}, {"timeout": 0.1}, "did not answer within 0.1 s"),
    ({}, {"endpoint": "http://127.0.0.1:1"}, "cannot be reached"),
]


@pytest.mark.parametrize(("server_is", "place_is", "problem"), BROKEN_AWS, ids=[row[2] for row in BROKEN_AWS])
def test_what_aws_refuses_is_named_with_a_remedy_and_no_value(
    server_is: dict[str, Any], place_is: dict[str, Any], problem: str
) -> None:
    with AwsServer() as server:
        server.held = {"shop/KEY": "sk-canary"}
        store, credential = manager(server, **place_is), server.secret_key
        for name, value in server_is.items():
            setattr(server, name, value)
        with pytest.raises(StartError, match=problem) as refused:
            store.read(["KEY"])
        store.close()
    assert refused.value.hint
    assert "canary" not in str(refused.value)
    assert credential not in str(refused.value)


def test_credentials_of_aws_may_be_those_of_its_own_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with AwsServer() as server:
        server.held = {"shop/KEY": "sk-canary"}
        place = aws_library.Place(region=REGION, prefix="shop/", endpoint=server.url)
        store = SecretsManager(place, None)
        with pytest.raises(StartError, match="AWS credentials are not found"):
            store.read(["KEY"])
        lines = ["[default]", f"aws_access_key_id={server.key_id}", f"aws_secret_access_key={server.secret_key}"]
        (tmp_path / "credentials").write_text("\n".join(lines))
        store.close()
        assert store.read(["KEY"]) == {"KEY": "sk-canary"}
        store.close()
