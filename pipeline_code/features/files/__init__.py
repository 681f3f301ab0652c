"""Files that the features' drivers read, and rows on their way through the disk."""
