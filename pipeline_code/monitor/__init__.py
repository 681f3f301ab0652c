"""The one analyzer of captured traffic, for both monitoring engines."""
