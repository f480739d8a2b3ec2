"""CloudFormation: what a stack's deletion, update or change set does to each of its resources, and to what they hold."""
