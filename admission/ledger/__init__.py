"""The exact ledger: reservations by compare-and-swap, confirmed, released and expired on proof."""
