"""What a transaction did to rows, and their before-images."""
