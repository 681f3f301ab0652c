"""The online driver: a stream of transactions and fraud reports, and what consumes it.

The stream `events` is partitioned by customer. Its consumer folds each event into the customer's
state and puts it onto a second stream, partitioned by terminal, whose consumer folds it into the
terminal's state; so each state has one writer at a time, which Feature Store needs. The same stream
lands in the lake through Firehose.

Guarantees:
    Delivery is at least once, folding counts once: a state knows the transactions it holds.
    An event that breaks a rule is stored with its reason (`quarantine`), never retried. An event
    that could not be folded is retried on its own, without holding up the others for ever.
"""
