"""Forms of one network side by side: what each costs, and what it loses."""
