"""What of moto's suite is run: the files of a service's folder, but for those that never send a request to the server they are
told of, and those that wait for containers."""

from tests.real.aws.moto_suite.running import Part

_LOCAL = ("test_server.py",)
"""Tests of moto's own web application, called in the process."""
PARTS = (
    Part(
        "cloudformation",
        without=(
            *_LOCAL,
            "test_cloudformation_custom_resources.py",  # containers
            "test_conditions.py",
            "test_import_value.py",
            "test_stack_parsing.py",
            "test_utilities.py",
        ),
        subset=("test_cloudformation_stack_policies.py", "test_validate.py"),
    ),
    Part(
        "dynamodb",
        without=(
            *_LOCAL,
            "test_dynamodb_executor.py",
            "test_dynamodb_expression_tokenizer.py",
            "test_dynamodb_expressions.py",
            "test_dynamodb_validation.py",
        ),
        subset=("test_dynamodb_batch_get_item.py", "test_dynamodb_scan.py"),
    ),
    Part(
        "ec2",
        only=(
            "test_elastic_block_store.py",
            "test_elastic_ip_addresses.py",
            "test_instances.py",
            "test_internet_gateways.py",
            "test_key_pairs.py",
            "test_network_acls.py",
            "test_elastic_network_interfaces.py",
            "test_route_tables.py",
            "test_security_groups.py",
            "test_subnets.py",
            "test_tags.py",
            "test_vpcs.py",
        ),
        subset=("test_key_pairs.py",),
    ),
    Part("iam", without=_LOCAL, subset=("test_iam_account_aliases.py", "test_iam_server_certificates.py")),
    Part(
        "s3",
        without=(*_LOCAL, "test_s3_lambda_integration.py", "test_s3_utils.py"),  # the second: containers
        subset=("test_s3_list_objects.py", "test_s3_metadata.py", "test_s3_object_attributes.py"),
    ),
    Part(
        "sqs",
        without=(*_LOCAL, "test_sqs_integration.py"),
        subset=("test_sqs_authentication.py", "test_sqs_message_attributes.py"),
    ),
)
