"""What the pipeline's commands do to the store, each function inside of one transaction."""
