"""What has no meaning, or more than one, is refused: each row is a request and words of the reason."""

import gzip

import pytest
from tests.connectors.aws.codec.asking import EC2, FORM, ask, cbor, ec2, form, one_endpoint, target

from interlock.connectors.aws.codec import Asked, Codec, Unclear

DI = f"Action=DescribeInstances&Version={EC2}"
XML_BUCKET = "/b?acl"
DOCTYPE = (
    b'<!DOCTYPE x [<!ENTITY a "b">]><AccessControlPolicy><Owner><ID>&a;</ID></Owner></AccessControlPolicy>'
)
BOMB = b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><x>&c;</x>'
TAGS = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"


def tagging(body: bytes) -> Asked:
    return ask("PUT", "/b?tagging", body)


def packed(data: bytes, coding: str = "gzip") -> Asked:
    plain = target("DeleteTable", data)
    return Asked("POST", "/", "", (*plain.headers, ("content-encoding", coding)), data, endpoint="dynamodb")


REFUSED: dict[str, tuple[Asked, str]] = {
    # Which service and operation
    "no service": (one_endpoint("GET", "/", signed="nothing"), "which service"),
    "no such endpoint": (ask("GET", "/", service="nothing"), "endpoint's name"),
    "signed for another service": (
        Asked("GET", "/", "Action=ListUsers&Version=2010-05-08", (), b"", signing_name="sts", endpoint="iam"), "another service"),
    "unsigned": (one_endpoint("GET", "/b", signed=""), "which service"),
    "no operation": (ask("PATCH", "/b"), "no operation"),
    "an empty label": (ask("DELETE", "/2015-03-31/functions/", service="lambda"), "no operation"),
    "a slash too many": (ask("DELETE", "/2015-03-31/functions/f/", service="lambda"), "no operation"),
    "a slash at the start": (ask("DELETE", "//2015-03-31/functions/f", service="lambda"), "no operation"),
    "two services": (
        one_endpoint("GET", "/tags/arn%3Aaws%3Alex%3A1", signed="lex"), "several services"),
    "a malformed request of one service, and a good one of another": (
        one_endpoint("POST", "/imports/", b'{"payload":"AA==","resourceType":"BOT","mergeStrategy":"x"}', signed="lex"),
        "no member"),
    # Two protocols at once
    "target and action": (
        ask("POST", "/?Action=ListQueues", b"{}", service="sqs", headers=target("ListQueues", b"", "sqs").headers),
        "two protocols"),
    "target and cbor": (
        ask("POST", "/", b"{}", service="cloudwatch", headers=(("x-amz-target", "X.Y"), ("smithy-protocol", "rpc-v2-cbor"))),
        "two protocols"),
    "another smithy protocol": (ask("POST", "/", service="cloudwatch", headers=(("smithy-protocol", "x"),)), "not known here"),
    "target to a REST service": (ask("DELETE", "/b", headers=(("x-amz-target", "S3.GetBucketAcl"),)), "no operation"),
    "two targets": (
        ask("POST", "/", b"{}", service="dynamodb", headers=(*target("ListTables", b"").headers, ("x-amz-target", "X.Y"))),
        "stands twice"),
    "another service's target": (
        ask("POST", "/", b"{}", service="dynamodb", headers=target("ListQueues", b"", "sqs").headers), "X-Amz-Target"),
    "a target with a path": (
        ask("POST", "/x", b"{}", service="dynamodb", headers=target("ListTables", b"").headers), "X-Amz-Target"),
    "a target with a query": (ask("POST", "/?x=1", b"{}", service="dynamodb", headers=target("ListTables", b"").headers), "query"),
    "a target with GET": (ask("GET", "/", b"{}", service="dynamodb", headers=target("ListTables", b"").headers), "POST"),
    "a target and a form": (
        ask("POST", "/", b"{}", service="dynamodb", headers=(target("ListTables", b"").headers[0], ("content-type", FORM))),
        "sent as"),
    # Forms
    "no action": (form("Version=2016-11-15"), "no action"),
    "no version": (form("Action=DescribeInstances"), "that version"),
    "another version": (form("Action=DescribeInstances&Version=2006-06-26"), "that version"),
    "an unknown action": (form(f"Action=Explode&Version={EC2}"), "no action"),
    "the action in other letters": (form(f"Action=describeinstances&Version={EC2}"), "no action"),
    "two actions": (form(f"{DI}&Action=TerminateInstances"), "stands twice"),
    "another action in the query": (form(DI, target="/?Action=TerminateInstances"), "something else"),
    "parameters in the query and the body": (form(DI, target="/?DryRun=true"), "something else"),
    "an unknown parameter": (ec2("DescribeInstances", Nothing="1"), "no parameter `Nothing`"),
    "a parameter in other letters": (ec2("DescribeInstances", dryRun="true"), "no parameter"),
    "a parameter twice": (form(f"{DI}&DryRun=true&DryRun=false"), "stands twice"),
    "numbers beside each other": (ec2("TerminateInstances", InstanceId__1="i-1", InstanceId__01="i-2"), "run from 1"),
    "numbers from 0": (ec2("TerminateInstances", InstanceId__0="i-1"), "run from 1"),
    "numbers with a gap": (ec2("TerminateInstances", InstanceId__1="i-1", InstanceId__3="i-2"), "run from 1"),
    "numbers in other digits": (ec2("TerminateInstances", **{"InstanceId__1": "i-1", "InstanceId__٢": "i-2"}), "run from 1"),
    "a list without numbers": (ec2("TerminateInstances", InstanceId="i-1"), "simple value"),
    "a value and a structure": (form(f"{DI}&Filter.1=x&Filter.1.Name=n"), "both"),
    "a structure and a value": (form(f"{DI}&Filter.1.Name=n&Filter.1=x"), "both"),
    "a structure for a value": (ec2("DescribeInstances", DryRun__1="true"), "structure"),
    "a boolean in other letters": (ec2("DescribeInstances", DryRun="True"), "neither true nor false"),
    "a number that is none": (ec2("DescribeInstances", MaxResults="0x10"), "integer"),
    "a number with a zero before": (ec2("DescribeInstances", MaxResults="010"), "integer"),
    "a number that is too large": (ec2("DescribeInstances", MaxResults="2147483648"), "does not fit"),
    "a broken percent": (form(f"{DI}&NextToken=%zz"), "percent sign"),
    "no UTF-8": (form(f"{DI}&NextToken=%ff"), "UTF-8"),
    "raw characters": (ask("POST", "/", f"{DI}&NextToken=é".encode(), service="ec2", headers=(("content-type", FORM),)), "encoded"),
    "no equals sign": (form(f"{DI}&NextToken"), "no name or no value"),
    "an empty pair": (form(f"{DI}&&NextToken=x"), "no name or no value"),
    "too deep": (form(f"{DI}&{'.'.join('a' * 200)}=x"), "nested"),
    "another media type": (ask("POST", "/", DI.encode(), service="ec2", headers=(("content-type", "text/plain"),)), "form"),
    "another method": (ask("PUT", "/", DI.encode(), service="ec2", headers=(("content-type", FORM),)), "GET, or POST"),
    "another path": (form(DI, target="/x"), "path"),
    "another queue's path": (
        form("Action=DeleteQueue&Version=2012-11-05&QueueUrl=https%3A%2F%2Fq%2F1%2Fn", service="sqs", target="/1/other"), "path"),
    "a required parameter missing": (form("Action=GetUserPolicy&Version=2010-05-08&UserName=u", service="iam"), "missing"),
    "a list in two ways": (
        form("Action=CreateUser&Version=2010-05-08&UserName=u&Tags.member.1.Key=k&Tags.1.Key=l", service="iam"), "written with"),
    "a key twice in a map": (
        form("Action=SetQueueAttributes&Version=2012-11-05&QueueUrl=q&Attribute.1.Name=a&Attribute.1.Value=1"
             "&Attribute.2.Name=a&Attribute.2.Value=2", service="sqs"), "key stands twice"),
    "a form that streams": (
        ask("POST", "/", service="ec2", headers=(("content-type", FORM),), streams=True), "too long"),
    # JSON
    "an unknown member": (target("DeleteTable", b'{"TableName":"t","Force":true}'), "no member `Force`"),
    "a member in other letters": (target("DeleteTable", b'{"tablename":"t"}'), "no member"),
    "a name twice": (target("DeleteTable", b'{"TableName":"a","TableName":"b"}'), "stands twice"),
    "an escaped name twice": (target("DeleteTable", b'{"TableName":"a","Table\\u004eame":"b"}'), "stands twice"),
    "a name twice below": (target("GetItem", b'{"TableName":"t","Key":{"k":{"S":"a","S":"b"}}}'), "stands twice"),
    "two members of a union": (
        cbor("DescribeAlarms", b"\xa1\x6aAlarmNames\x61a"), "where the model has a list"),
    "no object": (target("DeleteTable", b"[]"), "no object"),
    "no JSON": (target("DeleteTable", b"{'TableName':'t'}"), "not JSON"),
    "something after it": (target("DeleteTable", b'{"TableName":"t"}{}'), "not JSON"),
    "a comment": (target("DeleteTable", b'{"TableName":"t"/**/}'), "not JSON"),
    "empty": (target("ListTables", b""), "not JSON"),
    "NaN": (target("Scan", b'{"TableName":"t","Limit":NaN}'), "not JSON"),
    "a number for a text": (target("DeleteTable", b'{"TableName":1}'), "does not fit"),
    "a text for a number": (target("Scan", b'{"TableName":"t","Limit":"1"}'), "does not fit"),
    "a fraction for an integer": (target("Scan", b'{"TableName":"t","Limit":1.0}'), "does not fit"),
    "a boolean for a number": (target("Scan", b'{"TableName":"t","Limit":true}'), "does not fit"),
    "a number for a boolean": (target("GetItem", b'{"TableName":"t","Key":{},"ConsistentRead":1}'), "does not fit"),
    "half of a pair": (target("DeleteTable", b'{"TableName":"\\ud800"}'), "surrogate"),
    "no UTF-8 in JSON": (target("DeleteTable", b'{"TableName":"\xff"}'), "UTF-8"),
    "UTF-16": (target("DeleteTable", '{"TableName":"t"}'.encode("utf-16")), "UTF-8"),
    "a byte order mark": (target("DeleteTable", b'\xef\xbb\xbf{"TableName":"t"}'), "not JSON"),
    "no base64": (target("GetItem", b'{"TableName":"t","Key":{"k":{"B":"/w="}}}'), "base64"),
    "base64 with spaces": (target("GetItem", b'{"TableName":"t","Key":{"k":{"B":"/w =="}}}'), "base64"),
    "deep JSON": (target("GetItem", b'{"TableName":"t","Key":' + b'{"k":{"M":' * 5_000 + b"{}" + b"}}" * 5_000 + b"}"), "nested"),
    "brackets without end": (target("GetItem", b"[" * 1_000_000), "nested"),
    "a long number": (target("Scan", b'{"TableName":"t","Limit":' + b"9" * 100_000 + b"}"), "too long"),
    "missing": (target("DeleteTable", b"{}"), "missing"),
    "null": (target("DeleteTable", b'{"TableName":null}'), "missing"),
    "old CBOR": (
        ask("POST", "/", b"\xa0", service="dynamodb",
            headers=(target("ListTables", b"").headers[0], ("content-type", "application/x-amz-cbor-1.1"))), "AWS_CBOR_DISABLE"),
    # Compression
    "no gzip": (packed(b"{}"), "gzip"),
    "gzip cut short": (packed(gzip.compress(b'{"TableName":"t"}')[:-1]), "cut short"),
    "something after gzip": (packed(gzip.compress(b'{"TableName":"t"}') + b"x"), "follows"),
    "two members of gzip": (packed(gzip.compress(b'{"TableName":') + gzip.compress(b'"t"}')), "follows"),
    "a gzip bomb": (packed(gzip.compress(b" " * 70_000_000)), "too long"),
    "another coding": (packed(b"{}", "br"), "encoding"),
    "gzip twice": (packed(gzip.compress(b"{}"), "gzip, gzip"), "encoding"),
    # CBOR
    "CBOR cut short": (cbor("DescribeAlarms", b"\xa1\x6aAlarmNames\x82\x61a"), "cut short"),
    "CBOR with more": (cbor("DescribeAlarms", b"\xa0\xa0"), "follows"),
    "a CBOR name twice": (cbor("DeleteAlarms", b"\xa2\x6aAlarmNames\x80\x6aAlarmNames\x80"), "stands twice"),
    "a CBOR name that is no text": (cbor("DeleteAlarms", b"\xa1\x01\x80"), "not a text"),
    "a CBOR tag": (cbor("DeleteAlarms", b"\xa1\x6aAlarmNames\xc2\x41a"), "tag"),
    "a CBOR break": (cbor("DeleteAlarms", b"\xff"), "break"),
    "a CBOR break for a value": (cbor("DeleteAlarms", b"\xbf\x6aAlarmNames\xff"), "break"),
    "deep CBOR": (cbor("DeleteAlarms", b"\xa1\x6aAlarmNames" + b"\x81" * 100_000), "nested"),
    "a huge CBOR length": (cbor("DeleteAlarms", b"\xa1\x6aAlarmNames\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), "cut short"),
    "a CBOR text that isn't": (cbor("DeleteAlarms", b"\xa1\x6aAlarmNames\x81\x61\xff"), "UTF-8"),
    "bytes for a CBOR text": (cbor("DeleteAlarms", b"\xa1\x6aAlarmNames\x81\x41a"), "does not fit"),
    "a CBOR path of another service": (
        ask("POST", "/service/Other/operation/DeleteAlarms", b"\xa0", service="cloudwatch",
            headers=cbor("x", b"").headers), "no operation"),
    "a longer CBOR path": (
        ask("POST", "/x/service/GraniteServiceVersion20100801/operation/DeleteAlarms", b"\xa0", service="cloudwatch",
            headers=cbor("x", b"").headers), "no operation"),
    # REST paths, queries and headers
    "up in a label": (ask("DELETE", "/2015-03-31/functions/..", service="lambda"), "leads elsewhere"),
    "up, encoded": (ask("DELETE", "/2015-03-31/functions/%2e%2e", service="lambda"), "leads elsewhere"),
    "up within": (ask("DELETE", "/2015-03-31/functions/x%2F..%2Fy", service="lambda"), "leads elsewhere"),
    "up, with another slash": (ask("DELETE", "/2015-03-31/functions/x%5C..%5Cy", service="lambda"), "leads elsewhere"),
    "up, encoded twice": (ask("DELETE", "/2015-03-31/functions/x%252F..", service="lambda"), "leads elsewhere"),
    "NUL in a label": (ask("DELETE", "/2015-03-31/functions/x%00", service="lambda"), "leads elsewhere"),
    "a slash that may lead elsewhere": (
        ask("DELETE", "/2015-03-31/functions/f%2Fpolicy%2Fs", service="lambda"), "another operation"),
    "a slash in a bucket before a key": (ask("GET", "/b%2Fk/x"), "another operation or resource"),
    "a slash in a bucket": (ask("GET", "/b%2Fk"), "another operation"),
    "up for a bucket": (ask("GET", "/.."), "leads elsewhere"),
    "a broken path": (ask("GET", "/b/%zz"), "percent sign"),
    "no UTF-8 in a path": (ask("GET", "/b/%ff"), "UTF-8"),
    "raw characters in a path": (ask("GET", "/b/é"), "encoded"),
    "an absolute URI": (ask("GET", "http://other/b"), "slash"),
    "two sub-resources": (ask("DELETE", "/b?policy&lifecycle"), "several operations"),
    "a sub-resource and more": (ask("GET", "/b?acl&x=1"), "no query parameter `x`"),
    "a sub-resource with a value": (ask("DELETE", "/b?policy=x"), "no query parameter"),
    "half of an upload": (ask("PUT", "/b/k?partNumber=1"), "no query parameter"),
    "a sub-resource that is unknown": (ask("DELETE", "/b?everything"), "no query parameter"),
    "a query parameter twice": (ask("GET", "/b?list-type=2&prefix=a&prefix=b"), "stands twice"),
    "a literal twice": (ask("DELETE", "/b?policy&policy"), "no query parameter"),
    "a plus sign in the query": (ask("GET", "/b?list-type=2&prefix=a+b"), "plus sign"),
    "another operation's name": (ask("DELETE", "/b/k?x-id=GetObject"), "no query parameter"),
    "in the query and a header": (
        ask("PUT", "/b/k?x-amz-acl=private", headers=(("x-amz-acl", "public-read"),)), "in the query and in a header"),
    "a header twice": (ask("PUT", "/b/k", headers=(("x-amz-acl", "private"), ("x-amz-acl", "public-read"))), "stands twice"),
    "metadata twice": (ask("PUT", "/b/k", headers=(("x-amz-meta-a", "1"), ("x-amz-meta-a", "2"))), "stands twice"),
    "another operation's header": (ask("DELETE", "/b/k", headers=(("x-amz-copy-source", "c/d"),)), "no header"),
    "a date that is none": (ask("GET", "/b/k", headers=(("if-modified-since", "yesterday"),)), "HTTP date"),
    "a body where none is": (ask("DELETE", "/b", b"x"), "no body"),
    "a body that is too long": (ask("PUT", "/b?tagging", streams=True), "too long"),
    "an event stream": (ask("POST", "/bots/b/botAliases/a/botLocales/l/sessions/s/conversation", b"x",
                            service="lexv2-runtime"), "event streams"),
    # XML
    "a document type": (ask("PUT", XML_BUCKET, DOCTYPE), "document type"),
    "another method in a header": (ask("GET", "/b/k", headers=(("x-http-method-override", "DELETE"),)), "another method"),
    "a form in another charset": (
        ask("POST", "/", DI.encode(), service="ec2", headers=(("content-type", FORM.replace("utf-8", "utf-7")),)), "as UTF-8"),
    "a hoisted header of another service": (
        ask("DELETE", "/2015-03-31/functions/f?x-amz-x=1&X-Amz-Signature=s", service="lambda"), "no query parameter"),
    "JSON sent as a form": (
        ask("POST", "/2015-03-31/functions", b'{"FunctionName":"f","Role":"r","Code":{}}', service="lambda",
            headers=(("content-type", FORM),)), "sent as"),
    "an XML bomb": (tagging(BOMB), "document type"),
    "an unknown entity": (tagging(b"<Tagging>&a;</Tagging>"), "not XML"),
    "a comment in XML": (tagging(TAGS.replace(b"k<", b"k<!-- -->x<")), "comment"),
    "CDATA": (tagging(TAGS.replace(b">k<", b"><![CDATA[k]]><")), "CDATA"),
    "an instruction": (tagging(TAGS.replace(b">k<", b"><?x?>k<")), "instruction"),
    "another root": (tagging(TAGS.replace(b"Tagging", b"Policy")), "root element"),
    "an unknown element": (tagging(TAGS.replace(b"TagSet", b"TagSets")), "no element `TagSets`"),
    "an element twice": (tagging(TAGS.replace(b"<Key>k</Key>", b"<Key>k</Key><Key>l</Key>")), "stands twice"),
    "a structure twice": (tagging(b"<Tagging><TagSet/><TagSet/></Tagging>"), "stands twice"),
    "text between elements": (tagging(TAGS.replace(b"<Tag>", b"<Tag>x")), "has text"),
    "elements in a text": (tagging(TAGS.replace(b">k<", b"><a/>k<")), "has parts"),
    "a prefix": (tagging(TAGS.replace(b"Tagging", b"x:Tagging")), "prefix"),
    "an attribute": (tagging(TAGS.replace(b"<Tag>", b'<Tag a="b">')), "attribute"),
    "XML cut short": (tagging(TAGS[:-1]), "not XML"),
    "two roots": (tagging(TAGS + TAGS), "not XML"),
    "no UTF-8 in XML": (tagging(TAGS.replace(b"k<", b"\xff<")), "not XML"),
    "UTF-16 in XML": (tagging(TAGS.decode().encode("utf-16")), "not XML"),
    "another encoding in XML": (tagging(b'<?xml version="1.0" encoding="latin-1"?>' + TAGS), "encoding"),
    "deep XML": (tagging(b"<Tagging>" * 100_000), "nested"),
    "wide XML": (tagging(b"<Tagging>" + b"<a/>" * 110_000), "too many"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(codec: Codec, name: str) -> None:
    asked, words = REFUSED[name]
    with pytest.raises(Unclear) as caught:
        codec.understand(asked)
    assert words in str(caught.value)
    assert caught.value.code


def test_a_refusal_says_in_which_envelope_it_wants_to_be_answered(codec: Codec) -> None:
    for name, protocol in (
        ("an unknown parameter", "ec2"),
        ("a name twice", "json"),
        ("CBOR cut short", "smithy-rpc-v2-cbor"),
        ("two sub-resources", "rest-xml"),
        ("up in a label", "rest-json"),
        ("target and cbor", "smithy-rpc-v2-cbor"),
        ("a required parameter missing", "query"),
        ("a broken percent", "ec2"),
    ):
        with pytest.raises(Unclear) as caught:
            codec.understand(REFUSED[name][0])
        assert (name, caught.value.protocol) == (name, protocol)


def test_a_refusal_tells_no_values(codec: Codec) -> None:
    secret = "hunter2-hunter2"
    for asked in (
        target("PutItem", f'{{"TableName":"t","Item":"{secret}"}}'.encode()),
        target("PutItem", f'{{"TableName":"t","{secret} x":1}}'.encode()),
        ec2("DescribeInstances", DryRun=secret),
        tagging(TAGS.replace(b"<Tag>", f"<Tag>{secret}".encode())),
        ask("GET", "/b/k", headers=(("if-modified-since", secret),)),
    ):
        with pytest.raises(Unclear) as caught:
            codec.understand(asked)
        assert secret not in str(caught.value)
