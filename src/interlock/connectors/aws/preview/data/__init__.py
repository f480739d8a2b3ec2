"""What is kept in S3, DynamoDB, SQS and their like: objects, items and messages are counted."""
