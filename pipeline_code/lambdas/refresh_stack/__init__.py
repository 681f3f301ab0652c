"""Has a stack read its SSM parameters anew."""
