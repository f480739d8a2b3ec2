"""Who decides, and whether what they signed holds."""
