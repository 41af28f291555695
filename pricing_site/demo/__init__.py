"""The demo shop: real transactions, assumed costs, one run of the main job."""
