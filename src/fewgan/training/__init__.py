"""One loop for every method, and the run folder that it leaves behind."""
