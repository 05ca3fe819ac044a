"""What a run leaves for people: pictures, curves, pages, tables and the card of the model.

Everything here takes plain tensors and run folders, and knows nothing of how a run was made.
"""
