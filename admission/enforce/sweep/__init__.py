"""What runs is judged again, and acted on in steps: report, warn, stop admitting, evict."""
