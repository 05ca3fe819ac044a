"""Networks as pieces: a trunk, a label's way in, a head."""
