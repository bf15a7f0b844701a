import pytest

from modelwright.app.sources.reference import file_name, form_of, in_bucket, in_registry, problem_of

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("./m.onnx", "path"),
        ("/srv/m.onnx", "path"),
        ("odd:name.onnx", "path"),
        ("https://example.com/m.onnx", "https"),
        ("HTTPS://example.com/m.onnx", "https"),
        ("s3://bucket/m.onnx", "s3"),
        ("registry:digits@v1", "registry"),
    ],
)
def test_forms(source: str, form: str) -> None:
    assert form_of(source) == form


@pytest.mark.parametrize(
    "source",
    [
        "./m.onnx",
        "https://example.com/m.onnx",
        "https://example.com:8443/a/b?c=d",
        "s3://bucket/a/m.onnx",
        "registry:digits@v1",
        "registry:digits@champion",
        f"registry:digits@{DIGEST}",
    ],
)
def test_what_can_be_meant(source: str) -> None:
    assert problem_of(source, digest=DIGEST) == ("", "")


@pytest.mark.parametrize(
    ("source", "digest", "told"),
    [
        ("https://example.com/m.onnx", "", "has no digest"),
        ("https:///m.onnx", DIGEST, "is no address"),
        ("https://example.com:99999/m", DIGEST, "is no address"),
        ("https://[::1/m", DIGEST, "is no address"),
        ("https://me:hunter2@example.com/m.onnx", DIGEST, "a name or password stands in the address"),
        ("s3:bucket/key", "", "names no object"),
        ("s3://bucket", "", "names no object"),
        ("s3://bucket/", "", "names no object"),
        ("s3://Bucket/key", "", "names no object"),
        ("s3://bucket/folder/", "", "names no object"),
        ("registry:digits", "", "names no version"),
        ("registry:Digits@v1", "", "names no version"),
        ("registry:digits@", "", "names no version"),
        ("registry:digits@v1@v2", "", "names no version"),
        ("registry:digits@sha256:12", "", "names no version"),
    ],
)
def test_what_nobody_can_mean(source: str, digest: str, told: str) -> None:
    problem, remedy = problem_of(source, digest=digest)
    assert told in problem
    assert remedy
    assert "hunter2" not in problem + remedy


def test_parts() -> None:
    assert in_bucket("s3://bucket/a/b.onnx") == ("bucket", "a/b.onnx")
    assert in_registry("registry:digits@v1") == ("digits", "v1")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://example.com/a/m.onnx?sig=x", "m.onnx"),
        ("https://example.com/", "model"),
        ("https://example.com/..", "model"),
        ("https://example.com/a%2Fb.onnx", "b.onnx"),
        ("s3://bucket/größe und mehr.gguf", "gr-e-und-mehr.gguf"),
        ("s3://bucket/.hidden", "hidden"),
        ("s3://bucket/" + "x" * 300 + ".onnx", "x" * 95 + ".onnx"),
    ],
)
def test_a_file_is_called_by_something_that_is_only_a_name(source: str, name: str) -> None:
    assert file_name(source) == name
