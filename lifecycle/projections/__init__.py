"""Stored views: the views of all orders, kept in tables that can be asked.

    log ─→ building: walks from order to order ─┐
       └─→ following: the orders that were     ─┴─→ ViewStore ─→ finding ─→ views, and the
           touched since the last position                       tail of the log folded anew

They are disposable, and only ever a shortcut: what `finding` answers is what folding the
whole log answers.
"""
