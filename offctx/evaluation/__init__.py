"""Zero-shot evaluation: returns on unseen contexts, honest intervals, reports one can look at."""
