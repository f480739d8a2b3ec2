"""The examples that AWS published come out as published.

Sources: S3 API reference ("Examples: Signature Calculations in AWS Signature Version 4", "Authenticating Requests: Using Query
Parameters", "Transferring Payload in Multiple Chunks", "Signature calculations for trailing headers"), the General Reference's
IAM example, and the "Signature Version 4 test suite".
"""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from interlock.connectors.aws.sigv4 import UNSIGNED, NotSigned, body, claim, hash_of, mode, sign, verify
from interlock.connectors.aws.sigv4.canonical import canonical_path, canonical_query

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SUITE_ID, SUITE_SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT = datetime(2013, 5, 24, tzinfo=UTC)
SUITE_AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
NOTHING = hash_of(b"")
WELCOME = b"Welcome to Amazon S3."
BUCKET = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
SUITE = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
CHUNKED = {
    "host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
}
PAYLOAD, TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


class Vector(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    signature: str
    payload_hash: str = NOTHING
    service: str = "s3"


def with_hash(payload_hash: str, base: dict[str, str] = BUCKET, **more: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return base | {"x-amz-content-sha256": payload_hash} | named


VECTORS = {
    "S3 GetObject": Vector(
        "GET",
        "/test.txt",
        "",
        with_hash(NOTHING, range="bytes=0-9"),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "S3 PutObject": Vector(
        "PUT",
        "/test$file.text",
        "",
        with_hash(
            hash_of(WELCOME), date="Fri, 24 May 2013 00:00:00 GMT", x_amz_storage_class="REDUCED_REDUNDANCY"
        ),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        hash_of(WELCOME),
    ),
    "S3 lifecycle": Vector(
        "GET",
        "/",
        "lifecycle",
        with_hash(NOTHING),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "S3 list": Vector(
        "GET",
        "/",
        "max-keys=2&prefix=J",
        with_hash(NOTHING),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "S3 chunks": Vector(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        with_hash(PAYLOAD, CHUNKED, content_length="66824"),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        PAYLOAD,
    ),
    "S3 chunks and trailer": Vector(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        with_hash(TRAILER, CHUNKED, x_amz_trailer="x-amz-checksum-crc32c"),
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        TRAILER,
    ),
    "IAM ListUsers": Vector(
        "GET",
        "/",
        "Action=ListUsers&Version=2010-05-08",
        {
            "host": "iam.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "x-amz-date": "20150830T123600Z",
        },
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        service="iam",
    ),
    "suite get-vanilla": Vector(
        "GET",
        "/",
        "",
        SUITE,
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        service="service",
    ),
    "suite get-vanilla-query-order-key-case": Vector(
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        SUITE,
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        service="service",
    ),
    "suite post-vanilla": Vector(
        "POST",
        "/",
        "",
        SUITE,
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        service="service",
    ),
    "suite get-slashes": Vector(
        "GET",
        "//./example/..//",
        "",
        SUITE,
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        service="service",
    ),
}


def of(vector: Vector) -> tuple[list[tuple[str, str]], str, datetime, str]:
    """Headers with the published signature, the secret, the time and the region."""
    s3 = vector.service == "s3"
    key_id, secret, at = (KEY_ID, SECRET, AT) if s3 else (SUITE_ID, SUITE_SECRET, SUITE_AT)
    scope = f"{at:%Y%m%d}/us-east-1/{vector.service}/aws4_request"
    names = ";".join(sorted(vector.headers))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={key_id}/{scope},SignedHeaders={names},Signature={vector.signature}"
    )
    return [*vector.headers.items(), ("authorization", authorization)], secret, at, key_id


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_signature_is_verified(name: str) -> None:
    vector = VECTORS[name]
    headers, secret, at, key_id = of(vector)
    made = claim(vector.method, vector.path, vector.query, headers)
    assert (made.key_id, made.service, made.at, made.presigned) == (key_id, vector.service, at, False)
    arguments = (vector.method, vector.path, vector.query, headers, vector.payload_hash)
    verify(made, secret, *arguments, at)
    with pytest.raises(NotSigned, match="does not match"):
        verify(made, f"{secret}x", *arguments, at)


@pytest.mark.parametrize(
    "name", ["S3 GetObject", "S3 lifecycle", "S3 list", "IAM ListUsers", "suite post-vanilla"]
)
def test_a_published_signature_is_made(name: str) -> None:
    vector = VECTORS[name]
    _, secret, at, key_id = of(vector)
    ours = {"host", "x-amz-date", "x-amz-content-sha256"}
    added = dict(
        sign(
            vector.method,
            vector.headers["host"],
            vector.path,
            vector.query,
            [header for header in vector.headers.items() if header[0] not in ours],
            key_id=key_id,
            secret=secret,
            token="",
            region="us-east-1",
            service=vector.service,
            payload_hash=vector.payload_hash,
            now=at,
        )
    )
    assert added["authorization"].endswith(f"Signature={vector.signature}")
    assert added["x-amz-date"] == vector.headers["x-amz-date"]


def test_the_published_presigned_address_is_verified() -> None:
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    headers = [("host", BUCKET["host"])]
    made = claim("GET", "/test.txt", query, headers)
    assert (made.presigned, made.expires_s, made.at) == (True, 86400, AT)
    verify(made, SECRET, "GET", "/test.txt", query, headers, UNSIGNED, AT)


CHUNKS = (
    (
        "S3 chunks",
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        b"",
    ),
    (
        "S3 chunks and trailer",
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    ),
)


@pytest.mark.parametrize(("name", "first", "second", "last", "trailer"), CHUNKS)
def test_the_published_chunks_are_verified(
    name: str, first: str, second: str, last: str, trailer: bytes
) -> None:
    headers, *_ = of(VECTORS[name])
    made = claim("PUT", "/examplebucket/chunkObject.txt", "", headers)
    raw = (
        f"10000;chunk-signature={first}\r\n{'a' * 65536}\r\n400;chunk-signature={second}\r\n{'a' * 1024}\r\n"
        f"0;chunk-signature={last}\r\n".encode()
        + trailer
        + b"\r\n"
    )
    passing = body(mode(made, "", headers), made, SECRET)
    assert passing.feed(raw) + passing.finish() == b"a" * 66560
    assert passing.trailers == ((("x-amz-checksum-crc32c", "sOO8/Q=="),) if trailer else ())


@pytest.mark.parametrize(
    ("path", "s3", "others"),
    [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("/a/b", "/a/b", "/a/b"),
        ("/a//b/", "/a//b/", "/a/b/"),
        ("/a/./b/..", "/a/./b/..", "/a/"),
        ("/../..", "/../..", "/"),
        ("/.", "/.", "/"),
        ("/..a/.b", "/..a/.b", "/..a/.b"),
        ("/a%20b", "/a%20b", "/a%2520b"),
        ("/a%2fb%2Fc", "/a%2Fb%2Fc", "/a%252fb%252Fc"),
        ("/%E1%88%B4", "/%E1%88%B4", "/%25E1%2588%25B4"),
        ("/a+b$c", "/a%2Bb%24c", "/a%2Bb%24c"),
        ("/%7Ea~", "/~a~", "/%257Ea~"),
        ("/arn%3Aaws%3Aiam/x", "/arn%3Aaws%3Aiam/x", "/arn%253Aaws%253Aiam/x"),
    ],
)
def test_paths_are_made_canonical(path: str, s3: str, others: str) -> None:
    assert canonical_path(path, "s3") == s3
    assert canonical_path(path, "lambda") == others


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("acl", "acl="),
        ("b=2&a=1&a=0&A=3", "A=3&a=0&a=1&b=2"),
        ("a-b=1&a=2&a.b=3", "a=2&a-b=1&a.b=3"),
        ("prefix=a/b c&x=%7e", "prefix=a%2Fb%20c&x=~"),
        ("x=a=b&y=a%3Db", "x=a%3Db&y=a%3Db"),
        ("x=1+1", "x=1%2B1"),
        ("é".encode().decode("latin-1"), "%C3%A9="),
    ],
)
def test_queries_are_made_canonical(query: str, expected: str) -> None:
    assert canonical_query(query) == expected
