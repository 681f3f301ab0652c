"""Attribution: whether features matter as they did in training."""
