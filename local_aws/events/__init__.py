"""EventBridge and Scheduler: targets, their roles, and delivery."""
