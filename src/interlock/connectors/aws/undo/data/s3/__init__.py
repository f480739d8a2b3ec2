"""S3: objects, buckets, and what hangs on them."""

from interlock.connectors.aws.undo.data.s3 import buckets, details, objects
from interlock.connectors.aws.undo.registry import Row, rows_of

ROWS: tuple[Row, ...] = (
    *rows_of(
        "s3",
        "PutObject CopyObject CompleteMultipartUpload",
        objects.overwrite,
        "copy",
        "with versioning the new version is deleted; without, the object is copied aside first, and back",
    ),
    *rows_of(
        "s3",
        "DeleteObject",
        objects.delete,
        "copy",
        "with versioning the delete marker is deleted; without, the object is copied aside first, and back",
    ),
    *rows_of("s3", "DeleteObjects", objects.delete_many, "copy", "as DeleteObject, for each key"),
    *rows_of("s3", "CreateBucket", buckets.create, "full", "deleted, if it is empty"),
    *rows_of("s3", "DeleteBucket", buckets.delete, "full", "made again with each of its configurations"),
    *rows_of("s3", buckets.operations(), buckets.configure, "full", "put as it was, or removed"),
    *rows_of("s3", "PutObjectTagging DeleteObjectTagging", details.tags, "full", "put as they were"),
    *rows_of("s3", "PutObjectAcl", details.acl, "full", "put as it was"),
    *rows_of("s3", "PutObjectLegalHold", details.hold, "full", "put as it was"),
    *rows_of(
        "s3", "PutObjectRetention", details.retention, "full", "put as it was, unless in compliance mode"
    ),
    *rows_of("s3", "CreateMultipartUpload", details.upload, "full", "aborted"),
    *rows_of(
        "s3",
        "UploadPart UploadPartCopy",
        details.part,
        "full",
        "the part stays unseen until its upload is completed or aborted",
    ),
    *rows_of("s3", "AbortMultipartUpload", details.abort, "none", "the parts are gone"),
)
