"""boto3 speaks to a server that is made of this parser and this verification; moto, which verifies too, accepts what we sign."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer
from tests.connectors.aws.sigv4.rig import KEY_ID, REGION, SECRET

from interlock.connectors.aws.http import CONTINUE, Data, End, Head, Parser, head
from interlock.connectors.aws.sigv4 import NotSigned, body, claim, hash_of, mode, sign, verify

USER, BUCKET = "sigv4-gateway", "sigv4-bucket"
NO_RETRIES = Config(retries={"max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"})


class Exchange:
    """One request while it is read: what came of it is in `kind` and `payload`."""

    def __init__(self, asked: Head) -> None:
        self.asked, self.payload = asked, b""
        self.claim = claim(asked.method, asked.path, asked.query, asked.headers)
        self.mode = mode(self.claim, asked.query, asked.headers)
        if self.mode.kind != "whole":
            self._verify(self.mode.hash)
        self._body = body(self.mode, self.claim, SECRET)

    def _verify(self, payload_hash: str) -> None:
        asked = self.asked
        verify(
            self.claim,
            SECRET,
            asked.method,
            asked.path,
            asked.query,
            asked.headers,
            payload_hash,
            datetime.now(UTC),
        )

    def data(self, data: bytes) -> None:
        self.payload += self._body.feed(data)

    def end(self) -> None:
        self.payload += self._body.finish()
        if self.mode.kind == "whole":
            self._verify(hash_of(self.payload))


class Server:
    """Answers every request that is signed as it must be with an empty document, and others with the code."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.seen: list[Exchange] = []
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
        parser = Parser()
        with connection:
            while data := connection.recv(65536):
                if not self._read(connection, parser, data):
                    return

    def _read(self, connection: socket.socket, parser: Parser, data: bytes) -> bool:
        try:
            for event in parser.feed(data):
                if isinstance(event, Head):
                    self.seen.append(Exchange(event))
                    if event.expects_continue:
                        connection.sendall(CONTINUE)
                elif isinstance(event, Data):
                    self.seen[-1].data(event.data)
                elif isinstance(event, End):
                    self.seen[-1].end()
                    connection.sendall(answer(self.seen[-1].asked))
                    parser.next()
        except NotSigned as error:
            said = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>".encode()
            connection.sendall(head(error.status, [], length=len(said), keep_alive=False) + said)
            return False
        return True


def answer(asked: Head) -> bytes:
    document = b"{}" if "x-amz-target" in dict(asked.headers) else b""
    document = b"<r/>" if asked.method == "POST" and not document else document
    sent = b"" if asked.method == "HEAD" else document
    return head(200, [("etag", '"0"')], length=len(document), keep_alive=True) + sent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a server on loopback, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    at = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Server]:
    context = None
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    made = Server(context)
    yield made
    made.close()


def client(server: Server, certificate: Path, service: str, **options: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"{server.url}/{service}" if service != "s3" else server.url,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=options.pop("secret", SECRET),
        verify=str(certificate),
        config=NO_RETRIES.merge(Config(**options)),
    )


@pytest.mark.parametrize("checksum", ["CRC32", "SHA1", "SHA256", None])
@pytest.mark.parametrize("size", [0, 5, 8192, 3 * 1024 * 1024 + 7])
def test_boto3_puts_an_object(server: Server, certificate: Path, checksum: str | None, size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    more = {"ChecksumAlgorithm": checksum} if checksum else {}
    client(server, certificate, "s3").put_object(
        Bucket="b", Key="größe//../a%2Fb+c d", Body=payload, Metadata={"a_b": " x  y "}, **more
    )
    seen = server.seen[-1]
    assert seen.payload == payload
    # botocore streams to https, and signs the whole of the body otherwise.
    assert seen.mode.kind == ("chunked" if server.url.startswith("https") else "declared")


def test_boto3_calls_services_of_all_kinds(server: Server, certificate: Path) -> None:
    client(server, certificate, "dynamodb").get_item(TableName="t", Key={"id": {"S": "ключ"}})
    client(server, certificate, "ec2").describe_instances(InstanceIds=["i-1"])
    client(server, certificate, "lambda").delete_function(
        FunctionName="arn:aws:lambda:eu:1:function:f", Qualifier="$x"
    )
    client(server, certificate, "s3").delete_objects(Bucket="b", Delete={"Objects": [{"Key": "a&b<c>"}]})
    client(server, certificate, "s3").head_object(Bucket="b", Key="k", VersionId="a/b+c=")
    client(server, certificate, "cloudwatch").delete_alarms(AlarmNames=["a"])
    assert [seen.claim.service for seen in server.seen] == [
        "dynamodb",
        "ec2",
        "lambda",
        "s3",
        "s3",
        "monitoring",
    ]


def test_boto3_signs_addresses(server: Server, certificate: Path) -> None:
    boto = client(server, certificate, "s3", signature_version="s3v4")
    context = ssl.create_default_context(cafile=str(certificate))
    put = boto.generate_presigned_url(
        "put_object", {"Bucket": "b", "Key": "a b/ä", "ContentType": "text/plain"}
    )
    with httpx.Client(verify=context) as http_client:
        assert (
            http_client.put(put, content=b"data", headers={"Content-Type": "text/plain"}).status_code == 200
        )
        assert http_client.put(put, content=b"data").status_code == 403
        assert http_client.get(put, headers={"Content-Type": "text/plain"}).status_code == 403
    assert server.seen[0].payload == b"data"
    assert server.seen[0].claim.presigned


def test_the_wrong_secret_is_refused(server: Server, certificate: Path) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(server, certificate, "s3", secret="other").put_object(Bucket="b", Key="k", Body=b"x")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    running = ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def moto_client(moto: str, service: str) -> Any:
    return boto3.client(
        service, endpoint_url=moto, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.fixture
def moto_user(moto: str) -> Iterator[tuple[str, str]]:
    """The key of a user who may do anything, on a moto that verifies signatures. (All motos of a process are one.)"""
    iam = moto_client(moto, "iam")
    iam.create_user(UserName=USER)
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    iam.put_user_policy(UserName=USER, PolicyName="all", PolicyDocument=everything)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    httpx.post(f"{moto}/moto-api/reset-auth", content=b"0").raise_for_status()
    yield key["AccessKeyId"], key["SecretAccessKey"]
    httpx.post(f"{moto}/moto-api/reset-auth", content=b"inf").raise_for_status()
    iam.delete_access_key(UserName=USER, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=USER, PolicyName="all")
    iam.delete_user(UserName=USER)


def ours(
    url: str, key: tuple[str, str], service: str, asked: tuple[str, str, str], **more: Any
) -> tuple[int, bytes]:
    """Status and answer of a request that we sign; its target goes over the wire as it is."""
    method, path, query = asked
    content, headers, host = more.get("content", b""), more.get("headers", []), urlsplit(url).netloc
    added = sign(
        method,
        host,
        path,
        query,
        headers,
        key_id=key[0],
        secret=key[1],
        token="",
        region="us-east-1",
        service=service,
        payload_hash=hash_of(content),
        now=datetime.now(UTC),
    )
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request(
        method, f"{path}?{query}" if query else path, content, {"host": host} | dict([*headers, *added])
    )
    answered = connection.getresponse()
    try:
        return answered.status, answered.read()
    finally:
        connection.close()


def test_moto_accepts_what_we_sign(moto: str, moto_user: tuple[str, str]) -> None:
    form = {"headers": [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]}
    asked = b"Action=ListUsers&Version=2010-05-08"
    assert ours(moto, moto_user, "iam", ("POST", "/", ""), content=asked, **form)[0] == 200
    assert ours(moto, moto_user, "s3", ("PUT", f"/{BUCKET}", ""))[0] == 200
    for key in ("plain", "a b+c&=", "größe"):
        path = f"/{BUCKET}/{quote(key, safe='/~')}"
        assert ours(moto, moto_user, "s3", ("PUT", path, ""), content=b"data")[0] == 200
        assert ours(moto, moto_user, "s3", ("GET", path, "")) == (200, b"data")
        assert ours(moto, moto_user, "s3", ("DELETE", path, ""))[0] == 204
    assert ours(moto, moto_user, "s3", ("GET", f"/{BUCKET}", "prefix=a%20b&list-type=2"))[0] == 200
    status, said = ours(moto, (moto_user[0], "x" * 40), "s3", ("GET", f"/{BUCKET}", ""))
    assert (status, b"SignatureDoesNotMatch" in said) == (403, True)
    assert ours(moto, moto_user, "s3", ("DELETE", f"/{BUCKET}", ""))[0] == 204
