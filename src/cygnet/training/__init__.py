"""Train the networks: the only room that imports torch.

Nothing outside this package and its command imports it, so a machine that only ranks lesions never needs torch.
"""
