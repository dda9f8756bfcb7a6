"""Stored views: the views of all orders, kept in tables that can be asked.

    log ─→ StoredViews: from order to order ─┐
       └─→ Follower: the orders that were   ─┴─→ ViewStore ─→ ViewQuery ─→ views, and the
           touched since the last position                      tail of the log folded anew

They are disposable, and only ever a shortcut: what a `ViewQuery` answers is what folding the
whole log answers.
"""
