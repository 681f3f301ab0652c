"""What people can do about alarms, unless a setting says otherwise."""

__all__ = ["CARDS_REVIEWED_A_DAY"]

# As in the literature: "card precision@100" is of that many cards a day.
CARDS_REVIEWED_A_DAY = 100
