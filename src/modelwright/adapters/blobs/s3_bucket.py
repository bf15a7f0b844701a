"""One bucket of S3, or of what speaks its protocol (MinIO, R2, OSS), by AWS's own library, with refusals in our words.

The library signs, and finds credentials where AWS's tools do: variables, profiles, the machine's role.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import msgspec
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore import exceptions
from botocore.config import Config

from modelwright.core.errors.artifacts import ArtifactError, ArtifactMissing, SourceUnavailable

PIECE = 64 << 20
"""Bytes of one part of an upload; what is larger is put together by the store, and seen by nobody before."""
CHUNK = 1 << 20
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"403", "AccessDenied", "AllAccessDisabled"}
_ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "301", "307", "IllegalLocationConstraintException"}
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "500", "503"}
_STALE = 24 * 3600.0
"""Seconds after which an upload in parts that was never completed is thrown away."""
_CREDENTIALS = {
    "InvalidAccessKeyId",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthorizationHeaderMalformed",
}
_AS_EVER = "when_required"
"""Checksums beyond S3's first protocol are not understood everywhere; we compare digests ourselves."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where buckets are."""

    region: str = ""
    """Empty: as AWS's own tools are told."""
    endpoint: str = ""
    """Empty: AWS."""
    timeout: float = 30.0
    """Seconds to connect, and between two pieces of an answer."""


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket says of a key."""

    key: str
    size: int
    mark: str
    """Another one whenever the content is another one."""
    since: float
    """Unix seconds."""


class S3Bucket:
    """All verbs block; each raises SourceUnavailable, or ArtifactError for what waiting does not mend."""

    def __init__(self, name: str, site: Site) -> None:
        self.place = f"s3://{name}"
        self._name = name
        self._site = site
        self._client: Any = None

    def look(self, key: str) -> Object | None:
        """None when there is no such key."""
        try:
            with self._explained(key) as client:
                try:
                    found = client.head_object(Bucket=self._name, Key=key)
                except exceptions.ClientError:
                    # An answer to HEAD has no body that could say why: so the first byte is asked for.
                    client.get_object(Bucket=self._name, Key=key, Range="bytes=0-0")["Body"].close()
                    found = client.head_object(Bucket=self._name, Key=key)
        except ArtifactMissing:
            return None
        since = found["LastModified"].timestamp()
        return Object(key=key, size=found["ContentLength"], mark=found["ETag"], since=since)

    def list(self, prefix: str) -> Iterator[Object]:
        """Every key that begins so."""
        with self._explained(prefix) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            for page in pages:
                for found in page.get("Contents", ()):
                    since = found["LastModified"].timestamp()
                    yield Object(key=found["Key"], size=found["Size"], mark=found["ETag"], since=since)

    def read(self, key: str, *, start: int = 0, mark: str = "") -> Iterator[bytes]:
        """The content from this byte on, of the object that has this mark; raises ArtifactMissing."""
        with self._explained(key) as client:
            span = {"Range": f"bytes={start}-"} if start else {}
            same = {"IfMatch": mark} if mark else {}
            body = client.get_object(Bucket=self._name, Key=key, **span, **same)["Body"]
            try:
                yield from body.iter_chunks(CHUNK)
            finally:
                body.close()

    def write(self, key: str, file: Path) -> None:
        """A file's content; the key has the old one, or none, until all of it is there."""
        if file.stat().st_size >= PIECE:
            self._forget_parts(key)
        with self._explained(key) as client:
            config = TransferConfig(multipart_threshold=PIECE, multipart_chunksize=PIECE, max_concurrency=4)
            client.upload_file(str(file), self._name, key, Config=config)

    def remove(self, key: str) -> None:
        """Nothing happens when it is not there."""
        with self._explained(key) as client:
            client.delete_object(Bucket=self._name, Key=key)

    def _forget_parts(self, key: str) -> None:
        """What uploads of this key that were killed have left, which nobody sees and everybody pays for."""
        with suppress(ArtifactError), self._explained(key) as client:
            for left in client.list_multipart_uploads(Bucket=self._name, Prefix=key).get("Uploads", ()):
                if left["Initiated"].timestamp() < time.time() - _STALE:
                    client.abort_multipart_upload(Bucket=self._name, Key=left["Key"], UploadId=left["UploadId"])

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            client = self._opened("path" if self._site.endpoint else "auto")
            if not self._site.endpoint and not _is_of_aws(client):  # the environment names another one
                client.close()
                client = self._opened("path")
            self._client = client
        return self._client

    def _opened(self, addressing: str) -> Any:
        site = self._site
        return boto3.Session(region_name=site.region or None).client(
            "s3",
            endpoint_url=site.endpoint or None,
            config=Config(
                connect_timeout=site.timeout,
                read_timeout=site.timeout,
                retries={"total_max_attempts": 3, "mode": "standard"},
                request_checksum_calculation=_AS_EVER,
                response_checksum_validation=_AS_EVER,
                s3={"addressing_style": addressing},
            ),
        )

    @property
    def _where(self) -> str:
        """What is asked, for people: without what may stand in an address of the environment."""
        if self._client is None or _is_of_aws(self._client):
            return self._site.endpoint or "AWS"
        parts = urlsplit(self._client.meta.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @contextmanager
    def _explained(self, key: str) -> Iterator[Any]:
        """A client whose errors come out as ours; no credential is in any."""
        what = f"{self.place}/{key}"
        try:
            yield self._connected()
        except exceptions.ClientError as error:
            raise _refusal(error, what, self.place) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
            raise SourceUnavailable("credentials for S3 are not found", hint=hint, place=what) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            problem = f"{self._where} did not answer within {self._site.timeout:g} s"
            raise SourceUnavailable(problem, hint="see whether it is reachable from here", place=what) from None
        except (exceptions.BotoCoreError, Boto3Error, ValueError) as error:
            if isinstance(error.__context__, exceptions.ClientError):
                raise _refusal(error.__context__, what, self.place) from None
            hint = "see `region` and `endpoint` under `store.artifacts`, and the network"
            raise SourceUnavailable(f"{self._where}: {_told(error)}", hint=hint, place=what) from None


def _is_of_aws(client: Any) -> bool:
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _told(error: Exception) -> str:
    """Without the library's own words, in which the whole address stands."""
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.HTTPClientError):
        return "cannot be reached, or broke off"
    return f"the request could not be made ({type(error).__name__})"


def _refusal(error: exceptions.ClientError, what: str, bucket: str) -> ArtifactError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    region = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
    if code in _ELSEWHERE or (code == "AuthorizationHeaderMalformed" and region):
        hint = f"set store.artifacts.region to {region or 'the one of the bucket'}"
        return ArtifactError(f"the bucket is in {region or 'another region'}", hint=hint, place=what)
    if code == "NoSuchBucket":
        return ArtifactError(f"there is no bucket {bucket}", hint="make it, or correct its name", place=what)
    if code in _ABSENT:
        return ArtifactMissing("there is no such key", hint="see whether it was removed", place=what)
    if code in _REFUSED:
        hint = "allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there"
        return SourceUnavailable("the store does not let us", hint=hint, place=what)
    if code in _CREDENTIALS:
        hint = "see AWS_ACCESS_KEY_ID, `region`, and this machine's clock"
        return SourceUnavailable("the store does not take the credentials", hint=hint, place=what)
    if code in _BUSY:
        return SourceUnavailable(f"the store has too much to do ({code})", hint="try again in a while", place=what)
    if code in {"PreconditionFailed", "412"}:
        return SourceUnavailable("it was changed while it was being fetched", hint="try again", place=what)
    return SourceUnavailable(f"the store answered {code or 'nothing that has a code'}", hint="try again", place=what)
