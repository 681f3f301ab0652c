"""Model quality: whether decisions are as right as the baseline's."""
