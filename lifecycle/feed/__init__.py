"""The change feed: what each event changed in its order, in the order of recording.

log ─→ changes: record by record, folded ─→ OrderChange ─┬─→ your loop
                                                         └─→ Subscription ─→ your handler
                                                             position, dead letters: FeedStore
"""
